"""The ledger of a run: what was meant to be sent, what was sent, and what came of it. SQLite, one short commit a step.

Intent is durable before anything leaves (WAL with `synchronous=FULL`). It holds positions, hashes, IDs and codes: never
a cell value, never a presigned URL.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import orjson

from importer.core.delivery import OUTCOME_ADDED, Attempt, BatchEntry, BatchSpec, Changes, RequestKind, RowResult
from importer.core.lifecycle import (
    CODE_EVENT_REFUSED,
    CODE_NO_ANSWER,
    FINAL,
    HALF_DONE,
    ROW_OUTCOME,
    BatchState,
    RowState,
)
from importer.files import open_private, writing
from importer.state.ledger_check import connect, damaged, ledger_error, open_checked
from importer.state.ledger_schema import (
    ATTEMPT_COLUMNS,
    BATCH_COLUMNS,
    OUTCOME_COLUMNS,
    PUT_ATTEMPT,
    PUT_BATCH,
    PUT_ROW,
    ROW_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    BatchOutcome,
    RowOutcome,
    attempt_of,
    attempt_values,
    batch_values,
    entry_of,
    outcome_of,
    result_of,
    row_values,
)

_Made = TypeVar("_Made")
_REQUESTS: Final = "requests"
"""Name of the fact that `SqliteLedger.requests` reads."""


class SqliteLedger:
    """A ledger file. It is used by the thread that opened it; other processes may read it meanwhile."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def create(cls, path: Path, meta: dict[str, str]) -> Self:
        """Create a new ledger, 0600.

        Args:
            path: A file that does not exist.
            meta: Facts about the run (run ID, store ID, versions); never a value of a row.

        Raises:
            StateError: the file exists or cannot be written; a `DiskError` where the disk is full.
        """
        with writing(path):
            os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        try:
            ledger = cls(path, connect(path))
        except sqlite3.Error as exc:
            raise ledger_error(exc, path, "made") from exc
        with ledger._transaction() as connection:
            for statement in SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return ledger

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, facts: Mapping[str, str] | None = None) -> Self:
        """Open a ledger after checking all of it.

        Args:
            path: Its file.
            read_only: Do not write to it.
            facts: What it has to say of itself (see `create`): the ledger of another run is as bad as none.

        Raises:
            LedgerDamagedError: it is missing or damaged, of another version, or of another run.
            StateError: it may not be opened, another program has it, or the disk is full.
        """
        return cls(path, open_checked(path, read_only=read_only, facts=facts or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # --- writing ---

    def add_batches(self, specs: Iterable[BatchSpec], meta: Mapping[str, str] | None = None) -> None:
        """Plan batches, all or none. Their positions may not overlap those of others.

        Args:
            specs: The batches.
            meta: Facts about the run that are true with them and not without.

        Raises:
            StateError: they could not be written.
        """
        with self._transaction() as connection:
            connection.executemany(PUT_BATCH, (batch_values(BatchEntry(spec)) for spec in specs))
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", (meta or {}).items())

    def apply(self, changes: Changes) -> None:
        """Make changes durable, all or none.

        Raises:
            StateError: they could not be written.
        """
        with self._transaction() as connection:
            connection.executemany(PUT_BATCH, map(batch_values, changes.batches))
            connection.executemany(PUT_ROW, map(row_values, changes.rows))
            connection.executemany(PUT_ATTEMPT, map(attempt_values, changes.attempts))

    def set_meta(self, name: str, value: str) -> None:
        """Keep a fact about the run."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def set_requests(self, requests: Mapping[str, int]) -> None:
        """Keep how many HTTP requests all sessions so far made, by kind."""
        self.set_meta(_REQUESTS, orjson.dumps(dict(requests)).decode())

    # --- reading ---

    def requests(self) -> dict[str, int]:
        """Return the HTTP requests of all sessions so far, by kind; those of a session that was killed are not in it.

        Raises:
            LedgerDamagedError: they are not what `set_requests` writes.
        """
        try:
            kept = orjson.loads(self.meta().get(_REQUESTS, "{}"))
            return {str(kind): int(count) for kind, count in kept.items()}
        except (ValueError, TypeError, AttributeError) as exc:
            raise damaged(self.path, "is damaged (its counts of requests)") from exc

    def meta(self) -> dict[str, str]:
        """Return the facts about the run."""
        with self._reading():
            return dict(self._connection.execute("SELECT name, value FROM meta"))

    def next_batch_id(self) -> int:
        """Return an ID above all that are used."""
        with self._reading():
            return int(self._connection.execute("SELECT COALESCE(MAX(batch_id) + 1, 0) FROM batches").fetchone()[0])

    def entries(self) -> Iterator[BatchEntry]:
        """Yield every batch, in order of its ID."""
        query = f"SELECT {BATCH_COLUMNS} FROM batches ORDER BY batch_id"  # noqa: S608 - constants
        yield from self._select(query, (), entry_of)

    def open_rows(self) -> Sequence[RowResult]:
        """Return the row results of batches that were begun and are not over."""
        over = [*FINAL, BatchState.PENDING]
        query = f"""
            SELECT r.position, r.state, r.code, r.profile_id, r.http_status, r.service_code, r.request_id
            FROM batches b CROSS JOIN rows r ON r.position >= b.start AND r.position < b.stop
            WHERE b.state NOT IN ({", ".join("?" * len(over))})
        """  # noqa: S608 - question marks only
        return list(self._select(query, over, result_of))

    def results_within(self, start: int, stop: int) -> list[RowResult]:
        """Return the row results of positions ``[start, stop)``, in order."""
        query = f"SELECT {ROW_COLUMNS} FROM rows WHERE position >= ? AND position < ? ORDER BY position"  # noqa: S608 - constants
        return list(self._select(query, (start, stop), result_of))

    def follow_ups(self) -> Iterator[tuple[str, int]]:
        """Yield request ID and position of each patch, and each further identifier, that the service accepted."""
        query = """
            SELECT request_id, position FROM rows
            WHERE request_id IS NOT NULL AND profile_id IS NOT NULL AND (state = ? OR code = ?)
            UNION SELECT request_id, position FROM attempts WHERE kind = ? AND outcome = ? AND request_id IS NOT NULL
        """
        values = (RowState.PATCHED, CODE_EVENT_REFUSED, RequestKind.ADD_IDENTIFIER, OUTCOME_ADDED)
        yield from self._select(query, values, lambda row: (str(row[0]), int(row[1])))

    def outcomes(self) -> Iterator[BatchOutcome]:
        """Yield what came of all planned positions, in their order, without gap or overlap."""
        query = f"SELECT {OUTCOME_COLUMNS} FROM batches WHERE state <> ? ORDER BY start"  # noqa: S608 - constants
        yield from self._select(query, (BatchState.SPLIT,), outcome_of)

    def row_outcomes(self) -> Iterator[RowOutcome]:
        """Yield the rows whose outcome is their own, by position."""
        states = [*ROW_OUTCOME]
        query = f"""
            SELECT {ROW_COLUMNS} FROM rows
            WHERE state IN ({", ".join("?" * len(states))})
            OR (state IN (?, ?) AND EXISTS (
                SELECT 1 FROM batches WHERE batches.state = ? AND start <= position AND position < stop))
            ORDER BY position
        """  # noqa: S608 - constants and question marks
        for result in self._select(query, [*states, *HALF_DONE, BatchState.PATCHING], result_of):
            # Such a row has its values accepted, and what was to follow them not: say the worse.
            yield RowOutcome(
                position=result.position,
                state=ROW_OUTCOME.get(result.state, "unknown"),
                code=result.code if result.state in ROW_OUTCOME else CODE_NO_ANSWER,
                profile_id=result.profile_id,
                http_status=result.http_status,
                service_code=result.service_code,
                request_id=result.request_id,
            )

    def times(self) -> tuple[str, str] | None:
        """Return when the first and the last request were answered or given up, UTC; None where none was made."""
        with self._reading():
            first, last = self._connection.execute("SELECT MIN(at), MAX(at) FROM attempts").fetchone()
        return None if first is None else (str(first), str(last))

    def attempts(self, batch_id: int) -> list[Attempt]:
        """Return the requests made for a batch, oldest first."""
        query = f"SELECT {ATTEMPT_COLUMNS} FROM attempts WHERE batch_id = ? ORDER BY number"  # noqa: S608 - constants
        return list(self._select(query, (batch_id,), attempt_of))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.Error as exc:
            self._undo()
            raise ledger_error(exc, self.path, "written") from exc
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        with suppress(sqlite3.Error):  # on a full disk it has often undone it already
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _select(
        self, query: str, values: Sequence[str | int], of: Callable[[tuple[Any, ...]], _Made]
    ) -> Iterator[_Made]:
        with self._reading():
            for row in self._connection.execute(query, values):
                yield of(row)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise ledger_error(exc, self.path, "read") from exc
        except (ValueError, TypeError) as exc:  # a word or a number that no version ever wrote
            raise damaged(self.path, "is damaged (a value)") from exc
