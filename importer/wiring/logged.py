"""Tells the log of `memory_importer` how a run goes: its stages, what becomes of its batches, and how it ended.

A record's ``event`` says what happened and its arguments are the event's fields, so that whoever formats it has both.
None of them is a cell value, an identifier or a URL.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from importer.core.delivery import BatchEntry, Changes, RowResult
from importer.core.lifecycle import BatchState
from importer.core.report import Report
from importer.ports import Ledger

_LOG: Final = logging.getLogger("memory_importer")
_STAGE: Final = "%(name)s begins rows=%(rows)s"
_STAGE_ENDED: Final = "%(name)s ended rows=%(rows)d seconds=%(seconds).1f"
_PROGRESS: Final = "%(name)s rows=%(rows)d of=%(of)s seconds=%(seconds).1f in_flight=%(in_flight)s retries=%(retries)s"
_WAITING: Final = "waiting seconds=%(seconds)d"
_BATCH: Final = (
    "batch %(batch)d %(state)s route=%(route)s rows=%(rows)d attempts=%(attempts)d status=%(status)s code=%(code)s "
    "request_id=%(request_id)s import_id=%(import_id)s"
)

_RUN: Final = "run %(run)s"
_ENDED: Final = "ended exit_code=%(exit_code)s rows_read=%(rows_read)d outcomes=%(outcomes)s"

BATCH_LEVEL: Final = 15
"""Batches are told of at this level: less than a stage, which is information, and more than a request."""

EVERY_S: Final = 5.0
"""Seconds between two lines about the progress of one stage, at least."""

_SILENT: Final = frozenset({BatchState.PENDING, BatchState.OPENED, BatchState.SENT, BatchState.CREATING})
"""States that only say that a request is about to leave; the requests themselves are logged on their own."""


class LoggedProgress:
    """Progress as events of the log; a `importer.reports.progress.ProgressSink`.

    Args:
        monotonic: Seconds from an arbitrary start.
        every_s: How often a stage is told of at most.
    """

    def __init__(self, monotonic: Callable[[], float], every_s: float = EVERY_S) -> None:
        self._monotonic = monotonic
        self._every_s = every_s
        self._lock = threading.Lock()
        self._stage: str | None = None
        self._total: int | None = None
        self._done = 0
        self._began_s = self._told_s = 0.0
        self._is_waiting = False

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage; the one before ends."""
        with self._lock:
            self._end_stage()
            self._stage, self._total, self._done, self._is_waiting = name, total, 0, False
            self._began_s = self._told_s = self._monotonic()
            _LOG.info(_STAGE, {"name": name, "rows": total}, extra={"event": "stage"})

    def advance(self, rows: int, **fields: int | str) -> None:
        """Count rows done; tell of them when the last word is old enough, and of a wait when it begins."""
        with self._lock:
            self._done += rows
            now_s = self._monotonic()
            wait_s = int(fields.get("wait_s", 0))
            if wait_s and not self._is_waiting:
                _LOG.info(_WAITING, {"seconds": wait_s}, extra={"event": "waiting"})
            self._is_waiting = bool(wait_s)
            if self._stage is not None and now_s - self._told_s >= self._every_s:
                self._told_s = now_s
                shown = {"in_flight": fields.get("in_flight"), "retries": fields.get("retries")}
                told = {"name": self._stage, "rows": self._done, "of": self._total, "seconds": now_s - self._began_s}
                _LOG.info(_PROGRESS, told | shown, extra={"event": "progress"})

    def finish(self) -> None:
        """End the last stage."""
        with self._lock:
            self._end_stage()

    def _end_stage(self) -> None:
        if self._stage is not None:
            ended = {"name": self._stage, "rows": self._done, "seconds": self._monotonic() - self._began_s}
            _LOG.info(_STAGE_ENDED, ended, extra={"event": "stage-ended"})
            self._stage = None


def log_run(run_id: str) -> None:
    """Say which run this process works on from now on."""
    _LOG.info(_RUN, {"run": run_id}, extra={"event": "run"})


def log_end(report: Report) -> None:
    """Say how a run ended, in counts."""
    _LOG.info(_ENDED, end_of(report), extra={"event": "ended"})


def end_of(report: Report) -> dict[str, object]:
    """Return what a log should have of a report: ids, codes and counts."""
    return {
        "command": report.command,
        "exit_code": report.exit_code,
        "rows_read": report.rows_read,
        "outcomes": report.outcomes,
        "issues": report.issues,
        "verified": report.verified,
        "requests": report.requests,
        "operations": {"at_least": report.operations.at_least, "at_most": report.operations.at_most},
        "store": report.target and report.target.store_id,
        "folder": report.folder,
        **_of_sync(report),
    }


def _of_sync(report: Report) -> dict[str, object]:
    parts = {"sync": report.sync, "removals": report.removals}
    return {name: part.model_dump(mode="json") for name, part in parts.items() if part is not None}


def logged_ledger(ledger: Ledger) -> Ledger:
    """Return a ledger that also tells the log what becomes of batches; the same one if nobody listens."""
    return _LoggedLedger(ledger) if _LOG.isEnabledFor(BATCH_LEVEL) else ledger


class _LoggedLedger:
    def __init__(self, inner: Ledger) -> None:
        self._inner = inner
        self._told: dict[int, BatchState] = {}

    def entries(self) -> Iterator[BatchEntry]:
        return self._inner.entries()

    def open_rows(self) -> Sequence[RowResult]:
        return self._inner.open_rows()

    def apply(self, changes: Changes) -> None:
        self._inner.apply(changes)
        for entry in changes.batches:
            if entry.state not in _SILENT and self._told.get(entry.spec.batch_id) is not entry.state:
                self._told[entry.spec.batch_id] = entry.state
                _LOG.log(BATCH_LEVEL, _BATCH, _fields(entry), extra={"event": "batch"})


def _fields(entry: BatchEntry) -> dict[str, object]:
    return {
        "batch": entry.spec.batch_id,
        "state": entry.state.value,
        "route": entry.spec.route.value,
        "rows": entry.spec.rows,
        "attempts": entry.attempts,
        "status": entry.trace.http_status,
        "code": entry.trace.service_code,
        "request_id": entry.trace.request_id,
        "import_id": entry.trace.import_id,
    }
