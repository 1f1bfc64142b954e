"""Outcomes written beside the rest of a run: who waits for them, and when nobody begins."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import suppress
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from importer.wiring.foretelling import awaited_on_failure, foretell
from importer.wiring.grouping import MOST_BESIDE


class Slow:
    """Work that has begun, and ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.ended = Event(), Event(), Event()

    def __call__(self) -> None:
        """Work."""
        self.begun.set()
        assert self.may_end.wait(60)
        self.ended.set()


def end_once_shut_down(beside: Executor, work: Slow) -> None:
    """Let work end when its executor takes no more."""
    with suppress(RuntimeError):
        while True:
            beside.submit(work.begun.wait).cancel()
    work.may_end.set()


def fail_beside(work: Slow) -> None:
    """Fail while something is being written."""
    with awaited_on_failure() as beside:
        beside.submit(work)
        assert work.begun.wait(60)
        Thread(target=end_once_shut_down, args=(beside, work)).start()
        raise KeyError


def test_a_failure_waits_for_what_is_written() -> None:
    """Its folder may be thrown away then, and nobody may be writing there."""
    work = Slow()
    with pytest.raises(KeyError):
        fail_beside(work)
    assert work.ended.is_set()


def test_many_rows_in_groups_are_told_of_at_the_end() -> None:
    """Both at once would be a run's most memory; with one row less they are begun."""
    fates = SimpleNamespace(group=np.zeros(MOST_BESIDE + 1, dtype=np.int32))
    checked: Any = SimpleNamespace(decided=SimpleNamespace(identity=SimpleNamespace(fates=fates), index=pl.DataFrame()))
    nothing: Any = None
    assert foretell(nothing, nothing, nothing, checked) is None
    fates.group[0] = -1
    with pytest.raises(AttributeError, match="package"):
        foretell(nothing, nothing, nothing, checked)


def test_when_all_is_well_nobody_waits() -> None:
    """The work goes on while the rest of the run does."""
    work = Slow()
    with awaited_on_failure() as beside:
        done = beside.submit(work)
        assert work.begun.wait(60)
    assert not work.ended.is_set()
    work.may_end.set()
    done.result()
