"""An older copy of what a sync knew is told from the newest one, wherever anything tells of what came after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from importer.core.report import Report
from importer.errors import StateError
from importer.settings import Settings
from importer.state.lock import SendingLock
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.retrying import RetryRequest, retry
from tests.support.mirrors import is_mirror, without
from tests.support.runs import Workbench, bench_of
from tests.support.strict_store import POINTERS
from tests.support.syncs import LOOSE, MAPPING, At, Row, Synced, by_email, people, person

bench = bench_of(MAPPING, POINTERS)


@pytest.fixture
def synced(bench: Workbench) -> Synced:
    """Return a mirror of four people that ran once."""
    sync = Synced(bench, {"mode": "mirror", "brakes": LOOSE})
    rows = people(4)
    sync.write(rows)
    sync.run(first_run=True)
    return sync


def copied(synced: Synced) -> Path:
    """Copy what a sync knows, as a backup does; then let two runs follow that change a row and change it back."""
    backup = synced.file.with_name("backup")
    shutil.copytree(synced.folder.path, backup)
    for points in (2, 1):
        synced.write({**people(4), "K1": person(1, points)})
        assert synced.run().exit_code == 0
    return backup


def put_back(synced: Synced, backup: Path, *, over: bool = False) -> None:
    """Put a copy back, in the place of what is there or over it."""
    if not over:
        shutil.rmtree(synced.folder.path)
    shutil.copytree(backup, synced.folder.path, dirs_exist_ok=True)


def set_back(synced: Synced, key: str) -> dict[str, Row]:
    """Put a copy back that does not know that a row changed; it changes back: return the rows."""
    backup, rows = copied(synced), people(4)
    email, phone, points = rows[key]
    synced.write({**rows, key: (email, phone, points + 8)})
    synced.run()
    put_back(synced, backup)
    synced.write(rows)
    return rows


def resume_by_hand(settings: Settings) -> Report:
    """Let all held rows of the last run go."""
    return resume(ResumeRequest("last", settings, release=frozenset()))


def retry_by_hand(settings: Settings) -> Report:
    """Send again what the last run could not."""
    return retry(RetryRequest("last", settings))


def mark_of(synced: Synced) -> Path:
    """Return the mark beside the sync file."""
    return synced.file.with_name(f".{synced.file.name}.newest")


@pytest.mark.parametrize(
    ("over", "marked", "dry_run"), [(False, True, False), (False, True, True), (True, False, False)]
)
def test_a_copy_that_was_put_back_is_refused(synced: Synced, *, over: bool, marked: bool, dry_run: bool) -> None:
    """The mark tells of what came after it, or the runs that the copy was put over; these stay, however few may."""
    put_back(synced, copied(synced), over=over)
    if not marked:
        mark_of(synced).unlink()
    runs = sorted(synced.folder.runs.iterdir())
    with pytest.raises(StateError, match=r"older copy.* up to run 1, and there was a run 3") as refused:
        synced.but(keep={"runs": 1}).run(dry_run=dry_run)
    assert "--full-refresh" in refused.value.hint
    assert "sync reset" in refused.value.hint
    assert sorted(synced.folder.runs.iterdir()) == runs


@pytest.mark.parametrize("name", ["snapshot.parquet", "sync.json"])
def test_a_part_of_a_copy_is_refused(synced: Synced, name: str) -> None:
    """Memory and snapshot are of two moments, though nothing else tells of it."""
    backup = copied(synced)
    shutil.copy(backup / name, synced.folder.path / name)
    shutil.rmtree(synced.folder.runs)
    mark_of(synced).unlink()
    with pytest.raises(StateError, match="older copy"):
        synced.run()


def test_sending_all_rows_once_more_makes_a_copy_the_newest(synced: Synced) -> None:
    """What changed and changed back meanwhile is right again, and the next run has nothing to do."""
    rows = set_back(synced, "K1")
    assert synced.runs(full_refresh=True) == ({"accepted": 4}, 4)
    assert synced.stored() == by_email(rows)
    assert synced.runs() == ({"unchanged": 4}, 0)
    assert synced.state.number == 6


def test_the_newest_copy_put_back_goes_on(synced: Synced) -> None:
    """Nothing is wrong with a copy that nothing came after."""
    copied(synced)
    newest = synced.file.with_name("newest")
    shutil.copytree(synced.folder.path, newest)
    put_back(synced, newest)
    assert synced.runs() == ({"unchanged": 4}, 0)


def test_what_an_older_copy_was_about_to_send_is_not_sent(synced: Synced) -> None:
    """Its interrupted run has older values than those that were sent since."""
    hooks = Hooks()
    synced.write({**people(4), "K1": person(1, 8)})
    stopped = synced.run(Hooks(progress=At("send", hooks.stop.set), stop=hooks.stop))
    assert (stopped.exit_code, synced.state.pending is not None) == (130, True)
    put_back(synced, copied(synced))
    rows = {**people(4), "K1": person(1, 5)}
    synced.write(rows)
    assert synced.runs(full_refresh=True) == ({"accepted": 4}, 4)
    assert is_mirror(synced, rows)


def moved(synced: Synced) -> Synced:
    """Move a sync with all that is around it to another place."""
    place = synced.bench.folder / "elsewhere"
    place.mkdir()
    for path in (synced.file, synced.folder.path, synced.source, synced.bench.mapping):
        shutil.move(path, place / path.name)
    other = Workbench(place, place / synced.bench.mapping.name, synced.bench.emulator)
    return Synced(other, synced.given)


@pytest.mark.parametrize("what", ["purged", "moved", "refused", "reset"])
def test_what_is_no_copy_is_believed(synced: Synced, what: str) -> None:
    """Runs that were purged, a sync that was moved, a run that a brake stopped, and one that begins again."""
    copied(synced)
    rows: dict[str, Row] = people(4)
    if what == "purged":
        shutil.rmtree(synced.folder.runs)
    elif what == "refused":
        braked = synced.but(removal={"max": 0, "max_percent": 0})
        braked.write(without(rows, "K3"))
        assert braked.run().exit_code == 6
        synced.write(rows)
    elif what == "reset":
        synced.folder.forget()
        assert synced.runs(first_run=True)[0] == {"accepted": 4}
    sync = moved(synced) if what == "moved" else synced
    assert sync.runs() == ({"unchanged": 4}, 0)


def test_a_copy_of_which_nothing_tells_is_believed(synced: Synced) -> None:
    """As on another machine: nobody can know."""
    put_back(synced, copied(synced))
    mark_of(synced).unlink()
    assert synced.runs()[0] == {"unchanged": 4}


def test_what_a_copy_did_not_send_is_due(synced: Synced) -> None:
    """Rows that `--limit` leaves out are taken for delivered neither by that run nor by later ones."""
    rows = set_back(synced, "K3")
    assert synced.runs(full_refresh=True, limit=1) == ({"skipped": 3, "accepted": 1}, 1)
    assert synced.runs() == ({"unchanged": 1, "accepted": 3}, 3)
    assert is_mirror(synced, rows)


def test_a_copy_that_was_about_to_send_is_one_still(synced: Synced) -> None:
    """Ended once its run was begun and before anything was sent, it is no newer than before."""
    put_back(synced, copied(synced))
    with SendingLock(synced.folder.runs, synced.bench.emulator.store_id):
        assert synced.run(full_refresh=True).exit_code == 7
    with pytest.raises(StateError, match="older copy"):
        synced.run()


@pytest.mark.parametrize("again", [resume_by_hand, retry_by_hand])
def test_nothing_of_a_copy_is_sent_by_hand(synced: Synced, again: Callable[[Settings], Report]) -> None:
    """What its last run held or failed to send is older than what was sent since."""
    backup = copied(synced)
    put_back(synced, backup)
    with pytest.raises(StateError, match="older copy"):
        again(synced.bench.settings.model_copy(update={"runs_dir": str(synced.folder.runs)}))
