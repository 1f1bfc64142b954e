"""A send order whose extension a killed process left half done: finished where its batches are there, else undone."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from importer.core.identity_result import DecidedBy
from importer.core.index import INDEX_SCHEMA, release_groups
from importer.core.merge_groups import with_decision
from importer.pipeline.sent_again import with_positions


@dataclass(frozen=True)
class Whole:
    """Order, index and groups that say the same.

    Attributes:
        order: `ORDER_SCHEMA`.
        index: `INDEX_SCHEMA`.
        groups: `GROUPS_FRAME`.
    """

    order: pl.DataFrame
    index: pl.DataFrame
    groups: pl.DataFrame


def made_whole(order: pl.DataFrame, index: pl.DataFrame, groups: pl.DataFrame, *, planned: int) -> Whole:
    """Finish or undo an extension of the send order.

    Args:
        order: As it is on disk.
        index: The same.
        groups: The same.
        planned: Positions that have a batch: no more and no fewer are in the order.
    """
    order = order.head(planned)
    placed = with_positions(index, order)
    if not placed["position"].equals(index["position"]):
        # Only a release gives a position to rows that were held.
        released = placed.filter((pl.col("position") >= 0) & (pl.col("state") == "held"))["group"].unique()
        index = release_groups(placed, released.to_list()).cast(INDEX_SCHEMA)
    going = index.filter(pl.col("state") == "sequence")["group"].unique().implode()
    released_now = (pl.col("decision") == "held") & pl.col("group").is_in(going)
    return Whole(order, index, with_decision(groups, released_now, DecidedBy.RELEASE))
