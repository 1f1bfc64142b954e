"""Identifiers that a key which is gone hands on to another: held by default, and let go by what a person says."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import pytest

from importer.core.report import Report
from importer.core.sync_handed import Decision
from importer.errors import ConfigError, GuardError, ImporterError
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.sync_handed import Choice, sync_decide
from importer.wiring.sync_standing import sync_status
from tests.support.here import run_here
from tests.support.mirrors import MIRROR, age, ask, deleted, is_mirror, mirrored, profile_of, swapped, told, without
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, At, Row, Synced, by_email, found

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror that was not run yet."""
    return Synced(bench, MIRROR)


def handed_on(synced: Synced) -> dict[str, Row]:
    """Let K3 go and give its phone to somebody new, as the source tells it; run once."""
    rows = mirrored(synced)
    now = without(rows, "K3") | {"NEW": ("new@example.com", rows["K3"][1], 7)}
    synced.write(now)
    report = synced.run()
    assert (report.exit_code, told(report)) == (3, {"candidates": 1, "held": {"handed-on": 1}})
    return now


def renamed(synced: Synced) -> dict[str, Row]:
    """Give the person of K3 another key, as the source tells it; run once."""
    rows = mirrored(synced)
    now = without(rows, "K3") | {"NEW": rows["K3"]}
    synced.write(now)
    assert synced.run().exit_code == 3
    return now


def decide(synced: Synced, decision: Decision, *keys: str, to: str | None = None) -> int:
    """Say what became of keys, or of all; return of how many."""
    return sync_decide(synced.file, Choice(decision, keys, every=not keys, to=to)).keys


def waiting(synced: Synced) -> list[tuple[str, bool | None, str, int, str | None]]:
    """Return who waits for whom."""
    return [(one.known, one.gone, one.key, one.row_number, one.decided) for one in sync_status(synced.file).handed_on]


def settles(synced: Synced, rows: Mapping[str, Row]) -> list[dict[str, int]]:
    """Run until every row is fine, five times at most; return what became of the rows each time."""
    reports: list[Report] = []
    while not reports or (reports[-1].exit_code and len(reports) < 5):
        reports.append(synced.run())
    assert is_mirror(synced, rows)
    assert not sync_status(synced.file).handed_on
    return [found(report) for report in reports]


def test_both_wait_for_somebody_who_knows(synced: Synced) -> None:
    """Run after run nothing is sent and nothing removed; report and status name both, and what can be said."""
    handed_on(synced)
    assert waiting(synced) == [("K3", True, "NEW", 20, None)]
    (one,) = sync_status(synced.file, show_values=True).handed_on
    assert (one.id_types, one.values) == (("phone",), ("+12065550003",))
    reports: list[Report] = []
    assert deleted(synced, lambda: reports.append(synced.run())) == []
    assert found(reports[0]) == {"unchanged": 19, "held": 1}
    assert "handed_on.parquet" in reports[0].files
    assert reports[0].sync is not None
    assert reports[0].sync.handed_on == 1
    assert any("sync status" in hint and "sync decide" in hint for hint in reports[0].hints)


def test_somebody_who_left_goes_before_the_new_one_comes(synced: Synced) -> None:
    """The profile is deleted by one run, and the next one sends the row to nobody's profile."""
    rows = handed_on(synced)
    old = profile_of(synced, "p3@example.com")
    assert decide(synced, Decision.REMOVED) == 1
    assert waiting(synced) == [("K3", True, "NEW", 20, "removed")]
    reports: list[Report] = []
    assert deleted(synced, lambda: reports.append(synced.run())) == [old]
    assert (found(reports[0])["held"], told(reports[0])) == (1, {"candidates": 1, "deleted": 1})
    assert settles(synced, rows) == [{"unchanged": 19, "accepted": 1}]


