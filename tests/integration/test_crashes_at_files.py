"""A run that is killed at a file operation: none of them is the one after which it could not go on.

The process kills itself right before an operation, so the moment is exact; see `tests/support/crash`.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.cli import Argument, Ended, new_shell, outcomes, report_of
from tests.support.crashes import Crash, check, crash_of, write_mapping, write_source
from tests.support.journals import JournalServer, journal_server

CRASH: Final = Path(__file__).parents[1] / "support" / "crash"
ROWS: Final = 3000
KILLED: Final = -signal.SIGKILL
RESUME: Final = ("resume", "last", "--yes", "--json")

ENDINGS: Final = ("rename outcomes.parquet 1", "rename report.json 1", "rename run.json 2")
"""What a run does once everything is delivered: outcomes, report, and the record that it is over."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JournalServer]:
    """A service that answers quickly."""
    with journal_server(tmp_path / "journals", latency_s=0.01, settle_s=0.1, seed=1) as running:
        yield running


@dataclass(frozen=True)
class Rehearsal:
    """Commands that kill themselves."""

    server: JournalServer
    crash: Crash

    def run(self, *arguments: Argument, **asked: str) -> Ended:
        """Run a command that kills itself where `asked` says."""
        shell, user = self.crash.shell, self.crash.journal.user
        environment = self.server.environment(user, shell.runs_dir)
        return new_shell(shell.folder, **environment, PYTHONPATH=str(CRASH), **asked).run(*arguments)


def whole(crash: Crash) -> None:
    """Outcomes and report are there and say the same, and nothing half written is."""
    report = report_of(crash.run)
    assert (report["exit_code"], report["outcomes"]["accepted"]) == (0, ROWS)
    assert outcomes(crash.run)["state"].to_list() == ["accepted"] * ROWS
    assert not [path.name for path in crash.run.rglob("*.part")]


def test_killed_while_the_report_is_written(tmp_path: Path, server: JournalServer) -> None:
    """Once all is delivered nothing is sent again: `status` knows it from the ledger, `resume` writes the report."""
    source, mapping = write_source(tmp_path / "source.csv", ROWS), write_mapping(tmp_path / "mapping.yaml")
    planned = crash_of(server, tmp_path / "planned", "planner", source)
    assert planned.shell.run("plan", source, "-m", mapping, "--via", "bulk").code == 0

    def ending(at: str) -> None:
        folder = tmp_path / at.replace(" ", "-")
        shutil.copytree(planned.shell.runs_dir, folder / "runs")
        crash = crash_of(server, folder, at.replace(" ", "-").replace(".", "-"), source)
        killed = Rehearsal(server, crash).run("import", "--plan", "last", "--yes", CRASH_AT=at)
        assert killed.code == KILLED, (at, killed.stderr)
        assert crash.journal.applied() == ROWS

        told = crash.shell.run("status", "last", "--json").report
        assert (told["outcomes"]["accepted"], told["outcomes"]["planned"]) == (ROWS, 0), at

        assert crash.shell.run(*RESUME).code == 0
        assert crash.journal.applied() == ROWS, "it was sent again"
        whole(crash)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(ending, ENDINGS))


@pytest.mark.soak
@pytest.mark.parametrize("via", [("bulk",), ("import", "--part-rows", "1000")], ids=["bulk", "import"])
def test_killed_at_any_file_operation(tmp_path: Path, server: JournalServer, via: tuple[str, ...]) -> None:
    """From the first file on: whichever file a run was about to open or to move, it goes on and loses nothing."""
    source, mapping = write_source(tmp_path / "source.csv", ROWS), write_mapping(tmp_path / "mapping.yaml")
    first: tuple[Argument, ...] = ("import", source, "-m", mapping, "--yes", "--json", "--via", *via)
    log = tmp_path / "operations.log"
    entire = crash_of(server, tmp_path / "entire", "entire", source)
    assert Rehearsal(server, entire).run(*first, CRASH_LOG=str(log)).code == 0
    operations = log.read_text(encoding="utf-8").splitlines()
    assert "rename report.json" in operations

    def stopped(number: int) -> bool:
        crash = crash_of(server, tmp_path / f"at-{number}", f"at-{number}", source)
        killed = Rehearsal(server, crash).run(*first, CRASH_AT=f"any {number}").code == KILLED
        begun = any(crash.shell.runs_dir.glob("*/run.json"))
        if begun and killed:
            crash.note_kill()
        ended = crash.shell.run(*(RESUME if begun else first))
        assert ended.code == 0, (number, operations[number - 1], ended.stderr)
        check(crash, ROWS)
        return killed

    with ThreadPoolExecutor(4) as pool:  # most of their time is waiting for the service
        killed = sum(pool.map(stopped, range(1, len(operations) + 1)))
    assert killed >= len(operations) - 2, "threads write parts: there may be an operation more or fewer"
