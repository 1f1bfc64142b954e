"""`resume` and `import --plan` beside later runs: no old value goes on top of a newer one unless somebody says so."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from importer.core.delivery import BatchEntry, Changes
from importer.core.lifecycle import BatchState
from importer.core.manifest import Stage
from importer.core.report import Report
from importer.errors import GuardError
from importer.wiring.purging import PurgeRequest, plan_purge
from importer.wiring.removing import carry_out
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.runs import plan
from importer.wiring.sending import run_import
from tests.support.runs import IDLE_S, QUICK, Workbench, bench_of, folder_of
from tests.support.strict_store import (
    MAPPING,
    POINTERS,
    bodies,
    deliver_strictly,
    found,
    notes_in,
    people,
    send_again,
    write_source,
)

SHARED = "shared@example.com"


bench = bench_of(MAPPING, POINTERS)


def planned(bench: Workbench, rows: list[tuple[str, str, str, int]], **options: Any) -> Report:
    """Plan a run and send nothing."""
    return plan(bench.request(write_source(bench, *rows, name="older.csv"), **options), Hooks())


def later(bench: Workbench, *rows: tuple[str, str, str, int]) -> Report:
    """Import newer rows."""
    return bench.deliver(write_source(bench, *rows, name="later.csv"))


def purge(bench: Workbench, *reports: Report) -> None:
    """Delete runs with all their files; all runs if none is named."""
    runs_dir = Path(bench.settings.runs_dir)
    names = tuple(report.run_id for report in reports)
    carry_out(plan_purge(PurgeRequest(runs_dir, names, everything=not names, force=True), datetime.now(UTC)), runs_dir)


def must_refuse(bench: Workbench, older: Report, newer: Report, **options: Any) -> str:
    """Resume a run that another one overtook; nothing is sent, and the reason is returned."""
    before = bodies(bench)
    try:
        report = bench.go_on(older, **options)
    except GuardError as refusal:
        message, hint = refusal.message, refusal.hint
    else:
        assert (report.exit_code, report.error is not None) == (6, True)
        assert report.error is not None
        message, hint = report.error.message, report.error.hint
    assert bodies(bench) == before
    assert newer.run_id in message
    assert older.run_id in hint
    assert "--ignore-later" in hint
    return message


def test_an_older_plan_is_not_sent_over_a_newer_run(bench: Workbench) -> None:
    """Exit code 6 names the run and counts the rows; `--ignore-later` sends them all the same."""
    older = planned(bench, people(3))
    newer = later(bench, *people(2, "new"), ("K9", "p9@example.com", "new", 1))
    assert "2 rows of the 3" in must_refuse(bench, older, newer)
    assert notes_in(bench)["p1@example.com"] == "new 1"
    assert found(bench.go_on(older, ignore_later=True)) == {"accepted": 3}
    assert notes_in(bench)["p1@example.com"] == "old 1"


def test_a_plan_that_nothing_overtook_goes_without_a_word(bench: Workbench) -> None:
    """A later run of other people, one that was refused, and one that was only planned are no reason."""
    older = planned(bench, people(2))
    later(bench, ("K9", "p9@example.com", "new", 1))
    deliver_strictly(bench, write_source(bench, *people([90, 91], "refused"), name="refused.csv"), 10)
    planned(bench, people(2, "planned"))
    report = bench.go_on(older)
    assert (found(report), report.exit_code) == ({"accepted": 2}, 0)
    assert not any("compared" in note for note in report.notes)


@pytest.mark.parametrize("newcomer", [("K2", "other@example.com", "new", 1), ("other", "p2@example.com", "new", 1)])
def test_what_a_limit_left_out_is_compared_before_it_is_planned(bench: Workbench, newcomer: Any) -> None:
    """By its key and by its identifiers; the rows stay outside of the send order."""
    older = bench.deliver(write_source(bench, *people(3)), limit=2)
    newer = later(bench, newcomer)
    assert "1 row of the 1" in must_refuse(bench, older, newer, rest=True)
    standing = bench.go_on(older)
    assert standing.skipped == older.skipped == {"limit": 1}
    assert found(bench.go_on(older, rest=True, ignore_later=True)) == {"accepted": 3}


def test_a_held_group_that_was_overtaken_stays_held(bench: Workbench) -> None:
    """A newer value of one of its rows is newer than all of them: they become one profile."""
    older = bench.deliver(write_source(bench, ("A", SHARED, "old", 1), ("B", SHARED, "old", 2)))
    assert found(older) == {"held": 2}
    newer = later(bench, ("A", SHARED, "new", 3))
    assert "2 rows of the 2" in must_refuse(bench, older, newer, release=frozenset())
    assert found(bench.go_on(older)) == {"held": 2}
    assert notes_in(bench) == {SHARED: "new"}
    assert found(bench.go_on(older, release=frozenset(), ignore_later=True)) == {"accepted": 2}


def test_a_rebuilt_ledger_sends_nothing_that_was_overtaken(bench: Workbench) -> None:
    """All rows would go once more; the damaged ledger is left as it is."""
    older = bench.deliver(write_source(bench, *people(3)))
    newer = later(bench, ("K1", "p1@example.com", "new", 3))
    ledger = folder_of(older).ledger
    ledger.write_bytes(b"nonsense" * 600)
    assert "1 row of the 3" in must_refuse(bench, older, newer, rebuild_ledger=True)
    assert ledger.read_bytes().startswith(b"nonsense")
    assert bench.go_on(older, rebuild_ledger=True, ignore_later=True).outcomes["accepted"] == 3


def test_a_run_that_is_sent_while_an_import_asks_is_seen(bench: Workbench) -> None:
    """The import was read first, so its values are the older ones."""
    source = write_source(bench, ("K1", "p1@example.com", "new", 5), name="later.csv")

    def slowly(question: str) -> bool:
        assert run_import(bench.request(source), Hooks(), QUICK).exit_code == 0
        return True

    report = run_import(bench.request(write_source(bench, *people(2))), Hooks(confirm=slowly), QUICK)
    assert (report.exit_code, found(report)) == (6, {"not_sent": 2})
    assert notes_in(bench) == {"p1@example.com": "new"}


def test_rows_that_are_only_asked_about_are_no_reason(bench: Workbench) -> None:
    """The service has them already, older or not: what is left of the run is to look what became of them."""
    older = planned(bench, people(2))
    folder = folder_of(older)
    with folder.open_ledger(folder.read_manifest()) as ledger:
        (entry,) = ledger.entries()
        trace = replace(entry.trace, operation_id="mem_operation_00000000000000000000000001")
        ledger.apply(Changes(batches=(BatchEntry(entry.spec, BatchState.SENT, 1, trace),)))
        ledger.apply(Changes(batches=(BatchEntry(entry.spec, BatchState.APPLYING, 1, trace),)))
    folder.write_manifest(folder.read_manifest().model_copy(update={"stage": Stage.SENDING}))
    later(bench, *people(2, "new"))
    report = resume(ResumeRequest(older.run_id, bench.settings), Hooks(), QUICK)
    assert report.exit_code != 6
    assert notes_in(bench)["p1@example.com"] == "new 1"


def test_a_clock_that_was_set_back_makes_no_run_newer(bench: Workbench) -> None:
    """Runs are numbered: the one that was made later has the newer values, whatever its time says."""
    older = planned(bench, people(2))
    newer = later(bench, *people(2, "new"))
    folder = folder_of(newer)
    folder.write_manifest(folder.read_manifest().model_copy(update={"created_at": "2001-01-01T00:00:00Z"}))
    must_refuse(bench, older, newer)
    again = bench.go_on(newer)
    assert again.exit_code == 0
    assert send_again(bench, newer).exit_code == 0


def test_runs_of_an_older_version_are_ordered_by_the_clock(bench: Workbench) -> None:
    """They have no numbers."""
    older = planned(bench, people(2))
    newer = later(bench, *people(2, "new"))
    for report in (older, newer):
        folder = folder_of(report)
        folder.write_manifest(folder.read_manifest().model_copy(update={"sequence": None}))
    must_refuse(bench, older, newer)


@pytest.mark.parametrize("lost", ["purged", "purged with a damaged record", "kept with a damaged note"])
def test_a_purged_run_is_not_forgotten(bench: Workbench, lost: str) -> None:
    """What it delivered cannot be compared any more, so neither `resume` nor `retry` of an earlier run sends."""
    failed = deliver_strictly(bench, write_source(bench, *people([1, 50])), 10)
    older = planned(bench, people(2))
    newer = later(bench, *people(2, "new"))
    if lost == "purged with a damaged record":
        (folder_of(newer).path / "run.json").write_text("{")
    purge(bench, newer)
    assert not folder_of(newer).path.exists()
    (note,) = (Path(bench.settings.runs_dir) / "purged").glob("*.json")
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    assert "@" not in note.read_text()
    if lost == "kept with a damaged note":
        note.write_text("{")
    must_refuse(bench, older, newer)
    with pytest.raises(GuardError, match=f"{newer.run_id}.*purged"):
        send_again(bench, failed)
    assert notes_in(bench)["p1@example.com"] == "new 1"
    assert found(send_again(bench, failed, ignore_later=True)) == {"accepted": 2}
    assert found(bench.go_on(older, ignore_later=True)) == {"accepted": 2}


def test_a_purged_run_is_forgotten_with_the_last_that_it_could_overtake(bench: Workbench) -> None:
    """Nothing is kept of runs that were only planned, nor where no earlier run is left to be sent."""
    older = planned(bench, people(2))
    newer = later(bench, *people(2, "new"))
    purge(bench, planned(bench, people(2)))
    kept = Path(bench.settings.runs_dir) / "purged"
    assert not kept.exists()
    purge(bench, newer)
    assert [path.stem for path in kept.glob("*.json")] == [newer.run_id]
    purge(bench, older)
    assert list(kept.glob("*.json")) == []
    bench.emulator.wait_idle(IDLE_S)


def test_the_same_person_under_another_key_is_seen(bench: Workbench) -> None:
    """Also by `retry`: a match by key or by identifier is one; without the later run's package only keys are left."""
    report = deliver_strictly(bench, write_source(bench, *people([1, 50, 60])), 10)
    newer = later(bench, ("other", "p1@example.com", "new", 5))
    again = send_again(bench, report)
    assert found(again) == {"accepted": 2, "failed": 1}
    assert notes_in(bench)["p1@example.com"] == "new"
    folder_of(newer).drop_package()
    blind = send_again(bench, report)
    assert found(blind) == {"accepted": 3}
    assert any(newer.run_id in note and "by key alone" in note for note in blind.notes)
