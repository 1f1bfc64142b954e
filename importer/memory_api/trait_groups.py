"""Trait groups of a store: list, get, create, patch. Changes are applied later, and an operation tells when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from importer.core.schema import TraitDefinition, trait_from_api
from importer.memory_api.connection import Call, Connection
from importer.memory_api.fields import accepted, objects_of, text_of, whole_of
from importer.memory_api.paging import FIRST, Page, PageRequest, page_of
from importer.memory_api.reply import Reply
from importer.memory_api.translate import protocol_error
from importer.ports import Accepted

GROUPS: Final = "GET /TraitGroups"
_GET: Final = "GET /TraitGroups/{traitGroupName}"
_CREATE: Final = "POST /TraitGroups"
_PATCH: Final = "PATCH /TraitGroups/{traitGroupName}"


@dataclass(frozen=True, slots=True)
class TraitGroup:
    """One trait group.

    Attributes:
        name: Its display name, which is also its key.
        version: Grows with each change.
        description: Where it has one.
        traits: In the order of the answer; None where they were not asked for.
        etag: Goes into `if_match` of a change that must not overwrite another one; None in lists.
    """

    name: str
    version: int
    description: str | None
    traits: tuple[TraitDefinition, ...] | None
    etag: str | None = None


class TraitGroups:
    """Trait groups of the connection's store; every method is one request and raises the ApiError its answer means."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._path = f"{connection.control_path}/TraitGroups"

    def list(self, page: PageRequest = FIRST, *, traits: bool = False) -> Page[TraitGroup]:
        """Return one page of trait groups, with their traits if asked."""
        reply, found = self._listed(page, traits=traits)
        return found.map(lambda group: _group(reply, group))

    def list_raw(self, page: PageRequest) -> Page[Mapping[str, Any]]:
        """Return one page of trait groups with their traits, as the service wrote them: for a whole schema."""
        return self._listed(page, traits=True)[1]

    def _listed(self, page: PageRequest, *, traits: bool) -> tuple[Reply, Page[Mapping[str, Any]]]:
        query = {"includeTraits": "true" if traits else "false", **page.query()}
        reply = self._connection.call(Call("GET", self._path, GROUPS, query=query))
        answer = reply.json()
        return reply, page_of(reply, answer, objects_of(reply, answer.get("traitGroups") or [], "trait groups"))

    def get(self, name: str) -> TraitGroup:
        """Read a trait group with its traits and its ETag."""
        reply = self._connection.call(Call("GET", f"{self._path}/{quote(name, safe='')}", _GET))
        group = reply.json().get("traitGroup")
        (found,) = objects_of(reply, [group], "trait groups")
        return _group(reply, found)

    def create(self, body: Mapping[str, Any]) -> Accepted:
        """Create a trait group.

        Args:
            body: ``{"displayName", "description"?, "traits"?: {name: {"dataType", "idTypePromotion"?, ...}}}``.
        """
        call = Call("POST", self._path, _CREATE, expected=202, body=orjson.dumps(body))
        return accepted(self._connection, self._connection.call(call))

    def patch(self, name: str, body: Mapping[str, Any], *, if_match: str | None = None) -> Accepted:
        """Change a trait group.

        Args:
            name: Which.
            body: ``{"description"?, "traits"?: {name: definition}}``; an empty ``dataType`` deletes a trait.
            if_match: The ETag it must have, otherwise it is refused (412); None changes it whatever it is now.
        """
        path = f"{self._path}/{quote(name, safe='')}"
        call = Call("PATCH", path, _PATCH, expected=202, body=orjson.dumps(body), if_match=if_match)
        return accepted(self._connection, self._connection.call(call))


def _group(reply: Reply, group: Mapping[str, Any]) -> TraitGroup:
    name = text_of(reply, group, "displayName")
    traits = group.get("traits")
    try:
        defined = None if traits is None else tuple(trait_from_api(name, *item) for item in traits.items())
    except (KeyError, ValueError, TypeError, AttributeError) as exc:
        # Only the kind of error: its text may be anything the service said.
        what = f"the trait group is not understood ({type(exc).__name__})"
        raise protocol_error(reply.endpoint, what, reply.status, reply.request_id) from None
    description = group.get("description")
    return TraitGroup(
        name=name,
        version=whole_of(group, "version") or 1,
        description=description if isinstance(description, str) and description else None,
        traits=defined,
        etag=reply.headers.get("etag"),
    )
