"""Hashes of a run's rows on disk: needed once, when rows are grouped, and too many to wait for that in memory."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt

from importer.errors import StateError
from importer.files import writing
from importer.state.memory import give_back

Hashes = npt.NDArray[np.uint64]


class SpilledHashes:
    """Implements `importer.ports.HashSpill` with files that have no name: they are private, and no kill leaves them.

    Args:
        folder: Of the run; its disk holds the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()
        self._rows: Counter[str] = Counter()

    def append(self, name: str, hashes: Hashes) -> None:
        """Write the next hashes of a column.

        Raises:
            DiskError, StateError: see `importer.files.writing`.
        """
        with writing(self._folder / name):
            if name not in self._files:
                file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the spill
                self._files[name] = self._open.enter_context(file)
            self._files[name].write(np.ascontiguousarray(hashes).data.cast("B"))
        self._rows[name] += len(hashes)

    def read(self, name: str) -> Hashes:
        """Return all hashes of a column, in the order they came.

        Raises:
            DiskError, StateError: they cannot be read back.
        """
        file = self._files.get(name)
        if file is None:
            return np.zeros(0, dtype=np.uint64)
        with writing(self._folder / name):
            hashes = np.empty(file.seek(0, 2) // 8, dtype=np.uint64)
            file.seek(0)
            size = file.readinto(hashes.data.cast("B"))  # type: ignore[attr-defined]  # a buffered file has it
        if size != hashes.nbytes:
            raise StateError(f"a file in {self._folder} cannot be read back", hint="run the command again")
        return hashes

    def __enter__(self) -> Self:
        """Return the spill."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the files, which deletes them."""
        with suppress(OSError):  # closing writes what is left, and a full disk is often why we are here
            self._open.close()
        give_back(max(self._rows.values(), default=0))  # what identities were found with
