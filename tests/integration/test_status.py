"""`status` of runs in every stage, and beside a run that is being written."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rich_click as click

from importer.cli.main import cli
from importer.core.delivery import BatchSpec
from importer.core.manifest import Stage
from importer.core.report import Report
from importer.core.report_schema import report_json_schema
from importer.core.route import Route
from importer.emulator import EmulatorSettings
from importer.errors import ConfigError, LedgerDamagedError, StateError
from importer.reports.progress import NoProgress
from importer.settings import Settings
from importer.state.lock import RunLock
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.listing import list_runs
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.run_status import RunWatch, status
from importer.wiring.runs import plan, validate
from importer.wiring.sending import run_import
from tests.support.cli import new_shell
from tests.support.runs import QUICK, Workbench, workbench

MAPPING = {
    "version": 1,
    "source": {"key": ["id"], "where": "note <> 'away'"},
    "columns": {"email": "Contact.email", "note": "Account.note"},
}
GOOD = 3000
OUTCOMES = {"rejected": 2, "skipped": 1, "held": 2, "processed": GOOD}
"""What comes of `source_of`: rejected for their address, dropped by `where`, two with one address, the rest."""


KILLED = '{"pid": 1, "stage": "send", "begun_at": "2026-01-01T00:00:00Z", "at": "2026-01-01T00:00:00Z"}'
"""What a process said that was killed."""


def source_of(folder: Path) -> Path:
    """Write a source with rows of every kind."""
    rows = [f"K{n},p{n}@example.com,note {n}" for n in range(GOOD)]
    rows += ["R1,nobody,a", "R2,nobody,b", "S1,s@example.com,away", "H1,h@example.com,a", "H2,h@example.com,b"]
    source = folder / "source.csv"
    source.write_text("id,email,note\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workbench, RunRequest]]:
    """Start a service and write a source."""
    with workbench(tmp_path_factory.mktemp("status"), MAPPING) as service:
        yield service, service.request(source_of(service.folder))


def counts(report: Report) -> dict[str, int]:
    """Return the states that rows are in."""
    return {state: count for state, count in report.outcomes.items() if count}


class Looking(NoProgress):
    """Looks at the run at the beginning of each stage, as another process would."""

    def __init__(self, runs_dir: str) -> None:
        self.seen: dict[str, Report] = {}
        self._settings = Settings(runs_dir=runs_dir)

    def stage(self, name: str, total: int | None) -> None:  # noqa: ARG002 - the port's signature
        """Look."""
        self.seen[name] = status("last", self._settings)


def test_stage_by_stage(bench: tuple[Workbench, RunRequest]) -> None:
    """Nothing is said of the rows before all is decided; then each is counted, and in the end there is a report."""
    service, request = bench
    looking = Looking(service.settings.runs_dir)
    report = run_import(request, Hooks(progress=looking), QUICK)
    assert counts(report) == OUTCOMES
    assert set(looking.seen) == {"read and check", "identity", "plan", "send"}
    for name in ("read and check", "identity", "plan"):
        seen = looking.seen[name]
        assert seen.live is not None
        assert (seen.rows_read, counts(seen), seen.live.running) == (0, {}, True)
    sending = looking.seen["send"]
    assert (sending.rows_read, sending.finished_at, sending.exit_code) == (report.rows_read, None, None)
    assert counts(sending) == {"rejected": 2, "skipped": 1, "held": 2, "planned": GOOD}
    assert sending.skipped == {"where": 1}
    assert sending.live is not None
    assert (sending.live.rows_to_send, sending.live.rows_left) == (GOOD, GOOD)
    assert status(report.run_id, service.settings) == report
    assert set(json.loads(sending.model_dump_json())) == set(report_json_schema()["$defs"]["Report"]["properties"])


def test_before_anything_is_sent(bench: tuple[Workbench, RunRequest]) -> None:
    """A dry run and a plan have their reports; both stand in the list."""
    service, request = bench
    dry, planned = validate(request), plan(request)
    for report in (dry, planned):
        assert status(report.run_id, service.settings) == report
    first, second = list_runs(Path(service.settings.runs_dir))[:2]
    assert (first.run_id, first.stage, first.command) == (planned.run_id, "planned", "plan")
    assert (second.run_id, second.stage, second.command) == (dry.run_id, "checked", "validate")
    assert (first.rows_read, first.rows_not_fine, second.rows_not_fine) == (GOOD + 5, 4, 4)
    assert not first.running
    assert datetime.fromisoformat(first.created_at or "") < datetime.now(UTC)
    assert first.source == (str(request.sources[0]),)


@pytest.mark.parametrize(
    ("stage", "note", "state"),
    [
        (Stage.PACKAGING, "stopped while its source was read", None),
        (Stage.PLANNED, "planned; nothing was sent", "planned"),
        (Stage.SENDING, "stopped while it was sending", "not_sent"),
    ],
)
def test_a_run_that_was_killed(
    bench: tuple[Workbench, RunRequest], tmp_path: Path, stage: Stage, note: str, state: str | None
) -> None:
    """No process works on it; what it came to is counted, and the hint says how to go on."""
    service, request = bench
    killed = _copy(service, plan(request), tmp_path)
    (killed.path / "report.json").unlink()
    killed.write_manifest(killed.read_manifest().model_copy(update={"stage": stage, "command": "import"}))
    report = status("last", Settings(runs_dir=str(tmp_path)))
    assert note in report.notes[-1]
    assert f"resume {killed.run_id}" in report.hints[0]
    assert report.live is not None
    assert not report.live.running
    expected = {"rejected": 2, "skipped": 1, "held": 2}
    assert counts(report) == ({} if state is None else expected | {state: GOOD})


def _copy(service: Workbench, report: Report, runs_dir: Path) -> RunFolder:
    shutil.copytree(Path(service.settings.runs_dir) / report.run_id, runs_dir / report.run_id)
    return RunFolder(runs_dir / report.run_id)


def test_a_run_that_waits_to_be_sent_again(tmp_path: Path) -> None:
    """Killed before that, its rows are what their first sending made of them, as its report will say."""
    with workbench(tmp_path, MAPPING) as service:
        report = service.deliver(source_of(tmp_path))
        folder = RunFolder(Path(report.folder or ""))
        order, index = folder.read_order(), folder.read_index()
        lines = order.head(1000)
        folder.write_order(order.extend(lines))
        with folder.open_ledger(folder.read_manifest()) as ledger:
            ledger.add_batches([BatchSpec(ledger.next_batch_id(), Route.BULK, GOOD, GOOD + 1000)])
        places = index["position"].to_numpy().copy()
        places[lines["line"].to_numpy()] = range(GOOD, GOOD + 1000)
        folder.write_index(index.with_columns(position=places))
        folder.write_manifest(folder.read_manifest().model_copy(update={"stage": Stage.SENDING}))
        assert counts(status("last", service.settings)) == OUTCOMES
        said = folder.path / ".progress.json"
        said.write_text(KILLED, encoding="utf-8")
        os.utime(said, (0, 0))
        with RunLock(folder.path):
            working = status("last", service.settings)
        assert counts(working) == OUTCOMES | {"processed": GOOD - 1000, "planned": 1000}
        assert working.live is not None
        assert (working.live.stage, working.live.pid) == ("open", None), "a killed process said the other"


def test_beside_a_run_that_is_written(tmp_path: Path) -> None:
    """However often somebody looks, the run comes to its end, and at every moment the counts add up."""
    with workbench(tmp_path, MAPPING, EmulatorSettings(status_url=False)) as service:
        planned = plan(service.request(source_of(tmp_path)))
        watch = RunWatch(RunsFolder(Path(service.settings.runs_dir)).find("last"))
        seen: list[Report] = []
        over = threading.Event()

        def look() -> None:
            while not over.is_set():
                seen.append(watch.look())

        looker = threading.Thread(target=look)
        looker.start()
        try:
            for release in (None, frozenset[int]()):
                report = resume(ResumeRequest(planned.run_id, service.settings, release=release), Hooks(), QUICK)
        finally:
            over.set()
            looker.join()
        assert (report.exit_code, counts(report)) == (3, {"rejected": 2, "skipped": 1, "accepted": GOOD + 2})
        assert len(seen) > 2
        assert all(sum(looked.outcomes.values()) in {0, GOOD + 5} for looked in seen)
        assert any(looked.live is not None and looked.live.running for looked in seen)


def test_what_is_damaged_is_said(bench: tuple[Workbench, RunRequest], tmp_path: Path) -> None:
    """A list shows the run as damaged; the run itself is refused with what to do."""
    service, request = bench
    run = _copy(service, plan(request), tmp_path)
    settings = Settings(runs_dir=str(tmp_path))
    (run.path / "report.json").unlink()
    run.ledger.write_bytes(b"x" * 5000)
    with pytest.raises(LedgerDamagedError):
        status("last", settings)
    (run.path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(StateError):
        status("last", settings)
    (line,) = list_runs(tmp_path)
    assert (line.stage, line.running) == ("damaged", False)
    with pytest.raises(ConfigError):
        status("2099", settings)


def test_the_command(tmp_path: Path, bench: tuple[Workbench, RunRequest]) -> None:
    """A list, one run, and JSON of both; without runs it says so; what makes no sense is refused."""
    service, request = bench
    shell = new_shell(tmp_path)
    assert shell.run("status").stdout == "no runs in runs\n"
    run = _copy(service, plan(request), shell.runs_dir)
    listed = shell.run("status").stdout.splitlines()
    assert listed[0].split() == ["run", "command", "stage", "store", "rows", "not", "fine", "age", "source"]
    assert listed[1].startswith(f"{run.run_id}  plan     planned  emulator  3,005         4  ")
    (line,) = json.loads(shell.run("status", "--json").stdout)
    assert (line["run_id"], line["running"], line["rows_not_fine"]) == (run.run_id, False, 4)
    report = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    assert shell.run("status", "last", "--json").report == report
    with pytest.raises(click.UsageError):
        cli.main(["status", "--watch"], standalone_mode=False)
    assert shell.run("status", "last", "--watch").code == report["exit_code"] == 3
