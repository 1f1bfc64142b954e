"""Rows put in order by a number of which few different ones occur, without numbers for all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from importer.core.union_find import Positions, run_starts

_STRETCH_ROWS: Final = 1 << 19

Kinds = Callable[[slice], Positions]
"""Returns the numbers of a stretch of rows."""


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
    found = [np.unique(kinds(stretch), return_counts=True) for stretch in stretches]
    numbers = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(different for different, _ in found)]))
    sizes = np.zeros(numbers.size, dtype=np.int64)
    for different, counts in found:
        sizes[np.searchsorted(numbers, different)] += counts
    starts = np.cumsum(sizes) - sizes
    free = starts.copy()
    order = np.empty(rows, dtype=np.int32)
    # Numbers of 16 bits are sorted without comparing them.
    dtype = np.uint16 if numbers.size <= np.iinfo(np.uint16).max else np.int64
    for stretch in stretches:
        place = np.searchsorted(numbers, kinds(stretch)).astype(dtype)
        within = np.argsort(place, kind="stable")
        place = place[within]
        begins = run_starts(place)
        lengths = np.diff(begins, append=place.size)
        at = np.arange(place.size) + np.repeat(free[place[begins]] - begins, lengths)
        order[at] = stretch.start + within
        free[place[begins]] += lengths
    return order, starts
