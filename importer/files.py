"""Files that are whole or not there at all, durable, and private whatever the umask.

The one writer of everything a run keeps: package, manifest, parts, reports. What the disk answers becomes one of our
errors here, whoever was writing.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from importer.errors import DiskError, StateError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700

_FULL: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file reached the size that the system allows",
}
_AGAIN: Final = "run the command again; a run that had begun goes on with `memory-importer resume`"
_FAILING: Final = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE})
DISK_ERRORS: Final = _FAILING | _FULL.keys()
"""What a disk answers when it is full or failing: the same command may work later."""


def storage_error(error: OSError, path: Path) -> StateError:
    """Return what a failed write to a file or folder means for a run.

    Returns:
        A `DiskError` where the disk is full or failing, so that the same command may work later; otherwise an error
        that says the place cannot be written to.
    """
    where = f"{path.name} in {path.parent.absolute()} could not be written"
    if error.errno in _FULL:
        return DiskError(f"{_FULL[error.errno]}: {where}", hint=f"free space there, then {_AGAIN}")
    if error.errno in _FAILING:
        return DiskError(f"the disk is failing ({error.strerror}): {where}", hint=f"mend the disk, then {_AGAIN}")
    return StateError(
        f"{where}: {error.strerror or type(error).__name__}",
        hint="make the folder writable, or use another one (`--runs-dir`)",
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let what goes wrong while `path` is written come out as one of our errors.

    Raises:
        DiskError: the disk is full or failing.
        StateError: the place cannot be written to.
    """
    try:
        yield
    except OSError as exc:
        raise storage_error(exc, path) from exc


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, 0700; one that is there already gets that mode.

    Raises:
        OSError: it cannot be made.
    """
    # One by one: under some umasks nobody could make anything in a folder before its mode is set.
    for missing in (folder for folder in reversed(path.parents) if not folder.exists()):
        missing.mkdir(exist_ok=True)
        missing.chmod(PRIVATE_FOLDER)
    path.mkdir(exist_ok=True)
    path.chmod(PRIVATE_FOLDER)


def open_private(path: Path, flags: int) -> int:
    """Open a file with `os.open` flags; if that makes it, it is 0600 from its first moment.

    Raises:
        OSError: it cannot be opened.
    """
    made = not path.exists()
    descriptor = os.open(path, flags | os.O_CLOEXEC, PRIVATE_FILE)
    if made:
        os.fchmod(descriptor, PRIVATE_FILE)  # a umask can take the owner's own bits away
    return descriptor


class _Guarded(io.FileIO):
    """A file whose writes fail with our errors, also when a library does the writing."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._place = path

    def write(self, content: ReadableBuffer, /) -> int:
        """Write to the file."""
        with writing(self._place):
            return super().write(content)


class WholeFile:
    """A file that appears under its name when it is complete.

    It is written as ``.<name>.part`` beside its place; what a killed run left there is replaced.

    Args:
        path: Where the file will be. Its folder exists.

    Raises:
        DiskError: the disk is full or failing; so do writes to `stream`.
        StateError: the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._beside = path.with_name(f".{path.name}.part")
        with writing(path):
            self._beside.unlink(missing_ok=True)
            # O_EXCL: a link that someone put in its place is not followed.
            descriptor = open_private(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self.stream: BinaryIO = io.BufferedWriter(_Guarded(descriptor, path))

    def settle(self) -> None:
        """Make durable what is written so far, so that little is left to `commit`.

        Raises:
            DiskError: see the class.
        """
        with writing(self.path):
            self.stream.flush()
            os.fsync(self.stream.fileno())

    def commit(self, *, durable: bool = True) -> None:
        """Move the file to its name, and make it durable unless it goes again before its process ends.

        Raises:
            DiskError, StateError: see the class; the name still holds what it held before.
        """
        with writing(self.path):
            self.stream.flush()
            if durable:
                os.fsync(self.stream.fileno())
            self.stream.close()
            self._beside.replace(self.path)
            if durable:
                sync_folder(self.path.parent)

    def abort(self) -> None:
        """Throw the file away; does nothing after `commit`."""
        with suppress(OSError, StateError):  # closing writes what is left, and a full disk is often why we are here
            self.stream.close()
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes its place when the block ends well.

    Raises:
        DiskError, StateError: see `WholeFile`.
    """
    file = WholeFile(path)
    try:
        yield file.stream
        file.commit()
    finally:
        file.abort()


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file in one go.

    Raises:
        DiskError, StateError: see `WholeFile`.
    """
    with replaced(path) as stream:
        stream.write(content)


def sync_folder(folder: Path) -> None:
    """Make durable which files a folder has and how they are called.

    Raises:
        OSError: the disk is failing.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
