"""What became of every row: the package's rows joined with the index and the ledger, as a stream.

Memory: a few numbers a valid row. A row's outcome is never stored anywhere but in the file this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.enum_texts import enum_texts
from importer.core.findings import nulls
from importer.core.index import INDEX_SCHEMA, INDEX_STATES
from importer.core.packing import KEY_PREFIX
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

_GOING: Final = 2
"""The first states of the index are of rows that go out; the others are final."""

STATE: Final = pl.Enum([state.value for state in FinalState])

_TRACE: Final = ("route", "batch_id", "request_id", "operation_id", "import_id")

_FATE: Final = pl.Schema(
    {
        "state": STATE,
        "code": pl.String(),
        **dict.fromkeys(_TRACE, pl.String()),
        "carried_by": pl.UInt64(),
        "group": pl.String(),
        "verified": pl.String(),
    }
)

Positions = npt.NDArray[np.int64]


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
        if self.ranges.is_empty():
            return {}
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
    fates = _Fates(package, index, delivered, sending_state, verified)
    rows_of_index = index["row"].to_numpy()
    start = 0
    for frame in package.rows_frames():
        # Numbers of another type would copy all lines for each frame.
        ends = np.array([start, start + frame.height], dtype=rows_of_index.dtype)
        first, last = np.searchsorted(rows_of_index, ends).tolist()
        # A stretch of rows at a time: of all of them together this would be the run's peak of memory.
        yield fates.beside(frame, rows_of_index[first:last].astype(np.int64) - start, first)
        start += frame.height


class _Fates:
    """What became of the lines of an index, a stretch of them at a time."""

    def __init__(
        self,
        package: PackageAccess,
        index: pl.DataFrame,
        delivered: Delivered,
        sending_state: FinalState,
        verified: pl.DataFrame | None,
    ) -> None:
        self._index = index
        self._decisions = index["state"].cast(INDEX_SCHEMA["state"]).to_physical().to_numpy()
        self._has_code = index["code"].is_not_null()  # a bit a line
        self._ranges = delivered.ranges.with_columns(pl.col("state").cast(STATE)).sort("start")
        self._overrides = delivered.overrides.with_columns(pl.col("state").cast(STATE)).sort("position")
        self._carried, self._carriers = _carrier_numbers(package, index)
        self._results = _Results(index, verified)
        self._decided = pl.Series("state", [sending_state.value] * _GOING + [*INDEX_STATES[_GOING:], None], dtype=STATE)
        self._nothing = pl.DataFrame(schema=_FATE)

    def beside(self, frame: pl.DataFrame, rows: Positions, first: int) -> pl.DataFrame:
        """Put beside the rows of a frame what became of them.

        Args:
            frame: Rows read.
            rows: Which of them are valid, ascending: these are lines of the index, the others ended before that.
            first: Line of the first of them.
        """
        # Columns of which nothing is known are most of them: they are made once, and shared by all frames.
        if self._nothing.height < frame.height:
            self._nothing = pl.DataFrame([nulls(dtype, frame.height).alias(name) for name, dtype in _FATE.items()])
        told = {column.name: column for column in self._nothing.head(frame.height)}
        self._tell(told, frame, rows, first)
        keys = [name for name in frame.columns if name.startswith(KEY_PREFIX)]
        # Made of columns, and not selected: a query for each frame would take longer than all that it is told.
        return pl.DataFrame([*frame[["file", *keys, "row_number", "line"]], *told.values()])

    def _tell(self, told: dict[str, pl.Series], frame: pl.DataFrame, rows: Positions, first: int) -> None:
        """Put what is known of the rows of a frame into the columns where it belongs, which are of nulls."""
        lines = self._index[first : first + len(rows)]
        decision = _spread(self._decisions[first : first + len(rows)], rows, frame.height, len(INDEX_STATES))
        position = _spread(lines["position"].to_numpy(), rows, frame.height, -1)
        ended = np.flatnonzero(decision == len(INDEX_STATES))
        coded = np.flatnonzero(self._has_code[first : first + len(rows)])
        state = _put(self._decided[decision], ended, frame["state"][ended].cast(STATE))
        code = _put(told["code"], ended, enum_texts(frame["code"][ended]))
        code = _put(code, rows[coded], enum_texts(lines["code"][coded]))
        goes = decision < _GOING
        if self._ranges.height:
            batch = _from_zero(batch_of_position(position, self._ranges))
            told |= self._ranges.select(pl.col(_TRACE).gather(batch)).to_dict()
            state, code = _said(state, code, goes, self._ranges, batch)
        if self._overrides.height:
            own = _from_zero(_found(self._overrides["position"].to_numpy(), position))
            state, code = _said(state, code, goes, self._overrides, own)
        outside = np.flatnonzero(goes & (position < 0))
        told["state"] = _put(state, outside, FinalState.SKIPPED.value)
        told["code"] = _put(code, outside, Skipped.LIMIT.value)
        carried = slice(*np.searchsorted(self._carried, [first, first + len(rows)]))
        carrier = pl.Series(self._carriers[carried])
        told["carried_by"] = _put(told["carried_by"], rows[self._carried[carried] - first], carrier)
        grouped = np.flatnonzero(lines["group"].to_numpy() >= 0)
        told["group"] = _put(told["group"], rows[grouped], lines["group"][grouped].cast(pl.String))
        if self._results.known:
            told["verified"] = _put(told["verified"], rows, self._results.of(first, first + len(rows)))


def _spread(values: npt.NDArray[Any], rows: Positions, height: int, other: int) -> npt.NDArray[Any]:
    """Return a frame's worth of numbers: these at the given rows, another one at all others."""
    if len(rows) == height:
        return values
    spread = np.full(height, other, dtype=values.dtype)
    spread[rows] = values
    return spread


