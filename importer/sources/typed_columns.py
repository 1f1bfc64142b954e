"""Typed columns on their way to text: which are kept, which are left out and why, and chunks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pyarrow as pa

from importer.core.source_notes import left_out_note
from importer.ports import MALFORMED_SCHEMA, SourceChunk
from importer.sources.header import check_names
from importer.sources.render import is_list, is_naive_timestamp, reason_unsupported, render_column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from importer.ports import SourceOptions


CHUNK_ROWS: Final = 80_000
_CHUNK_CELLS: Final = 1_000_000
_FEWEST_ROWS: Final = 64


def chunk_rows(column_count: int, most: int = CHUNK_ROWS) -> int:
    """Return how many rows of so many columns are read at once: a cell takes 16 bytes, even an empty one.

    Args:
        column_count: Columns that are read.
        most: Rows of narrow tables.
    """
    return min(most, max(_FEWEST_ROWS, _CHUNK_CELLS // column_count))


class UnreadableColumnError(Exception):
    """A column holds a value that has no text.

    Attributes:
        column: Its name.
    """

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


@dataclass(frozen=True)
class TypedColumns:
    """Columns of a typed source.

    Attributes:
        names: Those that are kept.
        unsupported: Those that are left out, and why.
        naive: Those that hold times without a zone.
        floats: Those that hold decimal numbers.
        lists: Those that hold lists.
        positions: Of `names`, in the source.
    """

    names: tuple[str, ...]
    unsupported: Mapping[str, str]
    naive: tuple[str, ...]
    floats: tuple[str, ...]
    lists: tuple[str, ...]
    positions: tuple[int, ...]

    @classmethod
    def of(cls, schema: pa.Schema, *, trim: bool, unsupported: Callable[[pa.Field], str | None] | None = None) -> Self:
        """Judge the columns of a schema.

        Args:
            schema: Of the source.
            trim: Trim white space around names.
            unsupported: Says why a column is left out; by its type where None is given.

        Raises:
            Doubt: two have one name.
        """
        reason = unsupported or (lambda field: reason_unsupported(field.type))
        names, odd = check_names([name.strip() if trim else name for name in schema.names])
        whys = [odd.get(name) or reason(field) for name, field in zip(names, schema, strict=True)]
        positions = tuple(place for place, why in enumerate(whys) if why is None)
        return cls(
            names=tuple(names[place] for place in positions),
            unsupported={name: why for name, why in zip(names, whys, strict=True) if why is not None},
            naive=tuple(names[place] for place in positions if is_naive_timestamp(schema.field(place).type)),
            floats=tuple(names[place] for place in positions if pa.types.is_floating(schema.field(place).type)),
            lists=tuple(names[place] for place in positions if is_list(schema.field(place).type)),
            positions=positions,
        )

    def notes(self, options: SourceOptions) -> tuple[str, ...]:
        """Say what is left out, and which times have no zone."""
        return notes_of(self.unsupported, self.open_times(options))

    def open_times(self, options: SourceOptions) -> tuple[str, ...]:
        """Return the columns whose times have no zone, where the options name none."""
        return self.naive if options.assume_tz is None else ()

    def frame(self, batch: pa.RecordBatch, options: SourceOptions) -> pl.DataFrame:
        """Return a batch's kept columns as text.

        Raises:
            UnreadableColumnError: a value has no text.
        """
        rendered = []
        for place, name in zip(self.positions, self.names, strict=True):
            try:
                rendered.append(render_column(batch.column(place), options).alias(name))
            except pa.ArrowInvalid:
                raise UnreadableColumnError(name) from None
        return pl.DataFrame(rendered)


def notes_of(unsupported: Mapping[str, str], naive: Sequence[str]) -> tuple[str, ...]:
    """Say which columns are left out and why, and which hold times without a zone."""
    notes = [left_out_note(name, why) for name, why in unsupported.items()]
    if naive:
        names = ", ".join(f"'{name}'" for name in naive)
        notes.append(f"times without a zone in {names}; `assume_tz` under `source:` in the mapping names it")
    return tuple(notes)


def typed_chunk(file_index: int, frame: pl.DataFrame, first: int) -> SourceChunk:
    """Return rows of a source that has no lines, no blank ones and none that cannot be read.

    Args:
        file_index: Of the file.
        frame: Its rows as text.
        first: Number of the first one.
    """
    numbers = np.arange(first, first + frame.height, dtype=np.uint64)
    return SourceChunk(
        file_index=file_index,
        frame=frame,
        row_number=pl.Series("row_number", numbers, dtype=pl.UInt64),
        line=None,
        blank=pl.Series("blank", np.zeros(frame.height, np.bool_)),
        malformed=pl.DataFrame(schema=MALFORMED_SCHEMA),
    )
