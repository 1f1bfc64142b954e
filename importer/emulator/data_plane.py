"""Endpoints of profiles, lookups and imports; what they accept is applied later by the worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from importer.emulator import import_tasks, lineage, operations, profiles
from importer.emulator.backlog import Kind
from importer.emulator.event_log import EventType, Told
from importer.emulator.ids import IMPORT_PREFIX, OPERATION_PREFIX, new_id, profile_id, profile_number
from importer.emulator.paging import cut
from importer.emulator.problems import Code, Fault, RefusedError, invalid_request, not_found
from importer.emulator.profiles import Document
from importer.emulator.service import Call, Reply, Service
from importer.emulator.settings import BadProfile
from importer.emulator.switches import Effect

MAX_LOOKUP_PROFILES = 100
MAX_PAGE_TRAITS = 100
MAX_PAGE_IMPORTS = 100
MAX_PAGE_PROFILES = 1000


def update_profiles_bulk(service: Service, call: Call) -> Reply:
    """PUT Profiles/Bulk: judge the batch, store it, answer 202."""
    entries = call.body["profiles"]
    schema = service.catalogue.schema
    faults = schema.judge_profiles(entries)
    if faults and service.settings.bad_profile is BadProfile.REFUSE_BATCH:
        listed = [fault for position in sorted(faults) for fault in faults[position]]
        code = Code.TRAIT_GROUP_MISSING if schema.unknown_groups(entries) else Code.BULK_UPSERT_FAILED
        message = f"bulk trait upsert failed: {len(faults)} of {len(entries)} profiles are not valid"
        raise RefusedError(400, code, f"{message}; {listed[0].detail}", listed)
    operation_id = new_id(OPERATION_PREFIX) if service.settings.status_url else None
    subject = orjson.dumps(sorted(faults)).decode() if faults else None
    now = operations.now_us()
    with service.database.writing_front() as connection:
        service.backlog.accept(
            connection, Kind.BULK, call.request_id, operation_id=operation_id, subject=subject, payload=call.raw
        )
        if operation_id:
            operations.open_operation(connection, operation_id, now)
    service.worker.wake()
    body = {"message": "Profile batch accepted for processing."}
    return Reply(202, body | _operation_members(service, operation_id, now))


def _operation_members(service: Service, operation_id: str | None, created_at: int) -> dict[str, Any]:
    if operation_id is None:
        return {}
    url = f"{service.api_url}{operations.OPERATION_PATH}{operation_id}"
    return {"operationId": operation_id, "createdAt": operations.show_time(created_at), "statusUrl": url}


def create_profile(service: Service, call: Call) -> Reply:
    """POST Profiles: resolve identity now, queue the traits. It waits for the batch being applied."""
    traits = call.body.get("traits") or {}
    faults = service.catalogue.schema.judge_patch(traits)
    if any(value is None for group in traits.values() for value in group.values()):
        faults = [*faults, Fault("#/traits", "a trait is null")]
    if faults:
        raise invalid_request(f"the profile is not valid: {faults[0].detail}", faults)
    identifiers, _ = service.catalogue.schema.read_identifiers(traits)
    if not identifiers:
        raise invalid_request("a profile needs at least one identifier", [Fault("#/traits", "no identifier")])
    with service.writer.session(service.database.query) as session:
        number, _ = session.join(identifiers, {}, None)
        steps = lineage.tell_profiles(session.steps, call.request_id, {}, written=None)
        with service.database.writing_front() as connection:
            session.flush(connection)
            service.backlog.accept(
                connection, Kind.TRAITS, call.request_id, subject=number, payload=orjson.dumps(traits)
            )
        # Before another session can begin: the log tells of a profile first that it was made.
        service.log.write(steps)
    service.worker.wake()
    return Reply(202, {"id": profile_id(number), "message": "Profile resolved and accepted for processing."})


def list_profiles(service: Service, call: Call) -> Reply:
    """GET Profiles: canonical IDs, newest first unless asked otherwise."""
    page = service.pager.open("profiles", call.query, MAX_PAGE_PROFILES)
    rows = _select_page(service, "SELECT number FROM profiles", page.after, page.size, ascending=page.ascending)
    shown, meta = service.pager.close(page, rows, lambda row: int(row[0]))
    return Reply(200, {"profiles": [profile_id(number) for (number,) in shown], "meta": meta})


def _select_page(service: Service, select: str, after: int | None, size: int, *, ascending: bool) -> list[Any]:
    where = "" if after is None else f" WHERE number {'>' if ascending else '<'} ?"
    sql = f"{select}{where} ORDER BY number {'ASC' if ascending else 'DESC'} LIMIT {size + 1}"
    return service.database.query(sql, () if after is None else (after,))


def find_profile(service: Service, call: Call, *, write: bool, suffix: str = "") -> tuple[int, int, Document]:
    """Return number, creation time and document of the profile a path names.

    Raises:
        RefusedError: 404; or 301 (308 for a write) where the profile was merged into another.
    """
    number = profile_number(call.path["profileId"])
    rows = service.database.query("SELECT created_at, document FROM profiles WHERE number = ?", (number,))
    if number is not None and rows:
        return number, rows[0][0], orjson.loads(rows[0][1])
    aliases = service.database.query("SELECT canonical FROM aliases WHERE number = ?", (number,))
    if not aliases:
        raise not_found("the profile")
    canonical = profile_id(aliases[0][0])
    uri = f"/v1/Stores/{call.path['storeId']}/Profiles/{canonical}{suffix}"
    headers = {"Location": uri, "Canonical-Profile-Id": canonical}
    raise RefusedError(308 if write else 301, Code.NOT_FOUND, "the profile was merged into another", (), headers)


def fetch_profile(service: Service, call: Call) -> Reply:
    """GET one profile, perhaps only some trait groups of it."""
    number, created_at, document = find_profile(service, call, write=False)
    traits = profiles.show_traits(document)
    if call.query["traitGroups"] is not None:
        names = [name.strip() for name in call.query["traitGroups"].split(",")]
        if any(name not in service.catalogue.schema.groups for name in names):
            raise RefusedError(400, Code.TRAIT_GROUP_MISSING, "a trait group does not exist")
        traits = {name: values for name, values in traits.items() if name in names}
    body = {"id": profile_id(number), "createdAt": operations.show_time(created_at), "traits": traits}
    return Reply(200, body)


def list_profile_traits(service: Service, call: Call) -> Reply:
    """GET a profile's traits as a flat list with the times of their last change."""
    number, _, document = find_profile(service, call, write=False, suffix="/Traits")
    rows = [
        (stamp, {"name": name, "traitGroup": group, "value": value, "timestamp": operations.show_time(stamp)})
        for group, values in sorted(document["t"].items())
        for name, (value, stamp) in sorted(values.items())
    ]
    # Sorted by time; the sort is stable, so that equal times keep the order of names on every page.
    items = [entry for _, entry in sorted(rows, key=lambda row: int(row[0]))]
    page = service.pager.open("traits", call.query, MAX_PAGE_TRAITS, scope=str(number))
    shown, meta = service.pager.close(page, cut(items, page), lambda entry: int(entry[0]), scope=str(number))
    return Reply(200, {"traits": [item for _, item in shown], "meta": meta})


