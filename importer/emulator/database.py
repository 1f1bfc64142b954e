"""The SQLite file behind one emulated store: connections, transactions, the lock that keeps it to one process."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
FORMAT = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE profiles (number INTEGER PRIMARY KEY, created_at INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE aliases (number INTEGER PRIMARY KEY, canonical INTEGER NOT NULL);
CREATE INDEX aliases_by_canonical ON aliases (canonical);
CREATE TABLE identifiers (id_type TEXT, value TEXT, number INTEGER, PRIMARY KEY (id_type, value, number))
  WITHOUT ROWID;
CREATE TABLE trait_groups (position INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, description TEXT,
  traits BLOB NOT NULL, version INTEGER NOT NULL);
CREATE TABLE work (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, accepted_at REAL NOT NULL,
  request_id TEXT NOT NULL, operation_id TEXT, subject TEXT, payload BLOB);
CREATE TABLE operations (id TEXT PRIMARY KEY, status TEXT NOT NULL, created_at INTEGER NOT NULL,
  completed_at INTEGER, result BLOB, error BLOB) WITHOUT ROWID;
CREATE TABLE imports (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
  filename TEXT NOT NULL, file_size INTEGER NOT NULL, mappings BLOB NOT NULL, created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, uploaded INTEGER NOT NULL DEFAULT 0, errors INTEGER, warnings INTEGER,
  operation_id TEXT);
CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, level TEXT NOT NULL,
  code INTEGER NOT NULL, reason TEXT NOT NULL, request_id TEXT NOT NULL, subject TEXT, places BLOB);
"""


class EmulatorInUseError(RuntimeError):
    """Another emulator, here or in another process, serves the same database file."""


class DatabaseFormatError(RuntimeError):
    """The file is no emulator database, or one of another version."""


def _make_private(path: Path) -> None:
    """Create the main file where it is missing: SQLite gives its WAL and index files the same mode."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, PRIVATE_FILE)  # a umask can take the owner's own bits away
    finally:
        os.close(descriptor)


class Database:
    """One store's file with two connections: `front` for requests, `back` for the worker.

    SQLite has one writer at a time; a lock of our own lets the other wait without polling.
    """

    def __init__(self, path: Path | str) -> None:
        self._temporary = tempfile.mkdtemp(prefix="memory-emulator-") if str(path) == ":memory:" else None
        if self._temporary:
            Path(self._temporary).chmod(PRIVATE_FOLDER)  # a umask can take the owner's own bits away
        self.path = Path(self._temporary, "emulator.db") if self._temporary else Path(path)
        self._writing = threading.Lock()
        self._lock_fd = -1
        try:
            self._lock_fd = _take_lock(self.path)
            _make_private(self.path)
            self._create_tables()
            self.path.chmod(PRIVATE_FILE)  # a file that is no emulator's was refused, and left as it is
            self.front = self._connect()
            self._front_guard = threading.RLock()
            self.back = self._connect()
            self.uploads = self.path.with_name(self.path.name + "-uploads")
            self.uploads.mkdir(exist_ok=True)
            self.uploads.chmod(PRIVATE_FOLDER)
        except BaseException:
            self._release()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.execute("PRAGMA journal_mode=WAL")
        # WAL with NORMAL survives a killed process, which is what a restart must survive; power loss is not.
        connection.execute("PRAGMA synchronous=OFF" if self._temporary else "PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("PRAGMA cache_size=-32768")
        return connection

    def _create_tables(self) -> None:
        """Make a new file ours; any other file is refused before a byte of it changes."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
            if found == FORMAT:
                return
            if tables:
                raise DatabaseFormatError(f"{self.path} is not an emulator database of format {FORMAT}")
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;")
        except sqlite3.OperationalError:
            raise  # no room, or no permission: the file is what it was
        except sqlite3.DatabaseError as error:
            raise DatabaseFormatError(f"{self.path} is not an emulator database") from error
        finally:
            connection.close()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a read on the front connection, from any thread."""
        with self._front_guard:
            return self.front.execute(sql, parameters).fetchall()

    @contextmanager
    def writing_front(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction on the front connection, from any thread."""
        with self._front_guard, self._transaction(self.front) as connection:
            yield connection

    @contextmanager
    def writing_back(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction on the worker's connection."""
        with self._transaction(self.back) as connection:
            yield connection

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connections and give the file back."""
        self.back.close()
        self.front.close()
        self._release()

    def _release(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _take_lock(path: Path) -> int:
    for folder in (above for above in reversed(path.parents) if not above.exists()):
        folder.mkdir(exist_ok=True)
        folder.chmod(PRIVATE_FOLDER)
    fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        os.fchmod(fd, PRIVATE_FILE)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise EmulatorInUseError(f"another emulator is serving {path}; stop it or use another file") from error
    return fd
