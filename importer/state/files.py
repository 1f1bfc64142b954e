"""Files written whole or not at all, with modes that do not depend on the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700


def make_private_folder(path: Path) -> None:
    """Create a folder (and its parents) and make it 0700."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(PRIVATE_FOLDER)


def create_private(path: Path) -> BinaryIO:
    """Open a new file for writing, 0600 from its first moment; an existing one is replaced."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w+b")


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Write a 0600 file beside `path` and move it there when the block ends well."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with create_private(beside) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a 0600 file, whole or not at all."""
    with replaced(path) as stream:
        stream.write(content)
