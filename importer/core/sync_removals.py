"""Which profiles go because their keys are gone from the source, and which stay although they are.

The law of this module: a profile goes only where all that it has was delivered under a key that is gone, and nothing
that remains has a part of it. Whatever else the store answers, it stays.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl

from importer.core.snapshot import SNAPSHOT_SCHEMA
from importer.core.sync_counts import Removals
from importer.core.sync_fellows import Fellows, fellows_of

Identifier = tuple[str, str]
"""idType and normalised value."""

FATES_SCHEMA: Final = pl.Schema({"line": pl.Int64(), "removal": pl.String(), "profile_id": pl.String()})
"""What became of a line of the snapshot: a `Removal`, and the profile that it is about where one was found."""

REMOVALS_SCHEMA: Final = pl.Schema({"key": pl.String(), "removal": pl.String(), "profile_id": pl.String()})
"""The same by key."""


class Removal(StrEnum):
    """What becomes of the profile of a key that is gone."""

    DELETE = "delete"
    """It is to go; where nothing follows, it may have been asked for, and nobody saw that it is gone."""
    DELETED = "deleted"
    """The service took it (202), and has it no more."""
    GONE = "gone"
    """There is no such profile."""
    EARLY = "early"
    """There is no such profile yet: what was sent may still be on its way."""
    SHARED = "shared"
    """A key that remains has one of its identifiers, and was delivered with it or goes out now."""
    HANDED_ON = "handed-on"
    """Another key has one of its identifiers now, and its row waits: somebody must say whether both are the same."""
    KEPT = "kept"
    """It was to begin anew, and no row waits for its identifiers any more: the decision is void."""
    FOREIGN = "foreign"
    """It has something that was never delivered under the key."""
    MERGED = "merged"
    """It is another profile than before, or several."""
    REFUSED = "refused"
    """The service does not delete it."""
    UNREADABLE = "unreadable"
    """The service could not be asked."""


HELD: Final = (Removal.SHARED, Removal.HANDED_ON, Removal.FOREIGN, Removal.MERGED)
"""The profile stays until something changes; somebody should look."""

DONE: Final = (Removal.DELETED, Removal.GONE)
"""The key leaves the snapshot."""

_KEPT: Final = (*HELD, Removal.EARLY, Removal.DELETE)
"""What the snapshot keeps of a key that stays."""


# --- what the store answers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A key that is gone, and all that was ever delivered under it.

    Attributes:
        line: Of the snapshot.
        identifiers: In the order in which they are looked up.
        traits: ``Group.trait`` each.
        profile_id: The profile that an earlier run found.
        is_settled: What was sent is applied.
        fellows: The same of all keys that go together with it: rows of theirs were let become one profile.
    """

    line: int
    identifiers: tuple[Identifier, ...]
    traits: frozenset[str]
    profile_id: str | None = None
    is_settled: bool = True
    fellows: Fellows = field(default_factory=Fellows)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the store has of a profile, as far as a removal wants to know."""

    profile_id: str
    identifiers: frozenset[Identifier]
    traits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the store said of a candidate.

    Attributes:
        named: Profiles that its identifiers name.
        profile: The one that was read; None where it is not there.
    """

    named: frozenset[str]
    profile: Profile | None = None


def judge(candidate: Candidate, answers: Answers, elsewhere: Container[Identifier]) -> Removal:
    """Say what becomes of a profile: ``delete``, ``gone``, ``early``, or why it is held.

    Args:
        candidate: The key that is gone.
        answers: What the store has.
        elsewhere: Identifiers of all who remain.
    """
    profile = answers.profile
    if len(answers.named) > 1:
        return Removal.MERGED
    if not answers.named or profile is None:
        return Removal.GONE if candidate.is_settled else Removal.EARLY
    known = {*answers.named, *([candidate.profile_id] if candidate.profile_id is not None else [])}
    if known != {profile.profile_id}:
        return Removal.MERGED
    if any(identifier in elsewhere for identifier in {*profile.identifiers, *candidate.identifiers}):
        return Removal.SHARED
    strange = profile.identifiers - set(candidate.identifiers) - candidate.fellows.identifiers
    if strange or profile.traits - candidate.traits - candidate.fellows.traits:
        return Removal.FOREIGN
    return Removal.DELETE


