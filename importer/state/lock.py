"""Locks held by the kernel: one sending run per store and runs folder, one process at work on a run."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, local
from types import TracebackType
from typing import Final, Self

from importer.core.suggested import run_command, runs_command
from importer.errors import LockedError, StateError
from importer.files import make_private_folder, open_private, writing
from importer.state.mounts import refuse_network

RUN_LOCK: Final = ".run.lock"
"""File of a run folder that is locked while a process works on the run, whatever it does for it."""

_TRIES: Final = 5
_BETWEEN_TRIES_S: Final = 0.02
_BUSY: Final = (errno.EWOULDBLOCK, errno.EACCES)


Flock = Callable[[int, int], None]
"""Takes a lock on an open file, as `fcntl.flock` does."""


def is_held(path: Path, flock: Flock = fcntl.flock) -> bool:
    """Tell whether a process holds the lock on a file, without taking it away from anybody.

    The look itself is a shared lock of some microseconds; whoever takes the lock meanwhile tries again.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as exc:
        return exc.errno in _BUSY
    finally:
        os.close(descriptor)
    return False


class KernelLock:
    """A lock on a file that ends with the process; a context manager.

    Args:
        path: The file; it is made where it is missing and stays.
        held: What another process is doing that has it, for the error.
        hint: What to do about it.
        flock: How to lock.
    """

    def __init__(self, path: Path, held: str, hint: str, *, flock: Flock = fcntl.flock) -> None:
        self._path = path
        self._flock = flock
        self._held = held
        self._hint = hint
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            LockedError: another process has it.
            StateError: the folder cannot be written to, or its file system does not lock.
        """
        with writing(self._path):
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
        try:
            _take(descriptor, self._flock)
        except OSError as exc:
            os.close(descriptor)
            if exc.errno in _BUSY:
                raise LockedError(self._held, hint=self._hint) from exc
            raise self._lockless("cannot lock files") from exc
        # Some file systems say yes to everybody: what cannot be seen to be held protects nothing.
        if not is_held(self._path, self._flock):
            os.close(descriptor)
            raise self._lockless("does not keep two processes apart")
        with suppress(OSError):
            os.utime(descriptor)  # so that it can be told since when it is held
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # closing lets go of the lock; the file stays, as removing it would race
            self._descriptor = None

    def _lockless(self, what: str) -> StateError:
        hint = "put the runs folder on a local disk (`--runs-dir`)"
        return StateError(f"the file system of {self._path.parent} {what}", hint=hint)


def _take(descriptor: int, flock: Flock) -> None:
    for left in reversed(range(_TRIES)):
        try:
            flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if not left or exc.errno not in _BUSY:
                raise
        else:
            return
        Event().wait(_BETWEEN_TRIES_S)  # it may only have been looked at (`is_held`)


class SendingLock(KernelLock):
    """The right to send to a store from a runs folder."""

    def __init__(self, runs_dir: Path, store_id: str) -> None:
        if not runs_dir.exists():
            with writing(runs_dir):
                make_private_folder(runs_dir)
        refuse_network(runs_dir)
        super().__init__(
            runs_dir / f".{store_id}.lock",
            f"another process is sending to {store_id} from {runs_dir}",
            f"wait for it to end, or stop it; {runs_command(runs_dir, 'status')} shows its run",
        )


class PackagingLock(KernelLock):
    """The right to make a run's package: a resume must not begin again what another process is still reading."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder / RUN_LOCK,
            f"run {folder.name} is still reading its source in another process",
            f"wait for it to end; {run_command(folder, 'status')} shows how far it is",
        )


class _OfThread(local):
    """Which runs a thread holds the lock of."""

    def __init__(self) -> None:
        self.places: set[str] = set()


class RunLock(KernelLock):
    """The right to work on a run that is packaged: to ask about it, send it, settle it, report on it, delete it.

    It is the same lock as `PackagingLock`, so that `status` has one file to look at. Where a `SendingLock` is taken as
    well, this one comes first. A thread that has it may take it again.
    """

    _mine = _OfThread()

    def __init__(self, folder: Path) -> None:
        self._place = str((folder / RUN_LOCK).absolute())
        super().__init__(
            folder / RUN_LOCK,
            f"another process is working on run {folder.name}",
            f"wait for it to end, or stop it; {run_command(folder, 'status')} shows what it does",
        )

    def __enter__(self) -> Self:
        """Take the lock, unless this thread has it.

        Raises:
            LockedError, StateError: see `KernelLock`.
        """
        if self._place in self._mine.places:
            return self
        super().__enter__()
        self._mine.places.add(self._place)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it, where this is what took it."""
        if self._descriptor is not None:
            self._mine.places.discard(self._place)
        super().__exit__(kind, error, trace)
