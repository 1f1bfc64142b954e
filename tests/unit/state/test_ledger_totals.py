"""Looking at a ledger that another process may be writing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from importer.core.delivery import Attempt, BatchEntry, BatchSpec, Changes, FailureKind, RequestKind, RowResult
from importer.core.lifecycle import BatchState, RowState
from importer.core.route import Route
from importer.errors import LedgerDamagedError, StateError
from importer.state.ledger import SqliteLedger
from importer.state.ledger_totals import read_totals

LONG_AGO = "2026-01-01T00:00:00.000Z"
LATER = "2999-01-01T00:00:00.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger goes."""
    return tmp_path / "ledger.db"


def spec(batch_id: int, start: int, stop: int, parent_id: int | None = None) -> BatchSpec:
    """Return a batch."""
    return BatchSpec(batch_id, Route.BULK, start, stop, digest="d", parent_id=parent_id)


def fill(ledger: SqliteLedger) -> None:
    """Write a batch that was split, its children, and requests that went well and not."""
    ledger.add_batches([spec(0, 0, 10), spec(1, 10, 30)])
    ledger.apply(
        Changes(
            (
                BatchEntry(spec(0, 0, 10), BatchState.SPLIT),
                BatchEntry(spec(2, 0, 5, 0), BatchState.ACCEPTED),
                BatchEntry(spec(3, 5, 10, 0), BatchState.FAILED),
            ),
            (RowResult(7, RowState.HELD), RowResult(8, RowState.PATCHED), RowResult(9, RowState.FOUND)),
            (
                Attempt(0, RequestKind.BULK, FailureKind.REJECTED.value, http_status=400, service_code=520010),
                Attempt(2, RequestKind.BULK, "accepted", request_id="RQ1"),
                Attempt(3, RequestKind.BULK, FailureKind.RETRYABLE.value, http_status=429, request_id="RQ2"),
                Attempt(3, RequestKind.BULK, FailureKind.AMBIGUOUS.value),
                Attempt(1, RequestKind.UPLOAD, "uploaded"),
            ),
        )
    )
    ledger.set_meta("requests", '{"bulk": 2, "get-operation": 7}')


def test_it_adds_up_what_the_ledger_holds(path: Path) -> None:
    """Batches without those that were split, rows with an outcome of their own, requests and the last failure."""
    with SqliteLedger.create(path, {"run_id": "r"}) as ledger:
        fill(ledger)
        totals = read_totals(path, LONG_AGO)
    assert totals is not None
    assert totals.ranges.rows() == [(0, 5, "accepted"), (5, 10, "failed"), (10, 30, "pending")]
    assert totals.overrides.rows() == [(7, "held"), (9, "found")]
    assert totals.attempts == {"bulk": 4, "upload": 1}
    assert totals.requests == {"bulk": 2, "get-operation": 7}
    assert (totals.failures, totals.throttled) == (2, 1)
    assert totals.recent_rows == 5 + 20
    assert totals.first_at is not None
    assert totals.last_failure is not None
    assert totals.last_failure[1:] == ("bulk", "ambiguous", None, None, None)
    later = read_totals(path, LATER)
    assert later is not None
    assert later.recent_rows == 0


def test_it_waits_for_nobody_and_nobody_for_it(path: Path) -> None:
    """While a commit is being made it sees the one before, and the commit goes on."""
    with SqliteLedger.create(path, {}) as ledger:
        fill(ledger)
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE batches SET state = 'sent' WHERE batch_id = 1")
        before = read_totals(path, LONG_AGO)
        writer.execute("COMMIT")
        writer.close()
        after = read_totals(path, LONG_AGO)
    assert before is not None
    assert after is not None
    assert (before.ranges["state"][-1], after.ranges["state"][-1]) == ("pending", "sent")


def test_it_writes_nothing(path: Path) -> None:
    """Content, size and time of the ledger are what they were."""
    with SqliteLedger.create(path, {}) as ledger:
        fill(ledger)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    read_totals(path, LONG_AGO)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_no_ledger_yet(path: Path) -> None:
    """Before it is made, and while its tables are not there, nothing is known."""
    assert read_totals(path, LONG_AGO) is None
    path.touch()
    assert read_totals(path, LONG_AGO) is None
    with SqliteLedger.create(path.with_name("new.db"), {}):
        totals = read_totals(path.with_name("new.db"), LONG_AGO)
    assert totals is not None
    assert (totals.ranges.height, totals.first_at, totals.last_failure) == (0, None, None)


def test_a_damaged_ledger_is_named(path: Path) -> None:
    """The error says how to make it anew."""
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StateError):
        read_totals(path, LONG_AGO)
    path.unlink()
    with SqliteLedger.create(path, {}) as ledger:
        fill(ledger)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE batches SET state = 'sunt'")
    connection.close()
    with pytest.raises(LedgerDamagedError, match="damaged") as caught:
        read_totals(path, LONG_AGO)
    assert "--rebuild-ledger" in caught.value.hint
