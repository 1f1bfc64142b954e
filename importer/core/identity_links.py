"""Links between rows that share identifiers or a key, and the groups they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from importer.core.identity_values import BoolArray, IdentityValues, SharedValues
from importer.core.schema import IdentifierConfig
from importer.core.union_find import Positions, run_starts, union

_HUB_VALUES: Final = 200
"""A group with more values than this is compared value by value, not pair by pair."""


@dataclass(frozen=True, slots=True)
class LinkedGroups:
    """Groups of two or more linked rows, in order of their first rows.

    Attributes:
        rows: Their rows, by group, and in source order within a group.
        starts: Where each group begins in `rows`.
        at: Group of each of `rows`.
        of: Group of every row of the run; -1 for a row alone.
        linking: Which idTypes (in the order of `IdentityValues.types`) link a group's keys; without key columns, its
            rows. One line a group.
    """

    rows: Positions
    starts: Positions
    at: Positions
    of: Positions
    linking: BoolArray

    @property
    def sizes(self) -> Positions:
        """Rows of each group."""
        return np.diff(self.starts, append=self.rows.size)

    @classmethod
    def find(cls, values: IdentityValues, configs: Mapping[str, IdentifierConfig]) -> Self:
        """Link rows by the store's settings; an idType without settings is unique."""
        types = list(values.types)
        loose = [name in configs and not configs[name].enforce_unique for name in types]
        unique = [values.shared[name] for name, is_loose in zip(types, loose, strict=True) if not is_loose]
        if values.key_shared is not None:
            unique.append(values.key_shared)
        root = union(values.n, *_edges(unique))
        root, compound = _join_compounds(root, [values.shared[name] for name in np.array(types)[loose]])
        rows, starts, at, of = _components(root)
        linking = np.zeros((starts.size, len(types)), dtype=np.bool_)
        across = values.keys if values.keys is not None else np.arange(values.n)
        for number in np.flatnonzero(~np.array(loose, dtype=np.bool_)):
            shared = values.shared[types[number]]
            linking[of[shared.row[shared.starts[shared.spread(across)]]], number] = True
        for links in compound:
            linking[of[links.left], np.flatnonzero(loose)[links.id_type]] = True
        return cls(rows, starts, at, of, linking)


def _edges(sources: Sequence[SharedValues]) -> tuple[Positions, Positions]:
    edges = [shared.edges() for shared in sources]
    nothing = np.empty(0, dtype=np.int64)
    return (
        np.concatenate([nothing, *(left for left, _ in edges)]),
        np.concatenate([nothing, *(right for _, right in edges)]),
    )


def _join_compounds(root: Positions, shared: Sequence[SharedValues]) -> tuple[Positions, list[CompoundLinks]]:
    """Join groups that agree in two identifiers; a joined group may agree with further ones."""
    found: list[CompoundLinks] = []
    while any(values.count for values in shared):
        links = compound_links(root, shared)
        if links.left.size == 0:
            break
        found.append(links)
        root = union(root.size, links.left, links.right)[root]
    return root, found


def _components(root: Positions) -> tuple[Positions, Positions, Positions, Positions]:
    """Return rows, starts, at and of as `LinkedGroups` has them, in order of the groups' first rows."""
    rows = np.flatnonzero(np.bincount(root, minlength=root.size)[root] > 1)
    rows = rows[np.argsort(root[rows], kind="stable")]
    starts = run_starts(root[rows])
    of = np.full(root.size, -1, dtype=np.int64)
    at = np.repeat(np.arange(starts.size), np.diff(starts, append=rows.size))
    of[rows] = at
    return rows, starts, at, of


@dataclass(frozen=True, slots=True)
class CompoundLinks:
    """Groups that agree in two or more identifiers of idTypes without ``enforceUnique``.

    Attributes:
        left: A row of one group.
        right: A row of the other.
        id_type: Number of the idType of one of the values they share.
    """

    left: Positions
    right: Positions
    id_type: Positions


def compound_links(root: Positions, shared: Sequence[SharedValues]) -> CompoundLinks:
    """Link groups that share two or more values: the only way idTypes without ``enforceUnique`` link.

    Groups and not rows are compared, because a profile has the identifiers of all rows that made it.

    Args:
        root: Group of each row, as its smallest row.
        shared: Shared values of each such idType.
    """
    offsets = np.cumsum([0, *(values.count for values in shared)])
    value = np.concatenate([values.value + offset for values, offset in zip(shared, offsets[:-1], strict=True)])
    group = root[np.concatenate([values.row for values in shared])]
    group, value = _core(*np.divmod(np.unique(group * offsets[-1] + value), max(int(offsets[-1]), 1)))
    sizes = np.bincount(group, minlength=1)[group] if group.size else group
    hub = sizes > _HUB_VALUES
    pieces = [_by_pairs(group[~hub], value[~hub], int(offsets[-1]))]
    pieces += [_by_marks(one, group, value) for one in np.unique(group[hub])]
    left, right, found = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    return CompoundLinks(left, right, np.searchsorted(offsets, found, side="right") - 1)


def _core(group: Positions, value: Positions) -> tuple[Positions, Positions]:
    """Leave out values of one group and groups with one value, until none is left: they cannot link."""
    while group.size:
        kept = (np.bincount(value)[value] > 1) & (np.bincount(group)[group] > 1)
        if kept.all():
            break
        group, value = group[kept], value[kept]
    return group, value


def _by_pairs(group: Positions, value: Positions, values: int) -> tuple[Positions, Positions, Positions]:
    """Find groups that have the same pair of values; group and value are ordered by group, then value."""
    owners, pairs = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for distance in range(1, group.size):
        together = np.flatnonzero(group[distance:] == group[:-distance])
        if together.size == 0:
            break
        owners.append(group[together])
        pairs.append(value[together] * values + value[together + distance])
    owner, pair = np.concatenate(owners), np.concatenate(pairs)
    order = np.argsort(pair, kind="stable")
    owner, pair = owner[order], pair[order]
    same = pair[1:] == pair[:-1]
    left, right, shared = owner[:-1][same], owner[1:][same], pair[1:][same]
    return np.tile(left, 2), np.tile(right, 2), np.concatenate(np.divmod(shared, max(values, 1)))


def _by_marks(one: np.int64, group: Positions, value: Positions) -> tuple[Positions, Positions, Positions]:
    """Find groups that share two values with one group of very many, whose pairs would be too many."""
    marked = np.zeros(int(value.max()) + 1, dtype=np.bool_)
    marked[value[group == one]] = True
    hits = marked[value] & (group != one)
    hits &= np.bincount(group[hits], minlength=int(group.max()) + 1)[group] > 1
    return np.full(int(hits.sum()), one), group[hits], value[hits]
