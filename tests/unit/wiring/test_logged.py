"""Stages and batches as events of the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from importer.core.delivery import BatchEntry, BatchSpec, Changes, Trace
from importer.core.lifecycle import BatchState
from importer.core.route import Route
from importer.errors import StateError
from importer.state.ledger import SqliteLedger
from importer.wiring.logged import BATCH_LEVEL, EVERY_S, LoggedProgress, logged_ledger

NAME: Final = "memory_importer"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """Seconds from an arbitrary start."""
        return self.now_s


@dataclass
class Told:
    """Events as they were logged, each as its name and some of its fields."""

    caplog: pytest.LogCaptureFixture

    @property
    def records(self) -> list[logging.LogRecord]:
        """Everything that was logged."""
        return self.caplog.records

    def events(self, *names: str) -> list[tuple[Any, ...]]:
        """Return events with the fields that are asked for."""
        return [
            (r.__dict__["event"], *(r.args.get(n) for n in names)) for r in self.records if isinstance(r.args, dict)
        ]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Told]:
    """Return what is logged from now on."""
    with caplog.at_level(BATCH_LEVEL, NAME):
        yield Told(caplog)


def test_a_stage_begins_and_ends(told: Told) -> None:
    """A stage ends where the next one begins, or the run; each says how many rows and how long."""
    clock = Clock()
    progress = LoggedProgress(clock)
    progress.stage("read", None)
    progress.advance(10)
    clock.now_s = 2.0
    progress.stage("send", 8)
    progress.advance(8)
    progress.finish()
    progress.finish()
    assert told.events("name", "rows", "seconds") == [
        ("stage", "read", None, None),
        ("stage-ended", "read", 10, 2.0),
        ("stage", "send", 8, None),
        ("stage-ended", "send", 8, 0.0),
    ]


def test_a_long_stage_is_told_of_now_and_then(told: Told) -> None:
    """Every few seconds, not with every batch."""
    clock = Clock()
    progress = LoggedProgress(clock)
    progress.stage("send", 100)
    for _ in range(20):
        clock.now_s += EVERY_S / 4
        progress.advance(1, retries=2, in_flight=8)
    found = told.events("name", "rows", "of", "in_flight", "retries")[1:]
    assert found == [("progress", "send", rows, 100, 8, 2) for rows in (4, 8, 12, 16, 20)]


def test_a_wait_is_told_of_when_it_begins(told: Told) -> None:
    """Once for each wait, however often it is looked at."""
    progress = LoggedProgress(Clock())
    progress.stage("send", 100)
    for wait_s in (0, 30, 29, 1, 0, 7):
        progress.advance(0, wait_s=wait_s)
    assert told.events("seconds")[1:] == [("waiting", 30), ("waiting", 7)]


def entry(state: BatchState, attempts: int = 1) -> BatchEntry:
    """Return a batch in a state."""
    trace = Trace(request_id="RQ1", status_url="/v1/canary", filename="canary", service_code=520010, http_status=400)
    return BatchEntry(BatchSpec(5, Route.BULK, 0, 1000), state, attempts, trace)


def test_a_batch_is_told_of_when_its_state_changes(told: Told, tmp_path: Path) -> None:
    """After it is durable, once; that a request is about to leave is no news."""
    with SqliteLedger.create(tmp_path / "ledger.db", {}) as inner:
        inner.add_batches([BatchSpec(n, Route.BULK, n * 1000, n * 1000 + 1000) for n in range(6)])
        ledger = logged_ledger(inner)
        assert ledger is not inner
        for state in (BatchState.SENT, BatchState.APPLYING, BatchState.APPLYING, BatchState.PROCESSED):
            ledger.apply(Changes(batches=(entry(state),)))
        assert next(e.state for e in ledger.entries() if e.spec.batch_id == 5) is BatchState.PROCESSED
        assert list(ledger.open_rows()) == []
    assert told.events("batch", "state", "rows", "status", "code", "request_id") == [
        ("batch", 5, "applying", 1000, 400, 520010, "RQ1"),
        ("batch", 5, "processed", 1000, 400, 520010, "RQ1"),
    ]
    assert "canary" not in "".join(f"{record.__dict__}" for record in told.records)


def test_what_is_not_durable_is_not_told(told: Told, tmp_path: Path) -> None:
    """A ledger that cannot be written says so by its error alone."""
    inner = SqliteLedger.create(tmp_path / "ledger.db", {})
    ledger = logged_ledger(inner)
    inner.close()
    with pytest.raises(StateError):
        ledger.apply(Changes(batches=(entry(BatchState.PROCESSED),)))
    assert told.events() == []


def test_nobody_listening_costs_nothing(tmp_path: Path) -> None:
    """The ledger is then the very one it was."""
    with SqliteLedger.create(tmp_path / "ledger.db", {}) as inner:
        assert logged_ledger(inner) is inner
