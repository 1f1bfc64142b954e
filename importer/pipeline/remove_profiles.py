"""Removing profiles whose keys are gone: look each one up, read it, judge, and delete it if nothing speaks against it.

An intent is durable before a deletion is asked for, and what came of it after. The service takes a deletion before it
does it, and what is sent meanwhile to somebody with the same identifiers would go with the profile: so it counts once
the profile is seen to be gone. What is not known by then is asked again, as deleting twice is deleting once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from importer.core.cost import DELETE_PROFILE, GET_IDENTIFIERS, GET_PROFILE, LOOKUP
from importer.core.lifecycle import FinishReason
from importer.core.sync_removals import Answers, Candidate, Identifier, Profile, Removal, judge
from importer.errors import ApiError, MergedProfileError, RejectedRequestError
from importer.pipeline.paced_reads import NotReadError, Pace, PacedReads, ReadingEndedError
from importer.pipeline.reading_pool import ReadingPool
from importer.ports import Clock, ProfileRemover, StopSignal

_PIECE_CANDIDATES: Final = 1000
_LOOKS_S: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""How long is waited before each look whether profiles are gone; the next run looks at those that are not by then."""
_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class RemovingPorts:
    """What removing talks to.

    Attributes:
        store: Used from several threads at once.
        clock: Of the pacer.
        stop: Set to stop.
        wait: Waits so many seconds; true if somebody asked to stop meanwhile.
        keep: Makes durable what becomes of a line of the snapshot; used from several threads at once.
        progress: Told after each candidate: 1 if something is known of it now, requests made again, seconds that all
            wait.
    """

    store: ProfileRemover
    clock: Clock
    stop: StopSignal
    wait: Callable[[float], bool]
    keep: Callable[[int, Removal, str | None], None]
    progress: Callable[[int, int, float], None] = lambda *_: None


@dataclass(frozen=True)
class Removed:
    """How removing ended. What became of each candidate went to `RemovingPorts.keep`.

    Attributes:
        reason: Why it ended.
        unread: Candidates of which nobody knows what became of them, though removing went on.
        requests: Requests by kind.
        error: What the service said, where it ended the removing.
    """

    reason: FinishReason
    unread: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    error: ApiError | None = None


