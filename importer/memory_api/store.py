"""Reads the store schema: the store, its trait groups on all pages, and its identity settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from importer.core.schema import StoreSchema
from importer.errors import RejectedRequestError, RetryableApiError
from importer.memory_api.connection import Call, Connection
from importer.memory_api.translate import protocol_error

_STORE: Final = "GET /ControlPlane/Stores/{storeId}"
_GROUPS: Final = "GET /TraitGroups"
_IDENTITY: Final = "GET /IdentityResolutionSettings"


def fetch_schema(connection: Connection) -> StoreSchema:
    """Read the schema of the connection's store.

    Raises:
        RetryableApiError: the store is still being set up.
        RejectedRequestError: the store cannot be used.
        ApiError: the service refused or did not answer, or its answer is not understood.
    """
    reply = connection.call(Call("GET", connection.control_path, _STORE))
    store = reply.json()
    _check_active(store)
    groups = _trait_groups(connection)
    path = f"{connection.control_path}/IdentityResolutionSettings"
    identity = connection.call(Call("GET", path, _IDENTITY)).json()
    try:
        return StoreSchema.from_api(store, groups, identity)
    except (KeyError, ValueError, TypeError, AttributeError) as exc:
        # Only the kind of error: its text may be anything the service said.
        raise protocol_error(_GROUPS, f"the schema is not understood ({type(exc).__name__})", 200) from None


def next_token(answer: Mapping[str, Any]) -> str | None:
    """Return the token of the next page, None on the last."""
    meta = answer.get("meta")
    token = meta.get("nextToken") if isinstance(meta, dict) else None
    return token if isinstance(token, str) and token else None


def _check_active(store: Mapping[str, Any]) -> None:
    status = store.get("status")
    if status == "ACTIVE":
        return
    if status in ("QUEUED", "PROVISIONING"):
        error = RetryableApiError("the store is still being set up", endpoint=_STORE, status=200)
        error.hint = "try again in a few minutes"
        raise error
    refusal = RejectedRequestError("the store is not active", endpoint=_STORE, status=200)
    refusal.hint = "choose another store (--store or MEMORY_STORE_ID)"
    raise refusal


def _trait_groups(connection: Connection) -> list[Mapping[str, Any]]:
    groups: list[Mapping[str, Any]] = []
    token: str | None = None
    seen: set[str] = set()
    while True:
        query = {"includeTraits": "true", "pageSize": "100", **({"pageToken": token} if token else {})}
        reply = connection.call(Call("GET", f"{connection.control_path}/TraitGroups", _GROUPS, query=query))
        answer = reply.json()
        page = answer.get("traitGroups") or []
        if not isinstance(page, list) or not all(isinstance(group, dict) for group in page):
            raise protocol_error(_GROUPS, "the answer has no list of trait groups", reply.status, reply.request_id)
        groups += page
        token = next_token(answer)
        if token is None:
            return groups
        if token in seen:
            raise protocol_error(_GROUPS, "a page token came twice", reply.status, reply.request_id)
        seen.add(token)
