"""What the rows of a planned run of a sync say of keys: which are there, and who has which identifier now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from importer.core.packing import KEY_TEXT
from importer.core.sync_gone import Marks, identifier_marks, readable_keys
from importer.core.sync_handed import WAITING_SCHEMA, can_follow, goes_out, waits
from importer.core.union_find import Hashes
from importer.wiring.run import Run


@dataclass(frozen=True)
class KeysRead:
    """Keys of all rows read, and how many rows have none: of those nobody knows who they are."""

    keys: Marks
    unreadable: int


def keys_read(run: Run, null_tokens: frozenset[str]) -> KeysRead:
    """Return the keys of a run that was planned."""
    keys, unreadable = [np.empty(0, dtype=np.uint64)], 0
    for frame in run.package.rows_frames():
        found, without = readable_keys(frame, null_tokens)
        keys.append(found)
        unreadable += without
    return KeysRead(Marks([np.concatenate(keys)]), unreadable)


def identifiers_of(run: Run, anew: pl.Series) -> tuple[list[Hashes], list[Hashes]]:
    """Return the identifiers of all valid rows of a run: of those that remain, and of those that are held.

    Args:
        run: Planned.
        anew: Keys whose profiles are to go and come again: they remain only where a row of theirs is sent right now.
    """
    id_types = _id_types(run)
    is_waiting, is_going = waits(run.index), goes_out(run.index)
    going: list[Hashes] = []
    waiting: list[Hashes] = []
    start = 0
    for frame in run.package.valid_frames([KEY_TEXT, *id_types]):
        here = slice(start, start + frame.height)
        start += frame.height
        remains = ~is_waiting[here] & (is_going[here] | ~frame[KEY_TEXT].is_in(anew.implode()).to_numpy())
        for ref, id_type in id_types.items():
            for marks, rows in ((going, remains), (waiting, is_waiting[here])):
                values = frame[ref].filter(pl.Series(rows)).drop_nulls()
                if len(values):
                    marks.append(identifier_marks(pl.repeat(id_type, len(values), dtype=pl.String, eager=True), values))
    return going, waiting


def waiting_identifiers(run: Run) -> pl.DataFrame:
    """Return the identifiers of all rows of a run that somebody must decide about, `WAITING_SCHEMA`."""
    is_waiting = waits(run.index)
    found = [pl.DataFrame(schema=WAITING_SCHEMA)]
    if not is_waiting.any():
        return found[0]
    id_types = _id_types(run)
    start = 0
    for frame in run.package.valid_frames([KEY_TEXT, *id_types]):
        lines = frame.with_columns(run.index["row"].slice(start, frame.height))
        lines = lines.filter(pl.Series(is_waiting[start : start + frame.height]))
        start += frame.height
        for ref, id_type in id_types.items():
            values = lines.select(key=KEY_TEXT, row="row", id_type=pl.lit(id_type), value=pl.col(ref).cast(pl.String))
            found.append(values.drop_nulls("value").cast(WAITING_SCHEMA))
    return pl.concat(found)


def ready_keys(run: Run, keys: pl.Series) -> pl.Series:
    """Return those of some keys all of whose valid rows can be sent once nobody else has their identifiers."""
    ready = pl.Series("ready", can_follow(run.index))
    found = [pl.DataFrame(schema={"key": pl.String(), "ready": pl.Boolean()})]
    start = 0
    for frame in run.package.valid_frames([KEY_TEXT]):
        lines = frame.select(key=pl.col(KEY_TEXT).cast(pl.String), ready=ready.slice(start, frame.height))
        start += frame.height
        found.append(lines.filter(pl.col("key").is_in(keys.implode())))
    return pl.concat(found).group_by("key").agg(pl.col("ready").all()).filter("ready")["key"]


def _id_types(run: Run) -> dict[str, str]:
    return {trait.ref: trait.id_type for trait in run.manifest.wire_traits() if trait.id_type is not None}
