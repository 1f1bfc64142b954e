"""What became of every row: the package's rows joined with the index and the ledger, as a stream.

Memory: a few numbers a valid row. A row's outcome is never stored anywhere but in the file this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.index import INDEX_STATES
from importer.core.report import FinalState, Skipped
from importer.ports import PackageAccess

RANGES_SCHEMA: Final = pl.Schema(
    {
        "start": pl.Int64,
        "stop": pl.Int64,
        "batch_id": pl.String,
        "route": pl.String,
        "state": pl.String,
        "code": pl.String,
        "request_id": pl.String,
        "operation_id": pl.String,
        "import_id": pl.String,
    }
)
"""Final batches: positions ``[start, stop)`` of the send order, not overlapping."""

OVERRIDES_SCHEMA: Final = pl.Schema({"position": pl.Int64, "state": pl.String, "code": pl.String})
"""Rows that did not share their batch's fate."""

_TRACE: Final = ("route", "batch_id", "request_id", "operation_id", "import_id")


@dataclass(frozen=True)
class Delivered:
    """What the ledger knows, by position.

    Attributes:
        ranges: `RANGES_SCHEMA`.
        overrides: `OVERRIDES_SCHEMA`.
        times: When the first and the last request were answered, UTC, ISO 8601; None where none was made.
    """

    ranges: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RANGES_SCHEMA))
    overrides: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=OVERRIDES_SCHEMA))
    times: tuple[str, str] | None = None

    def left_by_route(self) -> dict[str, tuple[int, int]]:
        """Return, by route, how many rows left and with how many batches and parts."""
        left = self.ranges.filter(pl.col("state") != FinalState.NOT_SENT.value)
        counted = left.group_by("route").agg(rows=(pl.col("stop") - pl.col("start")).sum(), batches=pl.len())
        return {route: (rows, batches) for route, rows, batches in counted.iter_rows()}


