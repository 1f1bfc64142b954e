"""Numbers of runs: a counter beside them, which only grows, whatever the clock does.

Runs are compared by it: what a run with a higher number delivered is newer. The file holds digits alone. Where it is
missing or damaged, the runs that are there say how far it was.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from importer.errors import StateError
from importer.files import open_private, sync_folder, writing
from importer.state.purged import highest_purged
from importer.state.run_folder import RunsFolder

COUNTER_FILE: Final = ".sequence"
_DIGITS: Final = 12


def next_number(runs_dir: Path) -> int:
    """Return the number of a new run, which no run of the folder has.

    Raises:
        DiskError, StateError: the counter cannot be written.
    """
    path = runs_dir / COUNTER_FILE
    with writing(path):
        made = not path.exists()
        descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # for as long as it takes to write a line
            text = os.pread(descriptor, _DIGITS, 0)
            number = 1 + (int(text) if len(text) == _DIGITS and text.isdigit() else _highest(runs_dir))
            os.pwrite(descriptor, b"%0*d\n" % (_DIGITS, number), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if made:
            sync_folder(runs_dir)
    return number


def _highest(runs_dir: Path) -> int:
    highest = highest_purged(runs_dir)
    for folder in RunsFolder(runs_dir).all():
        try:
            highest = max(highest, folder.read_manifest().sequence or 0)
        except StateError:
            continue
    return highest
