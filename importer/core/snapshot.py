"""What a sync delivered before, a line a key: which payloads go again, and what a run moves.

A snapshot only ever learns from outcomes: what was read, but not delivered, leaves its line as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl

SNAPSHOT_VERSION: Final = 1

_IDENTIFIERS: Final = pl.List(pl.Struct({"id_type": pl.String(), "value": pl.String()}))

SNAPSHOT_SCHEMA: Final = pl.Schema(
    {
        "key": pl.String(),
        "fingerprint": pl.Binary(),
        "identifiers": _IDENTIFIERS,
        "traits": pl.UInt32(),
        "profile_id": pl.String(),
        "refused": pl.UInt32(),
        "refused_fingerprint": pl.Binary(),
        "due": pl.Boolean(),
        "seen": pl.UInt32(),
        "delivered_at": pl.Datetime("ms", "UTC"),
        "held": pl.String(),
        "held_at": pl.Datetime("ms", "UTC"),
        "decided": pl.String(),
    }
)
"""``fingerprint``: of the payload delivered last (`importer.core.fingerprint`); null while none was.
``identifiers``: all normalised values ever delivered under the key, sorted: a profile keeps its old ones, so the index
of who is who must, too. ``traits``: all ever delivered, as a number of `TraitSets`. ``refused``: runs in a row in which
the service refused the payload ``refused_fingerprint``. ``due``: something was sent, or ought to have been, and nobody
knows that it arrived. ``seen``: number of the last run whose source had the key. ``profile_id``, ``held``, ``held_at``:
of a key that is gone from the source, its profile where one was found, why that stays
(`importer.core.sync_removals.Removal`), and when that was found. ``decided``: what somebody said is to become of the
profile, a `Decided`; null where nobody did, and in files of earlier versions."""

RESULT_SCHEMA: Final = pl.Schema(
    {
        "key": pl.String(),
        "result": pl.String(),
        "fingerprint": pl.Binary(),
        "identifiers": _IDENTIFIERS,
        "traits": pl.UInt32(),
    }
)
"""What became of the newest payload of each key a run read: one line a key, ``result`` a `Result`. The last three are
null where no payload was made (rejected rows)."""


class TraitSets:
    """Sets of traits by number: a million keys have a handful of them.

    Args:
        sets: In the order of their numbers.
    """

    def __init__(self, sets: Iterable[Iterable[str]] = ()) -> None:
        self._numbers: dict[frozenset[str], int] = {}
        for one in sets:
            self.number(one)

    def number(self, traits: Iterable[str]) -> int:
        """Return the number of a set; a new one is added."""
        return self._numbers.setdefault(frozenset(traits), len(self._numbers))

    def sets(self) -> list[list[str]]:
        """Return all sets, sorted traits each, in the order of their numbers."""
        return [sorted(traits) for traits in self._numbers]

    def unions(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return distinct pairs of numbers with the number of what both hold together.

        Args:
            pairs: ``old``, ``new`` (u32; null is the empty set).

        Returns:
            ``old``, ``new``, ``both`` (u32).
        """
        sets = [set(one) for one in self._numbers]
        distinct = pairs.unique()
        both = [
            self.number((sets[old] if old is not None else set()) | (sets[new] if new is not None else set()))
            for old, new in distinct.select("old", "new").iter_rows()
        ]
        return distinct.select("old", "new", both=pl.Series(both, dtype=pl.UInt32))


class Decided(StrEnum):
    """What somebody said of a key whose identifiers another key has now."""

    REMOVED = "removed"
    """It was somebody else, and is gone: the profile goes, if the key does not come back."""
    ANEW = "anew"
    """The profile goes, whether the key is gone or not; if not, its row is sent as that of somebody new."""


LEAVING: Final = "delete"
"""Value of ``held``: the profile was to be deleted, and nobody saw that it is gone."""


class Result(StrEnum):
    """What a run did for a key."""

    DELIVERED = "delivered"
    """The service took it."""
    REFUSED = "refused"
    """The service refused this row."""
    OPEN = "open"
    """It was to be sent, and may or may not have been applied; or it was not sent, because the run stopped."""
    PRESENT = "present"
    """Nothing was to be sent: unchanged, parked, rejected or held."""


class Verdict(StrEnum):
    """What is to be done with a payload."""

    NEW = "new"
    CHANGED = "changed"
    DUE = "due"
    UNCHANGED = "unchanged"
    PARKED = "parked"


SENT: Final = (Verdict.NEW, Verdict.CHANGED, Verdict.DUE)
"""Verdicts of payloads that go out."""


def empty_snapshot() -> pl.DataFrame:
    """Return the snapshot before the first run."""
    return pl.DataFrame(schema=SNAPSHOT_SCHEMA)


def is_parked_expr(refused_runs: int) -> pl.Expr:
    """Tell which lines of a snapshot were refused so often that they wait until they change."""
    return pl.col("due") & (pl.col("refused") >= refused_runs)


