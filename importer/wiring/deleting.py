"""Deleting profiles: what would go, and one outcome for each of them whatever happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from importer.core.ids import PROFILE_ID_PATTERN
from importer.errors import ApiError, ConfigError, GuardError, MergedProfileError, RejectedRequestError, RunInterrupted
from importer.memory_api.translate import NO_STORE
from importer.pipeline.patience import never_applied
from importer.ports import StoredProfile
from importer.reports.wording import counted
from importer.wiring.by_hand import ByHand

MAX_DELETES: Final = 100
_SHOWN_LINES: Final = 5
_TERMINAL: Final = frozenset({401, 403})


class Outcome(StrEnum):
    """What became of one profile that was to be deleted."""

    ACCEPTED = "accepted"
    """The service took it (202); it is applied later."""
    NOT_FOUND = "not_found"
    """There is none by that ID, or no longer."""
    MERGED = "merged"
    """It was merged into another one, which was not to be deleted."""
    FAILED = "failed"
    """The service refused."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows what became of it."""
    NOT_SENT = "not_sent"
    """The command stopped before it."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """One profile and what became of it.

    Attributes:
        profile_id: As it was named.
        outcome: What became of it.
        canonical_id: The profile it was merged into, where it was.
        status: HTTP status, of a refusal.
        code: The service's code.
        request_id: ``twilio-request-id``.
    """

    profile_id: str
    outcome: Outcome
    canonical_id: str | None = None
    status: int | None = None
    code: int | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Deleted:
    """How deleting went: counts by outcome, and what ended it before its end."""

    counts: Counter[Outcome]
    error: ApiError | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every profile is gone, or was."""
        return not self.counts.keys() - {Outcome.ACCEPTED, Outcome.NOT_FOUND}


@dataclass(frozen=True)
class Condemned:
    """What would be deleted of one profile: counts, no values. `profile` is None where there is none."""

    profile_id: str
    profile: StoredProfile | None
    identifiers: dict[str, int]

    @property
    def traits(self) -> dict[str, int]:
        """Traits by group."""
        return {} if self.profile is None else {name: len(traits) for name, traits in self.profile.traits.items()}


def read_ids(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the profile IDs of a file, one a line; blank lines are passed over, each ID counts once.

    Raises:
        ConfigError: a line is something else.
    """
    found = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    wrong = [number for number, text in found if not PROFILE_ID_PATTERN.fullmatch(text)]
    if wrong:
        shown = ", ".join(map(str, wrong[:_SHOWN_LINES])) + (", ..." if len(wrong) > _SHOWN_LINES else "")
        raise ConfigError(
            f"no profile ID in line {shown}; nothing was deleted",
            hint="one ID a line, as `profiles list` prints them: mem_profile_...",
        )
    return tuple(dict.fromkeys(text for _, text in found))


def check_count(ids: Sequence[str], most: int) -> None:
    """Refuse more profiles than somebody meant to delete.

    Raises:
        ConfigError: there are none.
        GuardError: there are too many.
    """
    if not ids:
        raise ConfigError("no profile was named", hint="give IDs, or --from FILE")
    if len(ids) > most:
        raise GuardError(
            f"{counted(len(ids), 'profile')} {'is' if len(ids) == 1 else 'are'} more than"
            f" --max-deletes {most:,}; nothing was deleted",
            hint=f"give --max-deletes {len(ids)} if you mean all of them",
        )


def look_at(hand: ByHand, profile_id: str) -> Condemned:
    """Read what one profile holds, following a merge. One billable read."""
    profile = hand.read(lambda: hand.client.get_profile(profile_id))
    if profile is None:
        return Condemned(profile_id, None, {})
    canonical = profile.profile_id
    identifiers = hand.read(lambda: hand.client.identifiers.list(canonical))
    return Condemned(profile_id, profile, {each.id_type: len(each.values) for each in identifiers})


def delete_profiles(
    hand: ByHand,
    ids: Sequence[str],
    told: Callable[[Deletion], None],
    *,
    follow_merged: bool,
    is_stopped: Callable[[], bool],
) -> Deleted:
    """Delete profiles one after the other; each is told of once, also where the command stops before it.

    Args:
        hand: The open store.
        ids: Which.
        told: Called with each outcome as it is known.
        follow_merged: Delete what a profile was merged into.
        is_stopped: Tells whether somebody asked to stop.
    """
    counts: Counter[Outcome] = Counter()
    error: ApiError | None = None
    for profile_id in ids:
        if error is not None or is_stopped():
            done = Deletion(profile_id, Outcome.NOT_SENT)
        else:
            done, error = _delete(hand, profile_id, follow_merged=follow_merged)
        counts[done.outcome] += 1
        told(done)
    return Deleted(counts, error)


def _delete(hand: ByHand, profile_id: str, *, follow_merged: bool) -> tuple[Deletion, ApiError | None]:
    """Delete one; return its outcome, and the error that ends the rest."""
    try:
        # Deleting twice is deleting once, so it is repeated as a read would be.
        taken = hand.read(lambda: hand.client.profiles.delete(profile_id, follow_merged=follow_merged))
    except MergedProfileError as error:
        return Deletion(profile_id, Outcome.MERGED, error.canonical_id, error.status, None, error.request_id), None
    except RunInterrupted:  # while it waited to ask again: what came of the request before is not known
        return Deletion(profile_id, Outcome.UNKNOWN), None
    except ApiError as error:
        outcome = _outcome(error)
        is_refused = error.status in _TERMINAL or error.code in NO_STORE
        ends = outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT) or is_refused
        done = Deletion(profile_id, outcome, None, error.status, error.code, error.request_id)
        return done, error if ends else None
    canonical = taken.profile_id if taken.profile_id != profile_id else None
    return Deletion(profile_id, Outcome.ACCEPTED, canonical, 202, None, taken.request_id), None


def _outcome(error: ApiError) -> Outcome:
    if error.status == 404 and error.code not in NO_STORE:
        return Outcome.NOT_FOUND
    if never_applied(error) or (isinstance(error, RejectedRequestError) and error.status is None):
        return Outcome.NOT_SENT
    is_refusal = isinstance(error, RejectedRequestError) or error.status == 409
    return Outcome.FAILED if is_refusal else Outcome.UNKNOWN
