"""Remembering that a run was purged, for as long as an earlier one could still put its old values on top."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from importer.core.manifest import RunManifest, Stage
from importer.core.run_order import is_later
from importer.errors import StateError
from importer.state.package import VALID_FILE
from importer.state.purged import PurgedRun, forget_purged, purged_names, read_purged, remember_purged
from importer.state.run_folder import RunFolder, RunsFolder


def keep_that_it_was(folder: RunFolder) -> None:
    """Keep beside the runs that this one was there, if it may have sent something; call it before it is deleted.

    Args:
        folder: The run.

    Raises:
        DiskError, StateError: it cannot be written.
    """
    try:
        manifest = folder.read_manifest()
    except StateError:
        # It may have sent to any store. When it was made is in its name.
        purged = PurgedRun(run_id=folder.run_id, created_at=_named_time(folder.run_id))
    else:
        if manifest.stage not in (Stage.SENDING, Stage.FINISHED):
            return
        target = manifest.target
        purged = PurgedRun(
            run_id=manifest.run_id,
            created_at=manifest.created_at,
            sequence=manifest.sequence,
            store_id=target.store_id,
            host=target.host,
            emulator=target.emulator,
            database=target.database,
            key=manifest.key,
        )
    remember_purged(folder.path.parent, purged)


def _named_time(run_id: str) -> str:
    day, second, *rest = run_id.split("-")
    moment = datetime.strptime(f"{day}{second}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return (moment + timedelta(milliseconds=int(rest[0]) if len(rest) > 1 else 0)).isoformat()


def forget_unneeded(runs_dir: Path) -> None:
    """Drop what is kept of purged runs where no earlier run is left that could send anything.

    Raises:
        DiskError, StateError: it cannot be deleted.
    """
    names = purged_names(runs_dir)
    if not names:
        return
    left: list[RunManifest] = []
    for folder in RunsFolder(runs_dir).all():
        try:
            manifest = folder.read_manifest()
        except StateError:
            return  # nobody knows what it could send
        if manifest.stage is not Stage.CHECKED and (folder.package / VALID_FILE).exists():
            left.append(manifest)
    for name in names:
        try:
            purged = read_purged(runs_dir, name)
        except StateError:
            continue
        if not any(is_later(purged, manifest) and purged.may_be_at(manifest.target) for manifest in left):
            forget_purged(runs_dir, name)
