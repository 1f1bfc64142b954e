"""The ledger file and the sending lock."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.core.delivery import Attempt, BatchEntry, BatchSpec, Changes, RequestKind, RowResult, Trace
from importer.core.lifecycle import BatchState, RowState
from importer.core.route import Route
from importer.errors import DiskError, LedgerDamagedError, LockedError, PackageChangedError, StateError
from importer.state.ledger import SqliteLedger
from importer.state.lock import SendingLock

STORE = "mem_store_00000000000000000000000000"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger goes."""
    return tmp_path / "ledger.db"


def spec(batch_id: int, start: int, stop: int, route: Route = Route.BULK) -> BatchSpec:
    """Return a batch."""
    return BatchSpec(batch_id, route, start, stop, digest="d")


def test_what_was_applied_is_there_after_it_is_opened_again(path: Path) -> None:
    """Batches, rows and attempts come back as they went in."""
    trace = Trace("RQ", "op", "/v1/ControlPlane/Operations/op", "imp", "file", 5, "code", 400, 520010)
    entry = BatchEntry(BatchSpec(1, Route.BULK_PATCH, 10, 20, 2, "d", 0), BatchState.OPENED, 3, trace)
    row = RowResult(11, RowState.HELD, "ambiguous-profile", "p", 400, 5, "RQ")
    attempt = Attempt(1, RequestKind.BULK, "rejected", 11, 400, 520010, "RQ", "imp")
    with SqliteLedger.create(path, {"run_id": "r"}) as ledger:
        ledger.add_batches([spec(0, 0, 10)])
        ledger.apply(Changes((entry,), (row,), (attempt,)))
        ledger.set_meta("version", "2")
    with SqliteLedger.open(path) as ledger:
        assert list(ledger.entries()) == [BatchEntry(spec(0, 0, 10)), entry]
        assert ledger.open_rows() == [row]
        assert ledger.attempts(1) == [attempt]
        assert ledger.meta() == {"run_id": "r", "version": "2"}
        assert ledger.next_batch_id() == 2


def test_rows_of_a_batch_whose_operation_is_polled_are_open(path: Path) -> None:
    """What they were looked up for is wanted until the operation is over, and no longer."""
    row = RowResult(1, RowState.ABSENT)
    with SqliteLedger.create(path, {}) as ledger:
        for state, expected in ((BatchState.APPLYING, [row]), (BatchState.PROCESSED, [])):
            ledger.apply(Changes((BatchEntry(spec(0, 0, 10, Route.BULK_PATCH), state, 1),), (row,)))
            assert ledger.open_rows() == expected


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_file_is_private_whatever_the_umask(path: Path, umask: int) -> None:
    """Ledger and its write-ahead log are 0600 from their first moment."""
    before = os.umask(umask & ~0o700)
    try:
        with SqliteLedger.create(path, {}) as ledger:
            ledger.add_batches([spec(0, 0, 10)])
            files = list(path.parent.glob("ledger.db*"))
            assert len(files) == 3
            assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    finally:
        os.umask(before)


def test_it_is_written_through(path: Path) -> None:
    """Commits survive the machine: WAL with synchronous=FULL."""
    with SqliteLedger.create(path, {}) as ledger:
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_outcomes_cover_every_position_once(path: Path) -> None:
    """Children stand for their parent; ranges come in order, without gap or overlap."""
    with SqliteLedger.create(path, {}) as ledger:
        ledger.add_batches([spec(0, 0, 10), spec(1, 10, 20), spec(2, 20, 30, Route.IMPORT)])
        ledger.apply(
            Changes(
                (
                    BatchEntry(spec(0, 0, 10), BatchState.SPLIT, 1),
                    BatchEntry(BatchSpec(4, Route.BULK, 5, 10, parent_id=0), BatchState.SENT, 1),
                    BatchEntry(BatchSpec(3, Route.BULK, 0, 5, parent_id=0), BatchState.ACCEPTED, 1, Trace("RQ3")),
                    BatchEntry(spec(2, 20, 30, Route.IMPORT), BatchState.UNATTRIBUTED, 1, Trace(code="import-errors")),
                )
            )
        )
        found = [(o.start, o.stop, o.batch_id, o.state, o.code, o.request_id) for o in ledger.outcomes()]
    assert found == [
        (0, 5, 3, "accepted", None, "RQ3"),
        (5, 10, 4, "unknown", None, None),
        (10, 20, 1, "not_sent", None, None),
        (20, 30, 2, "unattributed", "import-errors", None),
    ]


