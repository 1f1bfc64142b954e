"""Counting the rows of a run that goes on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from importer.core.index import INDEX_STATES
from importer.core.lifecycle import OUTCOME, ROW_OUTCOME, BatchState, RowState
from importer.core.report import FinalState
from importer.pipeline.so_far import decided_rows, outcomes_so_far, rows_left

STATES = [state for state in BatchState if state is not BatchState.SPLIT]


def ranges_of(*batches: tuple[int, int, BatchState]) -> pl.DataFrame:
    """Make a frame of batches."""
    return pl.DataFrame(batches, schema={"start": pl.Int64, "stop": pl.Int64, "state": pl.String}, orient="row")


def own_of(rows: dict[int, RowState]) -> pl.DataFrame:
    """Make a frame of rows that may have an outcome of their own."""
    return pl.DataFrame(sorted(rows.items()), schema={"position": pl.Int64, "state": pl.String}, orient="row")


def index_of(*rows: tuple[str, int]) -> pl.DataFrame:
    """Make the two columns of an index that count."""
    return pl.DataFrame(rows, schema={"state": pl.Enum(INDEX_STATES), "position": pl.Int64}, orient="row")


def early_of(*rows: tuple[str | None, str | None]) -> pl.DataFrame:
    """Make the two columns of the rows read that count."""
    return pl.DataFrame(rows, schema={"state": pl.String, "code": pl.String}, orient="row")


def test_every_row_is_in_one_state() -> None:
    """Rows that ended early, were held or combined, wait, are on their way or have arrived: each is counted once."""
    early = early_of(
        ("rejected", "invalid-email"), ("skipped", "where"), ("skipped", "blank-line"), *[(None, None)] * 9
    )
    index = index_of(
        ("held", -1),
        ("combined", -1),
        ("rejected", -1),
        ("send", -1),
        *[("send", n) for n in (3, 1, 0, 2)],
        ("sequence", 4),
    )
    decided = decided_rows([early.head(2), early.tail(-2)], [index])
    ranges = ranges_of((0, 2, BatchState.PROCESSED), (2, 3, BatchState.SENT), (3, 5, BatchState.PENDING))
    outcomes, skipped = outcomes_so_far(decided, ranges, own_of({}), waiting=FinalState.PLANNED)
    assert outcomes == {
        "rejected": 2,
        "skipped": 3,
        "held": 1,
        "combined": 1,
        "processed": 2,
        "unknown": 1,
        "planned": 2,
    }
    assert skipped == {"where": 1, "blank-line": 1, "limit": 1}
    assert rows_left(decided, ranges) == 3
    stopped, _ = outcomes_so_far(decided, ranges, own_of({}), waiting=FinalState.NOT_SENT)
    assert stopped["not_sent"] == 2


def test_a_row_that_was_sent_again_counts_at_its_newest_place() -> None:
    """The places it had before are history."""
    decided = decided_rows([early_of(*[(None, None)] * 3)], [index_of(("send", 0), ("send", 3), ("send", 2))])
    ranges = ranges_of((0, 3, BatchState.FAILED), (3, 4, BatchState.ACCEPTED))
    outcomes, _ = outcomes_so_far(decided, ranges, own_of({1: RowState.UNKNOWN}), waiting=FinalState.PLANNED)
    assert outcomes == {"failed": 2, "accepted": 1}
    assert rows_left(decided, ranges) == 0


def test_a_row_without_a_batch_waits() -> None:
    """So it is for a moment while rows are put in the order, and before there are batches at all."""
    decided = decided_rows([early_of((None, None), (None, None))], [index_of(("send", 0), ("send", 1))])
    outcomes, _ = outcomes_so_far(decided, ranges_of(), own_of({0: RowState.HELD}), waiting=FinalState.PLANNED)
    assert outcomes == {"planned": 2}
    assert rows_left(decided, ranges_of()) == 2


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(STATES)), max_size=6),
    st.dictionaries(st.integers(0, 23), st.sampled_from(list(RowState)), max_size=10),
    st.data(),
)
def test_the_counts_are_those_of_the_rows(
    sizes: list[tuple[int, BatchState]], own: dict[int, RowState], data: st.DataObject
) -> None:
    """Counting by ranges comes to what looking at each row comes to, and leaves none out."""
    edges = np.cumsum([0, *(size for size, _ in sizes)]).tolist()
    ranges = ranges_of(*((edges[n], edges[n + 1], state) for n, (_, state) in enumerate(sizes)))
    places = sorted(data.draw(st.sets(st.integers(0, edges[-1] + 2))))
    known = own_of({p: s for p, s in own.items() if s in ROW_OUTCOME or s is RowState.FOUND})
    decided = decided_rows([], [index_of(*(("send", place) for place in places))])
    outcomes, _ = outcomes_so_far(decided, ranges, known, waiting=FinalState.PLANNED)

    def outcome(place: int) -> str:
        state = next((s for n, (_, s) in enumerate(sizes) if edges[n] <= place < edges[n + 1]), None)
        mine = own.get(place)
        if state is None:
            return "planned"
        if mine in ROW_OUTCOME:
            return ROW_OUTCOME[mine]
        if mine is RowState.FOUND and state is BatchState.PATCHING:
            return "unknown"
        return "planned" if OUTCOME[state] == "not_sent" else OUTCOME[state]

    assert outcomes == Counter(map(outcome, places))
