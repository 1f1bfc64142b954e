"""What a sync tells people to do, and an orchestrator to skip: only what works, and nothing that was done unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from importer.core.manifest import Stage
from importer.core.report import Report
from importer.core.sync_handed import Decision
from importer.errors import ConfigError
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, go_on
from importer.wiring.sync_handed import Choice, sync_decide
from importer.wiring.sync_standing import sync_status
from importer.wiring.syncing import nothing_done
from tests.support.here import run_here
from tests.support.mirrors import MIRROR, mirrored, without
from tests.support.runs import QUICK, Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, At, Row, Synced, delivered_to, found, people, person

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror that was not run yet."""
    return Synced(bench, MIRROR)


def handed_on(sync: Synced) -> Report:
    """Let K3 go and give its phone to somebody new, as the source tells it; run once."""
    rows = mirrored(sync)
    sync.write(without(rows, "K3") | {"NEW": ("new@example.com", rows["K3"][1], 7)})
    return sync.run()


def swapped(sync: Synced) -> dict[str, Row]:
    """Let K3 and K4 swap their phones, as the source tells it."""
    rows = mirrored(sync)
    (a, phone_a, points), (b, phone_b, _) = rows["K3"], rows["K4"]
    sync.write(rows | {"K3": (a, phone_b, points), "K4": (b, phone_a, points)})
    return rows


def offered(sync: Synced) -> set[str]:
    """Return the decisions that `sync status` offers."""
    shown = run_here(sync.file.parent, "sync", "status", sync.file.name).stdout
    return {one.value for one in Decision if f"KEY --as {one}:" in shown}


def taken(sync: Synced, key: str) -> set[str]:
    """Return the decisions that `sync decide` takes of a key, each taken back."""
    done = set()
    for one in (Decision.REMOVED, Decision.RENAMED):
        try:
            sync_decide(sync.file, Choice(one, (key,)))
        except ConfigError:
            continue
        done.add(one.value)
        if one is Decision.REMOVED:
            sync_decide(sync.file, Choice(Decision.HOLD, (key,)))
    return done


def stopped(sync: Synced, stage: str) -> None:
    """Change a row, and stop the run at a stage."""
    sync.write(people(10) | {"K1": person(1, points=2)})
    hooks = Hooks()
    assert sync.run(replace(hooks, progress=At(stage, hooks.stop.set))).exit_code == 130
    assert sync.state.pending is not None


def test_a_run_that_ends_an_earlier_one_is_not_skipped(bench: Workbench) -> None:
    """It finds nothing changed, but sent what the interrupted one had left: what follows must see that."""
    sync = delivered_to(bench)
    stopped(sync, "send")
    report = sync.run()
    assert found(report) == {"unchanged": 10}
    assert (report.exit_code, nothing_done(report)) == (0, False)
    assert nothing_done(sync.run())


def test_a_run_that_was_killed_before_its_commit_is_not_skipped(bench: Workbench) -> None:
    """It had sent everything, and nobody was told: the next one says so."""
    sync = delivered_to(bench)
    stopped(sync, "send")
    pending = sync.state.pending
    assert pending is not None
    settings = sync.bench.settings.model_copy(update={"runs_dir": str(sync.folder.runs)})
    assert go_on(ResumeRequest(pending.run_id, settings, stale_ok=True, command="sync"), Hooks(), QUICK).exit_code == 0
    assert RunFolder(sync.folder.runs / pending.run_id).read_manifest().stage is Stage.FINISHED
    report = sync.run()
    assert (found(report), nothing_done(report)) == ({"unchanged": 10}, False)


