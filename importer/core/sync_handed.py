"""Identifiers that were handed on: delivered under one key, and now in a row of another one, which is held for it.

The two keys may be one person who was renamed, or two of whom one got the other's number. Nobody here can know, so
nothing is sent and nothing is removed until somebody says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

import numpy as np
import polars as pl

from importer.core.identity_values import BoolArray
from importer.core.index import RELEASABLE_CODES
from importer.core.snapshot import LEAVING, SNAPSHOT_SCHEMA
from importer.core.sync_gone import APPLIED_AFTER

WAITING_SCHEMA: Final = pl.Schema(
    {"key": pl.String(), "row": pl.UInt64(), "id_type": pl.String(), "value": pl.String()}
)
"""Identifiers of rows that are held; ``row``: position in the run's rows."""

HANDED_SCHEMA: Final = pl.Schema(
    {
        "known": pl.String(),
        "is_gone": pl.Boolean(),
        "key": pl.String(),
        "file": pl.String(),
        "row_number": pl.UInt64(),
        "id_types": pl.List(pl.String()),
    }
)
"""``known``: a key that was delivered with identifiers that a held row has; ``is_gone``: the source does not have it
any more, null where nobody knows: not all of it was read, or a row of it has no readable key. ``key``, ``file``,
``row_number``: of the row. ``id_types``: of the identifiers. By ``known`` and row."""

_MET: Final = pl.Schema(
    {"known": pl.String(), "key": pl.String(), "row": pl.UInt64(), "id_types": pl.List(pl.String())}
)
_SENT: Final = ("send", "sequence")
_SEPARATOR: Final = "\x1f"
_LEFT: Final = f"{_SEPARATOR}leaving"


def waits(index: pl.DataFrame) -> BoolArray:
    """Tell which rows somebody must decide about: held ones that may be let go, and those they carry.

    Args:
        index: `importer.core.index.INDEX_SCHEMA`.
    """
    held = index["state"].cast(pl.String) == "held"
    return _with_carried(index, held & index["code"].is_in(list(RELEASABLE_CODES)).fill_null(value=False))


def goes_out(index: pl.DataFrame) -> BoolArray:
    """Tell which rows are sent in this run.

    Args:
        index: `importer.core.index.INDEX_SCHEMA`.
    """
    return _with_carried(index, index["state"].cast(pl.String).is_in(_SENT))


def can_follow(index: pl.DataFrame) -> BoolArray:
    """Tell which rows are sent, now or next, once nobody else has their identifiers in the store.

    An unchanged row that shares an identifier with another one of this run is not: sent again, both would be held.

    Args:
        index: `importer.core.index.INDEX_SCHEMA`.
    """
    state, code = index["state"].cast(pl.String), index["code"].cast(pl.String)
    waits_for_stored = (state == "held") & (code == "merge-with-stored").fill_null(value=False)
    is_alone = (state == "unchanged") & (code != "merge-group").fill_null(value=True)
    return _with_carried(index, waits_for_stored | is_alone | state.is_in(_SENT))


def _with_carried(index: pl.DataFrame, marked: pl.Series) -> BoolArray:
    """Return marks of rows, those of carried ones from the rows that carry them."""
    own = marked.to_numpy()
    carrier = index["carried_by"].cast(pl.Int64).to_numpy()
    marks: BoolArray = np.where(carrier >= 0, own[np.maximum(carrier, 0)], own)
    return marks


class Decision(StrEnum):
    """What a person says of a key whose identifiers another key has now."""

    REMOVED = "removed"
    """It was somebody else: its profile goes, then the row is sent."""
    RENAMED = "renamed"
    """It is the same person: the row goes to its profile."""
    ANEW = "anew"
    """Its profile goes, though its key is still there, and its row is sent again as that of somebody new."""
    HOLD = "hold"
    """Nobody knows yet: takes a decision back that no run has carried out."""


def shown_key(key: str) -> str:
    """Return a key as a person reads and types it: the parts of one of several columns with a bar between them."""
    return key.replace(_SEPARATOR, "|")


def meant_keys(given: str, keys: pl.Series) -> list[str]:
    """Return the keys that a person may mean: a part that has a bar itself makes two keys look the same."""
    return [key for key in keys.unique().sort() if given in (key, shown_key(key))]


def met_keys(pieces: Iterable[pl.DataFrame], waiting: pl.DataFrame) -> pl.DataFrame:
    """Return which other keys were delivered with what the waiting rows have.

    Args:
        pieces: ``key``, ``identifiers`` of the snapshot.
        waiting: `WAITING_SCHEMA`.

    Returns:
        ``known``, ``key``, ``row``, ``id_types``, as in `HANDED_SCHEMA`, by ``known`` and row.
    """
    found = [pl.DataFrame(schema=_MET)]
    values = waiting.select(pl.struct("id_type", "value").alias("identifiers"), "key", "row")
    for piece in pieces:
        owned = piece.select("identifiers", known="key").explode("identifiers", keep_nulls=False, empty_as_null=False)
        met = owned.join(values, on="identifiers", how="inner").filter(pl.col("known") != pl.col("key"))
        id_types = pl.col("identifiers").struct.field("id_type").unique().sort()
        found.append(met.group_by("known", "key", "row").agg(id_types=id_types).select(_MET.names()))
    return pl.concat(found).sort("known", "row")


