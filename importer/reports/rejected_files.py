"""`rejected.csv`: rejected rows as they stood in the source, to be mended and imported again.

Rows that could not be read as rows are in `rejected-malformed.txt`, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.compact import compact
from importer.core.findings import nulls
from importer.files import WholeFile
from importer.ports import Dialect
from importer.reports.csv_text import CsvStyle, Encoder, csv_header, csv_lines
from importer.reports.plain_text import legible_name, printable

CSV_NAME: Final = "rejected.csv"
MALFORMED_NAME: Final = "rejected-malformed.txt"
PLAIN_DIALECT: Final = Dialect(delimiter=",", encoding="utf-8")
"""How rows of a source without a dialect of its own (Parquet) are written."""

ADDED_COLUMNS: Final = ("_row_number", "_line", "_codes")
"""Columns after the source's own; `_file` follows where the source has several files."""

_WAITING_ROWS: Final = 10_000
_WAITING_BYTES: Final = 8 * 1024 * 1024
"""Rows wait to be written together: so many, or so much of wide ones."""


class RejectedSink:
    """Writes rejected rows in the source's own dialect, uncompressed; a file exists only when it has rows.

    Args:
        folder: The run's folder.
        dialect: Of the source; None for a source that is no text.
        columns: The source's columns, in its order.
        file_names: Names of the source's files, by index.

    Attributes:
        row_count: Rows in `rejected.csv`.
        malformed_count: Rows in `rejected-malformed.txt`.
    """

    def __init__(
        self, folder: Path, dialect: Dialect | None, columns: Sequence[str], file_names: Sequence[str] = ()
    ) -> None:
        self._folder = folder
        self._is_delimited = dialect is not None
        self._dialect = dialect or PLAIN_DIALECT
        self._style = CsvStyle(self._dialect.delimiter, self._dialect.quote or '"', self._dialect.line_terminator)
        self._file_names = tuple(file_names)
        self._columns = _own_columns(columns)
        self._added = _added_names(self._columns, with_file=len(self._file_names) > 1)
        self._waiting: list[pl.DataFrame] = []
        self._csv: WholeFile | None = None
        self._malformed: WholeFile | None = None
        self._csv_encoder = self._encoder()
        self._malformed_encoder = self._encoder()
        self.row_count = 0
        self.malformed_count = 0

    def _encoder(self) -> Encoder:
        return Encoder(self._dialect.encoding, has_bom=self._dialect.has_bom)

    def append(
        self,
        frame: pl.DataFrame,
        row_number: pl.Series,
        line: pl.Series | None,
        codes: pl.Series,
        *,
        file_index: int | None = None,
    ) -> None:
        """Add rejected rows of one file.

        Frame in: the source's columns as they were read (text; lists stay lists); null is an unquoted empty cell.

        Args:
            frame: The rows.
            row_number: Their numbers.
            line: Their lines; None for files without lines.
            codes: Why each was rejected, ``code;code``, or a list of codes.
            file_index: Which file; the name is left empty when it is not said.
        """
        if frame.is_empty():
            return
        joined = codes.list.join(";") if codes.dtype == pl.List else codes
        lines = nulls(pl.UInt64, frame.height) if line is None else line
        file_name = pl.Series([self._file_name(file_index)], dtype=pl.String).new_from_index(0, frame.height)
        added = [row_number, lines, joined, file_name]
        rows = pl.DataFrame(
            [frame[name] for name in self._columns]
            + [values.alias(name) for name, values in zip(self._added, added, strict=False)]
        )
        if self._csv is None:
            self._csv = WholeFile(self._folder / CSV_NAME)
            self._csv.stream.write(self._csv_encoder.encode(self._header((*self._columns, *self._added))))
        if self._waiting and self._waiting[0].schema != rows.schema:
            self._write_waiting()
        # Writing has a price of its own, however few there are. While they wait they must not keep their chunk.
        self._waiting.append(compact(rows))
        self.row_count += frame.height
        size_bytes = sum(waiting.estimated_size() for waiting in self._waiting)
        if sum(map(len, self._waiting)) >= _WAITING_ROWS or size_bytes >= _WAITING_BYTES:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self._csv is None or not self._waiting:
            return
        lines = csv_lines(pl.concat(self._waiting), self._style)
        self._waiting.clear()
        self._csv.stream.write(self._csv_encoder.encode_lines(lines))

    def append_malformed(self, frame: pl.DataFrame, *, file_index: int | None = None) -> None:
        """Add rows that could not be read, each under a line ``# row N, line L: message``.

        A delimited source has its header above them; rows of another form, such as JSON lines, have none.
        Frame in: `MALFORMED_SCHEMA`.
        """
        if frame.is_empty():
            return
        if self._malformed is None:
            self._malformed = WholeFile(self._folder / MALFORMED_NAME)
            if self._is_delimited:
                self._malformed.stream.write(self._malformed_encoder.encode(self._header(self._columns)))
        terminator = Encoder(self._dialect.encoding).encode(self._style.line_terminator)
        ends = tuple(Encoder(self._dialect.encoding).encode(end) for end in ("\n", "\r"))
        # A loop over rows: the reader made each of them one by one, and there is no other way to join bytes.
        for comment, raw in zip(self._comments(frame, file_index), frame["raw"], strict=True):
            self._malformed.stream.write(self._malformed_encoder.encode(comment))
            self._malformed.stream.write(raw if raw.endswith(ends) else raw + terminator)
        self.malformed_count += frame.height

    def _comments(self, frame: pl.DataFrame, file_index: int | None) -> pl.Series:
        name = self._file_name(file_index)
        start = f"# {printable(name)}, row " if name is not None else "# row "
        line = pl.concat_str(pl.lit(", line "), pl.col("line").cast(pl.String)).fill_null("")
        number = pl.col("row_number").cast(pl.String)
        end = pl.lit(self._style.line_terminator)
        text = pl.concat_str(
            pl.lit(start), number, line, pl.lit(": "), pl.col("message").fill_null("cannot be read"), end
        )
        return frame.select(text.alias("comment")).to_series()

    def _file_name(self, file_index: int | None) -> str | None:
        if file_index is None or len(self._file_names) < 2:
            return None
        return legible_name(self._file_names[file_index])

    def _header(self, names: Sequence[str]) -> str:
        return csv_header(names, self._style)

    def close(self) -> tuple[str, ...]:
        """Put the files in their place and return the names of those that exist."""
        self._write_waiting()
        written = []
        for file in (self._csv, self._malformed):
            if file is not None:
                file.commit()
                written.append(file.path.name)
        return tuple(written)

    def abort(self) -> None:
        """Throw the files away; does nothing after `close`."""
        self._waiting.clear()
        for file in (self._csv, self._malformed):
            if file is not None:
                file.abort()


def _own_columns(columns: Sequence[str]) -> list[str]:
    """Leave out what an earlier run added, when its rejected.csv is the source: a header takes a name once."""
    own = list(columns)
    for tail in ((*ADDED_COLUMNS, "_file"), ADDED_COLUMNS):
        if tuple(own[-len(tail) :]) == tail:
            return own[: -len(tail)]
    return own


def _added_names(columns: Sequence[str], *, with_file: bool) -> list[str]:
    names = []
    for wanted in (*ADDED_COLUMNS, *(["_file"] if with_file else [])):
        name = wanted
        while name in columns:
            name = f"_{name}"
        names.append(name)
    return names
