"""Removing from the disk what `importer.wiring.purging` says goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from importer.errors import LockedError, StateError
from importer.state.lock import KernelLock, RunLock
from importer.state.removal import is_run_folder, packed_folders, remove, remove_leftovers
from importer.state.run_folder import RunFolder
from importer.wiring.month import keep_operations
from importer.wiring.purged_runs import forget_unneeded, keep_that_it_was
from importer.wiring.purging import AT_WORK, Item, Kind, Purge, stamp_of, store_files

_CHANGED: Final = "it changed since it was shown"


def carry_out(plan: Purge, runs_dir: Path) -> Purge:
    """Delete what a plan says goes, and what an earlier deletion that was killed left.

    A run that a process took up meanwhile, or that changed since, is kept. What cannot be deleted is kept as well, and
    its `kept` says why.
    """
    gone: list[Item] = []
    kept = list(plan.kept)
    freed = 0
    for item in plan.goes:
        why = _removed(item)
        if why:
            kept.append(replace(item, kept=why))
        else:
            gone.append(item)
            freed += item.size_bytes
    with suppress(StateError):  # what was asked for is done; these go another time
        freed += remove_leftovers(runs_dir)
        forget_unneeded(runs_dir)
    return Purge(tuple(gone), tuple(kept), freed)


def _removed(item: Item) -> str:
    """Delete something; return why it was not, empty if it was."""
    try:
        return _DELETE[item.kind](item)
    except LockedError:
        return AT_WORK
    except StateError as error:
        return f"it could not be deleted: {error.message}"


def _delete_run(item: Item) -> str:
    if not is_run_folder(item.path):
        return _CHANGED
    with RunLock(item.path):
        if stamp_of(item.path) != item.stamp:
            return _CHANGED
        if item.kind is Kind.RUN:
            keep_operations(RunFolder(item.path))
            keep_that_it_was(RunFolder(item.path))
            remove(item.path)
        for path in packed_folders(item.path):
            remove(path)
    return ""


def _delete_store(item: Item) -> str:
    lock = item.path.with_name(f"{item.path.name}.lock")
    with KernelLock(lock, "another process is using the emulator's state", "wait for it"):
        for path in store_files(item.path):
            remove(path)
    return ""


_DELETE: Final[dict[Kind, Callable[[Item], str]]] = {
    Kind.RUN: _delete_run,
    Kind.PACKAGE: _delete_run,
    Kind.EMULATOR: _delete_store,
}