@pytest.mark.parametrize(
    ("given", "choices"),
    [
        ({}, {"removed", "renamed"}),
        ({"mode": "upsert"}, {"renamed"}),
        ({"mode": "full"}, {"renamed"}),
        ({"removal": {"policy": "none"}}, {"renamed"}),
    ],
)
def test_status_offers_what_decide_takes(synced: Synced, given: dict[str, object], choices: set[str]) -> None:
    """No more, no less, whatever the mode; and the report names the command."""
    handed_on(synced)
    mode = given.get("mode", "mirror")
    kept = {"brakes": MIRROR["brakes"]} if mode != "mirror" else MIRROR
    sync = Synced(synced.bench, {**kept, "mode": mode, **given})
    report = sync.run()
    assert "`sync decide`" in report.hints[0]
    assert offered(sync) == choices == taken(sync, "K3")


def test_a_name_that_is_taken_is_not_offered(synced: Synced) -> None:
    """The heir has a profile of its own: `renamed` would join two, so it is neither offered nor taken."""
    rows = mirrored(synced)
    synced.write(without(rows, "K3") | {"K4": (rows["K4"][0], rows["K3"][1], 1)})
    synced.run()
    assert offered(synced) == {"removed"} == taken(synced, "K3")


def test_people_who_swap_are_decided_about_first(synced: Synced) -> None:
    """The hint names what undoes it before what merges them, and says that this is for ever."""
    swapped(synced)
    hints = synced.run().hints
    assert "2 keys that are still in the source" in hints[0]
    assert "`sync decide`" in hints[0]
    assert "--release all" in hints[1]
    assert "for ever" in hints[1]
    assert offered(synced) == {"anew"}


def test_what_is_decided_is_settled_by_the_next_run(synced: Synced) -> None:
    """The run that carries a decision out holds the row once more, and names the run that sends it first."""
    handed_on(synced)
    sync_decide(synced.file, Choice(Decision.REMOVED, ("K3",)))
    report = synced.run()
    assert report.sync is not None
    assert (report.sync.handed_on, report.sync.decided) == (0, 1)
    assert "the next `memory-importer sync run" in report.hints[0]
    assert not any("--release" in hint for hint in report.hints)


def test_a_release_that_has_nothing_to_do_with_another_key_is_offered_as_ever(synced: Synced) -> None:
    """Two new rows of one person wait for nobody's key."""
    rows = mirrored(synced)
    twins: dict[str, Row] = {"T1": ("t@example.com", "+12065559001", 1), "T2": ("t@example.com", "+12065559002", 1)}
    synced.write(rows | twins)
    (hint,) = synced.run().hints
    assert hint.startswith("held: `memory-importer resume")


def test_a_decision_says_what_was_done_and_what_will_be(synced: Synced) -> None:
    """A key is renamed at once; a profile is removed by the next run."""
    handed_on(synced)

    def said(*words: str) -> str:
        return run_here(synced.file.parent, "sync", "decide", synced.file.name, "K3", "--as", *words).stdout

    assert said("removed").startswith("1 key as removed: the next `memory-importer sync run")
    assert said("renamed").startswith("1 key renamed, for good: the next")
    assert not sync_status(synced.file).handed_on


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("K3",), "Missing option '--as'. Choose from: removed, renamed, anew, hold"),
        (("--all", "K3", "--as", "removed"), "both keys and --all were given"),
        (("--as", "removed"), "which keys?"),
    ],
)
def test_a_command_that_is_refused_says_why(synced: Synced, words: tuple[str, ...], says: str) -> None:
    """On one line, and about what was typed."""
    mirrored(synced)
    assert says in run_here(synced.file.parent, "sync", "decide", synced.file.name, *words).stderr


def test_one_is_not_said_as_many(synced: Synced) -> None:
    """One row, one profile."""
    rows = mirrored(synced)
    synced.write(without(rows, "K3"))
    assert any("1 profile to be looked up" in note for note in synced.run(dry_run=True).notes)
    strict: Callable[[], Report] = synced.but(brakes={"max_row_drop_percent": 1}).run
    synced.write({"K1": rows["K1"]})
    error = strict().error
    assert error is not None
    assert "the source has 1 row," in error.message
