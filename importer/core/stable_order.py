"""Rows put in order by a number of which few different ones occur, without numbers for all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from importer.core.union_find import Positions

_STRETCH_ROWS: Final = 1 << 16

_NARROW_BYTES: Final = 2
"""Of numbers that are counted in a table of all there can be."""

Kinds = Callable[[slice], npt.NDArray[np.integer[Any]]]
"""Returns the numbers of a stretch of rows, none below zero; those of 16 bits are sorted without comparing them."""


def stable_order(rows: int, kinds: Kinds, stretch_rows: int = _STRETCH_ROWS) -> tuple[npt.NDArray[np.int32], Positions]:
    """Order rows by their number, and rows of one number as they stand.

    Args:
        rows: How many rows.
        kinds: Asked twice for each stretch.
        stretch_rows: Rows of a stretch.

    Returns:
        The rows in order, and where each number begins among them.

    Example:
        >>> numbers = np.array([7, 2, 7, 2, 9])
        >>> order, starts = stable_order(5, lambda stretch: numbers[stretch], stretch_rows=2)
        >>> order.tolist(), starts.tolist()
        ([1, 3, 0, 2, 4], [0, 2, 4])
    """
    stretches = [slice(start, min(start + stretch_rows, rows)) for start in range(0, rows, stretch_rows)]
    found = [_counted(kinds(stretch)) for stretch in stretches]
    numbers = np.unique(np.concatenate([np.zeros(0, dtype=np.uint16), *(different for different, _ in found)]))
    sizes = np.zeros(numbers.size, dtype=np.int64)
    for different, counts in found:
        sizes[np.searchsorted(numbers, different)] += counts
    starts = np.cumsum(sizes) - sizes
    free = starts.copy()
    order = np.empty(rows, dtype=np.int32)
    for stretch, (different, counts) in zip(stretches, found, strict=True):
        within = np.argsort(kinds(stretch), kind="stable")
        place = np.searchsorted(numbers, different)
        at = np.arange(within.size) + np.repeat(free[place] - (np.cumsum(counts) - counts), counts)
        order[at] = stretch.start + within
        free[place] += counts
    return order, starts


def _counted(numbers: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.integer[Any]], Positions]:
    """Return which numbers there are, ascending, and how often each."""
    if numbers.itemsize > _NARROW_BYTES:
        return np.unique(numbers, return_counts=True)
    counts = np.bincount(numbers)  # to sort them takes four times as long
    different = np.flatnonzero(counts)
    return different, counts[different]