def test_rows_with_an_outcome_of_their_own_are_named(path: Path) -> None:
    """Held, failed and unknown rows override their batch; a removal still due is unknown."""
    with SqliteLedger.create(path, {}) as ledger:
        ledger.add_batches([spec(0, 0, 10, Route.BULK_PATCH), spec(1, 10, 20, Route.BULK_PATCH)])
        ledger.apply(
            Changes(
                (BatchEntry(spec(0, 0, 10, Route.BULK_PATCH), BatchState.PATCHING, 1),),
                (
                    RowResult(9, RowState.FAILED, "refused-by-service", http_status=404),
                    RowResult(1, RowState.FOUND, profile_id="p1"),
                    RowResult(2, RowState.PATCHED, profile_id="p2"),
                    RowResult(3, RowState.ABSENT),
                    RowResult(12, RowState.FOUND, profile_id="p12"),
                    RowResult(13, RowState.HELD, "ambiguous-profile"),
                    RowResult(14, RowState.UNKNOWN, "no-answer"),
                ),
            )
        )
        found = [(row.position, row.state, row.code) for row in ledger.row_outcomes()]
    assert found == [
        (1, "unknown", "no-answer"),
        (9, "failed", "refused-by-service"),
        (13, "held", "ambiguous-profile"),
        (14, "unknown", "no-answer"),
    ]


def test_a_ledger_is_never_made_anew_over_another(path: Path) -> None:
    """Creating over an existing file is refused."""
    SqliteLedger.create(path, {}).close()
    with pytest.raises(StateError, match="could not be written: File exists"):
        SqliteLedger.create(path, {})


def test_a_missing_ledger_is_said(path: Path) -> None:
    """Opening nothing does not make a new file."""
    with pytest.raises(LedgerDamagedError, match=r"ledger\.db is missing") as caught:
        SqliteLedger.open(path)
    assert f"resume {path.parent.name} --rebuild-ledger" in caught.value.hint
    assert not path.exists()


@pytest.mark.parametrize("damage", [b"not a database at all, not even close" * 50, b"", b"SQLite format 3\0", b"x"])
def test_a_damaged_ledger_is_refused_with_the_way_out(path: Path, damage: bytes) -> None:
    """A file that is no ledger is refused, with the command that makes it anew; it stays as it was."""
    path.write_bytes(damage)
    with pytest.raises(LedgerDamagedError) as caught:
        SqliteLedger.open(path)
    assert f"resume {path.parent.name} --rebuild-ledger" in caught.value.hint
    assert path.read_bytes() == damage
    assert list(path.parent.iterdir()) == [path]


def full_ledger(path: Path) -> bytes:
    """Make a ledger of many pages and return its bytes."""
    with SqliteLedger.create(path, {"run_id": "r"}) as ledger:
        ledger.add_batches([spec(n, n, n + 1) for n in range(2000)])
    return path.read_bytes()


@pytest.mark.parametrize("page", [0, 1, 3, 9, 20])
def test_a_garbage_page_is_found_at_open(path: Path, page: int) -> None:
    """Damage inside the file is found before anything is believed, wherever it is."""
    content = bytearray(full_ledger(path))
    content[4096 * page : 4096 * (page + 1)] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(LedgerDamagedError):
        SqliteLedger.open(path)


@pytest.mark.parametrize("part", [0.0005, 0.1, 0.5, 0.9])
def test_a_truncated_ledger_is_found_at_open(path: Path, part: float) -> None:
    """A file that ends too early is damaged, however much of it is left."""
    content = full_ledger(path)
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(LedgerDamagedError):
        SqliteLedger.open(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM batches WHERE batch_id = 7",
        "UPDATE batches SET stop = stop + 5 WHERE batch_id = 7",
        "UPDATE batches SET start = start - 1 WHERE batch_id = 0",
        "DROP TABLE rows",
        "DROP TABLE meta",
    ],
)
def test_a_ledger_that_contradicts_itself_is_not_believed(path: Path, statement: str) -> None:
    """A sound database whose batches leave rows out or claim them twice is no ledger."""
    full_ledger(path)
    change(path, statement)
    with pytest.raises(LedgerDamagedError), SqliteLedger.open(path, facts={"run_id": "r"}) as ledger:
        list(ledger.row_outcomes())


