"""What a report says of merge groups, and of rows that were read back: frames of a run to frames for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from importer.core.read_back import Verified
from importer.core.report_parts import MergeGroups

_LARGEST: Final = 5


def merge_groups(index: pl.DataFrame, groups: pl.DataFrame, reading: str) -> MergeGroups:
    """Count groups of rows that may become one profile.

    Args:
        index: What was decided about the valid rows.
        groups: One row a group: ``group``, ``kind``, ``decision``, ``decided_by``, ``chain``, ``hub``, ``profiles``.
        reading: How the service is taken to treat a row that matches several profiles.
    """
    merges = groups.filter(pl.col("kind") == "merge")
    sizes = index.filter(pl.col("group").is_in(merges["group"].implode()))["group"].value_counts()["count"]
    held = merges.filter(pl.col("decision") == "held")
    held_rows = index.filter((pl.col("state") == "held") & pl.col("group").is_in(held["group"].implode())).height
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


def group_lines(
    index: pl.DataFrame, groups: pl.DataFrame, members: pl.DataFrame, facts: Sequence[str], reading: str
) -> pl.DataFrame:
    """Return the rows of groups by ``line`` of the index, with what is known of each and of its group.

    Args:
        index: What was decided about the valid rows.
        groups: One row a group.
        members: One row a row of a group, by ``line``: what links it.
        facts: Columns of either that are wanted.
        reading: Goes into a column of that name.
    """
    return (
        index.select("group")
        .with_row_index("line")
        .filter(pl.col("group") >= 0)
        .join(groups, on="group", how="inner", maintain_order="left")
        .with_columns(pl.col("line").cast(pl.Int64))
        .join(members, on="line", how="left", maintain_order="left")
        .select("line", *facts, reading=pl.lit(reading))
    )


def unlike_lines(index: pl.DataFrame, verified: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the rows that reading back did not find as they were sent, `most` of them; the carried go with theirs.

    Args:
        index: Each row at the place that says something of it.
        verified: What was read back, `READ_BACK_SCHEMA`.
        most: The first so many.
    """
    unlike = verified.filter(pl.col("result") != Verified.CONFIRMED.value)
    return (
        index.select("position")
        .with_row_index("line")
        .with_columns(pl.col("line").cast(pl.Int64))
        .filter(pl.col("position") >= 0)
        .join(unlike, on="position", how="inner", maintain_order="left")
        .head(most)
        .select("line", "result", "code", "profile_id", "traits", "sent", "stored")
    )
