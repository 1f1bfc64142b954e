"""Who is in a group, by which values, and what the group looks like: a hub, a chain.

Everything here describes; nothing decides. Only rows of listed groups are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from importer.core.forecast import StoreRules
from importer.core.identity_links import LinkedGroups
from importer.core.identity_result import GROUPS_SCHEMA, DecidedBy
from importer.core.identity_values import BoolArray, IdentityValues
from importer.core.union_find import Positions, run_starts

HUB_ROWS: Final = 3
"""A value that links so many rows makes its group a hub."""

LINKS_SCHEMA: Final = pl.Schema(
    {"group": pl.Int64(), "row": pl.Int64(), "id_type": pl.String(), "column": pl.String(), "rows": pl.Int64()}
)
"""A value by which a row is linked with rows of other keys (without key columns: with other rows): where it stands, and
in how many rows of the group it is. Ordered by row; a row that is in its group by its key alone is not in it."""


@dataclass(frozen=True, slots=True)
class ListedGroups:
    """Which groups are listed and as what, one entry a group.

    Attributes:
        number: Number of each group in the list, -1 where it is not listed.
        merge: Whether it would merge profiles.
        allowed: Whether it is sent without a decision.
    """

    number: Positions
    merge: BoolArray
    allowed: BoolArray


@dataclass(frozen=True, slots=True)
class LinkingValues:
    """Values that link the rows of listed groups, an entry for each of them in each of its groups.

    Attributes:
        place: Place of the group in the list.
        rows: How many rows of the group have the value.
        keys: How many of its keys do; without key columns, rows.
        alone: Whether one such value is enough to link.
        links: `LINKS_SCHEMA`.
    """

    place: Positions
    rows: Positions
    keys: Positions
    alone: BoolArray
    links: pl.DataFrame


def linking_values(
    values: IdentityValues, linked: LinkedGroups, groups: ListedGroups, rules: StoreRules
) -> LinkingValues:
    """Find the values that link the rows of listed groups.

    Args:
        values: Of all rows.
        linked: The groups.
        groups: Which of them are listed.
        rules: The store's: which idTypes link alone.
    """
    units = values.keys if values.keys is not None else np.arange(values.n)
    names = pl.Series([column for shared in values.shared.values() for column in shared.columns], dtype=pl.String)
    id_types = pl.Series([name for name, shared in values.shared.items() for _ in shared.columns], dtype=pl.String)
    none = np.empty(0, dtype=np.int64)
    of_values, of_links, first_column = [(none, none, none, none)], [(none, none, none, none)], 0
    for number, (id_type, shared) in enumerate(values.shared.items()):
        here = np.append(linked.linking[:, number] & (groups.number > 0), False)[linked.of[shared.row]]
        row, value, column = shared.row[here], shared.value[here], first_column + shared.column[here]
        group = groups.number[linked.of[row]]
        in_group = value * (linked.starts.size + 1) + group
        order = np.argsort(in_group, kind="stable")
        row, column, group, in_group = row[order], column[order], group[order], in_group[order]
        starts = run_starts(in_group)
        at = np.repeat(np.arange(starts.size), np.diff(starts, append=row.size))
        rows, keys = different(at, row, starts.size), different(at, units[row], starts.size)
        several = keys > 1
        alone = np.full(starts.size, rules.config(id_type).enforce_unique, dtype=np.int64)
        of_values.append((group[starts][several] - 1, rows[several], keys[several], alone[several]))
        of_links.append((group[several[at]], row[several[at]], column[several[at]], rows[at][several[at]]))
        first_column += len(shared.columns)
    place, rows, keys, alone = map(np.concatenate, zip(*of_values, strict=True))
    group, row, column, in_rows = map(np.concatenate, zip(*of_links, strict=True))
    order = np.argsort(row, kind="stable")
    column = column[order]
    links = pl.DataFrame(
        {
            "group": group[order],
            "row": values.rows[row[order]],
            "id_type": id_types.gather(column),
            "column": names.gather(column),
            "rows": in_rows[order],
        },
        schema=LINKS_SCHEMA,
    )
    return LinkingValues(place, rows, keys, alone.astype(np.bool_), links)


def different(at: Positions, number: Positions, size: int) -> Positions:
    """Count the different numbers at each of `size` places; no number is negative."""
    width = int(number.max(initial=0)) + 1
    pairs = np.sort(at * width + number)
    return np.bincount(pairs[run_starts(pairs)] // width, minlength=size)


def describe_groups(
    values: IdentityValues, linked: LinkedGroups, groups: ListedGroups, profile: Positions, linking: LinkingValues
) -> pl.DataFrame:
    """Describe the listed groups, `GROUPS_SCHEMA`.

    Args:
        values: Of all rows.
        linked: The groups.
        groups: Which of them are listed, and as what.
        profile: What `forecast_profiles` returned.
        linking: What `linking_values` returned.
    """
    listed = np.flatnonzero(groups.number >= 0)
    names = np.array(list(values.types))
    flags = linked.linking[listed]
    pattern = np.zeros(listed.size, dtype=np.int64)
    for of_type in flags.T:  # all of them at once would be compared line by line, which takes ten times as long
        pattern = 2 * pattern + of_type
        used = np.bincount(pattern) > 0
        pattern = (np.cumsum(used) - 1)[pattern]
    one = np.empty(int(pattern.max(initial=-1)) + 1, dtype=np.int64)
    one[pattern] = np.arange(listed.size)
    id_types = pl.Series([names[linking_types].tolist() for linking_types in flags[one]], dtype=pl.List(pl.String))
    profiles = np.maximum.reduceat(profile[linked.rows], linked.starts)[listed] if listed.size else listed
    sizes = linked.sizes[listed]
    keys = None if values.keys is None else different(linked.at, values.keys[linked.rows], linked.starts.size)[listed]
    whole = linking.keys == (sizes if keys is None else keys)[linking.place]
    most_shared = np.zeros(listed.size, dtype=np.int64)
    np.maximum.at(most_shared, linking.place, linking.rows)

    def count(chosen: BoolArray) -> Positions:
        return np.bincount(linking.place[chosen], minlength=listed.size)

    links = np.bincount(linking.place, minlength=listed.size)
    across = (count(whole & linking.alone) > 0) | (count(whole) > 1)
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, listed.size)
    return pl.DataFrame(
        {
            "group": groups.number[listed],
            "rows": sizes,
            "keys": nothing if keys is None else keys,
            "id_types": id_types.gather(pattern),
            "kind": pl.Series(["sequence", "merge"]).gather(groups.merge[listed].astype(np.int8)),
            "allowed": groups.allowed[listed],
            "hub": most_shared >= HUB_ROWS,
            "chain": (links > 0) & ~across,
            "linking_values": links,
            "most_shared": most_shared,
            "profiles": pl.Series(profiles).replace(-1, None),
            "decided_by": pl.Series([None, DecidedBy.MAPPING.value]).gather(groups.allowed[listed].astype(np.int8)),
            "fingerprint": nothing,
        },
        schema_overrides=GROUPS_SCHEMA,
    )
