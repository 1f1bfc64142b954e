"""Runs of a sync that somebody goes on with by hand: what was delivered is known to the sync afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from importer.core.manifest import Stage
from importer.core.report import Report
from importer.errors import ConfigError, LockedError
from importer.settings import Settings
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.sync_standing import sync_status
from tests.support.runs import IDLE_S, QUICK, Workbench, bench_of
from tests.support.strict_store import POINTERS, set_rule
from tests.support.syncs import MAPPING, At, Row, Synced, delivered_to, found, people, person

bench = bench_of(MAPPING, POINTERS)

TWINS: dict[str, Row] = {"T1": ("t@example.com", "+12065559001", 1), "T2": ("t@example.com", "+12065559002", 1)}


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a sync that delivered ten people."""
    return delivered_to(bench)


def settings(sync: Synced) -> Settings:
    """Return the settings of somebody who names the sync's runs folder."""
    return sync.bench.settings.model_copy(update={"runs_dir": str(sync.folder.runs)})


def release(sync: Synced, run: str, hooks: Hooks | None = None, **options: object) -> Report:
    """Let all held rows of a run go."""
    request = replace(ResumeRequest(run, settings(sync), release=frozenset()), **options)  # type: ignore[arg-type]
    report = resume(request, hooks or Hooks(), QUICK)
    sync.bench.emulator.wait_idle(IDLE_S)
    return report


def test_released_rows_are_sent_once(synced: Synced) -> None:
    """The next run finds them as they were delivered; what is changed then is sent."""
    synced.write(people(10) | TWINS)
    held = synced.run()
    assert found(held) == {"unchanged": 10, "held": 2}
    assert found(release(synced, "last")) == {"unchanged": 10, "accepted": 2}
    assert sync_status(synced.file).keys == 12
    assert synced.runs() == ({"unchanged": 12}, 0)
    synced.write(people(10) | TWINS | {"T2": ("t@example.com", "+12065559002", 5)})
    assert synced.runs() == ({"unchanged": 11, "accepted": 1}, 1)


def test_rows_that_are_refused_once_released_are_read_again(synced: Synced) -> None:
    """Nothing is learnt of them, and what was refused before is not counted twice."""
    synced.write(people(10) | TWINS | {"K1": person(1, points=50)})

    def strict() -> Hooks:
        return Hooks(progress=At("send", lambda: set_rule(synced.bench, 0)))

    assert found(synced.run(strict())) == {"unchanged": 9, "held": 2, "failed": 1}
    set_rule(synced.bench, None)
    before = synced.snapshot().filter(key="K1")
    assert found(release(synced, "last", strict()))["failed"] == 3
    set_rule(synced.bench, None)
    assert synced.snapshot().filter(key="K1").equals(before)
    assert synced.runs() == ({"unchanged": 9, "accepted": 3}, 3)


def test_retried_rows_are_sent_once(synced: Synced) -> None:
    """Rows that the service refused, and takes when they are sent again, are delivered."""
    synced.write(people(10) | {"K1": person(1, points=50)})
    assert found(synced.run(Hooks(progress=At("send", lambda: set_rule(synced.bench, 10))))) == {
        "unchanged": 9,
        "failed": 1,
    }
    set_rule(synced.bench, None)
    report = retry(RetryRequest("last", settings(synced)), Hooks(), QUICK)
    assert found(report) == {"unchanged": 9, "accepted": 1}
    synced.bench.emulator.wait_idle(IDLE_S)
    assert synced.runs() == ({"unchanged": 10}, 0)


def test_a_run_that_was_interrupted_is_committed_by_whoever_ends_it(synced: Synced) -> None:
    """The next run of the sync has nothing to make an end of."""
    synced.write({key: person(number, points=2) for number, key in enumerate(people(10))})
    hooks = Hooks()
    assert synced.run(replace(hooks, progress=At("send", hooks.stop.set))).exit_code == 130
    assert sync_status(synced.file).pending is not None
    report = resume(ResumeRequest("last", settings(synced)), Hooks(), QUICK)
    assert report.exit_code == 0
    assert sync_status(synced.file).pending is None
    synced.bench.emulator.wait_idle(IDLE_S)
    assert synced.runs() == ({"unchanged": 10}, 0)


def test_what_a_declined_release_leaves_is_read_again(synced: Synced) -> None:
    """Nobody agreed, so nothing was sent, and the sync holds the rows as before."""
    synced.write(people(10) | TWINS)
    synced.run()
    report = release(synced, "last", Hooks(confirm=lambda _: False))
    assert "--yes" in (report.error.hint if report.error is not None else "")
    assert not any("goes on with this one" in hint for hint in report.hints)
    assert synced.runs() == ({"unchanged": 10, "held": 2}, 0)


def test_what_is_the_syncs_own_is_refused_by_hand(synced: Synced) -> None:
    """An earlier run has no package, planning anew would make other payloads, two at once would write one snapshot."""
    synced.write(people(10) | TWINS)
    earlier = synced.run().run_id or ""
    synced.run()
    with pytest.raises(ConfigError) as refused:
        release(synced, earlier)
    assert f"`memory-importer sync run {synced.file}`" in refused.value.hint
    assert "resume last --release all --runs-dir" in refused.value.hint
    with pytest.raises(ConfigError) as refused:
        release(synced, "last", replan=True)
    assert "sync run" in refused.value.hint
    with synced.folder.locked(), pytest.raises(LockedError):
        release(synced, "last")


def test_a_run_that_the_sync_did_not_begin_is_not_sent_by_hand(synced: Synced) -> None:
    """Killed once it was planned, it is none that the sync knows of: nothing would be learnt of it."""
    run = RunFolder(synced.folder.runs / str(synced.run().run_id))
    run.write_manifest(run.read_manifest().model_copy(update={"stage": Stage.PLANNED}))
    with pytest.raises(ConfigError, match="planned and not begun"):
        resume(ResumeRequest("last", settings(synced)), Hooks(), QUICK)


def test_a_run_that_is_not_in_the_history_keeps_its_package(synced: Synced) -> None:
    """Killed once it was committed and before the history had it, it can still be released."""
    synced.write(people(10) | TWINS)
    synced.run()
    synced.folder.write_state(synced.state.model_copy(update={"runs": synced.state.runs[:-1]}))
    synced.run(dry_run=True)
    assert found(release(synced, "last")) == {"unchanged": 10, "accepted": 2}
