"""Groups of linked rows: union of edges, and runs of equal values, in numpy without a loop over rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_STRETCH = 1 << 17
_FEW = 8
"""A table of all nodes pays where every so many-th has an edge."""


def union(n: int, left: Positions, right: Positions) -> Positions:
    """Join nodes by edges.

    Args:
        n: Number of nodes, 0..n-1.
        left: One end of each edge.
        right: The other end, same length.

    Returns:
        For each node the smallest node it is joined with, directly or not; itself if with none.

    Example:
        >>> union(5, np.array([4, 2]), np.array([2, 1])).tolist()
        [0, 1, 1, 3, 1]
    """
    root = np.arange(n, dtype=np.int64)
    if left.size == 0:
        return root
    # only nodes with an edge take part in the rounds: usually few of many
    touched = np.zeros(n, dtype=np.bool_)
    touched[left] = True
    touched[right] = True
    nodes = np.flatnonzero(touched)
    root[nodes] = nodes[_hook(nodes.size, *_places(nodes, n, left, right))]
    return root


def _places(nodes: Positions, n: int, *ends: Positions) -> tuple[Positions, ...]:
    """Return where in `nodes` each end is: by search where they are few, else by a table of all nodes."""
    if nodes.size * _FEW < n:
        return tuple(np.searchsorted(nodes, end) for end in ends)
    table = np.zeros(n, dtype=np.int64)
    table[nodes] = np.arange(nodes.size)
    return tuple(table[end] for end in ends)


def _hook(n: int, left: Positions, right: Positions) -> Positions:
    """Hook larger roots to smaller ones and flatten, until every edge lies within one root."""
    parent = np.arange(n, dtype=np.int64)
    while True:
        one, other = parent[left], parent[right]
        apart = one != other
        if not apart.any():
            return parent
        left, right, one, other = left[apart], right[apart], one[apart], other[apart]
        # of several smaller roots the last one written wins; the others are met again in the next round
        parent[np.maximum(one, other)] = np.minimum(one, other)
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above


def repeated(hashes: Hashes) -> tuple[Positions, Positions]:
    """Find hashes that occur more than once; 0 stands for "no value" and is left out.

    May find a few too many, never too few: of n hashes, the upper bits that leave room for a position are compared.

    Returns:
        Their positions, equal hashes beside each other and ascending, and where each such run begins among them.
    """
    # Sorted together with their positions, they need not be looked for again.
    low = np.uint64((1 << hashes.size.bit_length()) - 1)
    ordered = np.empty_like(hashes)
    for start in range(0, hashes.size, _STRETCH):
        stretch = hashes[start : start + _STRETCH]
        upper = stretch & ~low
        upper[(upper == 0) & (stretch != 0)] = ~low
        ordered[start : start + _STRETCH] = upper | np.arange(start, start + stretch.size, dtype=np.uint64)
    ordered.sort()
    ordered = ordered[np.searchsorted(ordered, low, side="right") :]
    as_before = np.zeros(ordered.size + 1, dtype=np.bool_)
    for start in range(1, ordered.size, _STRETCH):
        stretch = ordered[start : start + _STRETCH]
        as_before[start : start + stretch.size] = (stretch ^ ordered[start - 1 : start - 1 + stretch.size]) <= low
    at = np.flatnonzero(as_before[1:] | as_before[:-1])
    return (ordered[at] & low).view(np.int64), np.flatnonzero(~as_before[at])


def run_starts(ordered: npt.NDArray[np.generic]) -> Positions:
    """Return where runs of equal values begin in an ordered array; empty for an empty array."""
    if ordered.size == 0:
        return np.empty(0, dtype=np.int64)
    return np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
