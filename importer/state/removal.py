"""Deleting what a run keeps so that a kill half way leaves nothing that looks like a run.

What goes is first renamed to a name that begins with `ASIDE`, then deleted; whatever has such a name may be deleted by
anybody. Links are never followed: a link goes, what it points at stays.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from importer.files import storage_error, sync_folder
from importer.state.run_folder import PACKAGE_FOLDER, PARTS_FOLDER, RUN_NAME, RunsFolder

ASIDE: Final = ".purged-"
EMULATOR_FOLDER: Final = "emulator"
"""Where the stores of the local emulator are, beside the runs."""


def is_run_folder(path: Path) -> bool:
    """Tell whether a path is a folder, no link to one, that is named as a run is."""
    try:
        return RUN_NAME.fullmatch(path.name) is not None and stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def packed_folders(run: Path) -> tuple[Path, ...]:
    """Return the folders of a run that hold its packaged rows, as far as they are there."""
    return tuple(path for path in (run / PACKAGE_FOLDER, run / PARTS_FOLDER) if path.is_dir() and not path.is_symlink())


def size_of(path: Path) -> int:
    """Return how many bytes the files of a file or folder hold. What cannot be looked at does not count."""
    try:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size
        with os.scandir(path) as entries:
            return sum(size_of(Path(entry.path)) for entry in entries)
    except OSError:
        return 0


def remove(path: Path) -> None:
    """Delete a file or folder by way of a name that marks it as deleted.

    From the moment it has that name somebody else may be deleting it as well: what is gone by then is done.

    Raises:
        DiskError, StateError: it cannot be deleted; it may be set aside by then, or gone in part.
    """
    beside = path.with_name(f"{ASIDE}{path.name}-{secrets.token_hex(3)}")
    try:
        path.rename(beside)
        sync_folder(path.parent)
        _delete(beside)
    except OSError as exc:
        raise storage_error(exc, path) from exc


def remove_leftovers(runs_dir: Path) -> int:
    """Delete what an earlier deletion that was killed left; return how many bytes that freed.

    Raises:
        DiskError, StateError: something cannot be deleted.
    """
    freed = 0
    for path in leftovers(runs_dir):
        size_bytes = size_of(path)
        try:
            _delete(path)
        except OSError as exc:
            raise storage_error(exc, path) from exc
        freed += size_bytes
    return freed


def leftovers(runs_dir: Path) -> Iterator[Path]:
    """Yield what an earlier deletion that was killed left."""
    yield from _aside_in(runs_dir)
    yield from _aside_in(runs_dir / EMULATOR_FOLDER)
    for run in RunsFolder(runs_dir).all():
        if is_run_folder(run.path):
            yield from _aside_in(run.path)


def _aside_in(folder: Path) -> list[Path]:
    """Return what was set aside in a folder; nothing where it went meanwhile, or may not be looked into."""
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.name.startswith(ASIDE)]
    except OSError:
        return []


def _delete(path: Path) -> None:
    """Delete a file or folder, or what is left of it: two may be deleting the same."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, onerror=_unless_gone)


def _unless_gone(_: object, __: str, error: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]
