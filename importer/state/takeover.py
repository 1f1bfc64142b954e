"""Putting new files of a run in the place of its old ones, all of them or none, whenever the process is killed.

The new files are made in a folder beside the old ones. One rename says that all are there (`commit`); from then on
`finish_takeover` moves them to their places, as often as it takes. Before that they are thrown away.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from importer.files import sync_folder, writing
from importer.state.run_folder import LEDGER_FILE, PACKAGE_FOLDER, RunFolder, ledger_files

DRAFT: Final = ".replanning"
"""Folder in the run's own in which new files are made; one that is there was left by a killed process."""

READY: Final = ".replanned"
"""The same once it is whole."""

_BEFORE: Final = ".package.before"


def commit(folder: RunFolder) -> None:
    """Say that the draft is whole, and move it into its place.

    Raises:
        StateError: the folder cannot be written to; then nothing has changed, or `finish_takeover` goes on.
    """
    with writing(folder.path):
        sync_folder(folder.path / DRAFT / PACKAGE_FOLDER)
        sync_folder(folder.path / DRAFT)
        (folder.path / DRAFT).rename(folder.path / READY)
        sync_folder(folder.path)
    finish_takeover(folder)


def finish_takeover(folder: RunFolder) -> bool:
    """Move what was made whole into its place, and throw away what was not. The caller has the run's lock.

    Returns:
        Whether there was something to move: what was read of the run before is not true any more.

    Raises:
        StateError: the folder cannot be written to.
    """
    drop_draft(folder)
    ready, before = folder.path / READY, folder.path / _BEFORE
    if not ready.is_dir():
        shutil.rmtree(before, ignore_errors=True)
        return False
    with writing(folder.path):
        package = ready / PACKAGE_FOLDER
        if package.exists():
            if folder.package.exists():
                shutil.rmtree(before, ignore_errors=True)
                folder.package.rename(before)
            package.rename(folder.package)
            sync_folder(folder.path)
        if (ready / LEDGER_FILE).exists():
            for leftover in ledger_files(folder.ledger)[1:]:
                leftover.unlink(missing_ok=True)
        for file in sorted(ready.iterdir()):
            file.replace(folder.path / file.name)
        sync_folder(folder.path)
        ready.rmdir()
    shutil.rmtree(before, ignore_errors=True)
    return True


def drop_draft(folder: RunFolder) -> None:
    """Throw away new files that are not whole."""
    draft: Path = folder.path / DRAFT
    with suppress(OSError):
        if draft.exists():
            shutil.rmtree(draft)
