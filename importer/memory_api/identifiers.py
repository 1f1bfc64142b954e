"""Identifiers of one profile: add, list, get, replace, remove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import orjson

from importer.memory_api.connection import Connection, ProfileCall
from importer.memory_api.fields import accepted, objects_of, text_of
from importer.memory_api.reply import Reply
from importer.memory_api.translate import protocol_error
from importer.ports import Accepted

_ALL: Final = "/Identifiers"
_ONE: Final = "/Identifiers/{idType}"


@dataclass(frozen=True, slots=True)
class IdentifierSet:
    """Values of one identifier type, in the order of the store's limit policy; somebody's data."""

    id_type: str
    values: tuple[str, ...] = field(repr=False)


class Identifiers:
    """Identifiers of profiles; every method is one request and raises the ApiError its answer means.

    Reads and writes follow a profile that was merged; removing does so only when told.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, profile_id: str) -> tuple[IdentifierSet, ...]:
        """Return every identifier type of a profile that has values."""
        reply, _ = self._connection.call_profile(ProfileCall("GET", profile_id, _ALL, _ALL))
        entries = objects_of(reply, reply.json().get("identifiers") or [], "identifiers")
        return tuple(_identifiers(reply, entry) for entry in entries)

    def get(self, profile_id: str, id_type: str) -> IdentifierSet:
        """Return the values of one identifier type."""
        reply, _ = self._connection.call_profile(ProfileCall("GET", profile_id, _below(id_type), _ONE))
        answer = reply.json()
        return _identifiers(reply, {"idType": id_type, **answer})

    def add(self, profile_id: str, id_type: str, value: str) -> Accepted:
        """Add a value; where another profile holds it, the service may merge the two."""
        body = orjson.dumps({"idType": id_type, "value": value})
        call = ProfileCall("POST", profile_id, _ALL, _ALL, expected=202, body=body)
        return accepted(self._connection, *self._connection.call_profile(call))

    def replace(self, profile_id: str, id_type: str, old: str, new: str) -> Accepted:
        """Put one value in the place of another."""
        body = orjson.dumps({"idType": id_type, "oldValue": old, "newValue": new})
        call = ProfileCall("PATCH", profile_id, _below(id_type), _ONE, expected=202, body=body)
        return accepted(self._connection, *self._connection.call_profile(call))

    def remove(
        self, profile_id: str, id_type: str, *, remove_all: bool = False, follow_merged: bool = False
    ) -> Accepted:
        """Remove an identifier type from a profile.

        Args:
            profile_id: Which profile.
            id_type: Which type.
            remove_all: Also where it has several values; the service refuses that otherwise.
            follow_merged: Also from the profile that this one was merged into.

        Raises:
            MergedProfileError: it was merged into another one, and `follow_merged` does not say to go on there.
        """
        query = {"removeAll": "true"} if remove_all else None
        call = ProfileCall(
            "DELETE", profile_id, _below(id_type), _ONE, expected=202, query=query, follows=follow_merged
        )
        return accepted(self._connection, *self._connection.call_profile(call))


def _below(id_type: str) -> str:
    return f"{_ALL}/{quote(id_type, safe='')}"


def _identifiers(reply: Reply, entry: Mapping[str, Any]) -> IdentifierSet:
    values = entry.get("values") or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        what = "the answer has something else for identifier values"
        raise protocol_error(reply.endpoint, what, reply.status, reply.request_id)
    return IdentifierSet(text_of(reply, entry, "idType"), tuple(values))
