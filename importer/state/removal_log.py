"""What a run removed, as it happens: each deletion before it is asked for, and what came of it.

``removals.log`` in the run folder (0600) is NDJSON: line of the snapshot, what is to be or was done, profile ID. It has
no key and no value. Each entry is on the disk before `RemovalLog.write` returns; of several of a line the last counts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import orjson
import polars as pl

from importer.core.sync_removals import FATES_SCHEMA, Removal
from importer.errors import StateError
from importer.files import open_private, sync_folder, writing

LOG_NAME: Final = "removals.log"

Entry = tuple[int, Removal, str | None]
"""Line of the snapshot, what becomes of it, and the profile, where one was found."""


class RemovalLog:
    """The log of a run's removals, to be written by several threads; a context manager.

    An entry that could not be written leaves nothing of itself, so that what follows stands on a line of its own, and
    nothing follows in this process: a deletion would be asked for that the next one does not know of.

    Args:
        folder: Of the run.

    Raises:
        DiskError, StateError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG_NAME
        self._lock = threading.Lock()
        self._fault: OSError | None = None
        with writing(self._path):
            self._file = open_private(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            # What a killed process left behind the last line break would become one line with what is written next.
            content = os.pread(self._file, os.fstat(self._file).st_size, 0)
            self._size_bytes = content.rfind(b"\n") + 1
            os.ftruncate(self._file, self._size_bytes)
            sync_folder(folder)

    def write(self, entries: Iterable[Entry]) -> None:
        """Add entries; they are durable when this returns.

        Raises:
            DiskError, StateError: they could not be written.
        """
        text = b"".join(orjson.dumps([line, removal.value, profile]) + b"\n" for line, removal, profile in entries)
        if not text:
            return
        with self._lock, writing(self._path):
            if self._fault is not None:
                raise OSError(self._fault.errno, self._fault.strerror)
            try:
                _append(self._file, text)
            except OSError as exc:
                self._fault = exc
                with suppress(OSError):
                    os.ftruncate(self._file, self._size_bytes)
                raise
            self._size_bytes += len(text)

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it; a thread that still waits for an answer can write no more."""
        with self._lock:
            os.close(self._file)
            self._file = -1


def _append(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]
    os.fsync(file)


def read_removals(folder: Path) -> pl.DataFrame:
    """Return what became of lines of the snapshot, `FATES_SCHEMA`, sorted; empty where nothing was removed.

    Raises:
        StateError: the log is damaged, or cannot be read.
    """
    path = folder / LOG_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return pl.DataFrame(schema=FATES_SCHEMA)
    except OSError as exc:
        raise StateError(f"{path} cannot be read: {exc.strerror}", hint="make it readable") from None
    try:
        # What follows the last line break was being written when its process was killed: nothing came of it.
        entries = [orjson.loads(line) for line in content.split(b"\n")[:-1]]
        found = {int(line): (int(line), Removal(removal).value, profile) for line, removal, profile in entries}
        return pl.DataFrame(list(found.values()), schema=FATES_SCHEMA, orient="row").sort("line")
    except (ValueError, TypeError, pl.exceptions.PolarsError) as exc:
        raise StateError(
            f"{path} is damaged",
            hint="put a copy of the sync's state folder back; or delete it: profiles of keys that are still gone are"
            " looked up again",
        ) from exc
