"""A mirror removes what is gone from its source, exactly that, and only where it may."""

from __future__ import annotations

import stat

import pytest

from importer.core.report import Report
from importer.core.sync_brakes import Brake
from importer.core.sync_counts import Removals
from importer.errors import SyncFileError
from importer.reports.summary import summary_lines
from importer.wiring.requests import Hooks
from importer.wiring.sync_standing import sync_history
from importer.wiring.syncing import nothing_done
from tests.support.mirrors import MIRROR, deleted, fates, is_mirror, mirrored, profile_of, removals, requests_of, told
from tests.support.mirrors import without as but
from tests.support.runs import Workbench, bench_of, folder_of
from tests.support.strict_store import POINTERS, set_rule
from tests.support.syncs import MAPPING, At, Synced, found, people, person

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror that was not run yet."""
    return Synced(bench, MIRROR)


def test_exactly_the_removed_keys_go(synced: Synced) -> None:
    """Their profiles are deleted, one request each; the others stay, changed and new ones are sent."""
    rows = mirrored(synced)
    gone = {profile_of(synced, f"p{number}@example.com") for number in (3, 11)}
    rows = but(rows, "K3", "K11") | {"K5": person(5, points=9), "K90": person(90)}
    synced.write(rows)
    reports: list[Report] = []
    assert sorted(deleted(synced, lambda: reports.append(synced.run()))) == sorted(gone)
    (report,) = reports
    assert (report.exit_code, found(report)) == (0, {"unchanged": 17, "accepted": 2})
    assert told(report) == {"candidates": 2, "deleted": 2}
    assert "2 keys gone from the source: 2 deleted" in [line.text for line in summary_lines(report)]
    assert "Keys gone from the source" in (folder_of(report).path / "report.html").read_text(encoding="utf-8")
    assert fates(report) == {"K3": "deleted", "K11": "deleted"}
    assert stat.S_IMODE((folder_of(report).path / "removals.parquet").stat().st_mode) == 0o600
    assert is_mirror(synced, rows)
    assert sync_history(synced.file)[-1].removals == report.removals
    again = synced.run()
    assert (nothing_done(report), nothing_done(again)) == (False, True)
    for off in (None, "--limit was given"):
        unseen = again.model_copy(update={"removals": Removals(candidates=1, open=1, off=off)})
        assert nothing_done(unseen) is (off is not None)
    assert told(again) == {}


def test_what_it_costs_is_shown_before_and_counted_after(synced: Synced) -> None:
    """One lookup a key where its profile has all of its identifiers, and one deletion."""
    rows = mirrored(synced)
    synced.write(but(rows, "K3", "K11"))
    plan = synced.run(dry_run=True)
    assert (plan.operations.at_most, plan.operations.reads_at_least, plan.operations.reads_at_most) == (2, 2, 4)
    assert plan.requests == {"lookup": 2, "get-profile": 4, "get-identifiers": 2, "delete-profile": 2}
    report = synced.run()
    looks = report.requests["get-profile"] - plan.requests["get-profile"]
    assert report.requests == {**plan.requests, "get-profile": 4 + looks}
    assert looks >= 0  # as often as it takes until the service has deleted what it took to delete
    assert (report.operations.at_most, report.operations.reads_at_most) == (2, 2)
    assert report.allowance is not None
    assert report.allowance.used_at_most == 20 + 2 + 2


def test_a_dry_run_and_a_limited_one_remove_nothing(synced: Synced) -> None:
    """The first says how many keys are gone without asking for them; the second says that it removes none."""
    rows = mirrored(synced)
    synced.write(but(rows, "K3"))
    reports: list[Report] = []
    assert requests_of(synced, lambda: reports.append(synced.run(dry_run=True))) == 0
    assert deleted(synced, lambda: reports.append(synced.run(limit=5))) == []
    dry, limited = reports
    assert told(dry) == {"candidates": 1, "open": 1}
    assert any("1 key gone from the source: 1 profile" in note for note in dry.notes)
    assert removals(limited).off == "--limit was given"
    assert told(synced.run()) == {"candidates": 1, "deleted": 1}


def test_rejected_held_and_parked_rows_are_present(synced: Synced) -> None:
    """Their keys were read, whatever became of the rows."""
    synced = synced.but(refused_runs=1)
    rows = mirrored(synced)
    rows["K1"] = ("no address", "no phone", 1)
    rows["K2"] = ("p90@example.com", "+12065550003", 1)  # the phone of K3
    rows["K4"] = person(4, points=50)
    synced.write(rows)
    strict = Hooks(progress=At("send", lambda: set_rule(synced.bench, 10)))
    assert deleted(synced, lambda: synced.run(strict)) == []
    set_rule(synced.bench, None)
    gone = profile_of(synced, "p10@example.com")
    synced.write(but(rows, "K10"))
    reports: list[Report] = []
    assert deleted(synced, lambda: reports.append(synced.run())) == [gone]
    assert found(reports[0]) == {"rejected": 1, "held": 2, "unchanged": 16}
    assert told(reports[0]) == {"candidates": 1, "deleted": 1}
    assert set(synced.snapshot()["key"]) == set(rows) - {"K10"}


@pytest.mark.parametrize("line", ["K77,broken", ",p77@example.com,+12065550077,1"])
def test_a_row_that_nobody_knows_switches_removals_off(synced: Synced, line: str) -> None:
    """A malformed one or one without a key may be any of those that seem to be gone."""
    rows = mirrored(synced)
    synced.write(but(rows, "K3"))
    with synced.source.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    reports: list[Report] = []
    assert deleted(synced, lambda: reports.append(synced.run())) == []
    assert removals(reports[0]).candidates == 1
    assert "1 row could not be read or had no key" in (removals(reports[0]).off or "")
    assert any("nothing is removed" in note for note in reports[0].notes)
    synced.write(but(rows, "K3"))
    assert told(synced.run()) == {"candidates": 1, "deleted": 1}


def test_blank_lines_are_no_rows(synced: Synced) -> None:
    """They switch nothing off, and a source that has nothing else removes nothing."""
    rows = mirrored(synced)
    synced.write(but(rows, "K3"))
    with synced.source.open("a", encoding="utf-8") as file:
        file.write("\n\n")
    assert told(synced.run()) == {"candidates": 1, "deleted": 1}
    synced.source.write_text("id,email,phone,points\n\n\n", encoding="utf-8")
    assert deleted(synced, synced.run) == []


def test_an_empty_source_removes_nothing(synced: Synced) -> None:
    """Exit code 6; and where it may be empty, the brake for removals holds whatever its limits."""
    mirrored(synced)
    synced.write({})
    reports: list[Report] = []

    def act() -> None:
        reports.extend(synced.run(override=each) for each in ([], [Brake.EMPTY]))

    assert deleted(synced, act) == []
    assert [report.exit_code for report in reports] == [6, 6]
    assert [report.sync and report.sync.brakes for report in reports] == [("empty", "removals"), ("removals",)]
    for report in reports:
        assert report.error is not None
        assert "20 of 20 keys would be removed" in report.error.message
        assert "--override empty --override removals" in report.error.hint
    report = synced.run(override=[Brake.EMPTY, Brake.REMOVALS])
    assert (report.exit_code, told(report)) == (0, {"candidates": 20, "deleted": 20})
    assert is_mirror(synced, {})


def test_too_many_removals_stop_a_run_before_it_sends(synced: Synced) -> None:
    """The numbers are shown; neither what changed nor what is gone moves until somebody lets it."""
    rows = mirrored(synced)
    kept = but(rows, "K1", "K2", "K3") | {"K5": person(5, points=9)}
    synced.write(kept)
    braked = synced.but(removal={"max": 2, "max_percent": 10})
    before = synced.folder.snapshot.read_bytes()
    reports: list[Report] = []
    assert deleted(braked, lambda: reports.append(braked.run())) == []
    assert reports[0].exit_code == 6
    assert reports[0].error is not None
    assert "3 of 20 keys would be removed, 15.0 % (max_removals 2, max_removals_percent 10)" in reports[0].error.message
    assert synced.folder.snapshot.read_bytes() == before
    dear = synced.but(brakes={"max_operations": 6}).run()
    assert dear.sync is not None
    assert "operations" in dear.sync.brakes
    assert told(braked.run(override=[Brake.REMOVALS])) == {"candidates": 3, "deleted": 3}
    assert is_mirror(synced, kept)


def test_a_policy_of_none_removes_nothing(synced: Synced) -> None:
    """It says how many keys are gone."""
    rows = mirrored(synced)
    synced.write(but(rows, "K3"))
    kept = synced.but(removal={"policy": "none"})
    reports: list[Report] = []
    assert deleted(kept, lambda: reports.append(kept.run())) == []
    assert (reports[0].exit_code, removals(reports[0]).candidates) == (0, 1)


def test_a_cursor_is_refused(synced: Synced) -> None:
    """A mirror of the rows that changed would take all others for gone."""
    synced.write(people(1))
    with pytest.raises(SyncFileError, match="takes no `cursor`"):
        synced.but(query="SELECT $cursor", cursor={"column": "at"}).run(first_run=True)


def test_a_key_that_comes_back_is_sent_anew(synced: Synced) -> None:
    """Nothing is known of it any more."""
    rows = mirrored(synced)
    synced.write(but(rows, "K3"))
    synced.run()
    synced.write(rows)
    assert synced.runs() == ({"unchanged": 19, "accepted": 1}, 1)
    assert is_mirror(synced, rows)
