"""What a ledger says each month was billed, and what is kept of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from importer.core.cost import Billed
from importer.core.delivery import Attempt, BatchEntry, BatchSpec, Changes, RequestKind, RowResult
from importer.core.lifecycle import BatchState, RowState
from importer.core.route import Route
from importer.errors import LedgerDamagedError
from importer.state.billed import read_billed, remember, tallies
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import RunFolder

NOW = "2026-11"
BULK, IMPORT, PATCHED = Route.BULK, Route.IMPORT, Route.BULK_PATCH


def ledger_of(path: Path, *batches: tuple[Route, BatchState, int, int, tuple[str, ...]]) -> Path:
    """Write a ledger of batches: route, state, rows, wave, and how the requests with its rows ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start = 0
    with SqliteLedger.create(path, {}) as ledger:
        for number, (route, state, rows, wave, outcomes) in enumerate(batches):
            spec = BatchSpec(number, route, start, start + rows, wave, "")
            kind = RequestKind.UPLOAD if route is IMPORT else RequestKind.BULK
            attempts = tuple(Attempt(number, kind, outcome) for outcome in outcomes)
            ledger.apply(Changes((BatchEntry(spec, state, len(outcomes)),), (), attempts))
            start += rows
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE attempts SET at = '2026-11-05T10:00:00.000Z'")
        connection.commit()
    return path


@pytest.mark.parametrize(
    ("batch", "billed"),
    [
        ((BULK, BatchState.PENDING, 10, 0, ()), Billed()),
        ((BULK, BatchState.PENDING, 10, 0, ("ambiguous",)), Billed(0, 10)),
        ((BULK, BatchState.PROCESSED, 10, 0, ("accepted",)), Billed(10, 10)),
        ((BULK, BatchState.ACCEPTED, 10, 0, ("ambiguous", "accepted")), Billed(10, 20)),
        ((BULK, BatchState.ACCEPTED, 1, 2, ("accepted",)), Billed(1, 2)),
        ((BULK, BatchState.FAILED, 10, 0, ("rejected",)), Billed()),
        ((BULK, BatchState.UNKNOWN, 10, 0, ("ambiguous",)), Billed(0, 10)),
        ((BULK, BatchState.SENT, 10, 0, ()), Billed(0, 10)),
        ((BULK, BatchState.SPLIT, 10, 0, ("too-large",)), Billed()),
        ((BULK, BatchState.SPLIT, 10, 0, ("ambiguous",)), Billed(0, 10)),
        ((IMPORT, BatchState.PROCESSED, 10, 0, ("ambiguous", "uploaded")), Billed(10, 10)),
        ((IMPORT, BatchState.UNATTRIBUTED, 10, 0, ("uploaded",)), Billed(0, 10)),
        ((IMPORT, BatchState.CREATING, 10, 0, ()), Billed()),
    ],
)
def test_a_batch_is_billed_by_what_became_of_it(
    tmp_path: Path, batch: tuple[Route, BatchState, int, int, tuple[str, ...]], billed: Billed
) -> None:
    """What was taken surely, what may have been at most: a body each time it left, a part once."""
    months, reads = read_billed(ledger_of(tmp_path / "ledger.db", batch), NOW)
    assert (months[NOW], reads) == (billed, 0)


def test_rows_of_their_own_and_removals(tmp_path: Path) -> None:
    """A row that did not share its batch's fate is not sure; each removal that was made is one more."""
    path = ledger_of(tmp_path / "ledger.db", (PATCHED, BatchState.ACCEPTED, 5, 0, ("accepted",)))
    with SqliteLedger.open(path) as ledger:
        results = (RowResult(0, RowState.HELD), RowResult(1, RowState.PATCHED), RowResult(2, RowState.ABSENT))
        ledger.apply(Changes((), results, ()))
        ledger.set_meta("requests", '{"lookup": 4, "get-profile": 2, "bulk": 1}')
    assert read_billed(path, NOW) == ({NOW: Billed(4, 6)}, 4), "what is looked up and read is billed once"


def test_months_are_those_of_the_answers(tmp_path: Path) -> None:
    """Each batch counts in the month in which it was taken, reads in the month in which they were seen first."""
    folder = RunFolder(tmp_path / "20261101-000000-abcdef")
    done = (BULK, BatchState.ACCEPTED, 10, 0, ("accepted",))
    path = ledger_of(folder.ledger, done, done)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE attempts SET at = '2026-10-31T23:59:59.999Z' WHERE batch_id = 0")
        connection.execute("INSERT INTO meta VALUES ('requests', '{\"lookup\": 3}')")
        connection.commit()
    remember(tmp_path, folder, "store", NOW)
    assert {month: [t.billed for t in tallies(tmp_path, month).values()] for month in ("2026-10", NOW)} == {
        "2026-10": [Billed(10, 10, 0)],
        NOW: [Billed(10, 10, 3)],
    }
    with SqliteLedger.open(path) as ledger:
        ledger.set_meta("requests", '{"lookup": 8}')
    remember(tmp_path, folder, "store", "2026-12")
    assert [tally.reads for tally in tallies(tmp_path, "2026-12").values()] == [5]
    assert [tally.billed for tally in tallies(tmp_path, "2026-10").values()] == [Billed(10, 10, 0)]


def test_a_ledger_that_was_put_aside_still_counts(tmp_path: Path) -> None:
    """The new ledger of a run knows nothing of what the old one cost: both are in the month."""
    folder = RunFolder(tmp_path / "20261101-000000-abcdef")
    ledger_of(folder.ledger, (BULK, BatchState.ACCEPTED, 10, 0, ("accepted",)))
    remember(tmp_path, folder, "store", NOW)
    folder.ledger.rename(folder.path / "ledger.damaged-1.db")
    ledger_of(folder.ledger, (BULK, BatchState.ACCEPTED, 7, 0, ("accepted",)))
    remember(tmp_path, folder, "store", NOW)
    remember(tmp_path, folder, "store", NOW)
    assert sorted(tally.at_least for tally in tallies(tmp_path, NOW).values()) == [7, 10]


def test_a_look_leaves_no_files_and_damage_is_said(tmp_path: Path) -> None:
    """Nothing is made beside a ledger that nobody has open; one that is none is an error of ours."""
    path = ledger_of(tmp_path / "run" / "ledger.db", (BULK, BatchState.PENDING, 1, 0, ()))
    read_billed(path, NOW)
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]
    path.write_bytes(b"none" * 4096)
    with pytest.raises(LedgerDamagedError):
        read_billed(path, NOW)
