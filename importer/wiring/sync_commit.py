"""Moving a snapshot by what became of a run: once, whatever happens on the way."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from importer.core.manifest import Stage
from importer.core.report import FinalState
from importer.core.snapshot import TraitSets, advanced
from importer.core.sync_changes import PARKED
from importer.core.sync_removals import FATES_SCHEMA, after_removals, removals_by_key
from importer.core.sync_results import taken
from importer.core.sync_state import PendingRun, SyncState
from importer.errors import StateError
from importer.pipeline.sent_again import history
from importer.pipeline.sync_payloads import Sent, results_in_step, results_of_run
from importer.state.ledger import SqliteLedger
from importer.state.lock import RunLock
from importer.state.memory import give_back
from importer.state.removal import packed_folders, remove
from importer.state.removal_log import read_removals
from importer.state.run_folder import RunFolder, RunsFolder
from importer.state.snapshot_file import SnapshotFile, SnapshotMeta, SnapshotWriter
from importer.state.sync_folder import SyncFolder
from importer.wiring.clock import CLOCK
from importer.wiring.finishing import delivered_by
from importer.wiring.reopening import load_run
from importer.wiring.run import Run
from importer.wiring.sync_known import read_keys


def commit(folder: SyncFolder, state: SyncState) -> SyncState:
    """Put what became of the pending run into the snapshot, and forget that it is pending.

    A kill on the way does no harm: the snapshot says after which run it was written, and is not moved by one twice.

    Args:
        folder: Of the sync; the caller has its lock.
        state: Its memory.

    Raises:
        StateError: run or snapshot are damaged, or cannot be written.
    """
    pending = state.pending
    if pending is None:
        return state
    run_folder = RunFolder(folder.runs / pending.run_id)
    with RunLock(run_folder.path):
        give_back()
        run = load_run(run_folder)
        snapshot = folder.open_snapshot()
        if snapshot is None or snapshot.meta.run < pending.number:
            snapshot = _moved(folder, snapshot, run, pending.number, of_copy=pending.of_copy)
        moves = not _waiting(snapshot, pending) and not _left(run)
        state = state.ended(run.manifest.counts.rows_read, moves=moves)
        folder.write_state(state)
    drop_packages(folder, keep=pending.run_id)
    return state


def commit_more(folder: SyncFolder, run_id: str) -> None:
    """Put into the snapshot what somebody had delivered of a run by hand.

    It is a run that was interrupted, or the last one: rows of it that were held were let go. Of rows that the service
    refused nothing is learnt: the next run reads them.

    Args:
        folder: Of the sync; the caller has its lock.
        run_id: The run.

    Raises:
        StateError: run or snapshot are damaged, or cannot be written.
    """
    state, run_folder = folder.read_state(), RunFolder(folder.runs / run_id)
    manifest = run_folder.read_manifest()
    if manifest.stage is not Stage.FINISHED or manifest.sync is None:
        return
    if state.pending is not None and state.pending.run_id == run_id:
        commit(folder, state)
        return
    snapshot, number = folder.open_snapshot(), manifest.sync.number
    # What was committed after it is newer.
    if snapshot is None or snapshot.meta.run != number:
        return
    with RunLock(run_folder.path):
        _moved(folder, snapshot, load_run(run_folder), number, again=True)


def _moved(
    folder: SyncFolder,
    before: SnapshotFile | None,
    run: Run,
    number: int,
    *,
    again: bool = False,
    of_copy: bool = False,
) -> SnapshotFile:
    """Write the snapshot after a run; of one that it knows already it learns ``again`` what was taken, and no more.

    Of an older copy nothing is left that is taken for delivered: all that the run did not deliver is due.
    """
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        delivered = delivered_by(ledger)
    manifest = run.manifest
    sent = Sent(
        run.package,
        history(run.index, run.folder.read_order(), delivered).index,
        delivered,
        manifest.filled_sets(),
        manifest.wire_traits(),
        lambda: read_keys(run.folder.package),
    )
    at = datetime.fromisoformat(delivered.times[1] if delivered.times is not None else CLOCK.utc_now_iso())
    sets = TraitSets(before.meta.traits if before is not None else ())
    removals = pl.DataFrame(schema=FATES_SCHEMA) if again else read_removals(run.folder.path)
    rows = results_of_run(sent)
    now = datetime.fromisoformat(CLOCK.utc_now_iso())
    first = 0
    pieces = before.pieces() if before is not None else iter(())
    if of_copy:
        pieces = (piece.with_columns(due=pl.lit(value=True)) for piece in pieces)
    with SnapshotWriter(folder.snapshot) as writer:
        for old, results in results_in_step(sent, taken(rows) if again else rows, pieces, sets):
            moved = advanced(old, results, sets, run=number, at=at)
            writer.append(after_removals(moved, removals_by_key(old["key"], first, removals), now))
            first += old.height
        writer.commit(SnapshotMeta(run=number, traits=tuple(tuple(one) for one in sets.sets())))
    return SnapshotFile(folder.snapshot)


def _waiting(snapshot: SnapshotFile, pending: PendingRun) -> int:
    """Count the keys of the run that are to be sent again; the others that are due are gone from the source."""
    waits = pl.col("due") & (pl.col("refused") < pending.refused_runs) & (pl.col("seen") == pending.number)
    return sum(piece.filter(waits).height for piece in snapshot.pieces(["due", "refused", "seen"]))


def _left(run: Run) -> int:
    """Count the rows that somebody must decide about, and those that `--limit` left out."""
    state = pl.col("state").cast(pl.String)
    held = (state == FinalState.HELD.value) & (pl.col("code") != PARKED).fill_null(value=True)
    out = state.is_in(["send", "sequence"]) & (pl.col("position") < 0)
    return run.index.filter(held | out).height


def drop_packages(folder: SyncFolder, *, keep: str | None) -> None:
    """Delete the packages of all runs but one: what is still to be sent is read again.

    A run of which nothing was sent becomes a dry run: going on with it would bypass the snapshot.

    Args:
        folder: Of the sync; the caller has its lock.
        keep: ID of the run that keeps its package.
    """
    for run in RunsFolder(folder.runs).all():
        if run.run_id == keep or not packed_folders(run.path):
            continue
        try:
            with RunLock(run.path):
                manifest = run.read_manifest()
                if manifest.stage is Stage.PACKAGING:
                    run.delete()
                    continue
                if manifest.stage is Stage.PLANNED:
                    run.write_manifest(manifest.model_copy(update={"stage": Stage.CHECKED}))
                for path in packed_folders(run.path):
                    remove(path)
        except StateError:
            continue  # somebody works on it, or it is damaged: nobody asked for this