def test_somebody_with_a_new_key_keeps_the_profile(synced: Synced) -> None:
    """Nothing is deleted; the row goes to the profile, and says nothing where nothing else is new."""
    rows = renamed(synced)
    old = profile_of(synced, "p3@example.com")
    assert decide(synced, Decision.RENAMED, "K3") == 1
    rows["NEW"] = (rows["NEW"][0], rows["NEW"][1], 9)
    synced.write(rows)
    assert deleted(synced, lambda: settles(synced, rows)) == []
    assert profile_of(synced, "p3@example.com") == old


@pytest.mark.parametrize(("policy", "runs"), [("removed", 2), ("renamed", 2)])
def test_the_sync_file_may_say_it_once_for_all(synced: Synced, policy: str, runs: int) -> None:
    """Nobody is asked; the row goes out with the next run."""
    always = synced.but(removal={"max": 1000, "handed_on": policy})
    rows = mirrored(always)
    old = profile_of(always, "p3@example.com")
    now = without(rows, "K3") | {"NEW": ("p3@example.com", rows["K3"][1], 7)}
    always.write(now)
    asked = deleted(always, lambda: len(settles(always, now)) == runs)
    assert asked == ([old] if policy == "removed" else [])
    assert (profile_of(always, "p3@example.com") == old) is (policy == "renamed")


def test_two_who_swap_numbers_begin_anew_together(synced: Synced) -> None:
    """Both are there, so neither is gone: with one of them anew the other one still waits, with both nobody does."""
    now = swapped(synced)
    assert found(synced.run()) == {"unchanged": 18, "held": 2}
    assert [one[:3] for one in waiting(synced)] == [("K3", False, "K4"), ("K4", False, "K3")]
    with pytest.raises(ConfigError, match="still in the source"):
        decide(synced, Decision.REMOVED, "K3")
    with pytest.raises(ConfigError, match="still in the source"):
        decide(synced, Decision.RENAMED, "K3")
    assert decide(synced, Decision.ANEW, "K3", "K4") == 2
    assert len(deleted(synced, lambda: settles(synced, now))) == 2


def test_a_chain_is_undone_link_by_link(synced: Synced) -> None:
    """K3's number went to K4, and K4's to somebody new: each link is decided about on its own."""
    rows = mirrored(synced)
    now = without(rows, "K3") | {
        "K4": (rows["K4"][0], rows["K3"][1], 1),
        "NEW": ("new@example.com", rows["K4"][1], 1),
    }
    synced.write(now)
    synced.run()
    with pytest.raises(ConfigError, match="profile of its own"):
        decide(synced, Decision.RENAMED, "K3")
    assert decide(synced, Decision.REMOVED) == 1
    synced.run()
    report = synced.run()
    assert found(report) == {"unchanged": 18, "accepted": 1, "held": 1}
    assert waiting(synced) == [("K4", False, "NEW", 20, None)]
    assert decide(synced, Decision.ANEW, "K4") == 1
    settles(synced, now)


def test_what_can_be_read_in_two_ways_is_asked(synced: Synced) -> None:
    """One row with identifiers of two keys that are gone: one is named, and the other one goes."""
    rows = mirrored(synced)
    now = without(rows, "K3", "K4") | {"NEW": (rows["K3"][0], rows["K4"][1], 5)}
    synced.write(now)
    synced.run()
    with pytest.raises(ConfigError, match="one way only"):
        decide(synced, Decision.RENAMED)
    old = profile_of(synced, "p3@example.com")
    assert decide(synced, Decision.RENAMED, "K3") == 1
    with pytest.raises(ConfigError, match="profile of its own"):
        decide(synced, Decision.RENAMED, "K4")
    assert decide(synced, Decision.REMOVED, "K4") == 1
    assert len(deleted(synced, lambda: settles(synced, now))) == 1
    assert profile_of(synced, "p3@example.com") == old


def test_of_two_heirs_one_is_named(synced: Synced) -> None:
    """The e-mail address went to one key and the phone to another."""
    rows = mirrored(synced)
    now = without(rows, "K3") | {
        "MAIL": (rows["K3"][0], "+12065557777", 1),
        "PHONE": ("new@example.com", rows["K3"][1], 1),
    }
    synced.write(now)
    synced.run()
    with pytest.raises(ConfigError, match="several keys") as refused:
        decide(synced, Decision.RENAMED, "K3")
    assert "--to" in refused.value.hint
    assert decide(synced, Decision.RENAMED, "K3", to="MAIL") == 1
    assert found(synced.run()) == {"unchanged": 19, "accepted": 1, "held": 1}
    assert waiting(synced) == [("MAIL", False, "PHONE", 21, None)]


