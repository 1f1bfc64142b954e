"""`purge`: what goes, what is kept and why, and that nothing else is touched."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import rich_click as click

from importer.cli.main import cli
from importer.core.manifest import Stage
from importer.core.report import Report
from importer.errors import ConfigError, StateError
from importer.state.lock import PackagingLock
from importer.state.removal import remove, remove_leftovers
from importer.state.run_folder import RunFolder
from importer.wiring.housekeeping import drop_old_packages
from importer.wiring.purging import Item, Kind, Purge, PurgeRequest, plan_purge
from importer.wiring.removing import carry_out
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan, validate
from tests.support.cli import CUSTOMERS_RUN, Shell, new_shell
from tests.support.runs import Workbench, workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "note": "Account.note"},
}
NOW: Final = datetime.now(UTC)
LATER: Final = NOW + timedelta(days=40)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workbench, dict[str, Report]]]:
    """Make a run of every kind: sent, with held rows, planned only, dry."""
    with workbench(tmp_path_factory.mktemp("purge"), MAPPING) as service:
        good, held = service.folder / "good.csv", service.folder / "held.csv"
        good.write_text("id,email,note\n1,a@example.com,a\n2,nobody,b\n3,c@example.com,c\n")
        held.write_text("id,email,note\n1,a@example.com,a\n2,a@example.com,b\n")
        runs = {
            "sent": service.deliver(good),
            "held": service.deliver(held),
            "planned": plan(service.request(good)),
            "dry": validate(service.request(good)),
        }
        yield service, runs


@pytest.fixture
def runs(made: tuple[Workbench, dict[str, Report]], tmp_path: Path) -> dict[str, Path]:
    """Return copies of the runs, by what they are."""
    service, reports = made
    shutil.copytree(service.settings.runs_dir, tmp_path / "runs")
    return {name: tmp_path / "runs" / report.run_id for name, report in reports.items()}


def purge(runs_dir: Path, now: datetime = LATER, **request: Any) -> Purge:
    """Delete what a request asks for."""
    return carry_out(plan_purge(PurgeRequest(runs_dir, **request), now), runs_dir)


def there(runs: dict[str, Path]) -> set[str]:
    """Return which of the runs are there."""
    return {name for name, path in runs.items() if path.exists()}


def why(items: tuple[Item, ...], path: Path) -> str:
    """Return why a run is kept."""
    (item,) = [item for item in items if item.path == path]
    return item.kept


def test_runs_that_nobody_needs_go(runs: dict[str, Path]) -> None:
    """Runs with rows that could still be sent or settled stay, and it is said which rows those are."""
    runs_dir = runs["sent"].parent
    sizes = sum(file.stat().st_size for name in ("sent", "dry") for file in runs[name].rglob("*") if file.is_file())
    done = purge(runs_dir, everything=True)
    assert there(runs) == {"held", "planned"}
    assert done.freed_bytes == sizes
    assert {item.path for item in done.goes} == {runs["sent"], runs["dry"]}
    assert any((runs_dir / "operations").rglob(f"{runs['sent'].name}*")), "what it cost is still known"
    assert why(done.kept, runs["held"]).startswith("2 held; ")
    assert why(done.kept, runs["planned"]).startswith("2 planned; ")
    assert purge(runs_dir, everything=True, force=True).kept == ()
    assert there(runs) == set()


def test_looking_deletes_nothing(runs: dict[str, Path]) -> None:
    """A plan only says what would go."""
    planned = plan_purge(PurgeRequest(runs["sent"].parent, everything=True, force=True, emulator=True), LATER)
    assert {item.path for item in planned.goes} == set(runs.values())
    assert planned.size_bytes > 0
    assert there(runs) == set(runs)


def test_a_run_that_is_named_goes(runs: dict[str, Path]) -> None:
    """Whoever names it means it; what is said of it says what is lost. `last` and beginnings are names too."""
    runs_dir = runs["sent"].parent
    planned = plan_purge(PurgeRequest(runs_dir, runs=(runs["held"].name, "last")), NOW)
    assert {item.path: item.could_be_sent for item in planned.goes} == {runs["held"]: "2 held", runs["dry"]: ""}
    carry_out(planned, runs_dir)
    assert there(runs) == {"sent", "planned"}
    for name in ("2", "nothing", "", "emulator", "../runs"):
        with pytest.raises(ConfigError):
            plan_purge(PurgeRequest(runs_dir, runs=(name,)), NOW)


def test_age_counts_from_the_end_of_a_run(runs: dict[str, Path]) -> None:
    """A run that ended a moment ago is no day old, whatever its name says."""
    runs_dir = runs["sent"].parent
    assert purge(runs_dir, NOW + timedelta(hours=23), older_than=timedelta(days=1)).goes == ()
    assert purge(runs_dir, NOW + timedelta(hours=25), older_than=timedelta(days=1), runs=(runs["sent"].name,)).goes
    assert there(runs) == {"held", "planned", "dry"}


@pytest.mark.parametrize("stage", [Stage.PACKAGING, Stage.PLANNED, Stage.SENDING, Stage.FINISHED])
def test_a_run_that_did_not_end_is_needed(runs: dict[str, Path], stage: Stage) -> None:
    """Whatever a killed run was doing, it could be gone on with."""
    folder = RunFolder(runs["sent"])
    (folder.path / "report.json").unlink()
    folder.write_manifest(folder.read_manifest().model_copy(update={"stage": stage}))
    assert why(purge(folder.path.parent, everything=True).kept, folder.path)
    assert "sent" in there(runs)


def test_a_run_that_cannot_be_read_goes_by_name_alone(runs: dict[str, Path]) -> None:
    """Nobody knows what is in it."""
    (runs["sent"] / "run.json").write_text("{", encoding="utf-8")
    assert "cannot be read" in why(purge(runs["sent"].parent, everything=True).kept, runs["sent"])
    purge(runs["sent"].parent, runs=(runs["sent"].name,))
    assert there(runs) == {"held", "planned"}


def test_a_run_that_a_process_works_on_stays(runs: dict[str, Path]) -> None:
    """Neither a name nor force changes that, and it is found out at the last moment as well."""
    runs_dir = runs["sent"].parent
    request = PurgeRequest(runs_dir, everything=True, force=True)
    before = plan_purge(request, LATER)
    with PackagingLock(runs["sent"]):
        assert why(plan_purge(request, LATER).kept, runs["sent"]) == "a process works on it"
        done = carry_out(before, runs_dir)
    assert there(runs) == {"sent"}
    assert why(done.kept, runs["sent"]) == "a process works on it"


def test_a_run_that_changed_since_it_was_shown_stays(runs: dict[str, Path], made: Any) -> None:
    """What somebody agreed to is what was shown."""
    service, reports = made
    runs_dir = runs["planned"].parent
    shown = plan_purge(PurgeRequest(runs_dir, runs=(runs["planned"].name,)), NOW)
    settings = service.settings.model_copy(update={"runs_dir": str(runs_dir)})
    resume(ResumeRequest(reports["planned"].run_id, settings))
    assert carry_out(shown, runs_dir).goes == ()
    assert runs["planned"].exists()


def test_packages_alone(runs: dict[str, Path], made: Any) -> None:
    """The packaged rows and files of parts go, reports stay; the run cannot be sent from any more, and says so."""
    service, _ = made
    runs_dir = runs["sent"].parent
    (runs["sent"] / "parts").mkdir()
    (runs["sent"] / "parts" / "part-1.csv").write_text("cells")
    done = purge(runs_dir, everything=True, packages_only=True)
    assert {item.path: item.kind for item in done.goes} == {runs["sent"]: Kind.PACKAGE}
    assert not (runs["sent"] / "package").exists()
    assert not (runs["sent"] / "parts").exists()
    assert (runs["sent"] / "report.json").exists()
    assert (runs["held"] / "package").exists()
    purge(runs_dir, runs=(runs["held"].name,), packages_only=True)
    assert not (runs["held"] / "package").exists()
    with pytest.raises(StateError):
        resume(ResumeRequest(runs["held"].name, service.settings.model_copy(update={"runs_dir": str(runs_dir)})))
    assert purge(runs_dir, everything=True, packages_only=True).goes == ()


def test_what_is_no_run_is_not_touched(runs: dict[str, Path], tmp_path: Path) -> None:
    """Other folders, copies under other names, links to runs and links in runs: what they point at stays."""
    runs_dir = runs["sent"].parent
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(runs["sent"], elsewhere / runs["sent"].name)
    shutil.copytree(runs["sent"], runs_dir / "backup")
    copy = runs_dir / "20200101-000000-000-abcdef"
    shutil.copytree(runs["sent"], copy)
    (runs_dir / "notes").mkdir()
    link = runs_dir / "20200101-000000-000-ffffff"
    link.symlink_to(elsewhere / runs["sent"].name)
    (runs["sent"] / "link").symlink_to(elsewhere)
    (runs["held"] / "package").rename(tmp_path / "package")
    (runs["held"] / "package").symlink_to(tmp_path / "package")
    done = purge(runs_dir, everything=True, force=True)
    assert there(runs) == set()
    assert "copy" in why(done.kept, copy)
    assert {"backup", copy.name, link.name, "notes"} <= {path.name for path in runs_dir.iterdir()}
    assert (elsewhere / runs["sent"].name / "report.json").exists()
    assert any((tmp_path / "package").iterdir())
    with pytest.raises(ConfigError, match="link"):
        purge(runs_dir, runs=(link.name,))


def test_a_deletion_that_was_killed_is_finished_by_the_next(runs: dict[str, Path]) -> None:
    """What was set aside is no run any more, and goes with the next deletion, or at the start of the next run."""
    runs_dir = runs["sent"].parent
    for again in (lambda: purge(runs_dir, emulator=True), lambda: drop_old_packages(runs_dir, NOW)):
        aside = runs_dir / f".purged-{runs['sent'].name}-abcdef"
        shutil.copytree(runs["sent"], aside)
        (aside / "report.json").unlink()
        package = runs["held"] / ".purged-package-abcdef"
        shutil.copytree(runs["held"] / "package", package)
        again()
        assert not aside.exists()
        assert not package.exists()
    assert there(runs) == set(runs)


def test_what_a_deletion_that_was_killed_left_is_in_what_was_freed(runs: dict[str, Path]) -> None:
    """Byte for byte, as with what goes now."""
    runs_dir = runs["sent"].parent
    (runs_dir / ".purged-20200101-000000-000-abcdef-abcdef").mkdir()
    (runs_dir / ".purged-20200101-000000-000-abcdef-abcdef" / "valid.arrow").write_bytes(b"x" * 1000)
    assert purge(runs_dir, emulator=True).freed_bytes == 1000


def test_two_that_delete_the_same_are_in_nobodys_way(tmp_path: Path) -> None:
    """A run that begins deletes what is set aside, also what a `purge` set aside a moment ago: gone is done."""
    ended = threading.Event()
    failed: list[BaseException] = []

    def begin_runs() -> None:
        try:
            while not ended.is_set():
                remove_leftovers(tmp_path)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    other = threading.Thread(target=begin_runs)
    other.start()
    try:
        for number in range(10):
            run = tmp_path / f"20260101-0000{number:02}-abcdef"
            (run / "package").mkdir(parents=True)
            for each in range(200):
                (run / "package" / str(each)).touch()
            remove(run)
    finally:
        ended.set()
        other.join()
    remove_leftovers(tmp_path)
    assert (failed, list(tmp_path.iterdir())) == ([], [])


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Return a shell whose runs folder has a run on the local emulator and a dry run."""
    shell = new_shell(tmp_path_factory.mktemp("purge"))
    assert shell.run("import", *CUSTOMERS_RUN, "--emulator", "--limit", "20").code == 3
    assert shell.run("validate", *CUSTOMERS_RUN, "--emulator").code == 3
    return shell


