"""Locks held by the kernel: one sending run per store and runs folder, one process that packages a run."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from importer.errors import LockedError, StateError
from importer.state.files import PRIVATE_FILE, make_private_folder


class KernelLock:
    """A lock on a file that ends with the process; a context manager.

    Args:
        path: The file; it is made where it is missing and stays.
        held: What another process is doing that has it, for the error.
        hint: What to do about it.
    """

    def __init__(self, path: Path, held: str, hint: str) -> None:
        self._path = path
        self._held = held
        self._hint = hint
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            LockedError: another process has it.
            StateError: the file system cannot lock.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise LockedError(self._held, hint=self._hint) from exc
            raise StateError(
                f"the file system of {self._path.parent} cannot lock files",
                hint="put the runs folder on a local disk (`--runs-dir`)",
            ) from exc
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # closing lets go of the lock; the file stays, as removing it would race
            self._descriptor = None


class SendingLock(KernelLock):
    """The right to send to a store from a runs folder."""

    def __init__(self, runs_dir: Path, store_id: str) -> None:
        if not runs_dir.exists():
            make_private_folder(runs_dir)
        super().__init__(
            runs_dir / f".{store_id}.lock",
            f"another process is sending to {store_id} from {runs_dir}",
            "wait for it to end, or stop it; `memory-importer status` shows its run",
        )


class PackagingLock(KernelLock):
    """The right to make a run's package: a resume must not begin again what another process is still reading."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder / ".packaging.lock",
            f"run {folder.name} is still reading its source in another process",
            "wait for it to end; `memory-importer status` shows how far it is",
        )