def candidates_of(fates: pl.DataFrame, sets: Sequence[Sequence[str]], id_types: Sequence[str]) -> Iterator[Candidate]:
    """Yield the keys of which the store is to be asked.

    Args:
        fates: What `importer.core.sync_gone.known_fates` returned.
        sets: Traits by number, as the snapshot has them.
        id_types: The order in which identifiers are looked up; others follow.
    """
    ranks = {id_type: rank for rank, id_type in enumerate(id_types)}
    traits = [frozenset(one) for one in sets]
    asked = fates.filter(pl.col("removal").is_null())
    asked = asked.select("line", "identifiers", "traits", "profile_id", "is_settled")
    for row, fellows in zip(asked.iter_rows(named=True), fellows_of(asked, traits), strict=True):
        pairs = ((one["id_type"], one["value"]) for one in row["identifiers"])
        yield Candidate(
            line=row["line"],
            identifiers=tuple(sorted(pairs, key=lambda pair: (ranks.get(pair[0], len(ranks)), pair))),
            traits=traits[row["traits"]] if row["traits"] is not None else frozenset(),
            profile_id=row["profile_id"],
            is_settled=row["is_settled"],
            fellows=fellows,
        )


# --- what came of it -------------------------------------------------------------------------------------------------


def removals_of(fates: pl.DataFrame) -> Removals:
    """Count what became of keys.

    Args:
        fates: ``is_gone``; ``removal``: a `Removal`, null where nothing is known yet.
    """
    said = fates["removal"].fill_null(Removal.UNREADABLE.value)
    found = dict(said.value_counts().iter_rows())
    counts = {removal: int(found.get(removal.value, 0)) for removal in Removal}
    return Removals(
        candidates=len(said) - counts[Removal.KEPT],
        anew=fates.filter(said != Removal.KEPT.value, ~pl.col("is_gone")).height,
        deleted=counts[Removal.DELETED],
        gone=counts[Removal.GONE],
        held={removal.value: counts[removal] for removal in HELD if counts[removal]},
        failed=counts[Removal.REFUSED],
        open=counts[Removal.EARLY] + counts[Removal.DELETE] + counts[Removal.UNREADABLE],
    )


def removals_by_key(keys: pl.Series, first: int, fates: pl.DataFrame) -> pl.DataFrame:
    """Return what became of keys of consecutive lines of a snapshot, `REMOVALS_SCHEMA`.

    Args:
        keys: Of the lines.
        first: Number of the first line.
        fates: `FATES_SCHEMA`.
    """
    at = pl.col("line") - first
    found = fates.filter((at >= 0) & (at < len(keys)))
    key = keys.gather(found.select(at).to_series())
    return found.select(key.alias("key"), "removal", "profile_id")


def after_removals(lines: pl.DataFrame, removals: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Return lines of a snapshot once profiles were removed.

    Keys whose profile is gone leave it. One that was to be deleted, and of which nobody knows whether it was, is due:
    it is sent again if its key comes back.

    Args:
        lines: `importer.core.snapshot.SNAPSHOT_SCHEMA`.
        removals: `REMOVALS_SCHEMA`; of several of a key the last counts.
        at: The time.
    """
    last = removals.unique("key", keep="last").rename({"profile_id": "found_id"})
    joined = lines.join(last, on="key", how="left", maintain_order="left")
    removal, held = pl.col("removal"), pl.col("held")
    is_kept = removal.is_in([one.value for one in _KEPT]).fill_null(value=False)
    # How long a profile is not there yet counts from when it was missed first.
    is_same = ((removal == held) & (removal == Removal.EARLY.value)).fill_null(value=False)
    moved = joined.filter(~removal.is_in([one.value for one in DONE]).fill_null(value=False)).with_columns(
        due=pl.col("due") | (removal == Removal.DELETE.value).fill_null(value=False),
        profile_id=pl.coalesce("profile_id", "found_id"),
        held=pl.when(is_kept).then(removal).otherwise(held),
        held_at=pl.when(is_kept & ~is_same).then(pl.lit(at)).otherwise("held_at"),
        decided=pl.when((removal != Removal.KEPT.value).fill_null(value=True)).then("decided"),
    )
    return moved.select(pl.col(name).cast(kind) for name, kind in SNAPSHOT_SCHEMA.items())
