"""Reads the store schema: the store, its trait groups on all pages, and its identity settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from importer.core.schema import StoreSchema
from importer.errors import RejectedRequestError, RetryableApiError
from importer.memory_api.connection import Call, Connection
from importer.memory_api.paging import MOST_OTHERS, PageRequest, all_items
from importer.memory_api.stores import IDENTITY, STORE
from importer.memory_api.trait_groups import GROUPS, TraitGroups
from importer.memory_api.translate import protocol_error
from importer.ports.schema import EachRequest, at_once


def fetch_schema(connection: Connection, each: EachRequest = at_once) -> StoreSchema:
    """Read the schema of the connection's store: three requests, and one more for each further page.

    Args:
        connection: To the API host.
        each: Makes every single request.

    Raises:
        RetryableApiError: the store is still being set up.
        RejectedRequestError: the store cannot be used.
        ApiError: the service refused or did not answer, or its answer is not understood.
    """
    store = each(lambda: _active_store(connection))
    listed = TraitGroups(connection).list_raw
    groups = list(all_items(lambda token: each(lambda: listed(PageRequest(token, MOST_OTHERS)))))
    path = f"{connection.control_path}/IdentityResolutionSettings"
    identity = each(lambda: connection.call(Call("GET", path, IDENTITY)).json())
    try:
        return StoreSchema.from_api(store, groups, identity)
    except (KeyError, ValueError, TypeError, AttributeError) as exc:
        # Only the kind of error: its text may be anything the service said.
        raise protocol_error(GROUPS, f"the schema is not understood ({type(exc).__name__})", 200) from None


def _active_store(connection: Connection) -> Mapping[str, Any]:
    store = connection.call(Call("GET", connection.control_path, STORE)).json()
    status = store.get("status")
    if status == "ACTIVE":
        return store
    if status in ("QUEUED", "PROVISIONING"):
        error = RetryableApiError("the store is still being set up", endpoint=STORE, status=200)
        error.hint = "try again in a few minutes"
        raise error
    refusal = RejectedRequestError("the store is not active", endpoint=STORE, status=200)
    refusal.hint = "choose another store (--store or MEMORY_STORE_ID)"
    raise refusal
