"""Files that end in a hash over what is before it, so that damage of any kind is seen before anything is believed.

A seal is 40 bytes: a mark, then BLAKE3 of everything before the mark; files of earlier versions have another mark and
BLAKE2b. What is before it stays a file of its own kind, in one piece.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, cast

from blake3 import blake3

from importer.errors import StateError
from importer.files import WholeFile, writing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

IMPORT_AGAIN: Final = (
    "import the source again as a new run: nothing is lost, and what was delivered is only written once more"
)

_MARK: Final = b"sealed2\n"
_EARLIER_MARK: Final = b"sealed1\n"
_HASH_BYTES: Final = 32
SEAL_BYTES: Final = len(_MARK) + _HASH_BYTES
_BLOCK_BYTES: Final = 1 << 20


class Stamp(NamedTuple):
    """What a file has for as long as nobody writes to it or puts another in its place."""

    inode: int
    size_bytes: int
    changed_ns: int


class Seal(NamedTuple):
    """The seal of a file that was seen whole.

    Attributes:
        end: Size of the file in bytes without its seal.
        digest: Hash over so many bytes: of another content it is another.
        stamp: The file's when it was seen.
    """

    end: int
    digest: bytes
    stamp: Stamp


def stamp_of(file: int | Path) -> Stamp:
    """Return the stamp of a file, or of the one behind a descriptor."""
    stat = os.stat(file)  # noqa: PTH116 - a path or a descriptor
    return Stamp(stat.st_ino, stat.st_size, stat.st_mtime_ns)


class SealedFile:
    """A `WholeFile` that gets a seal at its end.

    Args:
        path: Where the file will be.
        lasting: Somebody may read the file later. If not, it is neither hashed nor made durable: the stamp in its seal
            is enough for the process that wrote it.

    Raises:
        DiskError, StateError: see `WholeFile`.
    """

    def __init__(self, path: Path, *, lasting: bool = True) -> None:
        self._file = WholeFile(path)
        self._lasting = lasting
        self._hash = blake3()
        self.stream: IO[bytes] = cast("IO[bytes]", _Hashed(self._file, self._hash)) if lasting else self._file.stream

    def settle(self) -> None:
        """Make durable what is written so far of a lasting file, while more of it is made."""
        if self._lasting:
            self._file.settle()

    def commit(self) -> Seal:
        """Seal the file and move it to its name."""
        digest = self._hash.digest()
        self._file.stream.write(_MARK + digest)
        self._file.commit(durable=self._lasting)
        with writing(self._file.path):
            stamp = stamp_of(self._file.path)
        return Seal(stamp.size_bytes - SEAL_BYTES, digest, stamp)

    def abort(self) -> None:
        """Throw the file away; does nothing after `commit`."""
        self._file.abort()


class _Hashed(io.RawIOBase):
    """Passes on what is written, and hashes it."""

    def __init__(self, file: WholeFile, digest: blake3) -> None:
        super().__init__()
        self._file = file
        self._digest = digest

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, content: ReadableBuffer, /) -> int:
        """Write and hash."""
        self._digest.update(content)
        return self._file.stream.write(content)


def check_seal(path: Path) -> Seal:
    """Read a sealed file once and compare.

    Raises:
        StateError: it is missing, damaged, or cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as content:
            stamp = stamp_of(content.fileno())
            left = size = max(stamp.size_bytes - SEAL_BYTES, 0)
            mark, digest = _begun(os.pread(content.fileno(), len(_MARK), size))
            while left and (block := content.read(min(left, _BLOCK_BYTES))):
                digest.update(block)
                left -= len(block)
            seal = content.read(SEAL_BYTES)
    except OSError as exc:
        raise unreadable(path, exc) from exc
    if seal != mark + digest.digest():
        raise damaged(path)
    return Seal(size, digest.digest(), stamp)


def read_sealed(path: Path) -> bytes:
    """Return what a sealed file holds.

    Raises:
        StateError: it is missing, damaged, or cannot be read.
    """
    try:
        with path.open("rb") as file:  # in two pieces: to cut the seal off would take the content's room once more
            content = file.read(max(0, os.fstat(file.fileno()).st_size - SEAL_BYTES))
            seal = file.read()
    except OSError as exc:
        raise unreadable(path, exc) from exc
    mark, digest = _begun(seal[: len(_MARK)])
    digest.update(content)
    if seal != mark + digest.digest():
        raise damaged(path)
    return content


def _begun(mark: bytes) -> tuple[bytes, blake3 | hashlib.blake2b]:
    """Return the mark that a seal must have, and the hash that goes with it, of nothing yet."""
    if mark == _EARLIER_MARK:
        return mark, hashlib.blake2b(digest_size=_HASH_BYTES)
    return _MARK, blake3()


def damaged(path: Path, kind: str = "") -> StateError:
    """Return the error of a file that does not hold what was written.

    Args:
        path: The file, in a folder of the run or in the run's own.
        kind: What was seen, if there is a word for it.
    """
    return StateError(f"{path} is damaged" + (f" ({kind})" if kind else ""), hint=IMPORT_AGAIN)


def missing(path: Path) -> StateError:
    """Return the error of a file that is not there."""
    return StateError(f"{path} is missing", hint=IMPORT_AGAIN)


def unreadable(path: Path, error: OSError) -> StateError:
    """Return the error of a file that cannot be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return missing(path)
    if isinstance(error, PermissionError):
        return StateError(
            f"{path} cannot be read: {error.strerror}", hint="give its owner and mode back; a run's files are 0600"
        )
    return StateError(f"{path} cannot be read: {error.strerror or type(error).__name__}", hint=IMPORT_AGAIN)