def _put(column: pl.Series, places: Positions, values: pl.Series | str) -> pl.Series:
    """Return a column with other values at some places."""
    return column.clone().scatter(places, values) if len(places) else column


def _said(
    state: pl.Series, code: pl.Series, goes: npt.NDArray[np.bool_], said: pl.DataFrame, line: pl.Series
) -> tuple[pl.Series, pl.Series]:
    """Return state and code as the given lines of a frame say, where they say something of rows that go."""
    told = pl.select(
        state=pl.when(pl.Series(goes)).then(pl.coalesce(said["state"].gather(line), state)).otherwise(state),
        code=pl.coalesce(said["code"].gather(line), code),
    )
    return told["state"], told["code"]


def _found(ascending: Positions, wanted: Positions) -> Positions:
    """Return where each number stands among ascending ones, of which there is one at least; -1 where it does not."""
    place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.where(ascending[place] == wanted, place, -1)


def _from_zero(places: Positions) -> pl.Series:
    """Return places to gather from: below zero is none, which gathers null."""
    found = pl.Series(places)
    return found.zip_with(found >= 0, pl.Series([None], dtype=found.dtype))


class _Results:
    """What reading back found, by line of the index."""

    def __init__(self, index: pl.DataFrame, verified: pl.DataFrame | None) -> None:
        self._index = index
        known = pl.DataFrame(schema={"position": pl.Int64, "result": pl.String}) if verified is None else verified
        self._known = known["position"].to_numpy()
        self._result = known["result"].cast(pl.String).alias("verified")

    @property
    def known(self) -> bool:
        """Some row was read back."""
        return len(self._known) > 0

    def of(self, first: int, last: int) -> pl.Series:
        """Return the results of lines ``[first, last)``, null where a row was not read back."""
        position = self._index["position"].to_numpy()
        own, carrier = position[first:last], self._index["carried_by"].to_numpy()[first:last]
        sent = np.where(carrier >= 0, position[np.maximum(carrier, 0)], own)
        return self._result.gather(_from_zero(_found(self._known, sent)))


def batch_of_position(position: npt.NDArray[np.int64], ranges: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Return the line of `ranges` that holds each position; -1 for none."""
    if ranges.is_empty():
        return np.full(len(position), -1, dtype=np.int64)
    order = np.argsort(ranges["start"].to_numpy(), kind="stable")
    starts = ranges["start"].to_numpy()[order]
    stops = ranges["stop"].to_numpy()[order]
    found = np.searchsorted(starts, position, side="right") - 1
    inside = (position >= 0) & (found >= 0) & (position < stops[np.maximum(found, 0)])
    batch: npt.NDArray[np.int64] = np.where(inside, order[np.maximum(found, 0)], -1).astype(np.int64)
    return batch


def _carrier_numbers(package: PackageAccess, index: pl.DataFrame) -> tuple[Positions, npt.NDArray[np.uint64]]:
    """Return the lines that others carry, ascending, and the row number of the carrier of each."""
    carried_by = index["carried_by"].to_numpy()
    carried = np.flatnonzero(carried_by >= 0)
    if not len(carried):
        return carried, np.zeros(0, dtype=np.uint64)
    wanted = index["row"].to_numpy()[carried_by[carried]].astype(np.int64)
    return carried, package.take_rows(wanted)["row_number"].to_numpy()
