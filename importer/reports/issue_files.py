"""`issues.parquet` with every issue, and `issues.csv` for people, with so many of each code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.compact import compact
from importer.core.issues import ISSUES_SCHEMA, Severity
from importer.files import WholeFile
from importer.reports.csv_text import HUMAN_STYLE, Encoder, csv_header, csv_lines, harmless
from importer.reports.masks import mask_expr
from importer.reports.parquet_file import ParquetFile
from importer.reports.row_names import row_names

PARQUET_NAME: Final = "issues.parquet"
CSV_NAME: Final = "issues.csv"
CAP_PER_CODE: Final = 1000
"""Issues of one code that `issues.csv` shows."""

_PIECE_ROWS: Final = 100_000
_WAITING_ROWS: Final = 10_000

_BEFORE_KEY: Final = pl.Schema({"file": pl.String})
_AFTER_KEY: Final = pl.Schema(
    {
        "row_number": pl.UInt64(),
        "line": pl.UInt64(),
        **{name: ISSUES_SCHEMA[name] for name in ("code", "severity", "column", "trait", "value", "message")},
    }
)


class IssueSink:
    """Writes the issues of a run as they are found.

    Args:
        folder: The run's folder.
        key_columns: Key columns of the source.
        file_names: Names of the source's files, by index.
        show_values: Write cell values as they are; masked otherwise. Key columns are never masked.
        cap_per_code: Issues of one code that `issues.csv` shows.

    Attributes:
        counts: Issues by code, all of them; complete once the files are closed, as is the next.
        warnings: Those of them that are warnings.
    """

    def __init__(
        self,
        folder: Path,
        key_columns: Sequence[str],
        file_names: Sequence[str],
        *,
        show_values: bool,
        cap_per_code: int = CAP_PER_CODE,
    ) -> None:
        fixed = [*_BEFORE_KEY, *_AFTER_KEY]
        self._names = row_names(key_columns, file_names, fixed)
        self._show_values = show_values
        self._cap_per_code = cap_per_code
        self.counts: dict[str, int] = {}
        self.warnings: dict[str, int] = {}
        schema = pl.Schema({**_BEFORE_KEY, **self._names.key_schema, **_AFTER_KEY})
        self._columns = list(schema)
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._parquet = ParquetFile(folder / PARQUET_NAME, schema, keys=self._names.key_names)
        self._csv = WholeFile(folder / CSV_NAME)
        # Spreadsheets take UTF-8 for a legacy encoding unless the file begins with a mark.
        self._encoder = Encoder("utf-8", has_bom=True)
        self._csv.stream.write(self._encoder.encode(csv_header(self._columns, HUMAN_STYLE)))

    def append(self, frame: pl.DataFrame) -> None:
        """Add issues.

        Frame in: ``file`` (u16 index), ``key:<column>`` (text) for each key column, ``row_number``, ``line``,
        ``code``, ``severity``, ``column``, ``trait``, ``value``, ``message``; any order.
        """
        if frame.is_empty():
            return
        # Writing has a price of its own, however few there are. While they wait they must not keep their chunk.
        after = (pl.col(name).cast(dtype) for name, dtype in _AFTER_KEY.items())
        self._waiting.append(compact(frame.select(*self._names.columns, *after)))
        self._waiting_rows += frame.height
        if self._waiting_rows >= _WAITING_ROWS:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        named = self._names.name_rows(pl.concat(self._waiting))
        self._waiting, self._waiting_rows = [], 0
        if not self._show_values:
            named = named.with_columns(mask_expr(pl.col("value")).alias("value"))
        self._append(named)

    def take_over(self, folder: Path) -> None:
        """Begin with the issues that the same run wrote to another folder; nothing where it wrote none."""
        path = folder / PARQUET_NAME
        if not path.exists():
            return
        for piece in pl.read_parquet(path).iter_slices(_PIECE_ROWS):
            self._append(piece)

    def _append(self, frame: pl.DataFrame) -> None:
        """Write issues whose rows are named."""
        if frame.is_empty():
            return
        self._parquet.append(frame)
        code = frame["code"]
        found = dict(code.value_counts(sort=True).iter_rows())
        shown = self._below_cap(frame, found).select(self._columns)
        for name, count in found.items():
            self.counts[name] = self.counts.get(name, 0) + count
        mild = code.filter(frame["severity"] == Severity.WARNING.value)
        for name, count in mild.value_counts(sort=True).iter_rows():
            self.warnings[name] = self.warnings.get(name, 0) + count
        if not shown.is_empty():
            texts = [name for name, dtype in shown.schema.items() if dtype == pl.String]
            lines = csv_lines(shown.with_columns(harmless(name) for name in texts), HUMAN_STYLE)
            self._csv.stream.write(self._encoder.encode_lines(lines))

    def _below_cap(self, frame: pl.DataFrame, found: Mapping[str, int]) -> pl.DataFrame:
        """Return the issues that are shown, in their order."""
        room = {code: max(self._cap_per_code - self.counts.get(code, 0), 0) for code in found}
        if all(count <= room[code] for code, count in found.items()):
            return frame
        places = [(frame["code"] == code).arg_true().head(left) for code, left in room.items()]
        return frame[pl.concat(places).sort()]

    @property
    def left_out(self) -> dict[str, int]:
        """Issues by code that `issues.csv` does not show."""
        return {code: count - self._cap_per_code for code, count in self.counts.items() if count > self._cap_per_code}

    def close(self) -> tuple[str, ...]:
        """Put both files in their place and return their names."""
        self._write_waiting()
        self._parquet.close()
        self._csv.commit()
        return PARQUET_NAME, CSV_NAME

    def abort(self) -> None:
        """Throw both files away; does nothing after `close`."""
        self._parquet.abort()
        self._csv.abort()
