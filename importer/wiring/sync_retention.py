"""Runs of a sync that are old enough to go, so that it can run for years without filling its disk."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from importer.core.manifest import Stage
from importer.core.sync_file import KeepSection
from importer.errors import ConfigError, StateError
from importer.state.removal import is_run_folder
from importer.state.run_folder import RunsFolder
from importer.state.sync_folder import SyncFolder
from importer.wiring.clock import CLOCK
from importer.wiring.purging import PurgeRequest, plan_purge
from importer.wiring.removing import carry_out
from importer.wiring.sync_beginning import read_standing


def kept_run(folder: SyncFolder) -> str | None:
    """Return the run whose package stays: the one to be made an end of, or else the last one that was sent.

    Raises:
        StateError: what the sync remembers is damaged.
    """
    state = folder.read_state()
    if state.pending is not None:
        return state.pending.run_id
    # Not by the history: a process that is killed between two files leaves a run that is not in it.
    for run in reversed(RunsFolder(folder.runs).all()):
        with suppress(StateError):  # a run whose record is lost is not the one
            manifest = run.read_manifest()
            if manifest.stage is Stage.FINISHED and manifest.sync is not None and manifest.sync.number == state.number:
                return run.run_id
    return None


def drop_old_runs(folder: SyncFolder, keep: KeepSection) -> None:
    """Delete runs that are too many or too old, with all their files.

    What cannot be deleted, or what a process works on, waits for another time. Nothing goes while the sync has an older
    copy of what it knew: nobody knows then what is still needed.

    Args:
        folder: Of the sync; the caller has its lock.
        keep: What may stay.
    """
    now = datetime.fromisoformat(CLOCK.utc_now_iso())
    with suppress(StateError, ConfigError):
        read_standing(folder, resend=False)
        runs = [run.run_id for run in RunsFolder(folder.runs).all() if is_run_folder(run.path)]
        first = len(runs) - keep.runs
        then = now - timedelta(seconds=keep.age_s)
        oldest = f"{then.year:04}{then:%m%d-%H%M%S}"  # as the name of a run begins; %Y may have three digits
        old = [run for place, run in enumerate(runs) if place < first or run < oldest]
        stays = kept_run(folder)  # somebody may still go on with it
        names = tuple(run for run in old if run != stays)
        if names:
            carry_out(plan_purge(PurgeRequest(folder.runs, runs=names), now), folder.runs)
