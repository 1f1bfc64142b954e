"""Which profiles the rows of each group would become under one reading of a clash.

Groups that only unique identifiers link are united at once; those for which order, limits or compound matches count are
replayed row by row.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl

from importer.core.forecast import Reading, StoreRules, Value, replay
from importer.core.identity_links import LinkedGroups
from importer.core.identity_values import BoolArray, IdentityValues
from importer.core.union_find import Positions, run_starts, union

MOST_REPLAYED: Final = 200_000
"""Rows that are replayed at most, those of small groups first: each takes some microseconds."""


def forecast_profiles(values: IdentityValues, linked: LinkedGroups, listed: BoolArray, rules: StoreRules) -> Positions:
    """Number the profiles that each listed group's rows would become, sent one after the other.

    Under `Reading.MERGE` a group whose links all are unique identifiers, none of them beyond its limit, is united
    without a replay; a key links nothing in the store. Groups beyond `MOST_REPLAYED` rows keep what unique identifiers
    unite, and are not numbered under the other readings.

    Args:
        values: Of all rows.
        linked: The groups.
        listed: Which groups are asked for.
        rules: The store's, with the reading.

    Returns:
        The profile of each row within its group, from 1; -1 for rows of no listed group, and where it is not known.
    """
    profile = np.full(values.n, -1, dtype=np.int64)
    rows, at = linked.rows[listed[linked.at]], linked.at[listed[linked.at]]
    if not rows.size:
        return profile
    harder = np.full(listed.size, rules.reading is not Reading.MERGE)
    edges = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for id_type, shared in values.shared.items():
        config = rules.config(id_type)
        if config.enforce_unique:
            left, right = shared.edges()
            asked = linked.of[left] >= 0
            asked[asked] = listed[linked.of[left[asked]]]
            edges.append((left[asked], right[asked]))
        else:
            harder[linked.of[shared.row[linked.of[shared.row] >= 0]]] = True
        harder[_beyond_limit(values, id_type, rows, at, config.limit)] = True
    root = union(values.n, *(np.concatenate(ends) for ends in zip(*edges, strict=True)))
    order = np.lexsort((rows, root[rows], at))
    profile[rows[order]] = _numbered(at[order], root[rows[order]])
    sizes = np.where(harder, np.bincount(at, minlength=listed.size), 0)
    smallest = np.argsort(sizes, kind="stable")
    too_many = np.zeros(listed.size, dtype=np.bool_)
    too_many[smallest] = np.cumsum(sizes[smallest]) > MOST_REPLAYED
    replayed = (harder & ~too_many)[at]
    _replay_groups(values, rows[replayed], at[replayed], rules, profile)
    if rules.reading is not Reading.MERGE:
        profile[rows[(harder & too_many)[at]]] = -1
    return profile


def _beyond_limit(values: IdentityValues, id_type: str, rows: Positions, at: Positions, limit: int) -> Positions:
    """Return the groups with more values of an idType than a profile keeps."""
    columns = range(len(values.types[id_type]))
    large = (np.bincount(at) * len(columns) > limit)[at]
    if not large.any():
        return np.empty(0, dtype=np.int64)
    codes = [_codes(values, id_type, place)[rows[large]] for place in columns]
    pairs = pl.concat(pl.DataFrame({"at": at[large], "code": code}) for code in codes).filter(pl.col("code") >= 0)
    found = pairs.group_by("at").agg(pl.col("code").n_unique()).filter(pl.col("code") > limit)
    beyond: Positions = found["at"].to_numpy()
    return beyond


def _codes(values: IdentityValues, id_type: str, place: int) -> Positions:
    """Number the values of a column so that equal numbers mean equal values in all columns of its idType."""
    codes, shared = values.codes[values.types[id_type][place]], values.shared[id_type]
    own = codes >= 0
    own[shared.row[shared.column == place]] = False
    # beyond every number of a shared value, of which there are no more than entries
    beyond = values.n * (len(values.types[id_type]) + place)
    numbers: Positions = np.where(own, np.arange(values.n) + beyond, codes)
    return numbers


def _numbered(at: Positions, root: Positions) -> Positions:
    """Number the runs of equal roots within each group from 1; both are ordered by group, then root.

    A root is the smallest row of its run, so numbers follow the first rows.
    """
    new = np.concatenate([[True], (root[1:] != root[:-1]) | (at[1:] != at[:-1])])
    starts = run_starts(at)
    runs = np.cumsum(new)
    numbers: Positions = runs - np.repeat(runs[starts], np.diff(starts, append=at.size)) + 1
    return numbers


def _replay_groups(
    values: IdentityValues, rows: Positions, at: Positions, rules: StoreRules, profile: Positions
) -> None:
    """Replay groups row by row; `rows` are by group and in source order within one."""
    if not rows.size:
        return
    columns = [
        (id_type, _codes(values, id_type, place)[rows].tolist())
        for id_type in rules.by_priority(list(values.types))
        for place in range(len(values.types[id_type]))
    ]
    starts = [*run_starts(at).tolist(), rows.size]
    for start, stop in pairwise(starts):
        profile[rows[start:stop]] = replay([_identifiers(columns, number) for number in range(start, stop)], rules)


def _identifiers(columns: list[tuple[str, list[int]]], number: int) -> list[Value]:
    return list(dict.fromkeys((id_type, codes[number]) for id_type, codes in columns if codes[number] >= 0))