def patch_profile_traits(service: Service, call: Call) -> Reply:
    """PATCH one profile: null removes a trait; applied later."""
    number, _, _ = find_profile(service, call, write=True)
    traits = call.body.get("traits") or {}
    faults = service.catalogue.schema.judge_patch(traits)
    if faults:
        groups = service.catalogue.schema.groups
        code = Code.INVALID_REQUEST if traits.keys() <= groups.keys() else Code.TRAIT_GROUP_MISSING
        raise RefusedError(400, code, f"the traits are not valid: {faults[0].detail}", faults)
    return accept(service, call, Kind.TRAITS, number, traits, "Trait modifications accepted for processing.")


def delete_profile(service: Service, call: Call) -> Reply:
    """DELETE one profile; applied later."""
    number, _, _ = find_profile(service, call, write=True)
    return accept(service, call, Kind.DELETE_PROFILE, number, None, "Profile accepted for deletion.")


def accept(
    service: Service,
    call: Call,
    kind: Kind,
    number: int,
    payload: object,
    message: str = "Identifier accepted for processing.",
) -> Reply:
    """Queue a change of one profile and answer 202."""
    with service.database.writing_front() as connection:
        service.backlog.accept(connection, kind, call.request_id, subject=number, payload=orjson.dumps(payload))
    service.worker.wake()
    return Reply(202, {"message": message})


def lookup_profiles(service: Service, call: Call) -> Reply:
    """POST Profiles/Lookup: canonical IDs of all holders of the normalised value."""
    schema = service.catalogue.schema
    if call.body["idType"] not in schema.rules:
        raise invalid_request("the identifier type does not exist", [Fault("#/idType", "unknown")])
    identifier = schema.normalise(call.body["idType"], call.body["value"])
    if identifier is None:
        raise invalid_request("the value cannot be normalised", [Fault("#/value", "cannot be normalised")])
    rows = service.database.query(
        "SELECT number FROM identifiers WHERE id_type = ? AND value = ? ORDER BY number LIMIT ?",
        (identifier.id_type, identifier.value, MAX_LOOKUP_PROFILES),
    )
    found = [profile_id(number) for (number,) in rows]
    return Reply(200, {"normalizedValue": identifier.value, "profiles": found})


def create_import(service: Service, call: Call) -> Reply:
    """POST Profiles/Imports: a pending import and a signed URL on the bucket's host."""
    import_tasks.judge_mappings(call.body["columnMappings"], service.catalogue.schema)
    import_id = new_id(IMPORT_PREFIX)
    operation_id = new_id(OPERATION_PREFIX) if service.settings.status_url else None
    with service.database.writing_front() as connection:
        now = import_tasks.create(connection, import_id, call.body, operation_id)
        if operation_id:
            operations.open_operation(connection, operation_id, now)
    told = {"import_id": import_id, "operation_id": operation_id, "file_name": call.body["filename"]}
    service.log.write([Told(EventType.IMPORT_CREATED, call.request_id, told)])
    life_s = int(service.settings.upload_ttl_s)
    has_expired = service.switches.take({Effect.EXPIRED_URL}, "CreateProfilesImportV2") is not None
    signed_at = datetime.now(UTC) - timedelta(seconds=life_s + 1 if has_expired else 0)
    url = service.signer.presign(service.bucket_host, f"/memory-imports/{import_id}.csv", signed_at, life_s)
    members = _operation_members(service, operation_id, now)
    return Reply(201, {"importId": import_id, "url": url} | members)


def list_imports(service: Service, call: Call) -> Reply:
    """GET Profiles/Imports: import IDs, newest first unless asked otherwise."""
    page = service.pager.open("imports", call.query, MAX_PAGE_IMPORTS)
    rows = _select_page(service, "SELECT number, id FROM imports", page.after, page.size, ascending=page.ascending)
    shown, meta = service.pager.close(page, rows, lambda row: int(row[0]))
    return Reply(200, {"imports": [import_id for _, import_id in shown], "meta": meta})


def fetch_import(service: Service, call: Call) -> Reply:
    """GET one import's state."""
    body = import_tasks.show(service.database, call.path["importId"])
    if body is None:
        raise not_found("the import")
    return Reply(200, body)
