"""Who is gone from the source of a mirror, and what can be said of that before the store is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from importer.core.cost import Cost
from importer.core.identity_values import BoolArray, identifier_hash
from importer.core.packing import KEY_PREFIX, joined_key
from importer.core.report import FinalState, Skipped
from importer.core.snapshot import SNAPSHOT_SCHEMA, Decided
from importer.core.sync_removals import Removal
from importer.core.union_find import Hashes

GONE_COLUMNS: Final = (
    "key",
    "identifiers",
    "traits",
    "profile_id",
    "due",
    "delivered_at",
    "held",
    "held_at",
    "decided",
)
"""What of a snapshot a removal wants to know."""

GONE_SCHEMA: Final = pl.Schema(
    {"line": pl.Int64()} | {name: SNAPSHOT_SCHEMA[name] for name in GONE_COLUMNS} | {"is_gone": pl.Boolean()}
)
"""Keys whose profiles are to go, by line of the snapshot; ``is_gone``: the key is gone from the source, too."""

APPLIED_AFTER: Final = timedelta(hours=1)
"""What was sent so long ago is applied: if nobody has it now, it is not on its way either."""

LOOK_AGAIN_AFTER: Final = timedelta(hours=24)
"""So long a profile that is held is not looked at again: each look is a billable read, once a day."""

_SEPARATOR: Final = "\x1f"


# --- who is gone -----------------------------------------------------------------------------------------------------


class Marks:
    """Numbers that stand for texts, to ask which of others are among them: eight bytes each, and no copy of all.

    Args:
        pieces: What `identifier_hash` returned. One is quicker to ask for many marks; several are not copied.
    """

    def __init__(self, pieces: Iterable[Hashes] = ()) -> None:
        self._pieces = [np.sort(piece) for piece in pieces if len(piece)]

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._pieces)

    def among(self, marks: Hashes) -> BoolArray:
        """Tell which of some others are among them."""
        found: BoolArray = np.zeros(len(marks), dtype=np.bool_)
        for piece in self._pieces:
            at = np.minimum(np.searchsorted(piece, marks), len(piece) - 1)
            found |= piece[at] == marks
        return found


class Elsewhere(Marks):
    """Identifiers that somebody has who remains, by what `identifier_marks` returns."""

    def __contains__(self, identifier: object) -> bool:
        """Tell whether an `importer.core.sync_removals.Identifier` is among them."""
        if not isinstance(identifier, tuple):
            return False
        id_type, value = identifier
        return bool(self.among(identifier_marks(pl.Series([id_type]), pl.Series([value])))[0])


def readable_keys(rows: pl.DataFrame, null_tokens: Collection[str]) -> tuple[Hashes, int]:
    """Return the keys of rows read, hashed, and how many rows have none: of those nobody knows who they are.

    Args:
        rows: `importer.core.packing.ROWS_SCHEMA` and key columns; a blank line is no row.
        null_tokens: Texts that are no value.
    """
    blank = (pl.col("state") == FinalState.SKIPPED.value) & (pl.col("code") == Skipped.BLANK_LINE.value)
    rows = rows.filter(~blank.fill_null(value=False))
    keys = joined_key([rows[name] for name in rows.columns if name.startswith(KEY_PREFIX)], null_tokens)
    return identifier_hash(keys.drop_nulls()), keys.null_count()


def gone_keys(pieces: Iterable[pl.DataFrame], present: Marks) -> pl.DataFrame:
    """Return the keys of a snapshot that the source does not have any more, and those to begin anew, `GONE_SCHEMA`.

    Two keys of one hash are taken for one: then one that is gone counts as present, and stays.

    Args:
        pieces: Of the snapshot, in order.
        present: Keys that were read.
    """
    found = [pl.DataFrame(schema=GONE_SCHEMA)]
    first = 0
    for piece in pieces:
        is_gone = pl.Series(~present.among(identifier_hash(piece["key"])))
        begins_anew = (pl.col("decided") == Decided.ANEW.value).fill_null(value=False)
        lines = piece.with_row_index("line", first).with_columns(is_gone=is_gone)
        lines = lines.filter(pl.col("is_gone") | begins_anew)
        found.append(lines.select(pl.col(name).cast(kind) for name, kind in GONE_SCHEMA.items()))
        first += piece.height
    return pl.concat(found)


def identifier_marks(id_types: pl.Series, values: pl.Series) -> Hashes:
    """Return a number for each identifier, the same for the same one within this process; values are not null."""
    text = pl.select(pl.concat_str(id_types.cast(pl.String), pl.lit(_SEPARATOR), values.cast(pl.String))).to_series()
    return identifier_hash(text)


def remaining_marks(pieces: Iterable[pl.DataFrame], gone: pl.Series) -> Iterator[Hashes]:
    """Yield the identifiers of all lines of a snapshot but some.

    Args:
        pieces: ``identifiers`` of the snapshot, in order.
        gone: Lines that are left out.
    """
    first = 0
    for piece in pieces:
        lines = piece.select("identifiers").with_row_index("line", first)
        first += piece.height
        kept = lines.filter(~pl.col("line").is_in(gone.cast(lines.schema["line"]).implode()))
        values = kept.explode("identifiers", keep_nulls=False, empty_as_null=False).unnest("identifiers")
        yield identifier_marks(values["id_type"], values["value"])


# --- what is known without a request ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Others:
    """Who has which identifier beside those that are gone.

    Attributes:
        remaining: Identifiers of keys that remain: delivered before, or going out now.
        waiting: Identifiers of rows that are held: nothing of them was delivered, or is now.
    """

    remaining: Elsewhere = field(default_factory=Elsewhere)
    waiting: Elsewhere = field(default_factory=Elsewhere)


def known_fates(
    gone: pl.DataFrame, others: Others, now: datetime, *, again: bool = False, goes_first: bool = False
) -> pl.DataFrame:
    """Say what can be said of keys that are gone before the store is asked.

    Args:
        gone: `GONE_SCHEMA`.
        others: Who has their identifiers now.
        now: The time.
        again: Look also at profiles that were held a short while ago.
        goes_first: Whose identifiers a waiting row has is always somebody else; nobody needs to say so.

    Returns:
        `gone`, same rows, with ``removal``: a `Removal`, null where the store is to be asked; and ``is_settled``: what
        was sent is applied.
    """
    own = gone.select("line", "identifiers").explode("identifiers", keep_nulls=False, empty_as_null=False)
    own = own.unnest("identifiers")
    marks = identifier_marks(own["id_type"], own["value"])
    shared, waited_for = (
        pl.col("line").is_in(own["line"].filter(pl.Series(some.among(marks), dtype=pl.Boolean)).implode())
        for some in (others.remaining, others.waiting)
    )
    decided = pl.lit(goes_first) | pl.col("decided").is_not_null()
    # One whose deletion was asked for is seen through: its own row waits for that, if no other one does.
    idle = ~pl.col("is_gone") & ~waited_for & (pl.col("held") != Removal.DELETE.value).fill_null(value=True)
    held = pl.col("held").is_in([Removal.FOREIGN.value, Removal.MERGED.value])
    waits = held & (pl.col("held_at") > now - LOOK_AGAIN_AFTER) & (not again)
    early = (pl.col("held") == Removal.EARLY.value) & (pl.col("held_at") <= now - APPLIED_AFTER)
    applied = ~pl.col("due") & (pl.col("delivered_at") <= now - APPLIED_AFTER)
    # It was there when it was asked to be deleted, so it is not on its way.
    asked = pl.col("held") == Removal.DELETE.value
    return gone.with_columns(
        removal=pl.when(idle)
        .then(pl.lit(Removal.KEPT.value))
        .when(pl.col("identifiers").list.len() == 0)
        .then(pl.lit(Removal.GONE.value))
        .when(shared)
        .then(pl.lit(Removal.SHARED.value))
        .when(waited_for & ~decided)
        .then(pl.lit(Removal.HANDED_ON.value))
        .when(waits.fill_null(value=False))
        .then("held"),
        is_settled=pl.any_horizontal(each.fill_null(value=False) for each in (early, applied, asked)),
    )


def kept_profiles(fates: pl.DataFrame, ready: pl.Series, met: pl.DataFrame) -> pl.DataFrame:
    """Keep profiles of keys that were to begin anew where no other row waits, or nothing could be sent in their place.

    What was asked to be deleted before is seen through.

    Args:
        fates: What `known_fates` returned.
        ready: Keys all of whose rows can be sent once nobody else has their identifiers.
        met: ``known``, ``key``: a row of ``key`` waits, and has an identifier of ``known``.

    Returns:
        `fates` with ``is_put_off``: the profile is kept, and the decision stands.
    """
    asked = (pl.col("held") == Removal.DELETE.value).fill_null(value=False)
    anew = set(fates.filter(~pl.col("is_gone"), pl.col("removal").is_null(), ~asked)["key"])
    going = set(fates.filter(pl.col("removal").is_null() | (pl.col("removal") == Removal.GONE.value))["key"])
    void = anew - set(met["known"])
    kept = void | (anew - set(ready))
    pairs = met.filter(pl.col("key").is_in(list(anew))).select("known", "key").unique().rows()
    # Who waits for one that is kept is kept as well, and who waits for that one.
    while more := {key for known, key in pairs if known not in going or known in kept} - kept:
        kept |= more
    return fates.with_columns(
        removal=pl.when(pl.col("key").is_in(list(kept))).then(pl.lit(Removal.KEPT.value)).otherwise("removal"),
        is_put_off=pl.col("key").is_in(list(kept - void)),
    )


def removal_cost(fates: pl.DataFrame) -> Cost:
    """Return what asking for keys and deleting their profiles costs.

    Args:
        fates: What `known_fates` returned.
    """
    asked = fates.filter(pl.col("removal").is_null())
    return Cost(
        deletes=asked.height,
        lookups_at_least=asked.height,
        lookups_at_most=int(asked["identifiers"].list.len().sum()),
    )


def newly_gone(fates: pl.DataFrame) -> int:
    """Count the keys that no run has judged yet, that were decided about since, or for which no row waits any more.

    The brake judges what happened since, not what is held for weeks.

    Args:
        fates: What `known_fates` returned.
    """
    decided = pl.col("decided").is_not_null() & pl.col("held").is_in([Removal.HANDED_ON.value, Removal.SHARED.value])
    # The row is not held any more, or the sync file says who goes: nothing of that was counted yet.
    let_go = (pl.col("held") == Removal.HANDED_ON.value) & pl.col("removal").is_null()
    is_kept = (pl.col("removal") == Removal.KEPT.value).fill_null(value=False)
    return fates.filter(~is_kept, pl.col("held").is_null() | decided | let_go).height
