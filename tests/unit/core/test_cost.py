"""What sending costs, and the month it is laid beside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.cost import Billed, Cost, allowance, allowance_text, cost_text, month_of, too_dear

COUNTS = st.integers(0, 10_000)
COSTS = st.builds(Cost, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


@given(COSTS, COSTS)
def test_costs_add_up(one: Cost, other: Cost) -> None:
    """Sending two runs costs what each costs, at least and at most."""
    both = one + other
    assert both.at_least == one.at_least + other.at_least
    assert both.billable_at_most == one.billable_at_most + other.billable_at_most


@given(COSTS, COUNTS)
def test_the_guard_compares_with_the_most(cost: Cost, limit: int) -> None:
    """It lets everything go whose most is within the limit, and nothing else; without a limit all of it."""
    assert (too_dear(cost, limit) is None) == (cost.billable_at_most <= limit)
    assert too_dear(cost, None) is None


@given(COUNTS, COUNTS, COSTS, st.integers(0, 50_000))
def test_beyond_is_what_is_not_free(used: int, reads: int, coming: Cost, free: int) -> None:
    """Used and coming beyond the free ones, never less than none; reads count at most alone."""
    said = allowance("2026-11", free, Billed(used, used, reads), coming)
    assert said.beyond_at_least == max(0, used + coming.at_least - free)
    assert said.beyond_at_most == max(0, used + reads + coming.billable_at_most - free)
    assert ("; beyond them" in allowance_text(said)) == (said.beyond_at_most > 0)


def test_billed_months_add_up() -> None:
    """Operations and reads of several runs are summed apart."""
    assert Billed(1, 2, 3) + Billed(10, 20, 30) == Billed(11, 22, 33)


@pytest.mark.parametrize(
    ("moment", "month"),
    [("2026-12-01T00:00:00.000Z", "2026-12"), ("2026-11-30T23:59:59.999Z", "2026-11")],
)
def test_months_are_of_the_calendar(moment: str, month: str) -> None:
    """A month begins with its first moment, UTC."""
    assert month_of(moment) == month


@pytest.mark.parametrize(
    ("used", "coming", "text"),
    [
        (Billed(), Cost(rows=5), "0 of 10 free operations used in 2026-11; all of this is free"),
        (Billed(4, 6), Cost(), "at least 4, at most 6 of 10 free operations used in 2026-11; none was beyond them"),
        (Billed(8, 8), Cost(rows=5), "8 of 10 free operations used in 2026-11; beyond them with this: 3"),
        (
            Billed(9, 12),
            Cost(),
            "at least 9, at most 12 of 10 free operations used in 2026-11; beyond them already: at least 0, at most 2",
        ),
    ],
)
def test_a_month_is_one_line(used: Billed, coming: Cost, text: str) -> None:
    """It says what is used, and what of this is not free."""
    assert allowance_text(allowance("2026-11", 10, used, coming)) == text


def test_a_question_names_the_most_only_where_it_is_more() -> None:
    """A range of one number is one number."""
    assert cost_text(Cost(rows=7)) == "at least 7"
    assert cost_text(Cost(rows=7, patches=2)) == "at least 7, at most 9"
