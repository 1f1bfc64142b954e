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
from importer.core.union_find import Positions

HUB_ROWS: Final = 3
"""A value that links so many rows makes its group a hub."""

LINKS_SCHEMA: Final = pl.Schema(
    {"group": pl.Int64(), "row": pl.Int64(), "id_type": pl.String(), "column": pl.String(), "rows": pl.Int64()}
)
"""A value by which a row is linked with rows of other keys (without key columns: with other rows): where it stands, and
in how many rows of the group it is. Ordered by row; a row that is in its group by its key alone is not in it."""

SHAPE_SCHEMA: Final = pl.Schema(
    {
        "group": pl.Int64(),
        "hub": pl.Boolean(),
        "chain": pl.Boolean(),
        "linking_values": pl.Int64(),
        "most_shared": pl.Int64(),
    }
)
"""One line a group. ``hub``: one value links three rows or more. ``chain``: no one value (of idTypes without
``enforceUnique``: no two) is in all of its keys (rows), so that it takes two links or more from one end to the other.
``linking_values``: how many values link it. ``most_shared``: rows that have the commonest of them."""


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


def linking_entries(values: IdentityValues, linked: LinkedGroups, groups: ListedGroups) -> pl.DataFrame:
    """Find the values that link the rows of listed groups.

    Args:
        values: Of all rows.
        linked: The groups.
        groups: Which of them are listed.

    Returns:
        `LINKS_SCHEMA` and ``keys`` (different keys, without key columns rows, that have the value), ``at`` (number of
        the value within its idType).
    """
    units = values.keys if values.keys is not None else np.arange(values.n)
    group_of = np.concatenate([groups.number, [-1]])[linked.of]
    pieces = [pl.DataFrame(schema={**LINKS_SCHEMA, "keys": pl.Int64(), "at": pl.Int64()})]
    for place, (id_type, shared) in enumerate(values.shared.items()):
        links = np.zeros(values.n, dtype=np.bool_)
        links[linked.rows] = linked.linking[linked.at, place]
        here = (group_of[shared.row] > 0) & links[shared.row]
        rows = shared.row[here]
        if not rows.size:
            continue
        frame = pl.DataFrame(
            {"group": group_of[rows], "row": rows, "at": shared.value[here], "unit": units[rows]}
        ).with_columns(
            column=pl.Series(shared.columns).gather(shared.column[here]),
            id_type=pl.lit(id_type),
            rows=pl.col("row").n_unique().over("group", "at").cast(pl.Int64),
            keys=pl.col("unit").n_unique().over("group", "at").cast(pl.Int64),
        )
        pieces.append(frame.filter(pl.col("keys") > 1).select(pieces[0].columns))
    return pl.concat(pieces).sort("row", maintain_order=True)


def shapes_of(entries: pl.DataFrame, members: pl.DataFrame, rules: StoreRules) -> pl.DataFrame:
    """Say what each group looks like, `SHAPE_SCHEMA`.

    Args:
        entries: What `linking_entries` returned.
        members: ``group``, ``units`` (its different keys; without key columns its rows), one line a group.
        rules: The store's: which idTypes link alone.
    """
    alone = [name for name in entries["id_type"].unique().to_list() if rules.config(name).enforce_unique]
    by_value = (
        entries.unique(["group", "id_type", "at"])
        .join(members, on="group", how="left")
        .with_columns(whole=pl.col("keys") == pl.col("units"), alone=pl.col("id_type").is_in(alone))
    )
    shape = by_value.group_by("group").agg(
        hub=pl.col("rows").max() >= HUB_ROWS,
        chain=~((pl.col("whole") & pl.col("alone")).any() | (pl.col("whole").sum() > 1)),
        linking_values=pl.len().cast(pl.Int64),
        most_shared=pl.col("rows").max(),
    )
    return (
        members.select("group")
        .join(shape, on="group", how="left", maintain_order="left")
        .with_columns(
            pl.col("hub", "chain").fill_null(value=False), pl.col("linking_values", "most_shared").fill_null(0)
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SHAPE_SCHEMA.items())
    )


def describe_groups(
    values: IdentityValues, linked: LinkedGroups, groups: ListedGroups, profile: Positions, shapes: pl.DataFrame
) -> pl.DataFrame:
    """Describe the listed groups, `GROUPS_SCHEMA`.

    Args:
        values: Of all rows.
        linked: The groups.
        groups: Which of them are listed, and as what.
        profile: What `forecast_profiles` returned.
        shapes: What `shapes_of` returned.
    """
    listed = np.flatnonzero(groups.number >= 0)
    names = np.array(list(values.types))
    linking = linked.linking[listed]
    pattern = np.zeros(listed.size, dtype=np.int64)
    for flags in linking.T:  # all of them at once would be compared line by line, which takes ten times as long
        pattern = np.unique(2 * pattern + flags, return_inverse=True)[1]
    first = np.unique(pattern, return_index=True)[1]
    id_types = pl.Series([names[used].tolist() for used in linking[first]], dtype=pl.List(pl.String))
    profiles = np.maximum.reduceat(profile[linked.rows], linked.starts)[listed] if listed.size else listed
    frame = pl.DataFrame(
        {
            "group": groups.number[listed],
            "rows": linked.sizes[listed],
            "id_types": id_types.gather(pattern),
            "kind": pl.Series(["sequence", "merge"]).gather(groups.merge[listed].astype(np.int8)),
            "allowed": groups.allowed[listed],
            "profiles": pl.Series(profiles).replace(-1, None),
            "fingerprint": pl.Series([None], dtype=pl.String).new_from_index(0, listed.size),
        }
    )
    frame = frame.join(shapes, on="group", how="left", maintain_order="left").with_columns(
        decided_by=pl.when("allowed").then(pl.lit(DecidedBy.MAPPING.value))
    )
    if values.keys is None:
        frame = frame.with_columns(keys=pl.lit(None, dtype=pl.Int64))
    else:
        frame = frame.join(
            group_units(values, linked, groups).rename({"units": "keys"}), on="group", how="left", maintain_order="left"
        )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in GROUPS_SCHEMA.items())


def group_units(values: IdentityValues, linked: LinkedGroups, groups: ListedGroups) -> pl.DataFrame:
    """Count the different keys of each listed group, or its rows where there are no key columns."""
    listed = groups.number > 0
    if values.keys is None:
        return pl.DataFrame({"group": groups.number[listed], "units": linked.sizes[listed]})
    here = listed[linked.at]
    frame = pl.DataFrame({"group": groups.number[linked.at[here]], "key": values.keys[linked.rows[here]]})
    return frame.group_by("group", maintain_order=True).agg(units=pl.col("key").n_unique().cast(pl.Int64))
