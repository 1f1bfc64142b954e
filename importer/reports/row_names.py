"""How the files of a run name a row: the file it came from and the columns of its key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from importer.core.enum_texts import enum_texts
from importer.core.packing import KEY_PREFIX
from importer.reports.plain_text import legible_name


@dataclass(frozen=True, slots=True)
class RowNames:
    """The naming columns of one run.

    Attributes:
        keys: Key columns of the source.
        key_names: What they are called in the files.
        file_names: Names of the source's files, by index, as an Enum.
    """

    keys: tuple[str, ...]
    key_names: tuple[str, ...]
    file_names: pl.Series

    def name_rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Turn file indexes into names and key columns into their plain names.

        Frame in: ``file`` (u16 index), ``key:<column>`` (text) for each key column, anything else.
        Frame out: ``file`` (text), the key columns, anything else; same rows, same order.
        """
        named = self.name_rows_by_enum(frame)
        return named.replace_column(named.get_column_index("file"), enum_texts(named["file"]))

    def name_rows_by_enum(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Do the same; ``file`` is an Enum of the names."""
        names = {KEY_PREFIX + key: name for key, name in zip(self.keys, self.key_names, strict=True)}
        columns = {names.get(column.name, column.name): column for column in frame}
        return pl.DataFrame(columns | {"file": self.file_names[frame["file"]]})

    @property
    def columns(self) -> tuple[str, ...]:
        """The naming columns as frames have them: the file and the key columns."""
        return "file", *(KEY_PREFIX + key for key in self.keys)

    @property
    def key_schema(self) -> dict[str, pl.DataType]:
        """Key columns of the files, as text."""
        return {name: pl.String() for name in self.key_names}


def row_names(key_columns: Sequence[str], file_names: Sequence[str], fixed: Collection[str]) -> RowNames:
    """Choose names for the key columns: their own, or with ``key_`` before it where a fixed column has that name."""
    taken = set(fixed)
    names = []
    for key in key_columns:
        name = key
        while name in taken or (name != key and name in key_columns):
            name = f"key_{name}"
        taken.add(name)
        names.append(name)
    legible = [legible_name(name) for name in file_names]
    files = pl.Series("file", legible, dtype=pl.Enum([*dict.fromkeys(legible)]))
    return RowNames(tuple(key_columns), tuple(names), files)
