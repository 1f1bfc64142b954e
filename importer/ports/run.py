"""What a run is told and tells: time, a wish to stop, progress, issues, rejected rows."""

from __future__ import annotations

from typing import Protocol

import polars as pl


class Clock(Protocol):
    """Time, so that tests can have their own."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def utc_now_iso(self) -> str:
        """Wall-clock time in UTC, ISO 8601 with Z; for display only."""
        ...


class IssueWriter(Protocol):
    """Takes issues: ``file``, ``line`` and ``key:`` columns, then `ISSUES_SCHEMA`."""

    def append(self, frame: pl.DataFrame) -> None:
        """Add issues of one chunk."""
        ...


class RejectedWriter(Protocol):
    """Takes rejected rows with their original values."""

    def append(
        self, frame: pl.DataFrame, row_number: pl.Series, line: pl.Series, codes: pl.Series, *, file_index: int = 0
    ) -> None:
        """Add rejected rows of one chunk, all columns as long as each other."""
        ...

    def append_malformed(self, frame: pl.DataFrame, *, file_index: int = 0) -> None:
        """Add rows that could not be read, `MALFORMED_SCHEMA`."""
        ...


class Progress(Protocol):
    """Told how far a run is."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of `total` rows, None when unknown."""
        ...

    def advance(self, rows: int) -> None:
        """Report rows done since the last call."""
        ...


class StopSignal(Protocol):
    """Tells whether somebody asked to stop; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Tell whether to stop."""
        ...
