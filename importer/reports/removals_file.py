"""`removals.parquet`: every key that is gone from the source, and what became of its profile. It holds keys: 0600."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from importer.core.sync_removals import REMOVALS_SCHEMA
from importer.reports.parquet_file import write_parquet

REMOVALS_NAME: Final = "removals.parquet"


def write_removals(folder: Path, removals: pl.DataFrame) -> None:
    """Write the file.

    Args:
        folder: Of the run.
        removals: `importer.core.sync_removals.REMOVALS_SCHEMA`.

    Raises:
        DiskError, StateError: see `importer.files.WholeFile`.
    """
    write_parquet(folder / REMOVALS_NAME, removals, REMOVALS_SCHEMA)
