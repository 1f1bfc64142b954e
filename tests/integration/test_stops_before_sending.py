"""Runs that are stopped before anything was sent: while the source is read, while it is packaged, at a question."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from importer.core.report import Report
from importer.errors import RunInterrupted
from importer.reports.progress import NoProgress
from importer.settings import Settings
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.run_status import status
from importer.wiring.runs import plan, validate
from importer.wiring.sending import run_import
from tests.support.cli import CUSTOMERS_RUN, Shell, served, wait_until
from tests.support.runs import QUICK, Workbench, workbench

MAPPING = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "note": "Account.note"},
}
ROWS = 50


class StopAt(NoProgress):
    """Asks to stop as soon as a stage begins."""

    def __init__(self, name: str) -> None:
        self.stop = Event()
        self._name = name

    def stage(self, name: str, total: int | None) -> None:  # noqa: ARG002 - the port's signature
        """Look whether this is the one."""
        if name == self._name:
            self.stop.set()


def stopped_at(stage: str, number: int = signal.SIGTERM) -> Hooks:
    """Return hooks of a run that gets a signal at the beginning of a stage; nobody may be asked after it."""
    progress = StopAt(stage)

    def refuse(question: str) -> bool:
        raise AssertionError(question)

    return Hooks(progress=progress, confirm=refuse, stop=progress.stop, stop_signal=lambda: number)


@dataclass(frozen=True)
class Bench:
    """A local service and a source."""

    bench: Workbench
    request: RunRequest

    def runs(self) -> list[Path]:
        """Return the run folders."""
        return sorted((self.bench.folder / "runs").glob("2*"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Start a service and write a source."""
    with workbench(tmp_path, MAPPING) as service:
        source = tmp_path / "source.csv"
        source.write_text("id,email,note\n" + "".join(f"{n},p{n}@example.com,n\n" for n in range(ROWS)))
        yield Bench(service, service.request(source))


COMMANDS: dict[str, Callable[[RunRequest, Hooks], Report]] = {"validate": validate, "plan": plan, "import": run_import}


@pytest.mark.parametrize("command", COMMANDS)
def test_while_the_source_is_read(bench: Bench, command: str) -> None:
    """The run is given up: nothing was sent, and nothing of the rows is left on disk."""
    with pytest.raises(RunInterrupted, match="nothing was sent"):
        COMMANDS[command](bench.request, stopped_at("read and check"))
    assert bench.runs() == []
    assert bench.bench.writes() == []


@pytest.mark.parametrize("stage", ["identity", "plan"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_while_it_is_packaged(bench: Bench, stage: str, number: int, code: int) -> None:
    """What was read is kept, nobody is asked, nothing is sent; a resume sends all of it."""
    report = run_import(bench.request, stopped_at(stage, number), QUICK)
    assert (report.exit_code, report.outcomes["not_sent"]) == (code, ROWS)
    assert report.error is not None
    assert f"resume {report.run_id}" in report.error.hint
    assert bench.bench.writes() == []
    again = resume(ResumeRequest(report.run_id, bench.bench.settings), Hooks(), QUICK)
    assert (again.exit_code, again.outcomes["processed"]) == (0, ROWS)


def test_a_pipe_that_never_ends_can_be_left(tmp_path: Path) -> None:
    """A signal ends the reading of standard input though nothing comes any more; the spooled rows are gone."""
    spool = tmp_path / "spool"
    spool.mkdir()
    with served(tmp_path / "work") as (_, usual):
        shell = Shell(usual.folder, {**usual.environment, "TMPDIR": str(spool)})
        process = shell.start("import", "-", *CUSTOMERS_RUN[1:], "--json", stdin=subprocess.PIPE)
        try:
            assert process.stdin is not None
            process.stdin.write("customer_id,email\n")
            process.stdin.flush()
            wait_until(lambda: any(spool.glob("memory-importer-*")), process)
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            stdout = process.stdout.read() if process.stdout is not None else ""
        finally:
            process.kill()
            process.communicate()
    report = json.loads(stdout)
    assert (process.returncode, report["exit_code"], report["run_id"]) == (143, 143, None)
    assert "nothing was sent" in report["error"]["message"]
    assert list(spool.iterdir()) == []
    assert shell.runs() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_at_a_question(tmp_path: Path, number: int, code: int) -> None:
    """It is as good an answer as no, but for the exit code; `status` says meanwhile what the run waits for."""
    with served(tmp_path) as (emulator, shell):
        settings = Settings(runs_dir=str(shell.runs_dir))
        ours, theirs = pty.openpty()
        process = shell.start("import", *CUSTOMERS_RUN, "--json", stdin=theirs, stderr=theirs)
        os.close(theirs)
        try:
            shown = b""
            while b"Go on?" not in shown:
                shown += os.read(ours, 65536)
            live = status("last", settings).live
            process.send_signal(number)
            stdout, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            process.communicate()
            os.close(ours)
        assert live is not None
        assert (live.running, live.pid, live.stage) == (True, process.pid, "question")
        report = json.loads(stdout)
        assert process.returncode == report["exit_code"] == code
        assert report["outcomes"]["not_sent"] == 483
        assert any(f"resume {report['run_id']}` sends it as planned" in hint for hint in report["hints"])
        assert not any(request["method"] == "PUT" for request in emulator.journal())
        if number == signal.SIGTERM:
            again = shell.run("resume", "last", "--yes", "--json")
            assert (again.code, again.report["outcomes"]["processed"]) == (3, 483)


def test_two_signals_end_a_process_that_hears_none(tmp_path: Path) -> None:
    """While the main thread is in a long computation, the second signal still ends the process at once."""
    script = (
        "import hashlib\n"
        "from importer.cli.signals import taken\n"
        "with taken(lambda text: print(text, flush=True)) as signals:\n"
        "    signals.begun()\n"
        "    print('ready', flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 1_000_000_000)\n"  # minutes in one call that looks at no signal
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline().startswith("stopping")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    finally:
        process.kill()
        process.communicate()
