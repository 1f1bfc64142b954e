"""A glance at a few columns of a package file: not checked against its seal, which would mean to read all of it.

For a look from outside only: whoever sends from a package reads it through `importer.state.package`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa

from importer.state.sealed import SEAL_BYTES, damaged, unreadable


def glance(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield columns of a package file, piece by piece.

    Raises:
        StateError: it is missing, or its structure is damaged.
    """
    try:
        with pa.OSFile(str(path), "rb") as source:
            end = source.size() - SEAL_BYTES
            names = pa.ipc.open_file(source, footer_offset=end).schema.names
            if not names:  # a source without rows
                return
            options = pa.ipc.IpcReadOptions(included_fields=[names.index(name) for name in columns])
            reader = pa.ipc.open_file(source, footer_offset=end, options=options)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate(full=True)  # offsets that a damaged disk changed would be followed anywhere
                yield cast("pl.DataFrame", pl.from_arrow(batch)).select(columns)
    except OSError as exc:
        raise unreadable(path, exc) from None
    except (ValueError, pa.ArrowException, pl.exceptions.PolarsError) as exc:
        raise damaged(path, type(exc).__name__) from None
