"""Files of a run folder, written whole or not at all: 0600 from their first moment, whatever the umask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE: Final = 0o600


class WholeFile:
    """A file that appears under its name when it is complete.

    It is written as ``.<name>.part`` beside its place; what a killed run left there is replaced.

    Args:
        path: Where the file will be. Its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._beside = path.with_name(f".{path.name}.part")
        self._beside.unlink(missing_ok=True)
        # O_EXCL: a link that someone put in its place is not followed.
        descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        os.fchmod(descriptor, PRIVATE)  # a umask can take the owner's own bits away
        self.stream: BinaryIO = os.fdopen(descriptor, "wb")

    def commit(self) -> None:
        """Make the file durable and move it to its name."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        self._beside.replace(self.path)
        _sync_folder(self.path.parent)

    def abort(self) -> None:
        """Throw the file away; does nothing after `commit`."""
        if not self.stream.closed:
            try:
                self.stream.close()
            finally:
                self._beside.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file in one go."""
    file = WholeFile(path)
    try:
        file.stream.write(content)
        file.commit()
    finally:
        file.abort()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