def test_what_somebody_else_wrote_to_stays_whatever_is_decided(synced: Synced) -> None:
    """It is held as foreign; deleted by hand, it lets the row go."""
    rows = handed_on(synced)
    synced.bench.put([{"Contact": {"email": "p3@example.com", "firstName": "Ann"}}])
    decide(synced, Decision.REMOVED, "K3")
    assert told(synced.run()) == {"candidates": 1, "held": {"foreign": 1}}
    ask(synced, "DELETE", f"/{profile_of(synced, 'p3@example.com')}")
    age(synced)
    synced.run()
    assert settles(synced, rows) == [{"unchanged": 19, "accepted": 1}]


def test_the_brake_counts_what_was_decided(synced: Synced) -> None:
    """Held keys do not brake, decided ones do: nothing goes before somebody looked."""
    rows = handed_on(synced)
    braked = synced.but(removal={"max": 0, "max_percent": 0})
    assert braked.run().exit_code == 3
    decide(braked, Decision.REMOVED)
    assert braked.run().exit_code == 6
    settles(synced, rows)


def test_a_key_that_comes_back_is_not_removed(synced: Synced) -> None:
    """Its decision is void; the other one waits for it as for anybody who is there."""
    rows = handed_on(synced)
    decide(synced, Decision.REMOVED)
    back = rows | {"K3": ("p3@example.com", "+12065550003", 1)}
    synced.write(back)
    assert deleted(synced, synced.run) == []
    synced.write(rows)
    assert told(synced.run()) == {"candidates": 1, "held": {"handed-on": 1}}


def test_a_decision_can_be_taken_back(synced: Synced) -> None:
    """As long as no run has carried it out."""
    handed_on(synced)
    decide(synced, Decision.REMOVED, "K3")
    assert decide(synced, Decision.HOLD, "K3") == 1
    assert deleted(synced, synced.run) == []


def test_a_decision_outlives_a_run_that_is_stopped(synced: Synced) -> None:
    """What was not done is done by the next run."""
    rows = handed_on(synced)
    decide(synced, Decision.REMOVED)
    hooks = Hooks()
    stopping = Hooks(progress=At("remove", hooks.stop.set), stop=hooks.stop)
    assert synced.run(stopping).exit_code == 130
    settles(synced, rows)


@pytest.mark.parametrize(
    ("decision", "keys"), [(Decision.REMOVED, ("K5",)), (Decision.RENAMED, ("nobody",)), (Decision.ANEW, ())]
)
def test_nothing_is_decided_about_keys_that_do_not_wait(
    synced: Synced, decision: Decision, keys: tuple[str, ...]
) -> None:
    """Nor about all keys that are still there at once."""
    handed_on(synced)
    with pytest.raises(ImporterError):
        decide(synced, decision, *keys)


def test_a_sync_that_removes_nothing_can_rename(bench: Workbench) -> None:
    """The new row goes to the profile, and the old key is forgotten."""
    full = Synced(bench, {"brakes": MIRROR["brakes"]})
    rows = renamed(full)
    with pytest.raises(ConfigError, match="removes nothing"):
        decide(full, Decision.REMOVED)
    assert decide(full, Decision.RENAMED) == 1
    assert found(full.run()) == {"unchanged": 20}
    assert set(full.snapshot()["key"]) == set(rows)
    assert full.stored() == by_email(rows)


