"""Hashes of a run's rows: needed once, when rows are grouped, and too many to wait for that in memory.

The first ones wait there all the same: a run of a million rows needs no file, which took 0.09 s of processor time to
write on a slow machine.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import numpy as np
import numpy.typing as npt

from importer.errors import StateError
from importer.files import writing
from importer.state.memory import give_back

Hashes = npt.NDArray[np.uint64]

HELD_BYTES: Final = 32 * 1024 * 1024
"""Hashes of all columns that wait in memory."""


class SpilledHashes:
    """Implements `importer.ports.HashSpill` with files that have no name: they are private, and no kill leaves them.

    Args:
        folder: Of the run; its disk holds the files.
        held_bytes: What waits in memory before there are files.
    """

    def __init__(self, folder: Path, held_bytes: int = HELD_BYTES) -> None:
        self._folder = folder
        self._room_bytes = held_bytes
        self._held: dict[str, list[Hashes]] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()
        self._rows: Counter[str] = Counter()

    def append(self, name: str, hashes: Hashes) -> None:
        """Take the next hashes of a column.

        Raises:
            DiskError, StateError: see `importer.files.writing`.
        """
        self._rows[name] += len(hashes)
        self._room_bytes -= hashes.nbytes
        if self._room_bytes >= 0:
            self._held.setdefault(name, []).append(hashes)
            return
        self._room_bytes = 0  # for good: what comes later in a column stands behind what is in its file
        with writing(self._folder / name):
            if name not in self._files:
                file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the spill
                self._files[name] = self._open.enter_context(file)
            self._files[name].write(np.ascontiguousarray(hashes).data.cast("B"))

    def read(self, name: str) -> Hashes:
        """Return all hashes of a column, in the order they came.

        Raises:
            DiskError, StateError: they cannot be read back.
        """
        hashes = np.empty(self._rows[name], dtype=np.uint64)
        held = self._held.get(name, [])
        first = sum(map(len, held))
        if held:
            np.concatenate(held, out=hashes[:first])
        file = self._files.get(name)
        if file is not None:
            with writing(self._folder / name):
                file.seek(0)
                size = file.readinto(hashes[first:].data.cast("B"))  # type: ignore[attr-defined]  # a buffered file has it
                file.seek(0, 2)
            if size != hashes[first:].nbytes:
                raise StateError(f"a file in {self._folder} cannot be read back", hint="run the command again")
        return hashes

    def __enter__(self) -> Self:
        """Return the spill."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the files, which deletes them."""
        self._held.clear()
        with suppress(OSError):  # closing writes what is left, and a full disk is often why we are here
            self._open.close()
        give_back(max(self._rows.values(), default=0))  # what identities were found with
