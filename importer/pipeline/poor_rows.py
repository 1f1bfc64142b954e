"""Which rows are too poor to go once identity dropped values from them.

A row needs an identifier, a second value and whatever the mapping requires; what counts is what its body would hold.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.identity import IdentityResult, RowState
from importer.core.limits import MIN_VALUES_PER_ROW
from importer.core.transform import TransformPlan
from importer.core.union_find import run_starts
from importer.pipeline.prepare import Prepared

STRETCH_ROWS: Final = 100_000


def poor_lines(
    prepared: Prepared, identity: IdentityResult, plan: TransformPlan, stretch_rows: int = STRETCH_ROWS
) -> npt.NDArray[np.int64]:
    """Return the lines that dropping left without an identifier, a second value or one that is required.

    Args:
        prepared: What the rows say about their traits.
        identity: What was dropped, and who carries whom.
        plan: Which traits count, and which are required.
        stretch_rows: Rows looked at together, about.

    Returns:
        Ascending; of rows that others carry, the row that carries them.
    """
    if identity.drops.is_empty():
        return np.zeros(0, dtype=np.int64)
    dropped = identity.drops.select(line="row", ref="column")
    fates = identity.fates
    of_dropped = fates.carrier[np.searchsorted(fates.row, dropped["line"].to_numpy())]
    places = np.flatnonzero(np.isin(fates.carrier, of_dropped))
    places = places[np.argsort(fates.carrier[places], kind="stable")]
    lines, carriers = fates.row[places], fates.carrier[places]
    starts = run_starts(carriers)
    # A number may stand in every row: what they say about their traits is looked at for a stretch of rows at a time.
    ends = np.append(starts[np.searchsorted(starts, np.arange(stretch_rows, lines.size, stretch_rows)) - 1], lines.size)
    stretches = np.split(np.arange(lines.size), np.unique(ends)[:-1])
    whole = [_whole_lines(prepared, plan, dropped, lines[stretch], carriers[stretch]) for stretch in stretches]
    # Rows of held groups are judged too: they may be released later.
    going = fates.row[np.isin(fates.state, [RowState.SEND, RowState.SEQUENCE, RowState.HELD])]
    judged = carriers[starts]
    poor: npt.NDArray[np.int64] = judged[np.isin(judged, going) & ~np.isin(judged, np.concatenate(whole))]
    return poor


def _whole_lines(
    prepared: Prepared,
    plan: TransformPlan,
    dropped: pl.DataFrame,
    lines: npt.NDArray[np.int64],
    carriers: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return which carriers of some lines still have all that a row needs; a carrier's lines are all among them."""
    said = _said(prepared, lines).join(dropped, on=["line", "ref"], how="anti")
    # Later rows have the last word about a trait, and a removal or an empty text is no value: see `combine_rows`.
    values = (
        said.join(pl.DataFrame({"line": lines, "carrier": carriers}), on="line")
        .sort("line", maintain_order=True)
        .group_by("carrier", "ref", maintain_order=True)
        .agg(pl.col("is_value").last())
        .filter("is_value")
    )
    columns = [trait for trait in plan.traits if trait.column is not None and not trait.further]
    required = [trait.ref for trait in columns if trait.required]
    ref = pl.col("ref")
    left = values.group_by("carrier").agg(
        values=ref.is_in([trait.ref for trait in columns]).sum(),
        identifiers=ref.is_in([trait.ref for trait in plan.identifiers if not trait.further]).sum(),
        required=ref.is_in(required).sum(),
    )
    whole = left.filter(
        pl.col("values") >= MIN_VALUES_PER_ROW, pl.col("identifiers") > 0, pl.col("required") == len(required)
    )
    found: npt.NDArray[np.int64] = whole["carrier"].to_numpy()
    return found


def _said(prepared: Prepared, lines: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Return what some lines say about traits: ``line``, ``ref``, and ``is_value``, false where they take one away."""
    numbers = prepared.set_ids[lines]
    sets = pl.DataFrame(
        [
            (number, ref, is_value)
            for number in np.unique(numbers).tolist()
            for refs, is_value in ((prepared.sets[number].filled, True), (prepared.sets[number].removed, False))
            for ref in refs
        ],
        schema={"set": pl.UInt32, "ref": pl.String, "is_value": pl.Boolean},
        orient="row",
    )
    said = pl.DataFrame({"line": lines, "set": numbers}).join(sets, on="set").drop("set")
    cleared = prepared.cleared_traits.of(lines).with_columns(clears=pl.lit(value=True))
    return said.join(cleared, on=["line", "ref"], how="left").select(
        "line", "ref", is_value=pl.col("is_value") & pl.col("clears").is_null()
    )
