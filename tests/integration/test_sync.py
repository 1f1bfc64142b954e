"""A sync sends what says something new, and remembers what became of it."""

from __future__ import annotations

import json
import shutil
import stat
from dataclasses import replace

import polars as pl
import pytest

from importer.core.sync_brakes import Brake
from importer.errors import ConfigError, GuardError, LockedError, SourceError, StateError
from importer.wiring.requests import Hooks
from importer.wiring.sync_commit import commit
from importer.wiring.sync_standing import sync_history, sync_reset, sync_status
from importer.wiring.syncing import nothing_done
from tests.support.runs import Workbench, bench_of, outcomes_of, workbench
from tests.support.strict_store import POINTERS, set_rule
from tests.support.syncs import LOOSE, MAPPING, At, Synced, by_email, found, people, person

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a sync that was not run yet."""
    return Synced(bench)


def begun(synced: Synced, count: int = 40) -> dict[str, tuple[str, str, int]]:
    """Deliver some people; return them."""
    rows = people(count)
    synced.write(rows)
    assert synced.runs(first_run=True)[1] == count
    return rows


def strictly(synced: Synced, most: int, **options: object) -> dict[str, int]:
    """Run the sync against a service that refuses rows with more points, once it has read its rules."""
    hooks = Hooks(progress=At("send", lambda: set_rule(synced.bench, most)))
    try:
        return found(synced.run(hooks, **options))
    finally:
        set_rule(synced.bench, None)


def test_only_what_changed_is_sent(synced: Synced) -> None:
    """The first run sends all, the second what changed, the third nothing; the store has what the source has."""
    rows = begun(synced)
    assert synced.runs() == ({"unchanged": 40}, 0)
    rows["K7"] = person(7, points=70)
    rows["K40"] = person(40)
    synced.write(rows)
    assert synced.runs() == ({"unchanged": 39, "accepted": 2}, 2)
    assert synced.runs() == ({"unchanged": 41}, 0)
    assert synced.stored() == by_email(rows)


def test_the_order_of_rows_and_columns_says_nothing(synced: Synced) -> None:
    """Neither does a mapping that says the same in another order."""
    rows = begun(synced)
    synced.write(dict(reversed(rows.items())))
    columns = dict(reversed(MAPPING["columns"].items()))
    synced.bench.mapping.write_text(json.dumps(MAPPING | {"columns": columns}), encoding="utf-8")
    assert synced.runs() == ({"unchanged": 40}, 0)


def test_a_changed_mapping_sends_the_payloads_that_it_changes(synced: Synced) -> None:
    """Where it drops a value that one row has, the others stay as they are."""
    rows = begun(synced)
    rows["K3"] = person(3, points=99)
    synced.write(rows)
    synced.run()
    mapping = MAPPING | {"source": {"key": ["id"], "null_tokens": ["99"]}}
    synced.bench.mapping.write_text(json.dumps(mapping), encoding="utf-8")
    assert synced.runs() == ({"unchanged": 39, "accepted": 1}, 1)
    assert synced.runs() == ({"unchanged": 40}, 0)


def test_refused_rows_are_due_at_their_newest_value_and_then_parked(synced: Synced) -> None:
    """A row that is refused as often as the file says waits until it changes; then it goes."""
    sync = replace(synced, given={"refused_runs": 2})
    rows = begun(sync)
    rows["K1"], rows["K2"] = person(1, points=50), person(2, points=50)
    sync.write(rows)
    assert strictly(sync, 10) == {"unchanged": 38, "failed": 2}
    rows["K1"] = person(1, points=5)
    sync.write(rows)
    assert strictly(sync, 10) == {"unchanged": 38, "accepted": 1, "failed": 1}
    report = sync.run()
    assert found(report) == {"unchanged": 39, "held": 1}
    assert outcomes_of(report).filter(pl.col("state") == "held")["code"].to_list() == ["parked"]
    assert sync_status(sync.file).parked == 1
    assert sync.stored()["p2@example.com"] == person(2)
    rows["K2"] = person(2, points=51)
    sync.write(rows)
    assert sync.runs() == ({"unchanged": 39, "accepted": 1}, 1)
    assert sync.stored() == by_email(rows)


def test_rows_without_a_key_are_rejected(synced: Synced) -> None:
    """Nothing could be said of them the next time; the others go."""
    synced.write([*people(20).items(), ("", person(30))])
    report = synced.run(first_run=True)
    assert found(report) == {"rejected": 1, "accepted": 20}
    assert report.issues["missing-key"] == 1


def test_a_mapping_without_a_key_is_refused(synced: Synced) -> None:
    """It names what to add."""
    synced.bench.mapping.write_text(json.dumps(MAPPING | {"source": {}}), encoding="utf-8")
    synced.write(people(1))
    with pytest.raises(ConfigError) as refused:
        synced.run(first_run=True)
    assert "source: {key:" in refused.value.hint


def test_a_dry_run_moves_nothing(synced: Synced) -> None:
    """It says what would be sent, and leaves no run that could be sent beside the snapshot."""
    rows = begun(synced)
    before = synced.folder.snapshot.read_bytes(), synced.state
    rows["K1"] = person(1, points=2)
    synced.write(rows)
    assert synced.runs(dry_run=True) == ({"unchanged": 39, "planned": 1}, 0)
    assert (synced.folder.snapshot.read_bytes(), synced.state) == before
    assert len(list(synced.folder.runs.glob("*/package"))) == 1
    assert synced.runs() == ({"unchanged": 39, "accepted": 1}, 1)


def test_a_missing_snapshot_needs_a_word(synced: Synced) -> None:
    """Without it nobody can tell a first run from a lost folder; and with one there is no first run."""
    synced.write(people(5))
    with pytest.raises(ConfigError) as refused:
        synced.run()
    assert "--first-run" in refused.value.hint
    dry = [synced.run(dry_run=True, first_run=first).notes for first in (False, True)]
    assert [any("exit code 2" in note and "--first-run" in note for note in notes) for notes in dry] == [True, False]
    synced.run(first_run=True)
    with pytest.raises(ConfigError, match="not the first run"):
        synced.run(first_run=True)
    assert synced.runs() == ({"unchanged": 5}, 0)


def test_brakes_stop_a_run_before_it_sends(synced: Synced) -> None:
    """Numbers are shown, nothing moves, and somebody who looked lets one run pass."""
    rows = begun(synced)
    before = synced.folder.snapshot.read_bytes()
    synced.write({key: (row[0], row[1], 9) for key, row in rows.items()})
    report = synced.run()
    assert (report.exit_code, found(report)) == (6, {"not_sent": 40})
    assert report.error is not None
    assert "40 of 40 keys changed, 100.0 %" in report.error.message
    assert "--override changes" in report.error.hint
    synced.write([])
    empty = synced.run()
    assert (empty.exit_code, empty.sync and empty.sync.brakes) == (6, ("empty",))
    synced.write(dict(list(rows.items())[:20]))
    assert synced.run().exit_code == 6
    assert synced.folder.snapshot.read_bytes() == before
    synced.write({key: (row[0], row[1], 9) for key, row in rows.items()})
    assert synced.runs(override=[Brake.CHANGES]) == ({"accepted": 40}, 40)
    assert synced.run().exit_code == 0


def test_many_rejected_rows_and_dear_runs_are_braked(synced: Synced) -> None:
    """Both have a brake of their own, and what was braked leaves no package."""
    synced.write([(key, ("none", "x", 1)) for key in people(10)] + list(people(10).items()))
    report = synced.run(first_run=True)
    assert (report.exit_code, report.sync and report.sync.brakes) == (6, ("rejected",))
    synced.write(people(50))
    report = synced.but(brakes={"max_operations": 49}).run(first_run=True)
    assert (report.exit_code, report.sync and report.sync.brakes) == (6, ("operations",))
    assert not list(synced.folder.runs.glob("*/package"))


def test_a_source_that_breaks_moves_nothing(synced: Synced) -> None:
    """It is in the history, with its exit code."""
    begun(synced)
    before = synced.folder.snapshot.read_bytes()
    synced.source.write_text('id,email,phone,points\nK1,"open', encoding="utf-8")
    with pytest.raises(SourceError):
        synced.run()
    assert synced.folder.snapshot.read_bytes() == before
    assert sync_history(synced.file)[-1].exit_code == 2


def test_a_file_of_no_bytes_is_braked_as_one_without_rows(synced: Synced) -> None:
    """An export that failed leaves such files; with a word it is still no table."""
    begun(synced)
    synced.source.write_bytes(b"")
    with pytest.raises(GuardError, match="the source has no rows"):
        synced.run()
    assert sync_history(synced.file)[-1].exit_code == 6
    with pytest.raises(SourceError, match="the file is empty"):
        synced.run(override=[Brake.EMPTY])


def test_one_process_at_a_time(synced: Synced) -> None:
    """The second is refused before it reads or sends anything."""
    synced.write(people(3))
    requests = len(synced.bench.emulator.journal())
    with synced.folder.locked(), pytest.raises(LockedError):
        synced.run(first_run=True)
    assert len(synced.bench.emulator.journal()) == requests


def test_another_store_is_refused_until_reset(synced: Synced) -> None:
    """What the snapshot knows is true of one store alone."""
    begun(synced)
    with workbench(synced.bench.folder / "other", MAPPING, POINTERS) as other:
        moved = replace(synced, bench=replace(synced.bench, emulator=other.emulator))
        with pytest.raises(GuardError) as refused:
            moved.run()
        assert "sync reset" in refused.value.hint
        sync_reset(synced.file)
        assert moved.runs(first_run=True) == ({"accepted": 40}, 40)


def test_a_limit_sends_the_first_and_leaves_the_rest_for_later(synced: Synced) -> None:
    """What it left out is new in the next run."""
    synced.write(people(10))
    assert synced.runs(first_run=True, limit=4) == ({"skipped": 6, "accepted": 4}, 4)
    assert synced.runs() == ({"unchanged": 4, "accepted": 6}, 6)


def test_the_state_is_private_and_in_its_own_folder(synced: Synced) -> None:
    """Beside it is nothing but the mark by which copies of it are told, and no value stands in the memory."""
    begun(synced)
    kept = {path.name for path in synced.bench.folder.iterdir()}
    mark = ".customers.sync.yaml.newest"
    assert kept == {"customers.csv", "customers.sync.yaml", "customers.sync.yaml.state", "mapping.yaml", mark}
    assert stat.S_IMODE((synced.bench.folder / mark).stat().st_mode) == 0o600
    assert json.loads((synced.bench.folder / mark).read_text()) == {"name": synced.state.name, "number": 1}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in synced.folder.path.iterdir()}
    assert modes == {"lock": 0o600, "snapshot.parquet": 0o600, "sync.json": 0o600, ".gitignore": 0o600, "runs": 0o700}
    assert "example.com" not in (synced.folder.path / "sync.json").read_text(encoding="utf-8")
    assert len(list(synced.folder.runs.glob("*/package"))) == 1


def test_nothing_done_is_told_from_done(synced: Synced) -> None:
    """An orchestrator skips what follows where nothing was sent, never where rows need a look."""
    rows = begun(synced)
    assert nothing_done(synced.run())
    rows["K1"] = person(1, points=2)
    synced.write(rows)
    assert not nothing_done(synced.run())
    synced.write([*rows.items(), ("", person(99))])
    assert not nothing_done(synced.run())


def test_an_interrupted_sync_is_ended_first(bench: Workbench) -> None:
    """A run that was stopped is gone on with, committed, and then the source is read anew."""
    sync = Synced(bench, {"brakes": LOOSE})
    rows = people(30)
    sync.write(rows)
    hooks = Hooks()
    stopping = replace(hooks, progress=At("send", hooks.stop.set))
    assert sync.run(stopping, first_run=True).exit_code == 130
    assert sync.state.pending is not None
    assert not sync.folder.snapshot.exists()
    rows["K0"] = person(0, points=9)
    sync.write(rows)
    report = sync.run()
    assert found(report) == {"unchanged": 29, "accepted": 1}
    assert any("made an end of first" in note for note in report.notes)
    assert [(run.number, run.exit_code) for run in sync.state.runs] == [(1, 130), (1, 0), (2, 0)]
    assert sync.stored() == by_email(rows)
    assert sync.runs() == ({"unchanged": 30}, 0)


def test_a_run_that_is_gone_before_it_is_committed_is_missed(synced: Synced) -> None:
    """What it sent is known to nobody, so nothing is compared with what was before it."""
    begun(synced)
    states = []
    synced.run(Hooks(progress=At("send", lambda: states.append(synced.state))))
    assert states[0].pending is not None
    shutil.rmtree(synced.folder.runs / states[0].pending.run_id)
    synced.folder.write_state(states[0])
    with pytest.raises(StateError) as refused:
        synced.run()
    assert "sync reset" in refused.value.hint


def test_a_damaged_snapshot_is_not_believed(synced: Synced) -> None:
    """Nothing is sent; the error names the file and the ways out."""
    begun(synced)
    content = bytearray(synced.folder.snapshot.read_bytes())
    content[100] ^= 0xFF
    synced.folder.snapshot.write_bytes(content)
    writes = len(synced.bench.writes())
    with pytest.raises(StateError, match=r"snapshot\.parquet cannot be used: damaged") as refused:
        synced.run()
    assert "sync reset" in refused.value.hint
    assert len(synced.bench.writes()) == writes


def test_a_run_that_cannot_be_ended_is_read_again(bench: Workbench) -> None:
    """The store's rules moved while it was stopped, so its rows are checked and sent anew."""
    sync = Synced(bench, {"brakes": LOOSE})
    rows = people(12)
    sync.write(rows)
    hooks = Hooks()
    sync.run(replace(hooks, progress=At("send", hooks.stop.set)), first_run=True)
    set_rule(bench, 1000)
    report = sync.run()
    assert found(report) == {"accepted": 12}
    assert sync.stored() == by_email(rows)
    assert [run.exit_code for run in sync.state.runs] == [130, 0]
    assert sync.runs() == ({"unchanged": 12}, 0)