def renames(handed: pl.DataFrame, known: pl.Series) -> pl.DataFrame:
    """Return which gone keys can only be the one key that has their identifiers now: ``known``, ``key``.

    Left out is what may be read in two ways: a gone key whose identifiers two keys have, a key that has those of two,
    and one that was delivered itself.

    Args:
        handed: `HANDED_SCHEMA`.
        known: Keys that were delivered.
    """
    pairs = handed.select("known", "key", "is_gone").unique()
    alone = (pl.len().over("known") == 1) & (pl.len().over("key") == 1)
    return pairs.filter(alone).filter("is_gone", ~pl.col("key").is_in(known.implode())).select("known", "key")


def named_renames(
    wanted: Sequence[str], to: str | None, handed: pl.DataFrame, renameable: pl.Series, delivered: pl.Series
) -> tuple[tuple[str, str] | None, dict[str, str]]:
    """Return the new names of keys of which a person says that they were renamed; or what speaks against it.

    Args:
        wanted: The keys.
        to: The new name of the one key; None where there can be only one.
        handed: `HANDED_SCHEMA`.
        renameable: Keys of the snapshot whose profiles are not about to go.
        delivered: Keys of the snapshot that were delivered.

    Returns:
        Cause and fix of what speaks against it, or None; and the new names.
    """
    names: dict[str, str] = {}
    for key in wanted:
        about = handed.filter(pl.col("known") == key)
        news = about["key"].unique().sort().to_list()
        chosen = [new for new in news if to in (None, new)]
        if about.filter(pl.col("is_gone") == False).height:  # noqa: E712 - an expression; null is not known
            return (f"{shown_key(key)} is still in the source", "only a key that is gone can have a new name"), {}
        if key not in renameable:
            return (f"{shown_key(key)} was to be deleted by a run", "run the sync: it says what became of it"), {}
        if len(chosen) != 1:
            rows = ", ".join(map(shown_key, news))
            return (f"several keys have identifiers of {shown_key(key)}: {rows}", "name one key, and --to"), {}
        if chosen[0] in delivered or chosen[0] in names.values():
            new = shown_key(chosen[0])
            fix = "two profiles become one only by a release (`resume RUN --release`), and for ever"
            return (f"{new} has a profile of its own", fix), {}
        names[key] = chosen[0]
    return None, names


def takes(renameable: pl.Series, delivered: pl.Series, *, removes: bool) -> pl.Expr:
    """Return what can be said of each key of `HANDED_SCHEMA`: decisions, none where only its source or a release helps.

    Args:
        renameable: Keys of the snapshot whose profiles are not about to go.
        delivered: Keys of the snapshot that were delivered.
        removes: The sync deletes profiles.
    """
    is_gone = pl.col("is_gone")
    is_free = pl.col("known").is_in(renameable.implode()) & ~pl.col("key").is_in(delivered.implode())
    can = {
        Decision.REMOVED: is_gone & removes,
        Decision.RENAMED: is_gone.fill_null(value=True) & is_free,
        Decision.ANEW: ~is_gone & removes,
    }
    choices = [pl.when(which).then(pl.lit(decision.value)) for decision, which in can.items()]
    return pl.concat_list(choices).list.drop_nulls()


def renamed(pieces: Callable[[], Iterable[pl.DataFrame]], names: Mapping[str, str]) -> Iterator[pl.DataFrame]:
    """Yield a snapshot in which keys have new names.

    What is known of a key that has one of the new names already is dropped: nothing was ever delivered under it.

    Args:
        pieces: Yields `importer.core.snapshot.SNAPSHOT_SCHEMA`, by key; asked twice.
        names: New name of each key that gets one; all of them differ.
    """
    olds, news = list(names), list(names.values())
    forgotten = {
        name: pl.lit(None, dtype=SNAPSHOT_SCHEMA[name]) for name in ("profile_id", "held", "held_at", "decided")
    }
    moving = [piece.filter(pl.col("key").is_in(olds)) for piece in pieces()]
    moved = (
        pl.concat([pl.DataFrame(schema=SNAPSHOT_SCHEMA), *moving])
        .with_columns(pl.col("key").replace(names), **forgotten)
        .sort("key")
    )
    for piece in pieces():
        stays = piece.filter(~pl.col("key").is_in([*olds, *news]))
        split = int(moved["key"].search_sorted(piece["key"][-1], side="right"))
        yield pl.concat([stays, moved.head(split)]).sort("key")
        moved = moved.slice(split)
    yield moved


def without_leaving(piece: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """Return lines of a snapshot whose profiles may be deleted any moment as those of nobody.

    So a row that would go to such a profile is held, also where its key is the one that was gone: what it says would
    go with it.

    Args:
        piece: ``key``, ``identifiers``, ``held``, ``held_at``.
        now_ms: Milliseconds since 1970.

    Returns:
        ``key``, ``identifiers``.
    """
    asked_ms = pl.col("held_at").dt.epoch("ms")
    leaving = (pl.col("held") == LEAVING) & (asked_ms > now_ms - APPLIED_AFTER.total_seconds() * 1000)
    key = pl.when(leaving.fill_null(value=False)).then(pl.col("key") + _LEFT).otherwise("key")
    return piece.select(key=key, identifiers="identifiers")
