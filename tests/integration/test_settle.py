"""`--settle`: what is done about rows of which nobody knows what became, and what that may cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.errors import ConfigError
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks, Settle
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.sending import run_import
from tests.support.interposed import interposed
from tests.support.loopback import Reply, Seen
from tests.support.runs import IDLE_S, QUICK, Workbench, bench_of, outcomes_of, workbench
from tests.support.strict_store import (
    DROPPING,
    MAPPING,
    bodies,
    deliver_strictly,
    found,
    notes_in,
    people,
    send_again,
    set_rule,
    write_source,
)

bench = bench_of(MAPPING, DROPPING)


def settle(bench: Workbench, report: Report, how: Settle, hooks: Hooks | None = None, **options: Any) -> Report:
    """Resume a run that is over, to settle its rows; `options` are fields of `ResumeRequest`."""
    request = ResumeRequest(report.run_id, bench.settings, **options)
    again = resume(request, hooks or Hooks(), replace(QUICK, settle=how))
    bench.emulator.wait_idle(IDLE_S)
    return again


def lost(bench: Workbench, points: list[int], name: str = "source.csv") -> Report:
    """Import people as one batch, of whom those with more than ten points are dropped."""
    return deliver_strictly(bench, write_source(bench, *people(points), name=name), 10)


def looks(bench: Workbench) -> int:
    """Count the reads of profiles."""
    return sum(str(entry["path"]).endswith("/Lookup") for entry in bench.emulator.journal())


def strict_again(bench: Workbench) -> Hooks:
    """Agree, and turn the service strict at that moment."""

    def confirm(question: str) -> bool:
        set_rule(bench, 10)
        return True

    return Hooks(confirm=confirm)


@contextmanager
def asking(answer: bool) -> Iterator[tuple[list[str], Hooks]]:
    """Keep what is asked, and give one answer."""
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return answer

    yield asked, Hooks(confirm=confirm)


def test_a_report_is_all_there_is_unless_more_is_asked_for(bench: Workbench) -> None:
    """Rows in doubt stay in doubt, and the hints say what can be done about them."""
    report = lost(bench, [1, 50])
    assert (found(report), report.exit_code) == ({"unattributed": 2}, 3)
    before = len(bench.writes())
    with asking(answer=True) as (asked, hooks):
        again = settle(bench, report, "report", hooks)
    assert (again.outcomes, asked, len(bench.writes())) == (report.outcomes, [], before)
    (hint,) = again.hints
    assert f"resume {report.run_id} --settle lookup" in hint
    assert f"retry {report.run_id}" in hint


def test_redeliver_sends_rows_in_doubt_again_after_showing_the_cost(bench: Workbench) -> None:
    """They are then what Bulk, and the operation behind it, say of them."""
    report = lost(bench, [1, 50, 2])
    before = bodies(bench)
    with asking(answer=True) as (asked, hooks):
        again = settle(bench, report, "redeliver", hooks)
    assert asked == [
        "3 rows are unattributed or unknown: sending them again costs at least 3 operations. Go on?",
    ]
    assert (found(again), again.exit_code) == ({"processed": 3}, 0)
    assert bodies(bench) == before + 1
    assert (again.operations.at_least, again.operations.at_most) == (3, 6)
    assert len(bench.stored()) == 3


def test_redeliver_claims_no_more_than_bulk_tells_and_tries_once(tmp_path: Path) -> None:
    """Without a `statusUrl` a 202 is all there is; with one that tells of errors the rows are in doubt as before."""
    mapping = MAPPING | {"routing": {"import_min_rows": 2}}
    with workbench(tmp_path / "silent", mapping, replace(DROPPING, status_url=False)) as bench:
        again = settle(bench, lost(bench, [1, 50]), "redeliver")
        assert (found(again), again.exit_code) == ({"accepted": 2}, 0)
        assert set(outcomes_of(again)["route"]) == {"bulk"}
    with workbench(tmp_path / "telling", MAPPING, DROPPING) as bench:
        report = lost(bench, [1, 50])
        before = bodies(bench)

        again = settle(bench, report, "redeliver", strict_again(bench))
        assert (found(again), again.exit_code) == ({"unattributed": 2}, 3)
        assert bodies(bench) == before + 1


def test_redeliver_names_the_row_that_bulk_refuses(tmp_path: Path) -> None:
    """An import part only counts; Bulk refuses the bad row alone."""
    mapping = MAPPING | {"routing": {"import_min_rows": 2}}
    with workbench(tmp_path / "bench", mapping, EmulatorSettings(error_pointers=True)) as bench:
        report = lost(bench, [1, 50, 2])
        assert found(report) == {"unattributed": 3}
        again = settle(bench, report, "redeliver", strict_again(bench))
        assert (found(again), again.exit_code) == ({"processed": 2, "failed": 1}, 3)
        assert outcomes_of(again)["state"].to_list() == ["processed", "failed", "processed"]


@pytest.mark.parametrize("how", ["lookup", "redeliver"])
def test_what_nobody_agrees_to_pay_for_is_not_done(bench: Workbench, how: Settle) -> None:
    """The run was delivered all the same: it is reported as it stands, with a word about the question."""
    report = lost(bench, [1, 50])
    before = len(bench.writes())

    def nobody_there(question: str) -> bool:
        raise ConfigError(question, hint="give --yes")

    for hooks in (Hooks(confirm=lambda _: False), Hooks(confirm=nobody_there)):
        again = settle(bench, report, how, hooks)
        assert (again.outcomes, again.exit_code, again.error) == (report.outcomes, 3, None)
        assert any("--yes" in note for note in again.notes)
    assert (len(bench.writes()), looks(bench)) == (before, 0)


def test_lookup_reads_back_and_leaves_the_states(bench: Workbench) -> None:
    """Rows that are there count as fine, others do not; what delivery knew of them is not rewritten."""
    report = lost(bench, [1, 50, 2])
    with asking(answer=True) as (asked, hooks):
        again = settle(bench, report, "lookup", hooks)
    assert asked == [
        "3 rows are unattributed or unknown: reading back costs up to 3 billable profile reads (a profile looked up or"
        " read is billed once a day). Go on?",
    ]
    assert (found(again), again.exit_code) == ({"unattributed": 3}, 3)
    assert again.verified == {"confirmed": 2, "mismatched": 0, "missing": 1}
    assert outcomes_of(again)["verified"].to_list() == ["confirmed", "missing", "confirmed"]
    assert again.requests["lookup"] == looks(bench) == 3
    assert any("2 confirmed, 1 missing" in note for note in again.notes)
    (hint,) = again.hints
    assert "1 row " in hint
    with asking(answer=True) as (asked, hooks):
        done = settle(bench, again, "redeliver", hooks)
    assert "1 row is unattributed or unknown: sending it again costs at least 1 operation." in asked[0]
    assert (found(done), done.exit_code, done.hints) == ({"processed": 1, "unattributed": 2}, 0, ())
    assert len(bench.stored()) == 3


def test_nothing_is_asked_where_nothing_is_in_doubt(bench: Workbench) -> None:
    """Neither way costs anything then."""
    report = bench.deliver(write_source(bench, *people(2)))
    for how in ("lookup", "redeliver"):
        with asking(answer=True) as (asked, hooks):
            again = settle(bench, report, how, hooks)
        assert (again.outcomes, again.exit_code, asked) == (report.outcomes, 0, [])


def test_an_import_settles_what_it_leaves(bench: Workbench) -> None:
    """In one command: the question of the import first, then that of settling."""
    asked: list[str] = []

    def answer(question: str) -> bool:
        asked.append(question)
        set_rule(bench, 10 if len(asked) == 1 else None)
        return True

    request = bench.request(write_source(bench, *people([1, 50])))
    report = run_import(request, Hooks(confirm=answer), replace(QUICK, settle="redeliver"))
    assert (found(report), report.exit_code, len(asked)) == ({"processed": 2}, 0, 2)


def test_an_import_whose_end_nobody_saw_is_redelivered(bench: Workbench) -> None:
    """A part of which the service says no more once its file came is `unknown`, and its rows go again by Bulk."""

    def forgetful(seen: Seen) -> Reply | None:
        """Know nothing of any import."""
        is_poll = seen.method == "GET" and "/Profiles/Imports/" in seen.path
        return Reply(404, b'{"code":20404,"message":"no such import","status":404}') if is_poll else None

    request = bench.request(write_source(bench, *people(3)), via="import")
    with interposed(bench.emulator, forgetful) as between:
        settings = request.settings.model_copy(update={"api_url": between.api.url})
        report = run_import(replace(request, settings=settings), Hooks(), QUICK)
    bench.emulator.wait_idle(IDLE_S)
    assert (found(report), report.exit_code) == ({"unknown": 3}, 3)
    assert (report.requests["upload"], bodies(bench)) == (1, 0)
    again = settle(bench, report, "redeliver")
    assert bodies(bench) == 1
    assert (found(again), again.exit_code) == ({"processed": 3}, 0)


def test_redeliver_never_puts_an_old_value_on_top_of_a_newer_one(bench: Workbench) -> None:
    """Rows that a later run delivered stay; where that cannot be told, nothing goes, and the report is not lost."""
    report = lost(bench, [1, 50])
    later = bench.deliver(write_source(bench, ("K1", "p1@example.com", "new", 5), name="later.csv"))
    again = settle(bench, report, "redeliver")
    assert found(again) == {"processed": 1, "unattributed": 1}
    assert notes_in(bench)["p1@example.com"] == "new"
    assert any(later.run_id in note for note in again.notes)
    other = lost(bench, [1, 60], name="other.csv")
    unreadable = bench.deliver(write_source(bench, ("K9", "p9@example.com", "new", 2), name="third.csv"))
    (Path(unreadable.folder or "") / "run.json").write_text("{", encoding="utf-8")
    refused = settle(bench, other, "redeliver")
    assert (refused.outcomes, refused.exit_code) == (other.outcomes, 6)
    assert refused.error is not None
    assert "--ignore-later" in refused.error.hint


def test_an_old_run_is_read_back_without_a_word_about_its_package(bench: Workbench) -> None:
    """Its age matters where it is sent."""
    report = lost(bench, [1, 50])
    folder = RunFolder(Path(report.folder or ""))
    folder.write_manifest(folder.read_manifest().model_copy(update={"created_at": "2026-01-01T00:00:00Z"}))
    fresh_only = Hooks(confirm_stale=lambda _: False)
    assert settle(bench, report, "lookup", fresh_only).verified["confirmed"] == 1
    with pytest.raises(ConfigError, match="older"):
        settle(bench, report, "redeliver", fresh_only)
    assert found(settle(bench, report, "redeliver", fresh_only, stale_ok=True))["processed"] == 1


def test_a_retry_settles_what_it_leaves(bench: Workbench) -> None:
    """As every command that sends does."""
    report = lost(bench, [1, 50])
    again = send_again(bench, report, states=["failed"], settle="lookup")
    assert again.verified == {"confirmed": 1, "mismatched": 0, "missing": 1}


@pytest.mark.parametrize("how", ["lookup", "redeliver"])
def test_other_runs_can_send_while_settling_asks(bench: Workbench, how: Settle) -> None:
    """A question that nobody answers stops no scheduled run; what such a run delivered is not sent again."""
    report = lost(bench, [1, 50])
    source = write_source(bench, ("K1", "p1@example.com", "new", 5), name="later.csv")

    def slowly(question: str) -> bool:
        assert run_import(bench.request(source), Hooks(), QUICK).exit_code == 0
        return True

    again = settle(bench, report, how, Hooks(confirm=slowly))
    bench.emulator.wait_idle(IDLE_S)
    assert notes_in(bench)["p1@example.com"] == "new"
    if how == "redeliver":
        assert (again.exit_code, again.outcomes) == (6, report.outcomes)
        assert again.error is not None
        assert "meanwhile" in again.error.message
    else:
        assert sum(again.verified.values()) == 2


def test_the_cost_of_reading_back_counts_shared_identifiers(tmp_path: Path) -> None:
    """Several profiles may have the same one, and each of them that is read is billed."""
    columns = {**MAPPING["columns"], "id": {"to": "Contact.house", "identifier": "house"}}
    seed = {"identifierConfigs": [{"idType": "house", "normalization": "trim", "enforceUnique": False}]}
    with workbench(tmp_path / "bench", MAPPING | {"columns": columns}, DROPPING, store=seed) as bench:
        report = lost(bench, [1, 50])
        with asking(answer=False) as (asked, hooks):
            settle(bench, report, "lookup", hooks)
        (question,) = asked
        assert "costs up to 12 billable profile reads, 2 where one profile has each row's first identifier" in question
