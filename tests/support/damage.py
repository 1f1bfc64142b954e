"""Ways in which a file of a run can be lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_PAGE: Final = 4096


def truncate(path: Path) -> None:
    """Cut the second half off."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Leave no byte of it."""
    path.write_bytes(b"")


def garble(path: Path) -> None:
    """Write other bytes over all of it."""
    path.write_bytes(random.Random(path.name).randbytes(max(path.stat().st_size, 1)))


def garble_page(path: Path) -> None:
    """Write other bytes over a page in its middle."""
    content = bytearray(path.read_bytes())
    at = len(content) // 2 // _PAGE * _PAGE
    end = min(at + _PAGE, len(content))
    content[at:end] = random.Random(path.name).randbytes(end - at)
    path.write_bytes(content)


def remove(path: Path) -> None:
    """Delete it."""
    path.unlink()


def displace(path: Path) -> None:
    """Put a folder of its name in its place."""
    path.unlink()
    path.mkdir()


DAMAGES: Final[Mapping[str, Callable[[Path], None]]] = {
    "truncated": truncate,
    "empty": empty,
    "garbage": garble,
    "a garbage page": garble_page,
    "missing": remove,
    "a folder": displace,
}


def copied(run: Path, place: Path) -> Path:
    """Copy a run, so that the copy can be damaged; its name stays."""
    return Path(shutil.copytree(run, place / run.name))
