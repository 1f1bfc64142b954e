"""What the rows of a run do to stored values beside setting them: traits cleared, removed, overwritten by constants.

Only rows in the send order count: what is held, rejected, carried by another row or left out by a limit changes
nothing. A combined row counts through the row that carries it, with the values the two have together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from importer.core.filled import FilledSet, rows_of_sets
from importer.core.wire import WireTrait
from importer.ports import PackageAccess

_PIECE_ROWS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Overwritten:
    """Stored values that rows change without a value of their own: rows by trait, traits without any left out."""

    cleared: Mapping[str, int]
    removed: Mapping[str, int]
    constant: Mapping[str, int]


def overwritten(
    index: pl.DataFrame,
    package: PackageAccess,
    sets: Sequence[FilledSet],
    traits: Sequence[WireTrait],
    constants: Iterable[str],
) -> Overwritten:
    """Count the values that rows in the send order clear, remove and overwrite by constants.

    Args:
        index: `INDEX_SCHEMA`.
        package: Read for traits that clear alone.
        sets: Filled sets by number.
        traits: All traits.
        constants: Traits that the mapping gives a constant.
    """
    rows_by_set = rows_of_sets(index["set"].to_numpy(), len(sets), (index["position"] >= 0).to_numpy())
    going = int(rows_by_set.sum())
    removed: dict[str, int] = {}
    for entry, rows in zip(sets, rows_by_set.tolist(), strict=True):
        for ref in entry.removed:
            removed[ref] = removed.get(ref, 0) + rows
    return Overwritten(
        cleared=_cleared(index, package, [trait.ref for trait in traits if trait.clears]),
        removed={ref: count for ref, count in removed.items() if count},
        constant=dict.fromkeys(constants, going) if going else {},
    )


def _cleared(index: pl.DataFrame, package: PackageAccess, refs: Sequence[str]) -> dict[str, int]:
    if not refs:
        return {}
    counts = dict.fromkeys(refs, 0)
    slots = np.sort(index["slot"].filter(index["position"] >= 0).to_numpy())
    start = 0
    for frame in package.valid_frames(refs):
        first, last = np.searchsorted(slots, [start, start + frame.height])
        _count(frame[slots[first:last] - start], counts)
        start += frame.height
    changed = slots[np.searchsorted(slots, start) :]
    for at in range(0, len(changed), _PIECE_ROWS):
        _count(package.take(changed[at : at + _PIECE_ROWS]), counts)
    return {ref: count for ref, count in counts.items() if count}


def _count(frame: pl.DataFrame, counts: dict[str, int]) -> None:
    for ref in counts:
        counts[ref] += int((frame[ref] == "").sum())
