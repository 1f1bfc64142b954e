"""How far a run is, kept beside it in a small file while a process works on it, for `status` in another process.

The file says what is nowhere else on disk: the stage, and what the process waits for. It is a courtesy: it is written
once a second at most, never made durable, and a run goes on where it cannot be written. Counts only, never a value.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import orjson

from importer.files import open_private
from importer.ports import Clock
from importer.reports.progress import ProgressSink

PROGRESS_NAME: Final = ".progress.json"
EVERY_S: Final = 1.0
"""Seconds between two writes of one stage, at least."""

QUESTION: Final = "question"
"""Stage of a run whose process waits for a person's answer."""

OPENING: Final = "open"
"""Stage of a run whose process has not said anything: it opens the store, or reads what is there."""

REPORTING: Final = "report"
"""Stage of a run whose process writes its outcomes."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What a process said last about the run it works on.

    Attributes:
        pid: Of the process.
        stage: What it does.
        begun_at: When it began with that, UTC, ISO 8601.
        at: When it said so.
        done: Rows done.
        total: Of so many; None when unknown.
        fields: Other counts by name, for example ``in_flight``.
    """

    pid: int
    stage: str
    begun_at: str
    at: str
    done: int = 0
    total: int | None = None
    fields: Mapping[str, int | str] = field(default_factory=dict)


class ProgressFile:
    """Passes progress on, and keeps it in a file as well; see `ProgressSink`.

    Args:
        inner: Where it is passed on to.
        path: The file.
        clock: Time.
    """

    def __init__(self, inner: ProgressSink, path: Path, clock: Clock) -> None:
        self._inner = inner
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._written_s = 0.0
        self._said = RunProgress(os.getpid(), "", "", "")

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage."""
        self._inner.stage(name, total)
        self.note(name, total)

    def note(self, stage: str, total: int | None = None) -> None:
        """Begin a stage in the file alone."""
        now = self._clock.utc_now_iso()
        with self._lock:
            self._write(RunProgress(self._said.pid, stage, now, now, total=total))

    def advance(self, rows: int, **fields: int | str) -> None:
        """Count rows done."""
        self._inner.advance(rows, **fields)
        with self._lock:
            said = self._said
            now = self._clock.utc_now_iso() if self._is_due() else None
            done, told = said.done + rows, {**said.fields, **fields}
            said = RunProgress(said.pid, said.stage, said.begun_at, now or said.at, done, said.total, told)
            if now is None:
                self._said = said
            else:
                self._write(said)

    def finish(self) -> None:
        """End the last stage; what follows is the report."""
        self._inner.finish()
        self.note(REPORTING)

    def _is_due(self) -> bool:
        return self._clock.monotonic_s() - self._written_s >= EVERY_S

    def _write(self, said: RunProgress) -> None:
        self._said = said
        self._written_s = self._clock.monotonic_s()
        beside = self._path.with_name(f"{self._path.name}.part")
        try:
            descriptor = open_private(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(orjson.dumps(asdict(said)))
            beside.replace(self._path)
        except OSError:  # nobody is told how far it is; half a file on a full disk is of no use either
            with suppress(OSError):
                beside.unlink()


def read_progress(folder: Path, since_ns: int = 0) -> RunProgress | None:
    """Return what a run's process said last.

    Args:
        folder: Of the run.
        since_ns: What was said before this, as files have their times, was said by an earlier process.

    Returns:
        None if it said nothing that can be read.
    """
    path = folder / PROGRESS_NAME
    try:
        said = RunProgress(**orjson.loads(path.read_bytes()))
        return said if path.stat().st_mtime_ns >= since_ns else None
    except (OSError, ValueError, TypeError):
        return None


def drop_progress(folder: Path) -> None:
    """Take the file away: the report says it all."""
    with suppress(OSError):
        (folder / PROGRESS_NAME).unlink(missing_ok=True)
