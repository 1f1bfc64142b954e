"""Rows of merge groups go one after the other: the question and the progress say how many, before and while they do."""

from __future__ import annotations

from pathlib import Path

from importer.emulator import EmulatorSettings
from importer.reports.live_lines import live_line
from importer.reports.progress import NoProgress
from importer.reports.progress_file import PROGRESS_NAME, ProgressFile
from importer.state.lock import RunLock
from importer.wiring.clock import SystemClock
from importer.wiring.requests import Hooks
from importer.wiring.run_status import status
from importer.wiring.runs import plan
from importer.wiring.sending import run_import
from tests.support.runs import QUICK, folder_of, workbench
from tests.support.strict_store import MAPPING, people, write_source

GROUP = [(f"G{at}", "group@example.com", f"note {at}", at) for at in range(5)]


class Kept(NoProgress):
    """Keeps what is said of rows that go in turn."""

    def __init__(self) -> None:
        self.in_turn: list[int] = []

    def advance(self, rows: int, **fields: int | str) -> None:  # noqa: ARG002 - the port's signature
        """Take it."""
        if "one_at_a_time" in fields:
            self.in_turn.append(int(fields["one_at_a_time"]))


def test_the_question_and_the_progress_count_them(tmp_path: Path) -> None:
    """Five rows of one group take five requests one after the other, the rest one request."""
    asked: list[str] = []
    progress = Kept()

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(status_url=False)) as bench:
        source = write_source(bench, *people(3), *GROUP)
        run_import(bench.request(source, allow_merges=1), Hooks(progress=progress, confirm=agree), QUICK)
        run_import(bench.request(write_source(bench, *people(3))), Hooks(confirm=agree), QUICK)
    assert "5 rows of them go one at a time" in asked[0]
    assert "5 steps one after the other" in asked[0]
    assert "one at a time" not in asked[1]
    assert progress.in_turn[0] == 5
    assert progress.in_turn == sorted(progress.in_turn, reverse=True)
    assert progress.in_turn[-1] == 0


class Later:
    """A clock on which much time passes between two looks, so that everything is written down at once."""

    def __init__(self) -> None:
        self._s = 0.0

    def monotonic_s(self) -> float:
        """Ten seconds more each time."""
        self._s += 10.0
        return self._s

    def utc_now_iso(self) -> str:
        """The system's."""
        return SystemClock().utc_now_iso()


def test_status_of_another_process_says_so_too(tmp_path: Path) -> None:
    """What a process at work said last of rows in turn is in `live`, and on its line."""
    with workbench(tmp_path / "bench", MAPPING) as bench:
        planned = plan(bench.request(write_source(bench, *people(3), *GROUP), allow_merges=1), Hooks())
        folder = folder_of(planned)
        with RunLock(folder.path):
            said = ProgressFile(NoProgress(), folder.path / PROGRESS_NAME, Later())
            said.stage("send", 8)
            said.advance(3, one_at_a_time=5)
            live = status(planned.run_id, bench.settings).live
    assert live is not None
    assert (live.running, live.one_at_a_time) == (True, 5)
    assert "5 rows go one at a time" in live_line(live)