def remove_profiles(
    ports: RemovingPorts,
    candidates: Iterable[Candidate],
    elsewhere: Container[Identifier],
    *,
    concurrency: int,
    pace: Pace | None = None,
) -> Removed:
    """Remove the profiles of keys that are gone, or say why they stay.

    Args:
        ports: What to talk to.
        candidates: Keys that are gone.
        elsewhere: Identifiers of all who remain.
        concurrency: Requests in flight at most.
        pace: How hard; the defaults if None.

    Raises:
        DiskError, StateError: what was done could not be kept.
    """
    requests = PacedReads(ports.clock, ports.stop, ports.wait, pace or Pace())
    remover = _Remover(requests, ports, elsewhere)
    waiting = iter(candidates)
    unread = 0
    with ReadingPool(requests, concurrency, ports.clock, remover.do).running() as pool:
        while not requests.stopped():
            piece = list(islice(waiting, _PIECE_CANDIDATES))
            if not piece:
                break
            known = pool.results(
                ((candidate.line, candidate) for candidate in piece),
                lambda done: ports.progress(done, requests.retries, requests.waiting_s),
            )
            unread += len(piece) - sum(known.values())
        for seconds in _LOOKS_S:
            if not remover.taken or requests.stopped() or (seconds and ports.wait(seconds)):
                break
            gone = pool.results(remover.taken.items(), lambda _: None)
            remover.taken = {line: profile for line, profile in remover.taken.items() if not gone.get(line)}
    return Removed(requests.reason or FinishReason.COMPLETED, unread, requests.requests, requests.error)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A profile that the service took to delete, and the line of the snapshot that it is of."""

    line: int
    profile_id: str


class _Remover:
    """Removes one profile after the other; used from several threads at once.

    Attributes:
        taken: Profiles that the service took to delete and that nobody saw to be gone, by line of the snapshot.
    """

    def __init__(self, requests: PacedReads, ports: RemovingPorts, elsewhere: Container[Identifier]) -> None:
        self._requests = requests
        self._ports = ports
        self._elsewhere = elsewhere
        self.taken: dict[int, _Taken] = {}

    def do(self, task: Candidate | _Taken) -> bool:
        """Remove a candidate, or look whether one is gone; tell whether it is known what became of it."""
        return self._look(task) if isinstance(task, _Taken) else self._remove(task)

    def _look(self, taken: _Taken) -> bool:
        """Tell whether a profile is not there any more, and keep it."""
        found = self._requests.read(GET_PROFILE, lambda: self._ports.store.get_profile(taken.profile_id))
        if found is None:
            self._ports.keep(taken.line, Removal.DELETED, taken.profile_id)
        elif found.profile_id != taken.profile_id:
            self._ports.keep(taken.line, Removal.MERGED, taken.profile_id)
        return found is None or found.profile_id != taken.profile_id

    def _remove(self, candidate: Candidate) -> bool:
        answers = self._ask(candidate)
        fate = judge(candidate, answers, self._elsewhere)
        profile = answers.profile.profile_id if answers.profile is not None else None
        self._ports.keep(candidate.line, fate, profile)
        if fate is not Removal.DELETE or profile is None:
            return True
        outcome = self._delete(profile)
        if outcome is Removal.DELETED:
            self.taken[candidate.line] = _Taken(candidate.line, profile)
        elif outcome is not Removal.DELETE:
            self._ports.keep(candidate.line, outcome, profile)
        return outcome is not Removal.DELETE

    def _ask(self, candidate: Candidate) -> Answers:
        """Look up what the candidate was delivered with, and read the profile that it names, if it is one."""
        named: dict[str, None] = {}
        profile: Profile | None = None
        for identifier in candidate.identifiers:
            if profile is not None and identifier in profile.identifiers:
                continue  # the profile itself says that it is named by it
            found = self._look_up(*identifier)
            named |= dict.fromkeys(found)
            if len(named) > 1:
                break  # more than one is too many, whoever they are
            if found and profile is None:
                profile = self._read(found[0])
        return Answers(frozenset(named), profile)

    def _look_up(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return who holds a value. Only a 404 says that it is nobody: here, a mistake would lose sight of somebody."""
        try:
            return self._requests.read(LOOKUP, lambda: self._ports.store.lookup(id_type, value))
        except RejectedRequestError as refusal:
            if refusal.status == _NOT_FOUND:
                return ()
            raise

    def _read(self, profile_id: str) -> Profile | None:
        stored = self._requests.read(GET_PROFILE, lambda: self._ports.store.get_profile(profile_id))
        if stored is None:
            return None
        canonical = stored.profile_id
        try:
            values = self._requests.read(GET_IDENTIFIERS, lambda: self._ports.store.identifiers_of(canonical))
        except RejectedRequestError as refusal:
            if refusal.status == _NOT_FOUND:
                return None
            raise
        traits = (
            f"{group}.{name}"
            for group, values_of_group in stored.traits.items()
            for name, value in values_of_group.items()
            if value is not None
        )
        pairs = ((id_type, value) for id_type, texts in values.items() for value in texts)
        return Profile(canonical, frozenset(pairs), frozenset(traits))

    def _delete(self, profile_id: str) -> Removal:
        """Delete a profile; return ``delete`` where nobody knows what came of it."""
        try:
            self._requests.read(DELETE_PROFILE, lambda: self._ports.store.delete_profile(profile_id))
        except MergedProfileError:
            return Removal.MERGED
        except RejectedRequestError as refusal:
            return Removal.GONE if refusal.status == _NOT_FOUND else Removal.REFUSED
        except (NotReadError, ReadingEndedError):
            return Removal.DELETE
        return Removal.DELETED
