"""Rows that go one at a time: how fast the others went says nothing of them, so no end is promised."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from importer.reports.progress import LiveProgress, PlainProgress


def plain(*steps: tuple[int, int]) -> str:
    """Return what is written without a terminal; a second passes before each step of (rows done, rows in turn)."""
    console = Console(file=io.StringIO(), width=200)
    seconds = itertools.count()
    progress = PlainProgress(console, lambda: float(next(seconds)), every_s=0.5)
    progress.stage("send", 100)
    for rows, in_turn in steps:
        progress.advance(rows, one_at_a_time=in_turn)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_is_left_counts_the_rows_that_go_side_by_side() -> None:
    """Of 100 rows 50 are done after a second and 10 go in turn: the other 40 take about a second more."""
    line = plain((50, 10)).splitlines()[-1]
    assert "about 1 s left" in line
    assert "10 rows go one at a time" in line


def test_no_end_is_promised_where_only_those_are_left() -> None:
    """A rate of many rows a second must not say that ten rows of one group take no time."""
    line = plain((90, 10), (1, 9)).splitlines()[-1]
    assert "left" not in line
    assert "9 rows go one at a time" in line


@pytest.mark.parametrize(("done", "in_turn", "promised"), [(50, 10, True), (90, 10, False)])
def test_the_same_on_a_terminal(done: int, in_turn: int, *, promised: bool) -> None:
    """What is redrawn in place leaves the time out, and says why."""
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    now = [0.0]
    progress = LiveProgress(console, lambda: now[0])
    progress.stage("send", 100)
    for part in (done // 2, done - done // 2):
        now[0] += 1.0
        progress.advance(part, one_at_a_time=in_turn)
    progress.finish()
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert f"{in_turn} rows go one at a time" in shown
    assert ("0:00:0" in shown) is promised
