"""Runs that are stopped, that meet another one, or that are asked about while they run."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from importer.emulator import Emulator
from tests.support.cli import (
    CUSTOMERS_RUN,
    Ended,
    Shell,
    batches_in,
    new_shell,
    outcomes,
    report_of,
    served,
    wait_until,
)

SLOW: Final = (*CUSTOMERS_RUN, "--yes", "--max-rps", "2", "--part-rows", "20", "--json")
"""Some sixty requests at two a second: long enough to be met in the middle, however slow the machine."""

EXPECTED: Final = {"rejected": 25, "skipped": 3, "held": 3, "combined": 2, "processed": 483}
LEFT: Final = ("processed", "accepted", "applying", "importing", "uploading")


@dataclass(frozen=True)
class Stopped:
    """One import stopped by SIGTERM in its middle, what was asked meanwhile, and how it went on."""

    shell: Shell
    run: Path
    second: Ended
    shown: Ended
    stopped: Ended
    report: dict[str, Any]
    states: Counter[str]
    resumed: Ended
    profiles: int


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """Start an import; when a batch has left, start another one, ask for its status, stop it, and resume it."""
    with served(tmp_path_factory.mktemp("stops")) as (emulator, shell):
        process = shell.start("import", *SLOW)
        try:
            wait_until(lambda: bool(shell.runs()) and batches_in(shell.runs()[0], *LEFT) > 0, process)
            run = shell.runs()[0]
            second = shell.run("import", *CUSTOMERS_RUN, "--yes", "--json")
            shown = shell.run("status", run.name, "--json")
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
        ended = Ended(process.returncode, stdout, stderr)
        report, states = report_of(run), Counter(outcomes(run)["state"])
        resumed = shell.run("resume", run.name, "--json", "--yes")
        emulator.wait_idle()
        yield Stopped(shell, run, second, shown, ended, report, states, resumed, len(emulator.profiles()))


def test_sigterm_ends_a_run_that_can_be_resumed(stopped: Stopped) -> None:
    """Exit code 143; what left is accounted for, the rest is not_sent, and the hint says how to go on."""
    assert stopped.stopped.code == 143, stopped.stopped.stderr
    assert stopped.stopped.report == stopped.report
    assert stopped.report["exit_code"] == 143
    assert stopped.states["not_sent"] > 0
    assert sum(stopped.states.values()) == stopped.report["rows_read"]
    assert f"resume {stopped.run.name}" in stopped.report["error"]["hint"]


def test_resume_sends_the_rest_and_no_more(stopped: Stopped) -> None:
    """Afterwards it is as if nothing had happened."""
    assert stopped.resumed.code == 3, stopped.resumed.stderr
    found = {state: count for state, count in stopped.resumed.report["outcomes"].items() if count}
    assert found == EXPECTED
    assert stopped.profiles == EXPECTED["processed"]


def test_a_second_sender_is_refused(stopped: Stopped) -> None:
    """Exit code 7; the run it had planned can be sent later, and the hint says how."""
    assert stopped.second.code == 7
    report = stopped.second.report
    assert report["exit_code"] == 7
    assert "another process is sending" in report["error"]["message"]
    planned = next(run for run in stopped.shell.runs() if run != stopped.run)
    assert report["run_id"] == planned.name
    assert any(f"resume {planned.name}` sends it as planned" in hint for hint in report["hints"])


def test_a_run_that_has_not_ended_can_be_looked_at(stopped: Stopped) -> None:
    """Its status says how far it is; there is no exit code yet."""
    assert stopped.shown.code == 0, stopped.shown.stderr
    report = stopped.shown.report
    assert (report["rows_read"], report["exit_code"], report["finished_at"]) == (516, None, None)
    assert sum(report["outcomes"].values()) == 516
    live = report["live"]
    assert (live["running"], live["stage"], live["rows_to_send"]) == (True, "send", 483)
    assert 0 < live["rows_left"] < 483


def test_two_emulators_on_one_state_are_one_too_many(tmp_path: Path) -> None:
    """The state of `--emulator` has one user at a time: exit code 7 names the way out."""
    shell = new_shell(tmp_path)
    (shell.runs_dir / "emulator").mkdir(parents=True)
    database = shell.runs_dir / "emulator" / "mem_store_01emu1at0r0000000000000000.db"
    with Emulator(database):
        ended = shell.run("import", *CUSTOMERS_RUN, "--emulator", "--json")
    assert (ended.code, ended.report["exit_code"]) == (7, 7)
    assert "--runs-dir" in ended.report["error"]["hint"]


def test_a_dry_run_cannot_be_resumed(tmp_path: Path) -> None:
    """Not even one that was killed: it would become an import."""
    shell = new_shell(tmp_path)
    assert shell.run("validate", *CUSTOMERS_RUN, "--emulator").code == 3
    manifest = shell.runs()[0] / "run.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"stage": "checked"', '"stage": "packaging"'), "utf-8")
    ended = shell.run("resume", "last", "--json")
    assert (ended.code, "dry run" in ended.report["error"]["message"]) == (2, True)
    assert shell.profiles() == []


@pytest.mark.parametrize(("answer", "code", "sent"), [("n", 2, False), ("y", 3, True)])
def test_on_a_terminal_the_question_is_asked(tmp_path: Path, answer: str, code: int, sent: bool) -> None:
    """Store, host and numbers are shown; only a yes sends."""
    with served(tmp_path) as (emulator, shell):
        ours, theirs = pty.openpty()
        process = shell.start("import", *CUSTOMERS_RUN, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL)
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        shown = _read_all(ours)
        assert process.wait(60) == code
        assert any(request["method"] == "PUT" for request in emulator.journal()) is sent
    assert "Send 483 rows to store emulator" in shown.replace("\r\n", " ").replace("\n", " ")
    assert "127.0.0.1" in shown


def _read_all(terminal: int) -> str:
    """Return what a process wrote to its terminal until it ended."""
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # Linux says so when the other side is closed
        pass
    finally:
        os.close(terminal)
    return b"".join(pieces).decode()


def test_the_emulator_says_when_it_is_ready_and_ends_when_told(tmp_path: Path) -> None:
    """One JSON line; a mapping fills its store; an import by URL and store ID goes to it; SIGTERM ends it with 0."""
    shell = new_shell(tmp_path)
    process = shell.start("emulator", "--db", "store.db", "-m", CUSTOMERS_RUN[2], "--no-status-url")
    try:
        assert process.stdout is not None
        facts = Ended(0, process.stdout.readline(), "").report
        assert set(facts) == {"api_url", "bucket_url", "store_id", "pid"}
        given = {"TWILIO_API_KEY": "any", "TWILIO_API_SECRET": "any"}
        other = new_shell(tmp_path / "other", **given)
        address = ("--api-url", facts["api_url"], "--store", facts["store_id"])
        ended = other.run("import", *CUSTOMERS_RUN, *address, "--yes", "--via", "bulk", "--json")
        assert ended.code == 3, ended.stderr
        assert ended.report["outcomes"]["accepted"] > 0, "without an operation to poll, accepted is all that is known"
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "store.db").stat().st_mode & 0o077 == 0
