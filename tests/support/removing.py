"""A store in memory whose profiles can be looked up, read and deleted, and what removing does with it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Final

from importer.core.sync_removals import Candidate, Identifier, Profile, Removal
from importer.errors import ApiError, MergedProfileError, RejectedRequestError
from importer.pipeline.remove_profiles import Removed, RemovingPorts, remove_profiles
from importer.ports import Accepted, StoredProfile
from importer.wiring.clock import CLOCK

NOT_FOUND: Final = 404


@dataclass
class FakeProfiles:
    """Implements `importer.ports.ProfileRemover` over a dictionary.

    Attributes:
        profiles: By ID.
        merged: Profiles that became part of another one, by their old ID: deleting them is refused.
        refusals: What a request is refused with, by the profile ID or value that it is about.
        said: Every request, in order.
    """

    profiles: dict[str, Profile]
    merged: Mapping[str, str] = field(default_factory=dict)
    refusals: Mapping[str, ApiError] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return who holds a value."""
        self._say("lookup", value)
        return tuple(sorted(name for name, one in self.profiles.items() if (id_type, value) in one.identifiers))

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """Read a profile; a value each is made up."""
        self._say("get", profile_id)
        found = self.profiles.get(profile_id)
        if found is None:
            return None
        traits: dict[str, dict[str, object]] = {}
        for ref in found.traits:
            group, name = ref.split(".")
            traits.setdefault(group, {})[name] = "x"
        return StoredProfile(profile_id, traits)

    def identifiers_of(self, profile_id: str) -> Mapping[str, tuple[str, ...]]:
        """Return the values of a profile."""
        self._say("identifiers", profile_id)
        if profile_id not in self.profiles:
            raise refusal(NOT_FOUND)
        values: dict[str, tuple[str, ...]] = {}
        for id_type, value in sorted(self.profiles[profile_id].identifiers):
            values[id_type] = (*values.get(id_type, ()), value)
        return values

    def delete_profile(self, profile_id: str) -> Accepted:
        """Delete a profile."""
        self._say("delete", profile_id)
        if profile_id in self.merged:
            canonical = self.merged[profile_id]
            raise MergedProfileError("merged", endpoint="DELETE", status=308, request_id=None, canonical_id=canonical)
        if self.profiles.pop(profile_id, None) is None:
            raise refusal(NOT_FOUND)
        return Accepted(None, profile_id=profile_id)

    def _say(self, what: str, about: str) -> None:
        self.said.append((what, about))
        if about in self.refusals:
            raise self.refusals[about]


def refusal(status: int) -> RejectedRequestError:
    """Return what the service says to a request that it does not take."""
    return RejectedRequestError("refused", endpoint="an endpoint", status=status)


def removed(
    store: FakeProfiles,
    candidates: Iterable[Candidate],
    elsewhere: Container[Identifier] = (),
    wait: Callable[[float], bool] | None = None,
) -> tuple[Removed, list[tuple[int, Removal, str | None]]]:
    """Remove profiles; return how it ended, and what was kept of it in order, each with the requests made by then."""
    kept: list[tuple[int, Removal, str | None]] = []

    def keep(line: int, removal: Removal, profile_id: str | None) -> None:
        store.said.append(("keep", removal.value))
        kept.append((line, removal, profile_id))

    stop = Event()
    ports = RemovingPorts(store, CLOCK, stop, wait or stop.wait, keep)
    return remove_profiles(ports, candidates, elsewhere, concurrency=1), kept
