"""One sending run per store and runs folder, held by the kernel: it ends with the process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from importer.errors import LockedError, StateError
from importer.state.files import PRIVATE_FILE, make_private_folder


class SendingLock:
    """The right to send to a store from a runs folder; a context manager.

    Args:
        runs_dir: The runs folder.
        store_id: The store.

    Raises:
        LockedError: on entry, when another process has it.
        StateError: on entry, when the file system cannot lock.
    """

    def __init__(self, runs_dir: Path, store_id: str) -> None:
        self._runs_dir = runs_dir
        self._store_id = store_id
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        if not self._runs_dir.exists():
            make_private_folder(self._runs_dir)
        path = self._runs_dir / f".{self._store_id}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise LockedError(
                    f"another process is sending to {self._store_id} from {self._runs_dir}",
                    hint="wait for it to end, or stop it; `memory-importer status` shows its run",
                ) from exc
            raise StateError(
                f"the file system of {self._runs_dir} cannot lock files",
                hint="put the runs folder on a local disk (`--runs-dir`)",
            ) from exc
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)  # closing lets go of the lock; the file stays, as removing it would race
            self._descriptor = None
