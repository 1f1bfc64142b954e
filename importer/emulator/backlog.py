"""Accepted work that is not applied yet, in order of acceptance; it is stored before the answer leaves."""

from __future__ import annotations

import sqlite3
import time
from enum import StrEnum
from typing import Any, NamedTuple

from importer.emulator.database import Database


class Kind(StrEnum):
    """What is to be applied, and what `subject` and `payload` hold."""

    BULK = "bulk"
    """subject: JSON list of positions to leave out; payload: the request body."""
    TRAITS = "traits"
    """subject: profile number; payload: traits, null removes."""
    DELETE_PROFILE = "delete-profile"
    """subject: profile number."""
    ADD_IDENTIFIER = "add-identifier"
    """subject: profile number; payload: idType, value."""
    REPLACE_IDENTIFIER = "replace-identifier"
    """subject: profile number; payload: idType, oldValue, newValue, normalised."""
    REMOVE_IDENTIFIERS = "remove-identifiers"
    """subject: profile number; payload: idType."""
    IMPORT = "import"
    """subject: import ID; the file is in the uploads folder."""
    CREATE_GROUP = "create-group"
    """payload: the request body."""
    PATCH_GROUP = "patch-group"
    """subject: name; payload: the request body."""


class Work(NamedTuple):
    """One accepted piece of work."""

    number: int
    kind: Kind
    accepted_at: float
    request_id: str
    operation_id: str | None
    subject: str | None
    payload: bytes | None


class Backlog:
    """The queue in the database. `accept` runs in the caller's transaction, so that nothing accepted is lost."""

    def __init__(self, database: Database, delay_s: float) -> None:
        self._database = database
        self._delay_s = delay_s

    def accept(
        self,
        connection: sqlite3.Connection,
        kind: Kind,
        request_id: str,
        *,
        operation_id: str | None = None,
        subject: object = None,
        payload: bytes | None = None,
    ) -> None:
        """Append one piece of work."""
        row = (kind, time.time(), request_id, operation_id, None if subject is None else str(subject), payload)
        connection.execute(
            "INSERT INTO work (kind, accepted_at, request_id, operation_id, subject, payload)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )

    def find_first(self) -> Work | None:
        """Return the oldest piece of work; only the worker asks."""
        row: Any = self._database.back.execute("SELECT * FROM work ORDER BY number LIMIT 1").fetchone()
        return None if row is None else Work(row[0], Kind(row[1]), *row[2:])

    def seconds_until_due(self, work: Work) -> float:
        """Return how long a piece of work has still to wait, by the delay of this start of the emulator."""
        # Wall clock, as work outlives a process; work of the future shows that the clock was put back, and is due.
        waited_s = time.time() - work.accepted_at
        return self._delay_s - waited_s if waited_s >= 0 else 0.0

    def close(self, connection: sqlite3.Connection, work: Work) -> None:
        """Remove what was applied, in the transaction that stores its effect."""
        connection.execute("DELETE FROM work WHERE number = ?", (work.number,))

    def is_empty(self) -> bool:
        """Tell whether everything accepted has been applied."""
        return not self._database.query("SELECT 1 FROM work LIMIT 1")
