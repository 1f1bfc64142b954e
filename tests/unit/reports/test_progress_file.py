"""How far a run is, kept in a file beside it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from importer.reports.progress_file import (
    PROGRESS_NAME,
    QUESTION,
    REPORTING,
    ProgressFile,
    RunProgress,
    drop_progress,
    read_progress,
)


@dataclass
class Ticks:
    """A clock that tests move."""

    now_s: float = 0.0

    def monotonic_s(self) -> float:
        """Return the time it was set to."""
        return self.now_s

    def utc_now_iso(self) -> str:
        """Return it as a moment of a day."""
        return f"2026-11-22T10:{int(self.now_s):02d}:00.000Z"


@dataclass
class Heard:
    """Takes down what is passed on."""

    calls: list[tuple[str, Any]] = field(default_factory=list)

    def stage(self, name: str, total: int | None) -> None:
        """Take it down."""
        self.calls.append((name, total))

    def advance(self, rows: int, **fields: int | str) -> None:
        """Take it down."""
        self.calls.append(("advance", (rows, fields)))

    def finish(self) -> None:
        """Take it down."""
        self.calls.append(("finish", None))


def test_it_says_how_far_a_run_is(tmp_path: Path) -> None:
    """Stage, rows and fields are in the file, once a second; everything is passed on at once."""
    ticks, heard = Ticks(), Heard()
    progress = ProgressFile(heard, tmp_path / PROGRESS_NAME, ticks)
    assert read_progress(tmp_path) is None
    progress.stage("send", 100)
    begun = RunProgress(os.getpid(), "send", ticks.utc_now_iso(), ticks.utc_now_iso(), 0, 100, {})
    assert read_progress(tmp_path) == begun
    ticks.now_s = 0.5
    progress.advance(10, in_flight=2)
    assert read_progress(tmp_path) == begun
    ticks.now_s = 2
    progress.advance(10, wait_s=30)
    assert read_progress(tmp_path) == RunProgress(
        os.getpid(), "send", begun.begun_at, "2026-11-22T10:02:00.000Z", 20, 100, {"in_flight": 2, "wait_s": 30}
    )
    progress.note(QUESTION)
    progress.finish()
    said = read_progress(tmp_path)
    assert said is not None
    assert (said.stage, said.done, said.fields) == (REPORTING, 0, {})
    assert heard.calls == [
        ("send", 100),
        ("advance", (10, {"in_flight": 2})),
        ("advance", (10, {"wait_s": 30})),
        ("finish", None),
    ]
    drop_progress(tmp_path)
    drop_progress(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_private(tmp_path: Path) -> None:
    """As every file of a run is."""
    ProgressFile(Heard(), tmp_path / PROGRESS_NAME, Ticks()).stage("send", None)
    assert (tmp_path / PROGRESS_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"pid": 1}', b'{"strange": 1}', b"\xff"])
def test_a_file_that_says_nothing_is_passed_over(tmp_path: Path, content: bytes) -> None:
    """It is a courtesy, so nothing depends on it."""
    (tmp_path / PROGRESS_NAME).write_bytes(content)
    assert read_progress(tmp_path) is None


def test_what_an_earlier_process_said_is_passed_over(tmp_path: Path) -> None:
    """It was killed, and whoever has the run's lock now has not said anything yet."""
    ProgressFile(Heard(), tmp_path / PROGRESS_NAME, Ticks()).stage("send", None)
    said_ns = (tmp_path / PROGRESS_NAME).stat().st_mtime_ns
    assert read_progress(tmp_path, said_ns) is not None
    assert read_progress(tmp_path, said_ns + 1) is None


def test_a_run_goes_on_where_it_cannot_be_written(tmp_path: Path) -> None:
    """A full disk is found out by what matters."""
    progress = ProgressFile(Heard(), tmp_path / "gone" / PROGRESS_NAME, Ticks())
    progress.stage("send", None)
    progress.advance(1)
    progress.finish()
    assert read_progress(tmp_path / "gone") is None


def test_what_cannot_be_put_in_its_place_is_taken_away(tmp_path: Path) -> None:
    """Half a file would be left on a full disk."""
    (tmp_path / PROGRESS_NAME / "in the way").mkdir(parents=True)
    ProgressFile(Heard(), tmp_path / PROGRESS_NAME, Ticks()).stage("send", None)
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_NAME]


def test_whoever_reads_it_meanwhile_reads_it_whole(tmp_path: Path) -> None:
    """It is replaced, never rewritten, also by several threads."""
    ticks = Ticks()
    progress = ProgressFile(Heard(), tmp_path / PROGRESS_NAME, ticks)
    progress.stage("send", None)

    def count() -> None:
        for _ in range(100):
            ticks.now_s += 2
            progress.advance(1)

    writers = [threading.Thread(target=count) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert read_progress(tmp_path) is not None
    for writer in writers:
        writer.join()
    ticks.now_s += 2  # the threads may have counted their last rows within one tick, which writes only the first
    progress.advance(0)
    said = read_progress(tmp_path)
    assert said is not None
    assert said.done == 200
