"""Endpoints of the store, its schema and its operations; changes are applied by the worker, in their turn."""

from __future__ import annotations

from typing import Any

from importer.emulator import operations
from importer.emulator.backlog import Kind
from importer.emulator.catalogue import TraitGroup
from importer.emulator.ids import OPERATION_PREFIX, new_id
from importer.emulator.paging import cut
from importer.emulator.problems import Code, RefusedError, not_found
from importer.emulator.schema import MAX_GROUPS
from importer.emulator.service import Call, Reply, Service

MAX_PAGE_STORES = 100
_NULLABLE = ("idTypePromotion", "validationRule")


def list_stores(service: Service, call: Call) -> Reply:
    """GET the account's stores: this emulator has one."""
    page = service.pager.open("stores", call.query, MAX_PAGE_STORES)
    shown, meta = service.pager.close(page, cut([service.settings.store_id], page), lambda entry: int(entry[0]))
    return Reply(200, {"stores": [store_id for _, store_id in shown], "meta": meta})


def fetch_store(service: Service, call: Call) -> Reply:
    """GET one store."""
    body = {
        "id": call.path["storeId"],
        "displayName": service.settings.store_name,
        "description": "local emulator",
        "status": "ACTIVE",
        "intelligenceServiceId": service.identity,
        "version": 1,
    }
    return Reply(200, body)


def list_trait_groups(service: Service, call: Call) -> Reply:
    """GET the trait groups, with their traits only when asked."""
    page = service.pager.open("traitGroups", call.query, MAX_GROUPS)
    rows = cut(service.catalogue.groups(), page)
    shown, meta = service.pager.close(page, rows, lambda entry: int(entry[0]))
    groups = [_show_group(service, group, traits=call.query["includeTraits"]) for _, group in shown]
    return Reply(200, {"traitGroups": groups, "meta": meta})


def fetch_trait_group(service: Service, call: Call) -> Reply:
    """GET one trait group; the ETag is its version."""
    group = _find_group(service, call)
    body = {"traitGroup": _show_group(service, group, traits=call.query["includeTraits"])}
    return Reply(200, body, {"ETag": f'"{group.version}"'})


def _find_group(service: Service, call: Call) -> TraitGroup:
    group = service.catalogue.find_group(call.path["traitGroupName"])
    if group is None:
        raise RefusedError(404, Code.TRAIT_GROUP_MISSING, "the trait group does not exist")
    return group


def _show_group(service: Service, group: TraitGroup, *, traits: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"displayName": group.name, "version": group.version}
    if group.description is not None:
        body["description"] = group.description
    if traits:
        nulls = dict.fromkeys(_NULLABLE) if service.settings.sparse_nulls else {}
        body["traits"] = {name: nulls | definition for name, definition in group.traits.items()}
    return body


def create_trait_group(service: Service, call: Call) -> Reply:
    """POST a trait group; it exists when the operation is completed."""
    service.catalogue.judge_new_group(call.body)
    return _accept(service, call, Kind.CREATE_GROUP, None)


def patch_trait_group(service: Service, call: Call) -> Reply:
    """PATCH a trait group; If-Match guards against a change in between."""
    group = _find_group(service, call)
    if call.if_match is not None and call.if_match.strip('"') != str(group.version):
        raise RefusedError(412, Code.PRECONDITION_FAILED, "the trait group has another version")
    service.catalogue.judge_group_patch(group, call.body)
    return _accept(service, call, Kind.PATCH_GROUP, group.name)


def _accept(service: Service, call: Call, kind: Kind, subject: str | None) -> Reply:
    operation_id = new_id(OPERATION_PREFIX)
    with service.database.writing_front() as connection:
        service.backlog.accept(
            connection, kind, call.request_id, operation_id=operation_id, subject=subject, payload=call.raw
        )
        operations.open_operation(connection, operation_id, operations.now_us())
    service.worker.wake()
    url = f"{service.api_url}{operations.OPERATION_PATH}{operation_id}"
    headers = {"Operation-Id": operation_id, "Location": url, "Retry-After": "1"}
    return Reply(202, {"message": "Accepted for processing.", "statusUrl": url}, headers)


def fetch_identity_settings(service: Service, _call: Call) -> Reply:
    """GET how identifiers are normalised, matched and merged."""
    return Reply(200, service.catalogue.identity())


def fetch_operation(service: Service, call: Call) -> Reply:
    """GET what became of accepted work."""
    operation_id = call.path["operationId"]
    running = service.worker.running_operation
    body = operations.show_operation(service.database, operation_id, service.api_url, running)
    if body is None:
        raise not_found("the operation")
    return Reply(200, body)