def judge_payloads(payloads: pl.DataFrame, snapshot: pl.DataFrame, *, refused_runs: int) -> pl.Series:
    """Say of each payload whether it is to be sent.

    Args:
        payloads: ``key``, ``fingerprint``; a key stands in it once.
        snapshot: `SNAPSHOT_SCHEMA`.
        refused_runs: A payload that the service refused in so many runs is parked until it changes.

    Returns:
        `Verdict` of each payload, in their order.
    """
    known = snapshot.select(
        "key", "refused", "refused_fingerprint", "due", delivered="fingerprint", known=pl.lit(value=True)
    )
    fingerprint = pl.col("fingerprint")
    is_refused = (pl.col("refused") >= refused_runs) & (pl.col("refused_fingerprint") == fingerprint)
    return (
        payloads.join(known, on="key", how="left", maintain_order="left")
        .select(
            verdict=pl.when(pl.col("known").is_null())
            .then(pl.lit(Verdict.NEW.value))
            .when(is_refused.fill_null(value=False))
            .then(pl.lit(Verdict.PARKED.value))
            .when(pl.col("due"))
            .then(pl.lit(Verdict.DUE.value))
            .when(pl.col("delivered") == fingerprint)
            .then(pl.lit(Verdict.UNCHANGED.value))
            .when(pl.col("delivered").is_null())
            .then(pl.lit(Verdict.NEW.value))
            .otherwise(pl.lit(Verdict.CHANGED.value))
        )
        .to_series()
    )


def identifier_index(snapshot: pl.DataFrame) -> pl.DataFrame:
    """Return who has which identifier: ``line`` (u32, of the snapshot), ``id_type``, ``value``."""
    return (
        snapshot.select("identifiers")
        .with_row_index("line")
        .explode("identifiers", keep_nulls=False, empty_as_null=False)
        .unnest("identifiers")
    )


def _with_identifiers(lines: pl.DataFrame) -> pl.DataFrame:
    """Add the values that are ``said`` of each key to its ``identifiers``; both are sorted and without repetition."""
    before, said = pl.col("identifiers"), pl.col("said")
    has_both = (before.list.len() > 0) & (said.list.len() > 0)
    # Each value on a line of its own: lists of structs are joined a hundred times more slowly.
    values = [
        lines.filter(has_both).select("key", value=column).explode("value", keep_nulls=False, empty_as_null=False)
        for column in (before, said)
    ]
    joined = pl.concat(values).unique().sort("key", "value").group_by("key", maintain_order=True).agg(joined="value")
    return lines.join(joined, on="key", how="left", maintain_order="left").with_columns(
        identifiers=pl.when(said.list.len() > 0)
        .then(pl.coalesce("joined", "said"))
        .otherwise(before.fill_null(pl.lit([], dtype=_IDENTIFIERS)))
    )


def advanced(snapshot: pl.DataFrame, results: pl.DataFrame, sets: TraitSets, *, run: int, at: datetime) -> pl.DataFrame:
    """Return the snapshot after a run.

    Args:
        snapshot: `SNAPSHOT_SCHEMA`, before it.
        results: `RESULT_SCHEMA`, a line for each key that the run read.
        sets: What the numbers of ``traits`` stand for, in both; takes new ones.
        run: Number of the run.
        at: When it ended.

    Returns:
        `SNAPSHOT_SCHEMA`, sorted by key. A key that the run did not read stays as it was.
    """
    new = results.select(
        "key", "result", made="fingerprint", said="identifiers", new="traits", is_read=pl.lit(value=True)
    )
    joined = snapshot.rename({"traits": "old"}).join(new, on="key", how="full", coalesce=True)
    unions = sets.unions(joined.select("old", "new"))
    joined = joined.join(unions, on=["old", "new"], how="left", nulls_equal=True, maintain_order="left")
    delivered, refused, is_open = (
        (pl.col("result") == kind.value).fill_null(value=False)
        for kind in (Result.DELIVERED, Result.REFUSED, Result.OPEN)
    )
    # An open payload may have been applied: its values count as the profile's from now on.
    applied = delivered | is_open
    is_gone, is_leaving = pl.col("is_read").is_null(), (pl.col("held") == LEAVING).fill_null(value=False)
    again = (pl.col("refused_fingerprint") == pl.col("made")).fill_null(value=False)
    joined = _with_identifiers(joined.with_columns(said=pl.when(applied).then("said")))
    due = pl.col("due").fill_null(value=False)
    moved = joined.with_columns(
        fingerprint=pl.when(delivered).then("made").otherwise("fingerprint"),
        traits=pl.when(applied).then("both").otherwise("old"),
        refused=pl.when(refused)
        .then(pl.when(again).then(pl.col("refused") + 1).otherwise(1))
        .otherwise(pl.when(delivered).then(0).otherwise(pl.col("refused").fill_null(0))),
        refused_fingerprint=pl.when(refused).then("made").when(~delivered).then("refused_fingerprint"),
        due=~delivered & (refused | is_open | due),
        seen=pl.when("is_read").then(pl.lit(run)).otherwise("seen"),
        delivered_at=pl.when(delivered).then(pl.lit(at)).otherwise("delivered_at"),
        # Of a key that is there, nothing is to be removed: what was found of its profile is forgotten. But one that
        # may still be deleted is until something was sent again.
        **{name: pl.when(is_gone | (is_leaving & ~applied)).then(name) for name in ("profile_id", "held", "held_at")},
        decided=pl.when(is_gone | ((pl.col("decided") == Decided.ANEW.value) & ~applied)).then("decided"),
    )
    # A key of which nothing ever went, or ought to have gone, out is none that this sync knows.
    known = pl.col("due") | pl.col("fingerprint").is_not_null()
    return moved.filter(known).select(pl.col(name).cast(kind) for name, kind in SNAPSHOT_SCHEMA.items()).sort("key")
