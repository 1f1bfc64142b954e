"""Rows that are sent again: which of them, in what company, and what is known of them from before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.index import queue_again
from importer.core.report import FinalState
from importer.pipeline.outcomes import OVERRIDES_SCHEMA, RANGES_SCHEMA, Delivered
from importer.pipeline.schedule import ORDER_SCHEMA
from importer.pipeline.sent_again import (
    KEY,
    MARKS_SCHEMA,
    History,
    Selection,
    history,
    matching_lines,
    places,
    select_again,
    with_positions,
    without_overtaken,
)
from tests.support.fakes import index_of

OPEN: Final = ("failed", "unattributed", "unknown")
GONE: Final = ("accepted", "processed", "unattributed", "unknown")
SENDINGS: Final = ("not_sent", "accepted", "processed", "failed", "unattributed", "unknown")


def order_of(*lines: int) -> pl.DataFrame:
    """Make a send order of these lines of the index."""
    return pl.DataFrame({"line": list(lines), "slot": list(lines)}, schema=ORDER_SCHEMA)


def ledger_of(states: Sequence[str], route: str = "bulk", own: Sequence[tuple[int, str, str | None]] = ()) -> Delivered:
    """Make a ledger in which each place has a batch of its own, in these states."""
    ranges = [
        dict.fromkeys(RANGES_SCHEMA) | {"start": at, "stop": at + 1, "route": route, "state": state}
        for at, state in enumerate(states)
    ]
    return Delivered(
        pl.DataFrame(ranges, schema=RANGES_SCHEMA), pl.DataFrame(list(own), schema=OVERRIDES_SCHEMA, orient="row")
    )


def sent(count: int, **columns: Any) -> pl.DataFrame:
    """Make an index of rows that stand in the send order as they stand in the source."""
    return index_of(*({"position": at} | columns for at in range(count)))


def states_of(past: History, delivered: Delivered) -> list[str]:
    """Return the state of each row."""
    return places(past.index, delivered)["state"].cast(pl.String).to_list()


def test_a_row_that_was_sent_once_has_no_history() -> None:
    """Nothing is looked for, and nothing costs more than once."""
    index, delivered = sent(2), ledger_of(["accepted", "failed"])
    past = history(index, order_of(0, 1), delivered)
    assert past == History(index)
    assert states_of(past, delivered) == ["accepted", "failed"]


def test_the_newest_sending_that_says_something_counts() -> None:
    """A row that waits to be sent again is still what its last sending made of it."""
    order = order_of(0, 1, 2, 0, 1, 2, 0)
    delivered = ledger_of(["unattributed", "unknown", "failed", "processed", "not_sent", "failed", "not_sent"])
    past = history(with_positions(sent(3), order), order, delivered)
    assert past.index["position"].to_list() == [3, 1, 5]
    assert states_of(past, delivered) == ["processed", "unknown", "failed"]
    assert (past.applied, past.doubtful, past.merging) == (0, 1, 0)


def test_every_earlier_sending_may_have_cost_an_operation() -> None:
    """What was applied did, what is in doubt may have, and a row of a merge group may have merged a profile."""
    order = order_of(0, 1, 0, 1, 0)
    delivered = ledger_of(["unknown", "processed", "accepted", "accepted", "accepted"])
    past = history(with_positions(sent(2, state="sequence", group=1), order), order, delivered)
    assert (past.applied, past.doubtful, past.merging) == (2, 1, 3)


def test_a_row_never_sent_stays_so_however_often_it_was_planned() -> None:
    """Then its newest place is as good as any."""
    order = order_of(0, 0)
    past = history(with_positions(sent(1), order), order, ledger_of(["not_sent", "not_sent"]))
    assert past.index["position"].to_list() == [1]


def test_a_row_with_an_outcome_of_its_own_is_judged_by_that() -> None:
    """A refused row of an accepted batch is refused."""
    delivered = ledger_of(["accepted", "accepted"], own=[(1, "failed", "refused-by-service")])
    assert states_of(History(sent(2)), delivered) == ["accepted", "failed"]


def test_rows_are_chosen_by_state() -> None:
    """Those in the states asked for, but for those that nobody need send."""
    found = places(sent(4), ledger_of(["failed", "processed", "unknown", "unattributed"]))
    assert select_again(sent(4), found, OPEN).lines.tolist() == [0, 2, 3]
    assert select_again(sent(4), found, ["unknown"]).lines.tolist() == [2]
    assert select_again(sent(4), found, OPEN, but=pl.Series([3])).lines.tolist() == [0, 2]


def test_later_rows_of_a_merge_group_follow() -> None:
    """The newest row must be the last that was sent, so all that may be delivered goes again behind an older one."""
    index = sent(5, state="sequence", group=7)
    found = places(index, ledger_of(["processed", "unknown", "failed", "processed", "accepted"]))
    chosen = select_again(index, found, ["unknown"], but=pl.Series([4]))
    assert chosen.asked.tolist() == [1]
    assert chosen.lines.tolist() == [1, 3, 4]
    assert chosen.company.tolist() == [0, 1, 3, 4]


def test_a_row_whose_removals_failed_may_be_delivered() -> None:
    """Its values went before the removals did, so it follows as well."""
    index = sent(2, state="sequence", group=7)
    found = places(index, ledger_of(["unknown", "failed"], route="bulk+patch"))
    assert select_again(index, found, ["unknown"]).lines.tolist() == [0, 1]


def test_what_was_overtaken_takes_its_group_with_it() -> None:
    """The rows of a group are one profile: newer values in it are newer than all of them."""
    index = index_of(
        {"position": 0, "state": "sequence", "group": 1},
        {"position": 1, "state": "sequence", "group": 1},
        {"position": 2, "state": "sequence", "group": 2},
        {"position": 3},
        {"position": 4},
    )
    lines = np.arange(5)
    left = without_overtaken(index, Selection(lines, lines, lines), np.array([0, 3]))
    assert left.lines.tolist() == left.asked.tolist() == left.company.tolist() == [2, 4]
    assert without_overtaken(index, left, np.zeros(0, dtype=np.int64)) is left


def test_rows_of_two_runs_match_by_what_both_are_known_by() -> None:
    """An e-mail address is no phone number, and a key is neither."""
    mine = pl.DataFrame({"line": [3, 4, 5, 5], "kind": ["email", KEY, "phone", "email"], "text": ["a", "a", "b", "c"]})
    assert matching_lines(mine, []).tolist() == []
    theirs = [("phone", "a"), ("email", "c"), ("email", "c"), ("email", "z")]
    pieces = [pl.DataFrame([pair], schema=MARKS_SCHEMA, orient="row") for pair in theirs]
    assert matching_lines(mine, pieces).tolist() == [5]
    assert matching_lines(mine.head(0), pieces).tolist() == []


@settings(deadline=None)
@given(
    groups=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    answers=st.lists(st.sampled_from(SENDINGS), min_size=48, max_size=48),
    asked=st.lists(st.sets(st.sampled_from(OPEN), min_size=1), min_size=3, max_size=3),
)
def test_the_newest_row_of_a_group_is_always_the_last_that_was_sent(
    groups: list[int], answers: list[str], asked: list[set[str]]
) -> None:
    """Whatever fails, whatever is asked for and however often: no old value goes on top of a newer one.

    Group 0 stands for rows of none. A row that was taken once is not refused later.
    """
    lines: list[dict[str, Any]] = [{"state": "sequence", "group": group} if group else {} for group in groups]
    index = index_of(*({"position": at} | line for at, line in enumerate(lines)))
    order = order_of(*range(len(groups)))
    states = answers[: len(groups)]
    for wanted in asked:
        delivered = ledger_of(states)
        past = history(index, order, delivered)
        found = places(past.index, delivered)
        chosen = select_again(past.index, found, wanted).lines
        assert set(found.filter(pl.col("state").cast(pl.String).is_in(list(wanted)))["line"]) <= set(chosen.tolist())
        queued = queue_again(index, chosen)
        assert np.flatnonzero(queued["position"].to_numpy() < 0).tolist() == chosen.tolist()
        order = pl.concat([order, order_of(*chosen.tolist())])
        index = with_positions(queued, order)
        taken = {line for line, state in zip(order["line"], states, strict=False) if state in GONE}
        for line in chosen.tolist():
            answer = answers[len(states) % len(answers)]
            states.append(answer if line not in taken or answer in GONE else "unknown")
        for group in set(groups) - {0}:
            there = [line for line, state in zip(order["line"], states, strict=True) if state in GONE]
            mine = [line for line in there if groups[line] == group]
            assert not mine or mine[-1] == max(mine)


def test_all_states_are_known_here() -> None:
    """A state that is added to the report must be judged here as well."""
    assert set(SENDINGS) < {state.value for state in FinalState}
