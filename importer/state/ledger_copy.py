"""A new ledger that begins with what another one knows of batches that left."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from importer.core.delivery import BatchEntry
from importer.files import open_private, writing
from importer.state.ledger_check import ledger_error
from importer.state.ledger_schema import PUT_BATCH, batch_values

_ROWS_OF_OTHERS: Final = """
    DELETE FROM rows WHERE NOT EXISTS (
        SELECT 1 FROM batches WHERE start <= rows.position AND rows.position < stop)
"""


def copy_ledger(source: Path, target: Path, kept: Sequence[BatchEntry]) -> None:
    """Copy a ledger with some of its batches; attempts and facts stay, results of rows stay with their batches.

    Args:
        source: A ledger that was checked.
        target: A file that does not exist.
        kept: The batches the copy has, as it has them.

    Raises:
        StateError: one of them cannot be read or written; a `DiskError` where the disk is full.
    """
    with writing(target):
        os.close(open_private(target, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target, isolation_level=None)) as new:
            old.backup(new)
            new.execute("PRAGMA synchronous = FULL")
            new.execute("BEGIN IMMEDIATE")
            new.execute("DELETE FROM batches")
            new.executemany(PUT_BATCH, map(batch_values, kept))
            new.execute(_ROWS_OF_OTHERS)
            new.execute("COMMIT")
    except sqlite3.Error as exc:
        raise ledger_error(exc, target, "copied") from exc
