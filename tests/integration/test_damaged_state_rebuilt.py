"""A ledger that cannot be believed is made anew: all that was in the send order goes once more, and nothing else."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from importer.cli.exits import exit_code_for
from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.errors import ConfigError, LedgerDamagedError, StateError
from importer.reports.progress import NoProgress
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.runs import plan
from importer.wiring.sending import run_import
from importer.wiring.verifying import VerifyRequest, verify
from tests.support.commands import run as run_command
from tests.support.damage import DAMAGES, copied
from tests.support.runs import IDLE_S, QUICK, Workbench, outcomes_of, workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "phone": "Contact.phone", "note": "Account.note"},
    "defaults": {"region": "US"},
}
GROUP: Final = ("g1,g@example.com,,one", "g2,g@example.com,,two")
ROWS: Final = 3500


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A local service that has what the mapping needs."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(status_url=False)) as made:
        yield made


def write_source(bench: Workbench, *lines: str, rows: int = ROWS) -> Path:
    """Write a source of different people, and some lines more."""
    path = bench.folder / "source.csv"
    people = (f"{n},p{n}@example.com,,note {n}" for n in range(rows))
    path.write_text("\n".join(["id,email,phone,note", *people, *lines]) + "\n", encoding="utf-8")
    return path


class StopOnceSent(NoProgress):
    """Asks to stop as soon as rows were taken by the service."""

    def __init__(self, hooks: Callable[[], Hooks]) -> None:
        self._hooks = hooks

    def advance(self, rows: int, **fields: int | str) -> None:
        """Count rows done."""
        if rows and fields:
            self._hooks().stop.set()


def stopped_midway(bench: Workbench, source: Path, **options: Any) -> Report:
    """Import a source and stop after the first batch."""
    hooks = Hooks(progress=StopOnceSent(lambda: hooks))
    report = run_import(bench.request(source, **options), hooks, SendOptions(concurrency=1, poll_first_s=0.02))
    bench.emulator.wait_idle(IDLE_S)
    return report


def sent_rows(bench: Workbench) -> int:
    """Count the profiles of all Bulk requests so far."""
    return sum(int(entry["profile_count"] or 0) for entry in bench.writes())


def folder_of(report: Report) -> Path:
    """Return the run's folder."""
    return Path(report.folder or "")


def put_another_runs(path: Path) -> None:
    """Put the ledger of another run in its place, sound in itself."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE meta SET value = '20200101-000000-000-abcdef' WHERE name = 'run_id'")
    connection.close()


def put_another_stores(path: Path) -> None:
    """Put a ledger of this run in its place that was made for another store."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE meta SET value = 'mem_store_01' WHERE name = 'store_id'")
    connection.close()