def test_a_run_that_was_not_committed_is_committed_once(synced: Synced) -> None:
    """Whatever a kill left between sending and committing: the snapshot comes out the same."""
    rows = begun(synced)
    rows["K1"] = person(1, points=2)
    synced.write(rows)
    before, states = synced.folder.snapshot.read_bytes(), []
    synced.run(Hooks(progress=At("send", lambda: states.append(synced.state))))
    committed = synced.folder.snapshot.read_bytes()
    assert states[0].pending is not None
    after = synced.snapshot()
    for snapshot in (before, committed):
        synced.folder.snapshot.write_bytes(snapshot)
        synced.folder.write_state(states[0])
        assert synced.sent(lambda: commit(synced.folder, synced.state)) == 0
        assert synced.snapshot().equals(after)
        assert synced.state.pending is None
    assert synced.runs() == ({"unchanged": 40}, 0)


def test_a_full_refresh_tries_parked_rows_once_more(synced: Synced) -> None:
    """Where the store refused them and was mended they go; else they stay parked."""
    sync = synced.but(refused_runs=1)
    rows = begun(sync)
    rows["K1"] = person(1, points=50)
    sync.write(rows)
    assert strictly(sync, 10) == {"unchanged": 39, "failed": 1}
    assert strictly(sync, 10, full_refresh=True) == {"unchanged": 39, "failed": 1}
    assert sync.runs() == ({"unchanged": 39, "held": 1}, 0)
    assert sync.runs(full_refresh=True) == ({"unchanged": 39, "accepted": 1}, 1)
    assert sync.stored() == by_email(rows)
