"""`handed_on.parquet`: keys whose identifiers a held row of another key has, row by row. It holds keys: 0600."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from importer.core.sync_handed import HANDED_SCHEMA
from importer.errors import StateError
from importer.reports.parquet_file import write_parquet

HANDED_NAME: Final = "handed_on.parquet"


def write_handed(folder: Path, handed: pl.DataFrame) -> None:
    """Write the file.

    Args:
        folder: Of the run.
        handed: `importer.core.sync_handed.HANDED_SCHEMA`.

    Raises:
        DiskError, StateError: see `importer.files.WholeFile`.
    """
    write_parquet(folder / HANDED_NAME, handed, HANDED_SCHEMA)


def read_handed(folder: Path) -> pl.DataFrame:
    """Read the file, `importer.core.sync_handed.HANDED_SCHEMA`; empty where there is none.

    Raises:
        StateError: it is damaged.
    """
    path = folder / HANDED_NAME
    try:
        # The bytes: a file that is read by its name may be another one half way.
        return pl.read_parquet(path.read_bytes()).cast(HANDED_SCHEMA)
    except FileNotFoundError:
        return pl.DataFrame(schema=HANDED_SCHEMA)
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise StateError(f"{path} is damaged", hint="run the sync: its next run writes another one") from exc
