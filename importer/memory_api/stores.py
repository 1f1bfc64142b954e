"""Stores of the account, and how a store resolves identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from importer.core.schema import IdentifierConfig, config_from_api
from importer.memory_api.connection import Call, Connection
from importer.memory_api.fields import ids_of, objects_of, text_of, whole_of
from importer.memory_api.paging import FIRST, Page, PageRequest, page_of
from importer.memory_api.translate import protocol_error

_STORES: Final = "/v1/ControlPlane/Stores"
_LIST: Final = "GET /ControlPlane/Stores"
STORE: Final = "GET /ControlPlane/Stores/{storeId}"
IDENTITY: Final = "GET /IdentityResolutionSettings"


@dataclass(frozen=True, slots=True)
class Store:
    """One store.

    Attributes:
        store_id: Its ID.
        name: Its display name.
        status: QUEUED, PROVISIONING, ACTIVE or FAILED.
        description: Where it has one.
        version: Grows with each change of its settings.
        intelligence_service_id: Where it has one.
    """

    store_id: str
    name: str
    status: str
    description: str | None
    version: int | None
    intelligence_service_id: str | None


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """How a store normalises, matches and keeps identifiers: `matching_rules` are idTypes, the strongest first."""

    identifiers: tuple[IdentifierConfig, ...]
    matching_rules: tuple[str, ...]
    version: int | None


class Stores:
    """Stores of the account; every method is one request and raises the ApiError its answer means."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, page: PageRequest = FIRST) -> Page[str]:
        """Return one page of store IDs."""
        reply = self._connection.call(Call("GET", _STORES, _LIST, query=page.query()))
        answer = reply.json()
        return page_of(reply, answer, ids_of(reply, answer.get("stores") or []))

    def get(self, store_id: str | None = None) -> Store:
        """Read a store; the connection's own if none is named."""
        path = self._connection.control_path if store_id is None else f"{_STORES}/{quote(store_id, safe='')}"
        reply = self._connection.call(Call("GET", path, STORE))
        answer = reply.json()
        (found,) = ids_of(reply, [text_of(reply, answer, "id")])
        return Store(
            store_id=found,
            name=text_of(reply, answer, "displayName"),
            status=text_of(reply, answer, "status"),
            description=_text(answer, "description"),
            version=whole_of(answer, "version"),
            intelligence_service_id=_text(answer, "intelligenceServiceId"),
        )

    def identity(self) -> IdentitySettings:
        """Read how the connection's store resolves identities."""
        path = f"{self._connection.control_path}/IdentityResolutionSettings"
        reply = self._connection.call(Call("GET", path, IDENTITY))
        answer = reply.json()
        configs = objects_of(reply, answer.get("identifierConfigs"), "identifier settings")
        rules = answer.get("matchingRules")
        if not isinstance(rules, list):
            raise protocol_error(IDENTITY, "the answer has no matching rules", reply.status, reply.request_id)
        try:
            return IdentitySettings(
                tuple(map(config_from_api, configs)), tuple(map(str, rules)), whole_of(answer, "version")
            )
        except (KeyError, ValueError, TypeError, AttributeError) as exc:
            what = f"the settings are not understood ({type(exc).__name__})"
            raise protocol_error(IDENTITY, what, reply.status, reply.request_id) from None


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) and value else None