def outcome_frames(
    package: PackageAccess,
    index: pl.DataFrame,
    delivered: Delivered,
    *,
    sending_state: FinalState,
    verified: pl.DataFrame | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield every row read with its final state, in source order.

    Args:
        package: Gives the rows read.
        index: `INDEX_SCHEMA`.
        delivered: What the ledger knows; empty for a dry run.
        sending_state: State of rows in the send order that no batch speaks for: `planned` or `not_sent`.
        verified: What reading back found, `importer.core.read_back.READ_BACK_SCHEMA` by position; a row that another
            one carries has that one's result.

    Yields:
        ``file``, ``key:`` columns, ``row_number``, ``line``, ``state``, ``code``, ``route``, ``batch_id``,
        ``request_id``, ``operation_id``, ``import_id``, ``carried_by`` (row number), ``group``, ``verified``.
    """
    carriers = _carrier_numbers(package, index)
    results = _Results(index, verified)
    start = 0
    rows_of_index = index["row"].to_numpy()
    for frame in package.rows_frames():
        first, last = np.searchsorted(rows_of_index, [start, start + frame.height])
        # The joins are made for a stretch of rows at a time: over all of them they would be the run's peak of memory.
        lines = index.slice(int(first), int(last - first))
        part = _decided(lines, delivered, sending_state).with_columns(
            at=(pl.col("row") - start).cast(pl.UInt32),
            carrier=pl.Series(carriers[first:last], dtype=pl.UInt64),
            verified=results.of(int(first), int(last)),
        )
        yield _joined(frame, part)
        start += frame.height


def _joined(frame: pl.DataFrame, part: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in frame.columns if name.startswith("key:")]
    early = frame.rename({"state": "early_state", "code": "early_code"}).with_row_index("at")
    return early.join(part, on="at", how="left", maintain_order="left").select(
        "file",
        *keys,
        "row_number",
        "line",
        state=pl.coalesce("early_state", "state"),
        code=pl.coalesce("early_code", "code"),
        **{name: pl.col(name) for name in _TRACE},
        carried_by=pl.when(pl.col("carried_by") >= 0).then("carrier"),
        group=pl.when(pl.col("group") >= 0).then(pl.col("group").cast(pl.String)),
        verified="verified",
    )


class _Results:
    """What reading back found, by line of the index."""

    def __init__(self, index: pl.DataFrame, verified: pl.DataFrame | None) -> None:
        position, carried_by = index["position"].to_numpy(), index["carried_by"].to_numpy()
        self._position = np.where(carried_by >= 0, position[np.maximum(carried_by, 0)], position)
        known = pl.DataFrame(schema={"position": pl.Int64, "result": pl.String}) if verified is None else verified
        self._known = known["position"].to_numpy()
        self._result = known["result"].cast(pl.String)

    def of(self, first: int, last: int) -> pl.Series:
        """Return the results of lines ``[first, last)``; null where a row was not read back."""
        if not len(self._known):
            return pl.Series([None], dtype=pl.String).new_from_index(0, last - first)
        wanted = self._position[first:last]
        found = np.minimum(np.searchsorted(self._known, wanted), len(self._known) - 1)
        hit = pl.Series(self._known[found] == wanted)
        return self._result.gather(pl.select(pl.when(hit).then(pl.Series(found))).to_series())


def _decided(index: pl.DataFrame, delivered: Delivered, sending_state: FinalState) -> pl.DataFrame:
    """Give lines of the index their final state and the trace of their batch."""
    batch = batch_of_position(index["position"].to_numpy(), delivered.ranges)
    ranges = delivered.ranges.with_row_index("batch").select(
        pl.col("batch").cast(pl.Int64), *_TRACE, batch_state="state", batch_code="code"
    )
    overrides = delivered.overrides.rename({"state": "row_state", "code": "row_code"})
    in_order = pl.col("state").is_in(INDEX_STATES[:2])
    joined = (
        index.with_columns(batch=batch)
        .join(ranges, on="batch", how="left", maintain_order="left")
        .join(overrides, on="position", how="left", maintain_order="left")
    )
    return joined.select(
        "row",
        "carried_by",
        "group",
        *_TRACE,
        state=pl.when(~in_order)
        .then(pl.col("state").cast(pl.String))
        .when(pl.col("position") < 0)
        .then(pl.lit(FinalState.SKIPPED.value))
        .otherwise(pl.coalesce("row_state", "batch_state", pl.lit(sending_state.value))),
        code=pl.when(in_order & (pl.col("position") < 0))
        .then(pl.lit(Skipped.LIMIT.value))
        .otherwise(pl.coalesce("row_code", "batch_code", "code")),
    )


def batch_of_position(position: npt.NDArray[np.int64], ranges: pl.DataFrame) -> pl.Series:
    """Return the line of `ranges` that holds each position; -1 for none."""
    if ranges.is_empty():
        return pl.Series(np.full(len(position), -1, dtype=np.int64))
    order = np.argsort(ranges["start"].to_numpy(), kind="stable")
    starts = ranges["start"].to_numpy()[order]
    stops = ranges["stop"].to_numpy()[order]
    found = np.searchsorted(starts, position, side="right") - 1
    inside = (position >= 0) & (found >= 0) & (position < stops[np.maximum(found, 0)])
    return pl.Series(np.where(inside, order[np.maximum(found, 0)], -1).astype(np.int64))


def _carrier_numbers(package: PackageAccess, index: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Return the row number of each line's carrier, 0 where there is none."""
    numbers = np.zeros(index.height, dtype=np.uint64)
    carried_by = index["carried_by"].to_numpy()
    carried = np.flatnonzero(carried_by >= 0)
    if not len(carried):
        return numbers
    wanted = index["row"].to_numpy()[carried_by[carried]].astype(np.int64)
    order = np.argsort(wanted, kind="stable")
    start = 0
    for frame in package.rows_frames():
        first, last = np.searchsorted(wanted[order], [start, start + frame.height])
        if last > first:
            chosen = order[first:last]
            numbers[carried[chosen]] = frame["row_number"].to_numpy()[wanted[chosen] - start]
        start += frame.height
    return numbers


def place_findings(package: PackageAccess, index: pl.DataFrame, findings: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Join place and key to what was found about lines of the index, chunk by chunk.

    Args:
        package: Gives the rows read.
        index: `INDEX_SCHEMA`.
        findings: ``line`` (i64, ascending) and any other columns.

    Yields:
        ``file``, ``key:`` columns, ``row_number``, ``line`` and the other columns of `findings`.
    """
    if findings.is_empty():
        return
    wanted = index["row"].to_numpy()[findings["line"].to_numpy()].astype(np.int64)
    start = 0
    for frame in package.rows_frames():
        first, last = np.searchsorted(wanted, [start, start + frame.height])
        if last > first:
            places = frame[wanted[first:last] - start].drop("state", "code")
            yield places.hstack(findings.slice(int(first), int(last - first)).drop("line"))
        start += frame.height
