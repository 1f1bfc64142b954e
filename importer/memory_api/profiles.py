"""Profiles of a store: create, list, get, patch, delete, many at once, look up, and their traits one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from importer.memory_api.connection import Call, Connection, ProfileCall
from importer.memory_api.fields import accepted, ids_of, moment_of, objects_of, text_of
from importer.memory_api.paging import FIRST, Page, PageRequest, page_of
from importer.memory_api.reply import Reply
from importer.memory_api.translate import protocol_error
from importer.ports import Accepted, StoredProfile

Traits = Mapping[str, Mapping[str, object]]
"""Values by group and trait."""

_LIST: Final = "GET /Profiles"
_CREATE: Final = "POST /Profiles"
_BULK: Final = "PUT /Profiles/Bulk"
_LOOKUP: Final = "POST /Profiles/Lookup"


@dataclass(frozen=True, slots=True)
class CreatedProfile:
    """A profile that was created or found by its identifiers; other traits are applied later."""

    profile_id: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class FoundProfiles:
    """Who holds an identifier value.

    Attributes:
        profile_ids: Canonical, in the order of the answer.
        normalized: The value as the store compares it; somebody's data.
        request_id: ``twilio-request-id``.
    """

    profile_ids: tuple[str, ...]
    normalized: str | None = field(repr=False)
    request_id: str | None


@dataclass(frozen=True, slots=True)
class TraitEntry:
    """One trait of a profile: `value` is somebody's data, `changed_at` is RFC 3339 where the service says it."""

    group: str
    name: str
    value: object = field(repr=False)
    changed_at: str | None


class Profiles:
    """Profiles of the connection's store; every method is one request and raises the ApiError its answer means."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._path = f"{connection.store_path}/Profiles"

    def list(self, page: PageRequest = FIRST) -> Page[str]:
        """Return one page of profile IDs."""
        reply = self._connection.call(Call("GET", self._path, _LIST, query=page.query()))
        answer = reply.json()
        return page_of(reply, answer, ids_of(reply, answer.get("profiles") or []))

    def create(self, traits: Traits) -> CreatedProfile:
        """Create a profile, or find the one that its identifiers belong to; the only write that tells the ID."""
        body = orjson.dumps({"traits": traits})
        reply = self._connection.call(Call("POST", self._path, _CREATE, expected=202, body=body))
        (profile_id,) = ids_of(reply, [text_of(reply, reply.json(), "id")])
        return CreatedProfile(profile_id, reply.request_id)

    def get(self, profile_id: str, trait_groups: Sequence[str] = ()) -> StoredProfile:
        """Read a profile, following a merge to the canonical one. Billable once a day.

        Args:
            profile_id: Which.
            trait_groups: Only these groups; all if none is named.
        """
        query = {"traitGroups": ",".join(trait_groups)} if trait_groups else None
        reply, _ = self._connection.call_profile(ProfileCall("GET", profile_id, query=query))
        answer = reply.json()
        (canonical,) = ids_of(reply, [text_of(reply, answer, "id")])
        return StoredProfile(canonical, _traits(reply, answer), moment_of(answer, "createdAt"))

    def patch(self, profile_id: str, body: bytes) -> Accepted:
        """Change traits of a profile, following a merge; null removes a trait.

        Args:
            profile_id: Which.
            body: ``{"traits": {group: {trait: value}}}`` as JSON.
        """
        call = ProfileCall("PATCH", profile_id, expected=202, body=body)
        return accepted(self._connection, *self._connection.call_profile(call))

    def delete(self, profile_id: str, *, follow_merged: bool = False) -> Accepted:
        """Delete a profile.

        Raises:
            MergedProfileError: it was merged into another one, and `follow_merged` does not say to delete that.
        """
        call = ProfileCall("DELETE", profile_id, expected=202, follows=follow_merged)
        return accepted(self._connection, *self._connection.call_profile(call))

    def put_bulk(self, body: bytes) -> Accepted:
        """Send one Bulk body."""
        call = Call("PUT", f"{self._path}/Bulk", _BULK, expected=202, body=body)
        return accepted(self._connection, self._connection.call(call))

    def lookup(self, id_type: str, value: str) -> FoundProfiles:
        """Return the canonical profiles that hold an identifier value. Billable."""
        body = orjson.dumps({"idType": id_type, "value": value})
        reply = self._connection.call(Call("POST", f"{self._path}/Lookup", _LOOKUP, body=body))
        answer = reply.json()
        normalized = answer.get("normalizedValue")
        return FoundProfiles(
            ids_of(reply, answer.get("profiles") or []),
            normalized if isinstance(normalized, str) else None,
            reply.request_id,
        )

    def traits(self, profile_id: str, page: PageRequest = FIRST) -> Page[TraitEntry]:
        """Return one page of a profile's traits with the time of their last change."""
        call = ProfileCall("GET", profile_id, "/Traits", "/Traits", query=page.query())
        reply, _ = self._connection.call_profile(call)
        answer = reply.json()
        entries = objects_of(reply, answer.get("traits") or [], "traits")
        return page_of(reply, answer, tuple(_entry(reply, entry) for entry in entries))


def _traits(reply: Reply, answer: Mapping[str, Any]) -> Traits:
    traits = answer.get("traits") or {}
    if not isinstance(traits, dict) or not all(isinstance(group, dict) for group in traits.values()):
        what = "the answer's traits are not in groups"
        raise protocol_error(reply.endpoint, what, reply.status, reply.request_id)
    return traits


def _entry(reply: Reply, entry: Mapping[str, Any]) -> TraitEntry:
    group, name = text_of(reply, entry, "traitGroup"), text_of(reply, entry, "name")
    return TraitEntry(group, name, entry.get("value"), moment_of(entry, "timestamp"))
