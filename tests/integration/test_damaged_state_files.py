"""Every file of a run folder, lost or damaged in every way: one line of cause, one of fix, exit 7, nothing sent."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from importer.cli.exits import exit_code_for
from importer.core.report import Report
from importer.errors import ImporterError, StateError
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.run_status import status
from importer.wiring.runs import plan
from tests.support.cli import Ended, command_line, run_all
from tests.support.commands import environment
from tests.support.damage import DAMAGES, copied
from tests.support.disks import bound_by_modes
from tests.support.runs import QUICK, Workbench, outcomes_of, workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "phone": "Contact.phone", "note": "Account.note"},
    "defaults": {"region": "US"},
}
ROWS: Final = (
    "id,email,phone,note\n"
    + "".join(f"{n},p{n}@example.com,,note {n}\n" for n in range(1500))
    + "a,p0@example.com,,merges\nb,nobody,,rejected\n1,p1@example.com,,again\n"
)

REBUILT: Final = ("ledger.db",)
LOST: Final = (
    "run.json",
    "package/rows.arrow",
    "package/valid.arrow",
    "package/extra-001.arrow",
    "package/index.arrow",
    "package/order.arrow",
    "package/groups.arrow",
)
MADE_ANEW: Final = ("report.json", "report.html", "outcomes.parquet", "groups.parquet", ".run.lock", ".gitignore")
NOT_NEEDED: Final = (
    "schema.json",
    "mapping.yaml",
    "issues.csv",
    "issues.parquet",
    "rejected.csv",
    "package/group-rows.arrow",
)


@dataclass(frozen=True)
class Planned:
    """A planned run over a local service, to be copied and damaged."""

    bench: Workbench
    run: Path


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planned]:
    """Plan a run that has every kind of row, so that it has every file."""
    with workbench(tmp_path_factory.mktemp("damaged") / "bench", MAPPING) as bench:
        source = bench.folder / "source.csv"
        source.write_text(ROWS, encoding="utf-8")
        yield Planned(bench, Path(plan(bench.request(source), Hooks()).folder or ""))


def files_of(run: Path) -> set[str]:
    """Return the names of all files of a run; those that SQLite keeps beside the ledger come and go."""
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and "ledger.db-" not in path.name}


def ended(planned: Planned, run: Path, command: str) -> tuple[int, str, str]:
    """Resume a run, or ask for its status; return exit code, cause and fix."""
    settings = planned.bench.settings.model_copy(update={"runs_dir": str(run.parent)})
    try:
        if command == "status":
            status(run.name, settings)
            return 0, "", ""
        report = resume(ResumeRequest(run.name, settings), Hooks(), QUICK)
    except ImporterError as error:
        return exit_code_for(error), error.message, error.hint
    assert report.exit_code is not None
    return report.exit_code, report.error.message if report.error else "", report.error.hint if report.error else ""


def test_there_is_no_file_that_these_tests_forget(planned: Planned) -> None:
    """A new file of a run folder has to be put in one of the lists above."""
    assert files_of(planned.run) == {*REBUILT, *LOST, *MADE_ANEW, *NOT_NEEDED}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in (*REBUILT, "run.json") for damage in DAMAGES),
        *((name, damage) for name in LOST[1:] for damage in ("truncated", "a garbage page", "missing")),
    ],
)
def test_a_run_whose_state_is_damaged_is_refused(planned: Planned, tmp_path: Path, name: str, damage: str) -> None:
    """Exit code 7 names the file and the way out, and no request that changes anything was made."""
    run = copied(planned.run, tmp_path)
    DAMAGES[damage](run / name)
    before = len(planned.bench.writes())
    code, cause, fix = ended(planned, run, "resume")
    assert code == 7, cause
    assert "\n" not in cause
    assert Path(name).name in cause
    wanted = "--rebuild-ledger" if name in REBUILT else "import the source again"
    assert wanted in fix
    assert len(planned.bench.writes()) == before


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*REBUILT, "run.json"])
def test_the_status_of_such_a_run_says_so(planned: Planned, tmp_path: Path, name: str, damage: str) -> None:
    """Without a report, what there is to say comes from its state."""
    run = copied(planned.run, tmp_path)
    (run / "report.json").unlink()
    DAMAGES[damage](run / name)
    code, cause, fix = ended(planned, run, "status")
    assert (code, name in cause, bool(fix)) == (7, True, True), cause


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_report_is_no_report(planned: Planned, tmp_path: Path, damage: str) -> None:
    """It is refused by name, or told anew from the state of the run; a run can be sent without it."""
    run = copied(planned.run, tmp_path)
    DAMAGES[damage](run / "report.json")
    code, cause, fix = ended(planned, run, "status")
    assert code == 0 or (code == 7 and "report.json" in cause and fix)


@pytest.mark.parametrize("name", ["index.arrow", "order.arrow", "valid.arrow", "rows.arrow"])
def test_a_file_of_another_run_is_as_bad_as_none(planned: Planned, tmp_path: Path, name: str) -> None:
    """Nothing is sent of a package that was put together from two runs."""
    source = tmp_path / "other.csv"
    source.write_text("id,email,phone,note\n1,q1@example.com,,a\n2,q1@example.com,,b\n3,q3@example.com,,c\n")
    other = Path(plan(planned.bench.request(source), Hooks()).folder or "")
    run = copied(planned.run, tmp_path)
    (run / "package" / name).write_bytes((other / "package" / name).read_bytes())
    before = len(planned.bench.writes())
    code, cause, fix = ended(planned, run, "resume")
    assert (code, bool(fix)) == (7, True), cause
    assert len(planned.bench.writes()) == before


REPORTS: Final = ("report.json", "report.html", "outcomes.parquet", "groups.parquet")


@pytest.mark.parametrize("damage", ["truncated", "garbage", "missing"])
def test_reports_are_made_anew_from_the_state_of_the_run(planned: Planned, tmp_path: Path, damage: str) -> None:
    """A process killed, or a disk filled, while the reports were written costs nothing: `resume` writes them again."""
    run = copied(planned.run, tmp_path)
    assert ended(planned, run, "resume")[0] == 3
    before = {name: (run / name).read_bytes() for name in REPORTS}
    report = Report.model_validate_json(before["report.json"])
    for name in REPORTS:
        DAMAGES[damage](run / name)
        (run / f".{name}.part").write_bytes(b"half a fi")
    requests = len(planned.bench.writes())
    assert ended(planned, run, "resume")[0] == 3
    assert len(planned.bench.writes()) == requests
    again = Report.model_validate_json((run / "report.json").read_bytes())
    assert again.outcomes == report.outcomes
    assert again.files == report.files
    assert (run / "outcomes.parquet").read_bytes() == before["outcomes.parquet"]
    assert (run / "groups.parquet").read_bytes() == before["groups.parquet"]
    assert b"<html" in (run / "report.html").read_bytes()
    assert not list(run.glob("*.part"))
    assert outcomes_of(again).height == again.rows_read


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage"])
def test_the_state_of_the_emulator_can_be_damaged_as_well(planned: Planned, tmp_path: Path, damage: str) -> None:
    """It is no bug of ours either: one line says where it is, and that it can be made anew."""
    request = planned.bench.request(planned.bench.folder / "source.csv")
    settings = planned.bench.settings.model_copy(update={"runs_dir": str(tmp_path / "runs"), "store_id": None})
    request = replace(request, settings=settings, emulator=True)
    assert plan(request, Hooks()).exit_code == 3
    (database,) = (tmp_path / "runs" / "emulator").glob("*.db")
    DAMAGES[damage](database)
    if damage == "empty":
        assert plan(request, Hooks()).exit_code == 3, "it is a new one"
        return
    with pytest.raises(StateError, match="the emulator's state") as caught:
        plan(request, Hooks())
    assert exit_code_for(caught.value) == 7
    assert "delete that folder" in caught.value.hint


def test_a_file_that_may_not_be_read_is_not_taken_for_damage(planned: Planned, tmp_path: Path) -> None:
    """Its owner and mode are to be given back; nothing is rebuilt or imported again for that."""

    def resumed(name: str) -> Callable[[], Ended]:
        (tmp_path / name).mkdir()
        run = copied(planned.run, tmp_path / name)
        (run / CLOSED[name]).chmod(0)
        command = bound_by_modes(command_line(["resume", run.name, "--runs-dir", run.parent, "--json"]))

        def call() -> Ended:
            shown = subprocess.run(command, env=environment(planned.bench), capture_output=True, text=True, check=False)
            (run / CLOSED[name]).chmod(0o700)
            return Ended(shown.returncode, shown.stdout, shown.stderr)

        return call

    for name, shown in run_all({name: resumed(name) for name in CLOSED}).items():
        error = shown.report["error"]
        assert shown.code == 7, (name, error)
        assert "ermission" in error["message"], name
        assert "mode" in error["hint"], name
        assert "rebuild" not in error["hint"], name


CLOSED: Final = {"run": ".", "ledger": "ledger.db", "index": "package/index.arrow"}