@pytest.mark.parametrize("value", ["state = 'sunt'", "route = 'bulc'"])
def test_a_word_that_no_version_wrote_is_damage(path: Path, value: str) -> None:
    """A value turned by the disk ends in the same error as a page that is."""
    full_ledger(path)
    change(path, f"UPDATE batches SET {value} WHERE batch_id = 1999")  # noqa: S608 - one of the two above
    with SqliteLedger.open(path) as ledger, pytest.raises(LedgerDamagedError):
        list(ledger.entries())


def change(path: Path, statement: str) -> None:
    """Change a ledger as no version of this program does."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(("wal", "batches"), [("as it was", 2), ("garbage", 1), ("gone", 1)])
def test_a_lost_write_ahead_log_is_an_earlier_ledger(path: Path, tmp_path: Path, wal: str, batches: int) -> None:
    """The files beside a ledger can cost its last commits and no more: what is read was true once, as a whole."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with SqliteLedger.create(path, {}) as ledger:
        ledger.add_batches([spec(0, 0, 10)])
        ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ledger.add_batches([spec(1, 10, 20)])
        for file in tmp_path.glob("ledger.db*"):
            shutil.copy(file, copy)
    if wal == "gone":
        (copy / "ledger.db-wal").unlink()
        (copy / "ledger.db-shm").unlink()
    elif wal == "garbage":
        (copy / "ledger.db-wal").write_bytes(b"garbage" * 2000)
        (copy / "ledger.db-shm").write_bytes(b"garbage" * 2000)
    with SqliteLedger.open(copy / path.name) as ledger:
        assert len(list(ledger.entries())) == batches


def test_another_version_is_refused(path: Path) -> None:
    """A ledger of another program version is not read."""
    SqliteLedger.create(path, {}).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerDamagedError, match="version 99") as caught:
        SqliteLedger.open(path)
    assert "the version of memory-importer that began the run" in caught.value.hint


def test_a_write_that_fails_changes_nothing_and_says_so(path: Path) -> None:
    """A full disk (here: a page limit) is a StateError, and the step before it stands whole."""
    with SqliteLedger.create(path, {}) as ledger:
        pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskError, match="SQLITE_FULL") as caught:
            ledger.add_batches([spec(n, n, n + 1) for n in range(5000)])
        assert "free space" in caught.value.hint
        assert list(ledger.entries()) == []


def test_an_error_of_the_caller_leaves_no_transaction_open(path: Path) -> None:
    """What fails while batches are made changes nothing, and the next write goes through."""

    def failing() -> Iterator[BatchSpec]:
        yield spec(0, 0, 10)
        raise PackageChangedError("no")

    with SqliteLedger.create(path, {}) as ledger:
        with pytest.raises(PackageChangedError):
            ledger.add_batches(failing())
        ledger.add_batches([spec(1, 0, 10)])
        assert [entry.spec.batch_id for entry in ledger.entries()] == [1]


def test_a_reader_does_not_disturb_the_writer(path: Path) -> None:
    """`status` may read while a run writes, and cannot write."""
    with SqliteLedger.create(path, {}) as ledger:
        ledger.add_batches([spec(0, 0, 10)])
        with SqliteLedger.open(path, read_only=True) as reader:
            assert len(list(reader.entries())) == 1
            ledger.add_batches([spec(1, 10, 20)])
            assert len(list(reader.entries())) == 2
            with pytest.raises(StateError, match="READONLY"):
                reader.add_batches([spec(2, 20, 30)])


def test_one_process_sends_to_a_store(tmp_path: Path) -> None:
    """A second run for the same store and folder is refused; another store is free."""
    with SendingLock(tmp_path, STORE):
        with pytest.raises(LockedError), SendingLock(tmp_path, STORE):
            pass
        with SendingLock(tmp_path, STORE.replace("0", "1")):
            pass
    with SendingLock(tmp_path / "new", STORE):
        pass


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """A process that is killed leaves no lock behind."""
    code = (
        "import sys, pathlib\n"
        "from importer.state.lock import SendingLock\n"
        "lock = SendingLock(pathlib.Path(sys.argv[1]), sys.argv[2]); lock.__enter__()\n"
        "print('held', flush=True); sys.stdin.read()\n"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), STORE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError), SendingLock(tmp_path, STORE):
            pass
        holder.kill()
        holder.wait()
        with SendingLock(tmp_path, STORE):
            pass
