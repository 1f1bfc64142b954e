"""`mismatches.csv`: rows that reading back did not find as they were sent, one line for each trait that differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from importer.files import write_whole
from importer.reports.csv_text import HUMAN_STYLE, Encoder, csv_header, csv_lines, harmless
from importer.reports.row_names import row_names

MISMATCHES_NAME: Final = "mismatches.csv"
MISMATCHES_CAP: Final = 10_000
"""Lines that are written; `outcomes.parquet` has every row."""

_BEFORE_KEY: Final = ("file",)
_AFTER_KEY: Final = ("row_number", "line", "result", "code", "profile_id", "trait", "sent", "stored")


def write_mismatches(
    folder: Path, frame: pl.DataFrame, key_columns: Sequence[str], file_names: Sequence[str]
) -> tuple[str, ...]:
    """Write `mismatches.csv`, or take it away where there is nothing to say any more.

    Frame in: ``file`` (u16 index), ``key:<column>`` (text) for each key column, ``row_number``, ``line``, ``result``,
    ``code``, ``profile_id``, ``trait``, ``sent``, ``stored`` (text; masked already unless they are to be shown).

    Returns:
        The name of the file; none where there is none.
    """
    path = folder / MISMATCHES_NAME
    if frame.is_empty():
        path.unlink(missing_ok=True)
        return ()
    names = row_names(key_columns, file_names, [*_BEFORE_KEY, *_AFTER_KEY])
    columns = [*_BEFORE_KEY, *names.key_schema, *_AFTER_KEY]
    shown = names.name_rows(frame.head(MISMATCHES_CAP)).select(pl.col(name).cast(pl.String) for name in columns)
    encoder = Encoder("utf-8", has_bom=True)
    header = encoder.encode(csv_header(columns, HUMAN_STYLE))
    lines = csv_lines(shown.with_columns(harmless(name) for name in columns), HUMAN_STYLE)
    write_whole(path, header + bytes(encoder.encode_lines(lines)))
    return (MISMATCHES_NAME,)
