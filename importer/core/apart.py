"""Rows that may not go in one Bulk body although nothing links them: they share a value that many may have.

Each such row gets a colour that no other row with one of its values has; rows of one colour go together, and ordinary
rows fill up what a colour leaves of a body.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from importer.core.filled import Numbers
from importer.core.union_find import Positions, run_starts, union

_STRETCH = 1 << 18


def apart_numbers(group: Positions, row: Positions, value: Positions) -> Positions:
    """Number the rows of groups that go one after the other: those of one group, and of groups that share a value.

    Args:
        group: Group of each row, -1 for none.
        row: Row of each value of idTypes that link nobody alone.
        value: The value's number.

    Returns:
        The smallest row each row has to wait for or with; -1 for rows of no group.
    """
    grouped = np.flatnonzero(group >= 0)
    grouped = grouped[np.argsort(group[grouped], kind="stable")]
    same = group[grouped][1:] == group[grouped][:-1]
    of_group = group[row] >= 0
    order = np.argsort(value[of_group], kind="stable")
    row, value = row[of_group][order], value[of_group][order]
    equal = value[1:] == value[:-1]
    left = np.concatenate([grouped[:-1][same], row[:-1][equal]])
    right = np.concatenate([grouped[1:][same], row[1:][equal]])
    return np.where(group >= 0, union(group.size, left, right), -1)


def conflict_colours(n: int, row: Positions, value: Positions) -> npt.NDArray[np.uint32]:
    """Give rows that share values different colours, few in all.

    Args:
        n: Number of rows.
        row: Row of each entry.
        value: A value it has; entries may repeat.

    Returns:
        Colour of each row from 1; 0 for rows that share nothing. There are at least as many colours as rows of the
        commonest value, and hardly more.

    Example:
        >>> conflict_colours(4, np.array([0, 1, 1, 2]), np.array([7, 7, 8, 8])).tolist()
        [2, 1, 2, 0]
    """
    colours = np.zeros(n, dtype=np.uint32)
    row, value = _shared(row, value)
    if not row.size:
        return colours
    several = np.bincount(row, minlength=n)[row] > 1
    used = _colour_first_fit(row[several], value[several], colours)
    order = np.argsort(value[~several], kind="stable")
    row, value = row[~several][order], value[~several][order]
    starts = run_starts(value)
    sizes = np.diff(starts, append=row.size)
    colours[row] = np.arange(row.size) - np.repeat(starts, sizes) + 1
    for number in np.flatnonzero(np.isin(value[starts], np.fromiter(used, dtype=np.int64, count=len(used)))):
        first, size = int(starts[number]), int(sizes[number])
        colours[row[first : first + size]] = _free(used[int(value[first])], size)
    return colours


def _shared(row: Positions, value: Positions) -> tuple[Positions, Positions]:
    """Leave out repeated entries and values of one row; ordered by row."""
    if not row.size:
        return row, value
    order = np.lexsort((value, row))
    row, value = row[order], value[order]
    new = np.concatenate([[True], (row[1:] != row[:-1]) | (value[1:] != value[:-1])])
    row, value = row[new], np.unique(value[new], return_inverse=True)[1]
    common = np.bincount(value)[value] > 1
    return row[common], value[common]


def _colour_first_fit(row: Positions, value: Positions, colours: npt.NDArray[np.uint32]) -> dict[int, int]:
    """Colour rows of several values, each with the lowest colour that none of its values has yet.

    Row by row: few rows have several such values. A value's colours are the bits of one number.
    """
    used: dict[int, int] = {}
    starts = run_starts(row)
    of_row = np.split(value, starts[1:]) if row.size else []
    for number, values in zip(row[starts].tolist(), of_row, strict=True):
        own = values.tolist()
        taken = 0
        for one in own:
            taken |= used.get(one, 0)
        lowest = ~taken & (taken + 1)
        colours[number] = lowest.bit_length()
        for one in own:
            used[one] = used.get(one, 0) | lowest
    return used


def _free(taken: int, count: int) -> npt.NDArray[np.uint32]:
    """Return the lowest colours that are not taken."""
    size = count + taken.bit_count()
    bits = np.frombuffer(taken.to_bytes(max(size, taken.bit_length()) // 8 + 1, "little"), dtype=np.uint8)
    return (np.flatnonzero(np.unpackbits(bits, bitorder="little", count=None) == 0)[:count] + 1).astype(np.uint32)


def fill_up(
    wave: Numbers, fills: npt.NDArray[np.bool_], size: npt.NDArray[np.uint64], most: tuple[int, int]
) -> Numbers:
    """Let ordinary rows share the bodies of coloured ones, so that few bodies are nearly empty.

    Args:
        wave: Colour of each row; 0 for ordinary rows.
        fills: The rows that may share bodies with one another: coloured and ordinary.
        size: Of each row, in bytes.
        most: Rows and bytes of a body.

    Returns:
        The waves, those of some ordinary rows no longer 0.
    """
    coloured = np.flatnonzero(fills & (wave > 0))
    if not coloured.size:
        return wave
    max_rows, max_bytes = most
    classes = int(wave[coloured].max()) + 1
    rows = np.bincount(wave[coloured], minlength=classes)
    # What a body has left by the mean size of its rows; cutting has the last word, and by exact sizes.
    held = np.bincount(wave[coloured], weights=size[coloured].astype(np.float64), minlength=classes)
    last = np.where(rows > 0, (rows - 1) % max_rows + 1, 0)
    room_rows = np.where(rows > 0, max_rows - last, 0)
    room_bytes = np.maximum(max_bytes - held * last / np.maximum(rows, 1), 0.0)
    # No more ordinary rows than there is room for: the others stay where they are, and are most of all rows.
    ordinary = _first_places(fills & (wave == 0), int(room_rows.sum()))
    total = np.concatenate([[0], np.cumsum(size[ordinary], dtype=np.uint64)]).astype(np.float64)
    result = wave.copy()
    first = 0
    for one in np.flatnonzero(room_rows > 0).tolist():
        fits = int(np.searchsorted(total, total[first] + room_bytes[one], side="right")) - 1
        stop = min(fits, first + int(room_rows[one]), ordinary.size)
        result[ordinary[first:stop]] = one
        first = max(first, stop)
        if first == ordinary.size:
            break
    return result


def _first_places(marked: npt.NDArray[np.bool_], most: int) -> Positions:
    """Return the first places that are marked, at most so many; a stretch at a time, for their numbers have 64 bits."""
    found = [np.empty(0, dtype=np.int64)]
    for start in range(0, marked.size, _STRETCH):
        if most <= 0:
            break
        found.append(start + np.flatnonzero(marked[start : start + _STRETCH])[:most])
        most -= found[-1].size
    return np.concatenate(found)