def put_another_versions(path: Path) -> None:
    """Put a ledger of a later version in its place."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()


LOSSES: Final[Mapping[str, Callable[[Path], None]]] = {
    **DAMAGES,
    "another run's": put_another_runs,
    "another store's": put_another_stores,
    "another version's": put_another_versions,
}


@pytest.fixture(scope="module")
def midway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workbench, Path]]:
    """A run that was stopped after its first batch."""
    folder = tmp_path_factory.mktemp("midway")
    with workbench(folder / "bench", MAPPING, EmulatorSettings(status_url=False)) as bench:
        report = stopped_midway(bench, write_source(bench, *GROUP, "r,nobody,,rejected"))
        assert report.outcomes["accepted"] >= 1000 <= report.outcomes["not_sent"]
        yield bench, folder_of(report)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_rebuilt_ledger_sends_everything_once_more(midway: tuple[Workbench, Path], tmp_path: Path, loss: str) -> None:
    """First exit code 7 and nothing sent, with the way out; then all rows that were planned, each once."""
    bench, original = midway
    run = copied(original, tmp_path)
    LOSSES[loss](run / "ledger.db")
    settings = bench.settings.model_copy(update={"runs_dir": str(tmp_path)})
    before = sent_rows(bench)
    with pytest.raises(LedgerDamagedError) as caught:
        resume(ResumeRequest(run.name, settings), Hooks(), QUICK)
    assert exit_code_for(caught.value) == 7
    assert f"`memory-importer resume {run.name} --rebuild-ledger --runs-dir " in caught.value.hint
    assert sent_rows(bench) == before

    report = resume(ResumeRequest(run.name, settings, rebuild_ledger=True), Hooks(), QUICK)
    assert report.exit_code == 3, report.error
    assert {state: count for state, count in report.outcomes.items() if count} == {
        "rejected": 1,
        "held": 2,
        "accepted": ROWS,
    }
    assert outcomes_of(report)["state"].to_list().count("accepted") == ROWS
    assert sent_rows(bench) - before == ROWS
    assert any("made anew" in note for note in report.notes)
    assert (run / "ledger.damaged-1.db").exists() is (loss != "missing")
    again = resume(ResumeRequest(run.name, settings), Hooks(), QUICK)
    assert again.outcomes == report.outcomes
    assert sent_rows(bench) - before == ROWS


def test_the_cost_is_asked_first_and_a_no_changes_nothing(midway: tuple[Workbench, Path], tmp_path: Path) -> None:
    """One question with rows, store and operations; whoever declines finds the run as it was."""
    bench, original = midway
    run = copied(original, tmp_path)
    DAMAGES["truncated"](run / "ledger.db")
    settings = bench.settings.model_copy(update={"runs_dir": str(tmp_path)})
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    questions: list[str] = []

    def decline(question: str) -> bool:
        questions.append(question)
        return False

    request = ResumeRequest(run.name, settings, rebuild_ledger=True)
    with pytest.raises(ConfigError, match="nobody agreed"):
        resume(request, Hooks(confirm=decline), QUICK)
    assert {path: path.read_bytes() for path in files} == files
    (question,) = questions
    assert f"all {ROWS} rows once more" in question
    assert f"at least {ROWS} billable operations" in question
    assert bench.emulator.store_id in question

    def agree(question: str) -> bool:
        questions.append(question)
        return True

    assert resume(request, Hooks(confirm=agree), QUICK).outcomes["accepted"] == ROWS
    assert len(questions) == 2, "what was agreed to is not asked again"


def test_a_ledger_that_is_whole_is_not_thrown_away(midway: tuple[Workbench, Path], tmp_path: Path) -> None:
    """What it knows saves sending again, so rebuilding it is refused."""
    bench, original = midway
    run = copied(original, tmp_path)
    settings = bench.settings.model_copy(update={"runs_dir": str(tmp_path)})
    content = (run / "ledger.db").read_bytes()
    with pytest.raises(ConfigError, match="nothing to rebuild"):
        resume(ResumeRequest(run.name, settings, rebuild_ledger=True), Hooks(), QUICK)
    assert (run / "ledger.db").read_bytes() == content
    DAMAGES["garbage"](run / "package" / "order.arrow")
    with pytest.raises(StateError, match=r"order\.arrow"):
        resume(ResumeRequest(run.name, settings, rebuild_ledger=True), Hooks(), QUICK)


def test_a_planned_run_was_not_sent_and_needs_no_second_thought(bench: Workbench) -> None:
    """Only the question of every first sending is asked."""
    planned = plan(bench.request(write_source(bench, rows=20)), Hooks())
    DAMAGES["empty"](folder_of(planned) / "ledger.db")
    questions: list[str] = []

    def agree(question: str) -> bool:
        questions.append(question)
        return True

    request = ResumeRequest(planned.run_id or "", bench.settings, rebuild_ledger=True)
    assert resume(request, Hooks(confirm=agree), QUICK).outcomes["accepted"] == 20
    (question,) = questions
    assert question.startswith("Send 20 rows")


def test_rows_that_were_not_in_the_order_stay_out_of_it(bench: Workbench) -> None:
    """What a limit left out, and groups that are held, are sent by a decision, not by a repair."""
    canary = bench.deliver(write_source(bench, *GROUP, rows=10), limit=4)
    assert (canary.outcomes["accepted"], canary.skipped["limit"], canary.outcomes["held"]) == (4, 6, 2)
    DAMAGES["garbage"](folder_of(canary) / "ledger.db")
    rebuilt = bench.go_on(canary, rebuild_ledger=True)
    assert (rebuilt.outcomes["accepted"], rebuilt.skipped["limit"], rebuilt.outcomes["held"]) == (4, 6, 2)
    assert sent_rows(bench) == 8
    rest = bench.go_on(canary, rest=True, release=frozenset())
    assert rest.outcomes["accepted"] == 12
    assert len(bench.stored()) == 11


def test_imports_and_released_groups_go_again_by_their_own_ways(tmp_path: Path) -> None:
    """Rows of a run that was to go by import go by import; those of a group that was let go, by Bulk and in order."""
    with workbench(tmp_path / "bench", MAPPING) as bench:
        source = write_source(bench, *GROUP, rows=10)
        first = bench.deliver(source, via="import")
        released = bench.go_on(first, release=frozenset())
        assert released.outcomes["processed"] == 12
        DAMAGES["missing"](folder_of(first) / "ledger.db")
        rebuilt = bench.go_on(first, rebuild_ledger=True)
        assert rebuilt.outcomes["processed"] == 12
        assert {route: entry.rows for route, entry in rebuilt.routes.items()} == {"import": 10, "bulk": 2}
        assert len(bench.stored()) == 11
        notes = {profile["traits"]["Account"]["note"] for profile in bench.stored()}
        assert "two" in notes
        assert "one" not in notes


def test_what_was_read_back_before_does_not_speak_of_the_new_order(bench: Workbench) -> None:
    """Results of `verify` are kept by position, and positions are given anew."""
    done = bench.deliver(write_source(bench, rows=10))
    verified = folder_of(done) / "package" / "verified.arrow"
    shutil.copy(folder_of(done) / "package" / "order.arrow", verified)
    DAMAGES["missing"](folder_of(done) / "ledger.db")
    assert bench.go_on(done, rebuild_ledger=True).outcomes["accepted"] == 10
    assert not verified.exists()


MOVED: Final = ("package/order.arrow", "package/index.arrow", "run.json")


@pytest.mark.parametrize(
    ("moved", "aside"), [(MOVED[:0], False), (MOVED[:1], False), (MOVED[:2], False), (MOVED, False), (MOVED, True)]
)
def test_killed_while_rebuilding(bench: Workbench, tmp_path: Path, moved: tuple[str, ...], aside: bool) -> None:
    """Whatever had been moved to its place, the run is still one with a damaged ledger, and loses no row.

    The files of the run are put together from before and after a rebuild that was stopped before it sent anything.
    """
    canary = bench.deliver(write_source(bench, *GROUP, rows=10), limit=7)
    folder, before, after = folder_of(canary), tmp_path / "before", tmp_path / "after"
    DAMAGES["garbage"](folder / "ledger.db")
    shutil.copytree(folder, before)
    stopped = Hooks()
    stopped.stop.set()
    resume(ResumeRequest(canary.run_id or "", bench.settings, rebuild_ledger=True), stopped, QUICK)
    shutil.copytree(folder, after)
    shutil.rmtree(folder)
    shutil.copytree(before, folder)
    for name in moved:
        shutil.copy(after / name, folder / name)
    shutil.copytree(after / "package", folder / ".rebuilding" / "package")
    shutil.copy(after / "ledger.db", folder / ".rebuilding" / "ledger.db")
    if aside:
        (folder / "ledger.db").rename(folder / "ledger.damaged-1.db")

    with pytest.raises(LedgerDamagedError):
        bench.go_on(canary)
    rebuilt = bench.go_on(canary, rebuild_ledger=True)
    assert (rebuilt.outcomes["accepted"], rebuilt.skipped["limit"]) == (7, 3)
    assert sent_rows(bench) == 14
    assert not (folder / ".rebuilding").exists()
    index = RunFolder(folder).read_index()
    assert index.filter(pl.col("position") >= 0)["position"].sort().to_list() == list(range(7))


def test_whatever_needs_the_ledger_says_so(bench: Workbench) -> None:
    """`retry` and `verify` end as `resume` does: nothing of a ledger that cannot be believed is used."""
    done = bench.deliver(write_source(bench, rows=10))
    DAMAGES["a garbage page"](folder_of(done) / "ledger.db")
    run = done.run_id or ""
    before = len(bench.emulator.journal())
    calls: tuple[Callable[[], Report], ...] = (
        lambda: retry(RetryRequest(run, bench.settings), Hooks(), QUICK),
        lambda: verify(VerifyRequest(run, bench.settings), Hooks(), QUICK),
    )
    for call in calls:
        with pytest.raises(LedgerDamagedError, match=r"ledger\.db") as caught:
            call()
        assert "--rebuild-ledger" in caught.value.hint
    assert {entry["method"] for entry in bench.emulator.journal()[before:]} == {"GET"}


def test_the_command_that_the_error_names_works(bench: Workbench) -> None:
    """As a person would: read the hint, give that command, and be done."""
    done = bench.deliver(write_source(bench, rows=10))
    DAMAGES["garbage"](folder_of(done) / "ledger.db")
    code, refused = run_command(bench, "resume", "last")
    assert code == refused["exit_code"] == 7
    (command,) = re.findall("`(.*?)`", refused["error"]["hint"])
    program, *arguments = shlex.split(command)
    assert program == "memory-importer"
    code, report = run_command(bench, *arguments, "--yes")
    assert (code, report["outcomes"]["accepted"]) == (0, 10)
