"""How a run stands that has not ended: its rows counted by the state they would have if it ended now.

Counts only, for a look that is repeated every second: nothing here has a line a row but one number, the place of each
row in the send order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.index import INDEX_STATES
from importer.core.lifecycle import HALF_DONE, OUTCOME, ROW_OUTCOME, BatchState, RowState
from importer.core.report import FinalState, Skipped

_IN_ORDER: Final = INDEX_STATES[:2]
_LEFT: Final = frozenset(
    {
        BatchState.PENDING,
        BatchState.OPENED,
        BatchState.SENT,
        BatchState.CREATING,
        BatchState.UPLOADING,
    }
)


class Places:
    """The places that rows have in the send order, all different.

    Args:
        positions: In any order.
    """

    def __init__(self, positions: Sequence[npt.NDArray[np.int64]]) -> None:
        self.count = sum(map(len, positions))
        last = max((int(some.max()) for some in positions if len(some)), default=-1)
        # Nearly always there is a row at each place, and then nothing need be kept.
        self._sorted = None if last + 1 == self.count else np.sort(np.concatenate(positions))

    def before(self, edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many rows have a place before each edge."""
        if self._sorted is None:
            return np.clip(edges, 0, self.count)
        return np.searchsorted(self._sorted, edges)


@dataclass(frozen=True)
class DecidedRows:
    """What was decided about the rows of a run before anything was sent.

    Attributes:
        stay: Rows that do not go, by final state and, where it is `skipped`, the reason.
        places: Where the rows that go are in the send order.
    """

    stay: Mapping[tuple[str, str], int]
    places: Places


def decided_rows(rows: Iterable[pl.DataFrame], index: Iterable[pl.DataFrame]) -> DecidedRows:
    """Count what was decided.

    Args:
        rows: ``state`` and ``code`` of every row read; the state is null where the index has it.
        index: ``state`` and ``position`` of every valid row, as in `importer.core.index.INDEX_SCHEMA`.
    """
    stay: Counter[tuple[str, str]] = Counter()
    for frame in rows:
        counted = frame.filter(pl.col("state").is_not_null()).group_by("state", "code").len()
        for state, code, count in counted.iter_rows():
            stay[(state, code if state == FinalState.SKIPPED else "")] += count
    places: list[npt.NDArray[np.int64]] = []
    for frame in index:
        goes = (frame["state"] == _IN_ORDER[0]) | (frame["state"] == _IN_ORDER[1])
        placed = goes & (frame["position"] >= 0)
        positions = frame["position"] if placed.all() else frame["position"].filter(placed)
        places.append(positions.to_numpy())
        stay[(FinalState.SKIPPED.value, Skipped.LIMIT.value)] += int((goes & ~placed).sum())
        for state, count in frame.filter(~goes)["state"].cast(pl.String).value_counts().iter_rows():
            stay[(state, "")] += count
    return DecidedRows({reason: count for reason, count in stay.items() if count}, Places(places))


def outcomes_so_far(
    decided: DecidedRows, ranges: pl.DataFrame, own: pl.DataFrame, *, waiting: FinalState
) -> tuple[dict[str, int], dict[str, int]]:
    """Count rows by the state they would have if the run ended now.

    Args:
        decided: What was decided about them.
        ranges: Batches that were not split: positions ``[start, stop)`` and ``state``, by start.
        own: ``position`` and ``state`` of rows that may have an outcome of their own.
        waiting: State of rows that did not leave: `planned` while a process works on the run, else `not_sent`.

    Returns:
        Rows by final state, which sum to the rows read; skipped rows by reason.
    """
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for (state, reason), count in decided.stay.items():
        counts[state] += count
        if reason:
            skipped[reason] += count
    batches = _with_rows(decided, ranges)
    for state, count in batches.group_by("state").agg(pl.col("rows").sum()).iter_rows():
        counts[_outcome(state, waiting)] += count
    counts[waiting.value] += decided.places.count - int(batches["rows"].sum())
    for batch_state, row_state, count in _own(decided, batches, own):
        counts[_outcome(batch_state, waiting)] -= count
        counts[ROW_OUTCOME.get(RowState(row_state), FinalState.UNKNOWN.value)] += count
    return {state: count for state, count in counts.items() if count}, dict(skipped)


def rows_left(decided: DecidedRows, ranges: pl.DataFrame) -> int:
    """Count the rows in the send order that the service has not taken."""
    batches = _with_rows(decided, ranges)
    left = batches.filter(pl.col("state").is_in([state.value for state in _LEFT]))["rows"].sum()
    return int(left) + decided.places.count - int(batches["rows"].sum())


def _with_rows(decided: DecidedRows, ranges: pl.DataFrame) -> pl.DataFrame:
    """Count the rows of each batch: a row that was sent again belongs to its newest place alone."""
    first, last = (decided.places.before(ranges[edge].to_numpy()) for edge in ("start", "stop"))
    return ranges.with_columns(rows=pl.Series(last - first, dtype=pl.Int64))


def _own(decided: DecidedRows, batches: pl.DataFrame, own: pl.DataFrame) -> Iterable[tuple[str, str, int]]:
    """Yield state of the batch, state of the row, and how many rows have them."""
    if own.is_empty() or batches.is_empty():
        return
    asked = own["position"].to_numpy()
    placed = own.filter(pl.Series(decided.places.before(asked + 1) > decided.places.before(asked)))
    joined = placed.rename({"state": "row_state"}).join_asof(
        batches, left_on="position", right_on="start", strategy="backward", check_sortedness=False
    )
    # A row that something is still to follow is in doubt where its batch is at that, and the batch's own elsewhere.
    counts = ~pl.col("row_state").is_in(list(HALF_DONE)) | (pl.col("state") == BatchState.PATCHING)
    inside = pl.col("position") < pl.col("stop")
    yield from joined.filter(counts & inside).group_by("state", "row_state").len().iter_rows()


def _outcome(state: str, waiting: FinalState) -> str:
    outcome = OUTCOME[BatchState(state)]
    return waiting.value if outcome == FinalState.NOT_SENT else outcome
