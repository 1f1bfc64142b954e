"""A run that is stopped again and again, each time in something else, and looked at meanwhile; then it is whole."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from importer.core.live import Live
from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.settings import Settings
from importer.wiring.listing import list_runs
from importer.wiring.run_status import status
from tests.support.cli import CREDENTIALS, Ended, Shell, new_shell, wait_until
from tests.support.gate import Answer, Gate, arrived, gate_before
from tests.support.runs import Workbench, workbench

COLUMNS: Final[dict[str, Any]] = {
    "email": "Contact.email",
    "note": "Account.note",
    "points": {"to": "Account.points", "type": "number"},
}
ROWS: Final = 5000
BULK: Final = "PUT .*/Bulk$"
UPLOAD: Final = "PUT /memory-imports/"
OPERATION: Final = "GET .*/Operations/"
QUICK_S: Final = 9.0
"""A stop that waits for nothing is over long before the ten seconds it may take."""


@dataclass(frozen=True)
class Bench:
    """A local service behind gates, a source, and a folder to work in."""

    bench: Workbench
    api: Gate
    bucket: Gate
    shell: Shell
    source: Path

    @property
    def arguments(self) -> tuple[str | Path, ...]:
        """Return the arguments of an import."""
        return (self.source, "--mapping", self.bench.mapping, "--yes", "--json", "--concurrency", "2")

    @property
    def settings(self) -> Settings:
        """Return settings of whoever looks at the runs."""
        return Settings(runs_dir=str(self.shell.runs_dir))

    def look(self) -> tuple[Report, Live]:
        """Look at the last run, which has not ended."""
        report = status("last", self.settings)
        assert report.live is not None
        assert (report.finished_at, report.exit_code) == (None, None)
        assert sum(report.outcomes.values()) in {0, report.rows_read}
        return report, report.live

    @contextmanager
    def begun(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        """Start a command; what it says goes to a file, so that it can be read meanwhile."""
        with (self.shell.folder / "said.txt").open("w", encoding="utf-8") as said:
            process = self.shell.start(*arguments, stderr=said)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def said(self) -> str:
        """Return what the last command said so far."""
        return (self.shell.folder / "said.txt").read_text(encoding="utf-8")


@contextmanager
def opened(folder: Path, **routing: int) -> Iterator[Bench]:
    """Start the service, the gates before it, and write a source."""
    mapping = {"version": 1, "source": {"key": ["id"]}, "columns": COLUMNS, "routing": routing}
    with (
        workbench(folder / "service", mapping, EmulatorSettings()) as bench,
        gate_before(bench.emulator.api_url) as api,
        gate_before(bench.emulator.bucket_url) as bucket,
    ):
        api.also[bucket.behind] = bucket.url
        source = folder / "source.csv"
        rows = (f"K{n},p{n}@example.com,note {n},{n}\n" for n in range(ROWS))
        source.write_text("id,email,note,points\n" + "".join(rows), encoding="utf-8")
        address = {"MEMORY_API_URL": api.url, "MEMORY_STORE_ID": bench.emulator.store_id}
        yield Bench(bench, api, bucket, new_shell(folder / "work", **address, **CREDENTIALS), source)


def ended(process: subprocess.Popen[str], number: signal.Signals) -> dict[str, Any]:
    """Check that a command ended as one does that is stopped; return its report."""
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stdout
    report: dict[str, Any] = json.loads(stdout)
    assert report["exit_code"] == 128 + number
    assert re.search("resume 2[0-9a-f-]+", report["error"]["hint"])
    return report


def counts(report: dict[str, Any]) -> dict[str, int]:
    """Return the states that rows are in."""
    return {state: count for state, count in report["outcomes"].items() if count}


def test_bulk_batches(tmp_path: Path) -> None:
    """While bodies are on their way, while the service asks to wait, while it applies: stopped, resumed, complete."""
    with opened(tmp_path) as bench:
        _stopped_on_the_way(bench)
        _stopped_while_waiting(bench)
        _stopped_while_polling(bench)
        bench.api.let_through()
        last = bench.shell.run("resume", "last", "--yes", "--json")
        assert (last.code, counts(last.report)) == (0, {"processed": ROWS})
        assert status("last", bench.settings).live is None
        assert len(bench.bench.emulator.profiles()) == ROWS


def _stopped_on_the_way(bench: Bench) -> None:
    """Bodies have left and are not answered; what is answered while the run drains counts."""
    bench.api.hold(BULK)
    with bench.begun("import", *bench.arguments) as process:
        wait_until(arrived(bench.api, BULK, 2), process)
        report, live = bench.look()
        assert (live.running, live.pid, live.stage) == (True, process.pid, "send")
        assert live.batches == {"pending": 3, "sent": 2}
        assert (live.rows_to_send, live.rows_left, live.left_s) == (ROWS, ROWS, None)
        assert (report.outcomes["planned"], report.outcomes["unknown"]) == (3000, 2000)
        (line,) = list_runs(bench.shell.runs_dir)
        assert (line.running, line.stage, line.rows_read, line.rows_not_fine) == (True, "sending", ROWS, None)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in bench.said(), process)
        bench.api.let_through()
        assert counts(ended(process, signal.SIGTERM)) == {"not_sent": 3000, "accepted": 2000}
    (line,) = list_runs(bench.shell.runs_dir)
    assert (line.running, line.rows_not_fine) == (False, 3000)


def _stopped_while_waiting(bench: Bench) -> None:
    """The service asks to wait for ten minutes; nobody waits for that to stop."""
    bench.api.answer(BULK, Answer(429, {"retry-after": "600"}))
    bench.api.answer(OPERATION, Answer(503))
    with bench.begun("resume", "last", "--yes", "--json") as process:
        wait_until(lambda: _waits(bench), process)
        _, live = bench.look()
        assert live.wait_s is not None
        assert 500 < live.wait_s <= 610
        assert live.throttled >= 1
        assert live.last_error is not None
        assert (live.last_error.request, live.last_error.http_status) == ("bulk", 429)
        assert live.rows_left == 3000
        process.send_signal(signal.SIGINT)
        assert counts(ended(process, signal.SIGINT)) == {"not_sent": 3000, "accepted": 2000}


def _waits(bench: Bench) -> bool:
    """Tell whether the last run's process says that it waits, and no longer for an answer."""
    live = status("last", bench.settings).live
    return live is not None and bool(live.wait_s) and live.in_flight == 0


