"""`outcomes.parquet`: where every single row ended; `groups.parquet`: the rows that would become one profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.read_back import Verified
from importer.core.report import FinalState, full_outcomes
from importer.reports.masks import mask_expr
from importer.reports.parquet_file import ParquetFile
from importer.reports.row_names import row_names

OUTCOMES_NAME: Final = "outcomes.parquet"
GROUPS_NAME: Final = "groups.parquet"

_OPEN: Final = (FinalState.UNATTRIBUTED.value, FinalState.UNKNOWN.value)

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
_LINK_COLUMNS: Final = pl.Schema(
    {
        "id_types": pl.List(pl.String()),
        "linked_by": pl.List(pl.String()),
        "linking_value": pl.List(pl.String()),
        "rows": pl.Int64(),
        "keys": pl.Int64(),
        "shape": pl.String(),
        "linking_values": pl.Int64(),
        "most_shared": pl.Int64(),
        "reading": pl.String(),
        "profiles": pl.Int64(),
        "profile": pl.Int64(),
        "decided_by": pl.String(),
    }
)
_SHAPE: Final = (
    pl.when(pl.col("chain") & pl.col("hub"))
    .then(pl.lit("chain with hub"))
    .when("chain")
    .then(pl.lit("chain"))
    .when("hub")
    .then(pl.lit("hub"))
    .when(pl.col("chain").is_not_null())
    .then(pl.lit("pair"))
)

GROUP_FACTS: Final = (
    *("group", "kind", "decision", "id_types", "linked_by", "linking_value", "rows", "keys", "hub", "chain"),
    *("linking_values", "most_shared", "profiles", "profile", "decided_by"),
)
"""What `write_groups` is told of a row of a group."""


class OutcomesSink:
    """Writes the outcome of every row.

    Args:
        folder: The run's folder.
        key_columns: Key columns of the source.
        file_names: Names of the source's files, by index.

    Attributes:
        counts: Rows by final state; all states, in order.
        skipped: Skipped rows by reason.
        verified: Rows read back, by result.
        settled: Rows of which the service did not say what became, and that reading back confirmed.
    """

    def __init__(self, folder: Path, key_columns: Sequence[str], file_names: Sequence[str]) -> None:
        self._names = row_names(key_columns, file_names, _OUTCOME_COLUMNS)
        self.counts = full_outcomes({})
        self.skipped: Counter[str] = Counter()
        self.verified: Counter[str] = Counter()
        self.settled = 0
        few = {"file": self._names.file_names.dtype, "state": pl.Enum([*self.counts])}
        schema = pl.Schema({**self._names.key_schema, **_OUTCOME_COLUMNS, **few})
        # Of groups most rows have none, and the others seldom the same.
        self._parquet = ParquetFile(folder / OUTCOMES_NAME, schema, keys=[*self._names.key_names, "group"])

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
        self._parquet.append(self._names.name_rows_by_enum(frame))
        self.counts = {state: count + added[state] for state, count in self.counts.items()}
        if added[FinalState.SKIPPED.value]:
            skipped = frame.filter(pl.col("state") == FinalState.SKIPPED.value)
            self.skipped.update(dict(skipped["code"].value_counts().iter_rows()))
        if frame["verified"].null_count() < frame.height:
            read = frame.filter(pl.col("verified").is_not_null())
            self.verified.update(dict(read["verified"].value_counts().iter_rows()))
            confirmed = pl.col("state").is_in(_OPEN) & (pl.col("verified") == Verified.CONFIRMED)
            self.settled += read.filter(confirmed).height

    def close(self) -> tuple[str, ...]:
        """Put the file in its place and return its name."""
        self._parquet.close()
        return (OUTCOMES_NAME,)

    def abort(self) -> None:
        """Throw the file away; does nothing after `close`."""
        self._parquet.abort()


def write_groups(
    folder: Path, frames: Iterable[pl.DataFrame], key_columns: Sequence[str], file_names: Sequence[str]
) -> tuple[str, ...]:
    """Write `groups.parquet`, one line for each row of each group.

    Frames in: ``group``, ``kind``, ``decision`` (``held``, ``allowed`` or ``released``), ``file`` (u16 index),
    ``key:<column>`` (text) for each key column, ``row_number``, ``line``, ``id_types`` (list: what links the group),
    and where they are known ``linked_by`` and ``linking_value`` (lists: the idTypes and values that link the row, which
    are masked here), ``reading`` and the rest of `GROUP_FACTS`; any order.

    Returns:
        The name of the file.
    """
    names = row_names(key_columns, file_names, [*_GROUP_COLUMNS, *_LINK_COLUMNS])
    schema = pl.Schema({**_GROUP_COLUMNS, **names.key_schema, **_LINK_COLUMNS})
    known = {**_LINK_COLUMNS, "hub": pl.Boolean(), "chain": pl.Boolean()}
    masked = pl.col("linking_value").list.eval(mask_expr(pl.element()))
    parquet = ParquetFile(folder / GROUPS_NAME, schema, keys=names.key_names)
    try:
        for frame in frames:
            missing = {name: pl.lit(None, dtype=dtype) for name, dtype in known.items() if name not in frame.columns}
            told = names.name_rows(frame).with_columns(**missing)
            parquet.append(told.with_columns(_SHAPE.alias("shape"), masked))
        parquet.close()
    finally:
        parquet.abort()
    return (GROUPS_NAME,)
