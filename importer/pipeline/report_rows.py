"""What a report says of merge groups, and of rows that were read back: frames of a run to frames for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl

from importer.core.read_back import Verified
from importer.core.report_parts import MergeGroups

_LARGEST: Final = 5
_ROWS_A_TIME: Final = 50_000


def merge_groups(index: pl.DataFrame, groups: pl.DataFrame, reading: str) -> MergeGroups:
    """Count groups of rows that may become one profile.

    Args:
        index: What was decided about the valid rows.
        groups: One row a group: ``group``, ``kind``, ``decision``, ``decided_by``, ``chain``, ``hub``, ``profiles``.
        reading: How the service is taken to treat a row that matches several profiles.
    """
    merges = groups.filter(pl.col("kind") == "merge")
    held = merges.filter(pl.col("decision") == "held")
    rows = index[["group", "state"]][np.flatnonzero(index["group"].to_numpy() >= 0)]
    group = rows["group"]
    sizes = group.filter(group.is_in(merges["group"].implode())).value_counts()["count"]
    held_rows = ((rows["state"] == "held") & group.is_in(held["group"].implode())).sum()
    return MergeGroups(
        groups=merges.height,
        rows=sizes.sum(),
        single=(sizes == 1).sum(),
        held=held.height,
        held_rows=held_rows,
        decided=held["decided_by"].is_not_null().sum(),
        allowed=merges.height - held.height,
        chains=merges["chain"].sum(),
        hubs=merges["hub"].sum(),
        largest=tuple(sizes.sort(descending=True).head(_LARGEST)),
        reading=reading,
        profiles=merges["profiles"].fill_null(1).sum(),
    )


def group_lines(index: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of groups: ``line`` and ``member``, both the line of the index, and ``group``.

    Args:
        index: What was decided about the valid rows.
        groups: One row a group.
    """
    lines = index.select(pl.arg_where(pl.col("group") >= 0).cast(pl.Int64).alias("line")).to_series()
    rows = pl.DataFrame([lines, lines.alias("member"), index["group"].gather(lines)])
    return rows.filter(pl.col("group").is_in(groups["group"].implode()))


def group_facts(
    placed: pl.DataFrame, groups: pl.DataFrame, members: pl.DataFrame, facts: Sequence[str], reading: str
) -> Iterator[pl.DataFrame]:
    """Yield rows of groups with what is known of each and of its group, a stretch of rows at a time.

    Args:
        placed: ``member`` and ``group`` of `group_lines`, and where the rows stand.
        groups: One row a group.
        members: One row a row of a group, by ``line``: what links it.
        facts: Columns of either that are wanted.
        reading: Goes into a column of that name.
    """
    members = members.rename({"line": "member"})
    places = [name for name in placed.columns if name not in {"member", "group"}]
    for rows in placed.sort("group", "row_number").iter_slices(_ROWS_A_TIME):
        told = rows.join(groups, on="group", how="inner", maintain_order="left").join(
            members, on="member", how="left", maintain_order="left"
        )
        yield told.select(*places, *facts, reading=pl.lit(reading)).with_columns(pl.col("group").cast(pl.String))


def unlike_lines(index: pl.DataFrame, verified: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the rows that reading back did not find as they were sent, `most` of them; the carried go with theirs.

    Args:
        index: Each row at the place that says something of it.
        verified: What was read back, `READ_BACK_SCHEMA`.
        most: The first so many.
    """
    unlike = verified.filter(pl.col("result") != Verified.CONFIRMED.value)
    # Most runs have nothing to look for, and looking through all positions takes as long for nothing.
    position = index["position"].to_numpy() if unlike.height else np.empty(0, dtype=np.int64)
    lines = np.flatnonzero(np.isin(position, unlike["position"].to_numpy().astype(position.dtype)))
    return (
        pl.DataFrame({"line": lines, "position": position[lines].astype(np.int64)})
        .join(unlike, on="position", how="inner", maintain_order="left")
        .head(most)
        .select("line", "result", "code", "profile_id", "traits", "sent", "stored")
    )