def _stopped_while_polling(bench: Bench) -> None:
    """Everything is taken, and the service goes on applying it."""
    bench.api.let_through()
    bench.api.answer(OPERATION, Answer(503))
    with bench.begun("resume", "last", "--yes", "--json") as process:
        wait_until(lambda: _taken(bench), process)
        report, live = bench.look()
        assert live.batches == {"applying": 5}
        assert report.outcomes["accepted"] == ROWS
        process.send_signal(signal.SIGTERM)
        assert counts(ended(process, signal.SIGTERM)) == {"accepted": ROWS}


def _taken(bench: Bench) -> bool:
    """Tell whether a process works on the last run and everything is taken."""
    live = status("last", bench.settings).live
    return live is not None and live.running and live.rows_to_send == ROWS and live.rows_left == 0


def test_import_parts(tmp_path: Path) -> None:
    """While a file is uploaded: a second signal ends the run at once, without a report; nothing is lost by that."""
    with opened(tmp_path, import_min_rows=1000, part_rows=2500) as bench:
        bench.bucket.hold(UPLOAD)
        with bench.begun("import", *bench.arguments) as process:
            wait_until(arrived(bench.bucket, UPLOAD, 2), process)
            _, live = bench.look()
            assert live.batches == {"uploading": 2}
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in bench.said(), process)
            process.send_signal(signal.SIGTERM)
            stdout, _ = process.communicate(timeout=QUICK_S)
            assert (process.returncode, stdout) == (143, "")

        report, live = bench.look()
        assert (live.running, live.stage, live.pid) == (False, None, None)
        assert report.outcomes["unknown"] == ROWS
        assert "stopped while it was sending" in report.notes[-1]
        assert f"resume {report.run_id}" in report.hints[0]
        watched = bench.shell.run("status", "last", "--watch")
        assert watched.code == 5, "it was stopped early and left no report"

        bench.bucket.let_through()
        last = bench.shell.run("resume", "last", "--yes", "--json")
        assert (last.code, counts(last.report)) == (0, {"processed": ROWS})
        assert len(bench.bench.emulator.profiles()) == ROWS


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Ended]]]:
    """Follow a run in three ways: to its end in a log and as JSON, and not that far."""
    with opened(tmp_path_factory.mktemp("watched")) as bench, ExitStack() as stack:
        bench.api.hold(BULK)
        process = stack.enter_context(bench.begun("import", *bench.arguments))
        wait_until(arrived(bench.api, BULK, 2), process)
        log = bench.shell.folder / "log.txt"
        with log.open("w", encoding="utf-8") as output:
            followers = {
                "log": bench.shell.start("status", "last", "--watch", stdout=output),
                "json": bench.shell.start("status", "last", "--watch", "--json"),
                "left": bench.shell.start("status", "last", "--watch"),
            }
        for follower in followers.values():
            stack.callback(follower.kill)
        wait_until(lambda: "running" in log.read_text(encoding="utf-8"), process)
        assert followers["left"].stdout is not None
        followers["left"].stdout.readline()
        followers["left"].send_signal(signal.SIGINT)
        found = {"left": _ended(followers["left"])}
        assert process.poll() is None, "whoever stops watching stops nothing else"
        bench.api.let_through()
        assert process.wait(60) == 0
        found |= {name: _ended(followers[name]) for name in ("log", "json")}
        yield log.read_text(encoding="utf-8"), found


def _ended(process: subprocess.Popen[str]) -> Ended:
    stdout, stderr = process.communicate(timeout=60)
    return Ended(process.returncode, stdout or "", stderr)


def test_following_a_run_ends_as_the_run_does(watched: tuple[str, dict[str, Ended]]) -> None:
    """A line of what it does, its summary at the end, and its exit code."""
    log, found = watched
    assert found["log"].code == 0, found["log"].stderr
    first, *rest = log.splitlines()
    assert re.match(r"2\S+Z 2\S+: running \(process \d+\); sends, 0 of 5,000 rows taken", first)
    assert any(line.startswith("import 2") and "exit code 0" in line for line in rest)


def test_following_with_json_waits_for_the_report(watched: tuple[str, dict[str, Ended]]) -> None:
    """Standard output has one document, that of the end."""
    _, found = watched
    report = found["json"].report
    assert (found["json"].code, report["exit_code"], report["live"]) == (0, 0, None)
    assert "running" in found["json"].stderr


def test_ctrl_c_ends_the_watching_alone(watched: tuple[str, dict[str, Ended]]) -> None:
    """It says so, and ends as an interrupted command does."""
    _, found = watched
    assert found["left"].code == 130
    assert "goes on" in found["left"].stderr
