"""What reading back found so far, kept beside the package: by position, so a row that is sent again begins anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.read_back import READ_BACK_SCHEMA, without_ranges
from importer.core.suggested import run_command
from importer.errors import StateError
from importer.state.frames import read_frame, write_frame

VERIFIED_FILE: Final = "verified.arrow"


def read_verified(package: Path) -> pl.DataFrame:
    """Return what was read back, `READ_BACK_SCHEMA`; empty where nothing was.

    Raises:
        StateError: the file is damaged.
    """
    path = package / VERIFIED_FILE
    if not path.exists():
        return pl.DataFrame(schema=READ_BACK_SCHEMA)
    try:
        return read_frame(path).cast(READ_BACK_SCHEMA)
    except (StateError, pl.exceptions.PolarsError) as exc:
        raise StateError(
            f"what was read back cannot be read ({path.name}: {type(exc).__name__})",
            hint=f"delete {path} and read back again: {run_command(package.parent, 'verify')}",
        ) from None


def forget_verified(package: Path, ranges: Sequence[tuple[int, int]]) -> None:
    """Drop what was read back of positions in any of the ranges (first, one past the last), which do not overlap.

    Raises:
        StateError: the file is damaged, or cannot be written.
    """
    found = read_verified(package)
    left = without_ranges(found, ranges)
    if left.height < found.height:
        write_verified(package, left)


def write_verified(package: Path, results: pl.DataFrame) -> None:
    """Replace what was read back; 0600, whole or not at all."""
    write_frame(package / VERIFIED_FILE, results)
