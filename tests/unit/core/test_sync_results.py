"""What a run tells a snapshot about its keys."""

from __future__ import annotations

import polars as pl
import pytest

from importer.core.report import FinalState
from importer.core.sync_brakes import FEWEST_REJECTED, Brake, Brakes, Extent, tripped
from importer.core.sync_results import ROWS_SCHEMA, excused, row_results

REFUSED, OPEN = FinalState.FAILED, FinalState.NOT_SENT


def ranks(*states: FinalState) -> list[int]:
    """Return the ranks of rows in these states, each of a key of its own."""
    keys = pl.Series([f"k{number}" for number in range(len(states))])
    lines = pl.Series(range(len(states)), dtype=pl.Int64)
    found = excused(row_results(keys, pl.Series([state.value for state in states]), lines))
    assert found.schema == ROWS_SCHEMA
    return found["rank"].to_list()


def test_a_service_that_refuses_everything_refuses_no_row() -> None:
    """Its refusals are not counted: the rows stay due, as those that were not sent."""
    assert ranks(*[REFUSED] * 8, OPEN) == ranks(*[OPEN] * 9)


@pytest.mark.parametrize("states", [[REFUSED] * 7, [REFUSED] * 7 + [OPEN] * 50, [REFUSED] * 20 + [FinalState.ACCEPTED]])
def test_rows_that_a_working_service_refused_stay_refused(states: list[FinalState]) -> None:
    """A few refusals are about rows, and so are many beside a row that was taken."""
    refused = ranks(REFUSED)[0]
    assert ranks(*states).count(refused) == states.count(REFUSED)


@pytest.mark.parametrize(("rejected", "held"), [(FEWEST_REJECTED - 1, ()), (FEWEST_REJECTED, (Brake.REJECTED,))])
def test_a_few_rejected_rows_never_brake(rejected: int, held: tuple[Brake, ...]) -> None:
    """Windows of a cursor are small, and one bad row would keep the good ones waiting."""
    extent = Extent(12, None, judged=12, rejected=rejected, keys_before=500, changed=0, removals=0, operations=0)
    assert tuple(one.brake for one in tripped(extent, Brakes())) == held
