"""Opening a ledger's file, and whether what it says can be believed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from importer.core.lifecycle import BatchState
from importer.core.suggested import run_command
from importer.errors import DiskError, LedgerDamagedError, LockedError, StateError
from importer.state.ledger_schema import SCHEMA_VERSION

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_FULL_OR_FAILING: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

_GAPS: Final = """
    SELECT COUNT(*) FROM (
        SELECT start, stop, LAG(stop, 1, 0) OVER (ORDER BY start) AS before FROM batches WHERE state <> ?
    ) WHERE start <> before OR stop <= start
"""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Connect to a file that is there.

    Raises:
        sqlite3.Error: it cannot be opened, or is no database.
    """
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10)
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_checked(path: Path, *, read_only: bool, facts: Mapping[str, str]) -> sqlite3.Connection:
    """Open a ledger after looking at all of it.

    Args:
        path: Its file.
        read_only: Do not write to it.
        facts: What it has to say of itself: whose it is.

    Raises:
        LedgerDamagedError: it is missing or damaged, of another version, or of another run.
        LockedError: another program has it.
        DiskError: the disk is full or failing.
        StateError: it may not be opened.
    """
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise damaged(path, "is missing") from None
    except OSError as exc:
        raise closed(path, exc.strerror or type(exc).__name__) from None
    if not size or not path.is_file():
        raise damaged(path, "is empty" if path.is_file() else "is no file")
    if not os.access(path, os.R_OK):
        raise closed(path, "no permission to read it")
    try:
        # Before it is opened for writing, which would make a ledger of any file that is short enough.
        connection = connect(path, read_only=True)
        try:
            _believe(connection, path, facts)
        finally:
            connection.close()
        return connect(path, read_only=read_only)
    except sqlite3.Error as exc:
        raise ledger_error(exc, path, "opened") from exc


def _believe(connection: sqlite3.Connection, path: Path, facts: Mapping[str, str]) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise damaged(path, "is damaged (quick_check)")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise LedgerDamagedError(
            f"the ledger {path} has version {version}, this program writes version {SCHEMA_VERSION}",
            hint=f"go on with the version of memory-importer that began the run; or {_rebuild(path)}",
        )
    found = dict(connection.execute("SELECT name, value FROM meta"))
    for name, value in facts.items():
        if found.get(name) != value:
            raise damaged(path, f"is that of another run or store ({name} {found.get(name, 'missing')}, not {value})")
    if connection.execute(_GAPS, (BatchState.SPLIT,)).fetchone()[0]:
        raise damaged(path, "is damaged (its batches have gaps or overlap)")


def ledger_error(error: sqlite3.Error, path: Path, doing: str) -> StateError:
    """Return what an error of SQLite means for a run.

    Args:
        error: From SQLite.
        path: The ledger.
        doing: What could not be done, a participle.
    """
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # the rest says where in SQLite
    where = f"the ledger {path} could not be {doing} ({name})"
    if code in _FULL_OR_FAILING or (code == sqlite3.SQLITE_CANTOPEN and _no_room(path.parent)):
        return DiskError(
            f"the disk is full or failing: {where}",
            hint=f"free space there, then {run_command(path.parent, 'resume')} goes on",
        )
    if code in _DAMAGED:
        return damaged(path, f"is damaged ({name})")
    if code in _BUSY:
        return LockedError(f"another program has the ledger open: {where}", hint="close it, then resume the run")
    return closed(path, name)


def _no_room(folder: Path) -> bool:
    """Tell whether nothing can be made in a folder: SQLite calls a full disk a file that it cannot open."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_blocks > 0 and (room.f_bavail == 0 or (room.f_files > 0 and room.f_favail == 0))


def closed(path: Path, cause: str) -> StateError:
    """Return the error of a ledger that is there and may not be used."""
    return StateError(
        f"the ledger {path} cannot be read and written ({cause})",
        hint="give file and folder their owner and modes back (0600 and 0700), then resume the run",
    )


def damaged(path: Path, what: str) -> LedgerDamagedError:
    """Return the error of a ledger that cannot be believed."""
    return LedgerDamagedError(f"the ledger {path} {what}", hint=_rebuild(path))


def _rebuild(path: Path) -> str:
    again = run_command(path.parent, "resume", "--rebuild-ledger")
    return f"{again} makes it anew and sends the run's rows once more"
