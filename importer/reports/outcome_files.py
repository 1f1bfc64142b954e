"""`outcomes.parquet`: where every single row ended; `groups.parquet`: the rows that would become one profile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.report import full_outcomes
from importer.reports.parquet_file import ParquetFile
from importer.reports.plain_text import mask_expr
from importer.reports.row_names import row_names

OUTCOMES_NAME: Final = "outcomes.parquet"
GROUPS_NAME: Final = "groups.parquet"

_OUTCOME_COLUMNS: Final = pl.Schema(
    {
        "file": pl.String,
        "row_number": pl.UInt64,
        "line": pl.UInt64,
        "state": pl.String,
        "code": pl.String,
        "route": pl.String,
        "batch_id": pl.String,
        "request_id": pl.String,
        "operation_id": pl.String,
        "import_id": pl.String,
        "carried_by": pl.UInt64,
        "group": pl.String,
        "verified": pl.String,
    }
)
_GROUP_COLUMNS: Final = pl.Schema(
    {
        "group": pl.String,
        "kind": pl.String,
        "decision": pl.String,
        "file": pl.String,
        "row_number": pl.UInt64,
        "line": pl.UInt64,
    }
)
_LINK_COLUMNS: Final = pl.Schema({"id_types": pl.List(pl.String()), "linking_value": pl.String()})


class OutcomesSink:
    """Writes the outcome of every row.

    Args:
        folder: The run's folder.
        key_columns: Key columns of the source.
        file_names: Names of the source's files, by index.

    Attributes:
        counts: Rows by final state; all states, in order.
    """

    def __init__(self, folder: Path, key_columns: Sequence[str], file_names: Sequence[str]) -> None:
        self._names = row_names(key_columns, file_names, _OUTCOME_COLUMNS)
        self.counts = full_outcomes({})
        schema = pl.Schema({**self._names.key_schema, **_OUTCOME_COLUMNS})
        self._parquet = ParquetFile(folder / OUTCOMES_NAME, schema)

    def append(self, frame: pl.DataFrame) -> None:
        """Add rows.

        Frame in: ``file`` (u16 index), ``key:<column>`` (text) for each key column, ``row_number``, ``line``,
        ``state`` (a `FinalState`), ``code``, ``route``, ``batch_id``, ``request_id``, ``operation_id``,
        ``import_id``, ``carried_by`` (row number), ``group``, ``verified``; any order.

        Raises:
            ValueError: a state that is none, or a row without one.
        """
        if frame.is_empty():
            return
        found = dict(frame["state"].value_counts().iter_rows())
        if None in found:
            raise ValueError("a row has no final state")
        added = full_outcomes(found)
        self._parquet.append(self._names.name_rows(frame))
        self.counts = {state: count + added[state] for state, count in self.counts.items()}

    def close(self) -> tuple[str, ...]:
        """Put the file in its place and return its name."""
        self._parquet.close()
        return (OUTCOMES_NAME,)

    def abort(self) -> None:
        """Throw the file away; does nothing after `close`."""
        self._parquet.abort()


def write_groups(
    folder: Path, frame: pl.DataFrame, key_columns: Sequence[str], file_names: Sequence[str]
) -> tuple[str, ...]:
    """Write `groups.parquet`, one line for each row of each group.

    Frame in: ``group``, ``kind``, ``decision`` (``held``, ``allowed`` or ``released``), ``file`` (u16 index),
    ``key:<column>`` (text) for each key column, ``row_number``, ``line``, ``id_types`` (list of the idTypes that link
    the row to its group), optionally ``linking_value`` (text; masked here); any order.

    Returns:
        The name of the file.
    """
    names = row_names(key_columns, file_names, [*_GROUP_COLUMNS, *_LINK_COLUMNS])
    value = mask_expr(pl.col("linking_value")) if "linking_value" in frame.columns else pl.lit(None, dtype=pl.String)
    parquet = ParquetFile(folder / GROUPS_NAME, pl.Schema({**_GROUP_COLUMNS, **names.key_schema, **_LINK_COLUMNS}))
    try:
        parquet.append(names.name_rows(frame).with_columns(value.alias("linking_value")))
        parquet.close()
    finally:
        parquet.abort()
    return (GROUPS_NAME,)