@pytest.mark.parametrize("mode", ["mirror", "full"])
def test_what_can_be_said_of_a_key_is_what_the_sync_takes(synced: Synced, mode: str) -> None:
    """One that removes nothing has one decision; who takes it back is told so."""
    handed_on(synced)
    sync = Synced(synced.bench, {"brakes": MIRROR["brakes"], "mode": mode})
    sync.run()
    shown = run_here(sync.file.parent, "sync", "status", sync.file.name).stdout
    assert ("KEY --as removed" in shown, "KEY --as renamed" in shown) == (mode == "mirror", True)
    if mode == "mirror":
        decide(sync, Decision.REMOVED)
        back = run_here(sync.file.parent, "sync", "decide", sync.file.name, "K3", "--as", "hold")
        assert back.stdout == "1 key: nothing is decided any more\n"


def test_nobody_is_gone_while_a_row_has_no_key(synced: Synced) -> None:
    """It may be the row of the key that seems to be gone: the sync file takes nobody for renamed, and nor may a run."""
    always = synced.but(removal={"max": 1000, "handed_on": "renamed"})
    rows = mirrored(always)
    heir: dict[str, Row] = {"NEW": ("new@example.com", rows["K3"][1], 7)}
    always.write([*without(rows, "K3").items(), *heir.items(), ("", rows["K3"])])
    assert any("1 key that is gone, or may be" in hint for hint in always.run().hints)
    assert "NEW" not in set(always.snapshot()["key"])
    assert waiting(always) == [("K3", None, "NEW", 20, None)]
    with pytest.raises(ConfigError, match="nobody knows whether K3 is gone"):
        decide(always, Decision.REMOVED, "K3")
    always.write(rows | heir)
    assert found(always.run()) == {"unchanged": 20, "held": 1}


def test_nobody_begins_anew_for_a_row_that_does_not_wait_any_more(synced: Synced) -> None:
    """The number was a mistake and is put right before the next run: the profile stays, and the decision is void."""
    rows = mirrored(synced)
    rows["K4"] = (rows["K4"][0], "+12065559999", 1)
    synced.write(rows)
    synced.run()
    wrong = rows | {"NEW": ("new@example.com", "+12065550004", 1)}
    synced.write(wrong)
    synced.run()
    assert decide(synced, Decision.ANEW, "K4") == 1
    right = rows | {"NEW": ("new@example.com", "+12065558888", 1)}
    synced.write(right)
    assert deleted(synced, lambda: settles(synced, right)) == []
    synced.write(right | {"NEXT": ("next@example.com", "+12065550004", 1)})
    assert deleted(synced, synced.run) == []


def test_what_an_earlier_run_found_is_not_decided_about(synced: Synced) -> None:
    """The last one, whose folder was purged, may have found the key back in its place."""
    rows = handed_on(synced)
    synced.write(rows | {"K3": ("p3@example.com", "+12065550003", 1)})
    last = synced.run()
    shutil.rmtree(synced.folder.runs / str(last.run_id))
    with pytest.raises(ConfigError, match="not among the keys"):
        decide(synced, Decision.RENAMED, "K3")


def test_the_brake_counts_those_whom_the_sync_file_lets_go(synced: Synced) -> None:
    """They were held until somebody wrote down that they are always others: nothing was counted of that."""
    handed_on(synced)
    braked = synced.but(removal={"max": 0, "max_percent": 0, "handed_on": "removed"})
    assert deleted(braked, lambda: braked.run().exit_code == 6) == []
    assert braked.run().exit_code == 6


def test_nothing_is_let_go_against_a_standing_decision(synced: Synced) -> None:
    """A row that waits for a profile to be deleted would become one person with it; it goes once that is taken back."""
    handed_on(synced)
    decide(synced, Decision.REMOVED, "K3")
    before = synced.stored()
    settings = synced.bench.settings.model_copy(update={"runs_dir": str(synced.folder.runs)})
    with pytest.raises(GuardError, match="what was decided about 1 key") as refused:
        resume(ResumeRequest("last", settings, release=frozenset()))
    assert "sync run" in refused.value.hint
    assert "--as hold" in refused.value.hint
    assert synced.stored() == before
    decide(synced, Decision.HOLD, "K3")
    assert resume(ResumeRequest("last", settings, release=frozenset())).outcomes["accepted"] == 1
