"""Files that may not grow, and folders that may not be written to: the same care where no disk can be filled for it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan
from tests.support.cli import Ended, command_line
from tests.support.commands import environment, only_run
from tests.support.disks import bound_by_modes, limited_files
from tests.support.noise_file import KIB, MAPPING, write_noise
from tests.support.runs import IDLE_S, QUICK, Workbench, bench_of, outcomes_of

ROWS: Final = 1200


bench = bench_of(MAPPING, EmulatorSettings(status_url=False))


def write_source(bench: Workbench) -> Path:
    """Write some 400 kilobytes that cannot be compressed, and rows that go one after the other."""
    return write_noise(bench, ROWS, *(f"g{n},group@example.com,note {n}" for n in range(40)))


def call(bench: Workbench, command: Sequence[str]) -> Ended:
    """Run a command line to its end."""
    ended = subprocess.run(
        command, env=environment(bench), capture_output=True, text=True, cwd=bench.folder, check=False
    )
    bench.emulator.wait_idle(IDLE_S)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def resumed(bench: Workbench) -> Report:
    """Go on with the run without a limit."""
    report = resume(ResumeRequest("last", bench.settings), Hooks(), QUICK)
    bench.emulator.wait_idle(IDLE_S)
    return report


def test_a_package_that_may_not_grow(bench: Workbench) -> None:
    """Exit code 5 with the run's own command; nothing half-written stays, and that command imports everything."""
    source = write_source(bench)
    command = command_line(["import", source, "-m", bench.mapping, "--allow-merges", "1", "--yes", "--json"])
    ended = call(bench, limited_files(command, 64 * KIB))
    assert ended.code == ended.report["exit_code"] == 5, ended.stderr
    run = only_run(bench)
    assert f"`memory-importer resume {run.name} --runs-dir " in ended.report["error"]["hint"]
    assert str(run) in ended.report["error"]["message"]
    assert not list(run.rglob("*.part"))
    assert not list(run.rglob("*.arrow"))
    assert bench.writes() == []
    again = resumed(bench)
    assert (again.exit_code, again.outcomes["accepted"]) == (0, ROWS + 40)


@pytest.mark.parametrize(("via", "limit_kib", "written"), [("bulk", 96, "SQLITE_"), ("import", 256, "part-0.csv")])
def test_a_file_of_the_sending_that_may_not_grow(bench: Workbench, via: str, limit_kib: int, written: str) -> None:
    """Ledger or part: sending stops at once, the report says so, and the rest goes with the next `resume`."""
    groups = {"allow_merges": 1} if via == "bulk" else {}
    planned = plan(bench.request(write_source(bench), via=via, **groups), Hooks())
    command = command_line(["resume", "last", "--yes", "--json"])
    ended = call(bench, limited_files(command, limit_kib * KIB))
    assert ended.code == ended.report["exit_code"] == 5, ended.stderr
    assert written in ended.report["error"]["message"]
    assert planned.run_id in ended.report["error"]["hint"]
    assert not list(Path(planned.folder or "").rglob("*.part"))
    assert resumed(bench).exit_code == (0 if via == "bulk" else 3)
    states = outcomes_of(planned)["state"].value_counts().rows()
    assert dict(states) == ({"accepted": ROWS + 40} if via == "bulk" else {"processed": ROWS, "held": 40})
    assert len(bench.stored()) == (ROWS + 1 if via == "bulk" else ROWS)


def test_a_runs_folder_that_may_not_be_written_to(bench: Workbench) -> None:
    """Exit code 7 names the folder and the way out, before anything is sent."""
    source = write_source(bench)
    runs = bench.folder / "runs"
    runs.mkdir(mode=0o500)
    ended = call(bench, bound_by_modes(command_line(["import", source, "-m", bench.mapping, "--yes", "--json"])))
    assert ended.code == ended.report["exit_code"] == 7, ended.stderr
    assert str(runs) in ended.report["error"]["message"]
    assert "--runs-dir" in ended.report["error"]["hint"]
    assert bench.writes() == []