@pytest.fixture
def shell(used: Shell, tmp_path: Path) -> Shell:
    """Return a shell with a copy of that."""
    shutil.copytree(used.runs_dir, tmp_path / "runs")
    return Shell(tmp_path)


def test_the_command_shows_asks_and_says_what_it_freed(shell: Shell) -> None:
    """Without a terminal and without --yes the answer is no; --dry-run and --json are for programs."""
    first, second = shell.runs()
    refused = shell.run("purge", "--all")
    assert (refused.code, len(shell.runs())) == (2, 2)
    assert "give --yes" in refused.stderr
    looked = shell.run("purge", "--all", "--dry-run", "--json").report
    assert [item["name"] for item in looked["would_delete"]] == [second.name]
    assert [(item["name"], "outside of --limit" in item["why"]) for item in looked["kept"]] == [(first.name, True)]
    assert (looked["deleted"], looked["freed_bytes"], len(shell.runs())) == ([], 0, 2)
    done = shell.run("purge", "--all", "--emulator", "--yes")
    assert done.code == 0, done.stderr
    assert second.name in done.stdout
    assert "deleted: 1 run, 1 emulator store; " in done.stdout
    assert shell.runs() == [first]
    assert list((shell.runs_dir / "emulator").glob("*.db*")) == [
        *(shell.runs_dir / "emulator").glob("*.lock")  # which others may be about to take
    ]
    with PackagingLock(first):
        busy = shell.run("purge", first.name, "--yes", "--json")
    assert (busy.code, busy.report["kept"][0]["why"]) == (7, "a process works on it")
    gone = shell.run("purge", "last", "--yes", "--json")
    assert (gone.code, shell.runs()) == (0, [])
    assert gone.report["deleted"][0]["could_be_sent"].endswith("outside of --limit")
    assert gone.report["freed_bytes"] > 0


@pytest.mark.parametrize("arguments", [(), ("last", "--all"), ("--older-than", "soon"), ("--older-than", "3")])
def test_a_purge_that_names_nothing_is_refused(arguments: tuple[str, ...]) -> None:
    """Nothing is deleted by leaving something out, or by an age that can be read in two ways."""
    with pytest.raises(click.UsageError):
        cli.main(["purge", *arguments, "--yes"], standalone_mode=False)


@pytest.mark.parametrize(("answer", "code", "left"), [(b"n\n", 2, 1), (b"y\n", 0, 0), (b"", 130, 1)])
def test_on_a_terminal_it_asks(shell: Shell, answer: bytes, code: int, left: int) -> None:
    """Only a yes deletes; Ctrl-C is no answer."""
    shutil.rmtree(shell.runs()[0])
    ours, theirs = pty.openpty()
    process = shell.start("purge", "last", stdin=theirs, stderr=theirs)
    os.close(theirs)
    try:
        shown = b""
        while b"for good?" not in shown:
            shown += os.read(ours, 65536)
        if answer:
            os.write(ours, answer)
        else:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
    assert (process.returncode, len(shell.runs())) == (code, left)
    assert json.dumps(shown.decode()).count("1 run (") == 1
