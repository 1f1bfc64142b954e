"""Excel files as a source: one sheet, every cell as the text a person sees in it, empty rows kept for their numbers."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from importer.errors import SourceError
from importer.ports import MALFORMED_SCHEMA, SourceChunk, SourceDescription
from importer.sources.csv_file import column_difference
from importer.sources.files import check_unchanged, fingerprint_of, shown
from importer.sources.header import check_names
from importer.sources.sniff import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.ports import SourceFile, SourceOptions

EXCEL_SUFFIXES: Final = (".xlsx", ".xlsm", ".xlsb")
ZIP_MARK: Final = b"PK\x03\x04"
_TIME_OF_DAY: Final = r"^1899-12-3[01] (\d\d:\d\d:\d\d(?:\.\d+)?)$"
_MIDNIGHT: Final = r"^(\d{4}-\d\d-\d\d) 00:00:00$"
_MOMENT: Final = r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)$"
_FREE_BYTES: Final = 64 * 1024 * 1024
_RATIO_CAP: Final = 200
_CHUNK_ROWS: Final = 40_000
_ERROR: Final = re.compile(r"Error\((\w+)\)")
_ERRORS: Final = {
    "Div0": "#DIV/0!",
    "NA": "#N/A",
    "Name": "#NAME?",
    "Null": "#NULL!",
    "Num": "#NUM!",
    "Ref": "#REF!",
    "Value": "#VALUE!",
}


class ExcelSource:
    """One or more Excel files whose sheets have the same columns, read in order.

    A sheet is held in memory as a whole: it has about a million rows at most. A row's line is its number in the sheet.

    Args:
        files: To read.
        options: What the user asked for; `SourceOptions.sheet` names the sheet, the first one if empty.
    """

    def __init__(self, files: Sequence[SourceFile], options: SourceOptions) -> None:
        self._files = list(files)
        self._options = options
        self._sheets: list[pl.DataFrame] | None = None
        self._notes: tuple[str, ...] = ()

    def describe(self) -> SourceDescription:
        """Read the sheets and check their headers.

        Raises:
            SourceError: a file is no Excel file, has no such sheet, is empty, or differs from the first.
        """
        first = self._read()[0]
        return SourceDescription(
            kind="excel", files=tuple(self._files), columns=tuple(first.columns), notes=self._notes
        )

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows of all sheets.

        Raises:
            SourceChangedError: a file changed since it was opened.
        """
        for index, (file, sheet) in enumerate(zip(self._files, self._read(), strict=True)):
            for start in range(0, sheet.height, _CHUNK_ROWS):
                yield _chunk(index, sheet.slice(start, _CHUNK_ROWS), start, self._options.skip_lines)
            check_unchanged(file)

    def fingerprint(self) -> str:
        """Return a hash over content and size of all files.

        Raises:
            SourceError: a file cannot be read.
            SourceChangedError: a file changed since it was opened.
        """
        return fingerprint_of(self._files)

    def _read(self) -> list[pl.DataFrame]:
        if self._sheets is None:
            sheets, names = zip(*(_sheet(file, self._options) for file in self._files), strict=True)
            for file, sheet in zip(self._files, sheets, strict=True):
                difference = column_difference(sheets[0].columns, sheet.columns)
                if difference:
                    raise SourceError(
                        f"{shown(file.name)}: differs from {shown(self._files[0].name)}: {difference}",
                        hint="import files of one kind together",
                    )
            if not any(sheet.height for sheet in sheets) and not self._options.allow_empty:
                raise SourceError(
                    f"{shown(self._files[0].name)}: a header and no rows", hint="check the sheet, or --allow-empty"
                )
            self._sheets = list(sheets)
            self._notes = (f"Excel, sheet {names[0]!r}; formulas are read as their last results",)
        return self._sheets


def _sheet(file: SourceFile, options: SourceOptions) -> tuple[pl.DataFrame, str]:
    try:
        import fastexcel  # noqa: PLC0415 - optional, and only this kind of file needs it
    except ImportError:
        raise SourceError(
            f"{shown(file.name)}: reading Excel needs the package fastexcel",
            hint="pip install 'memory-importer[excel]'",
        ) from None
    check_unchanged(file)
    _refuse_bomb(file, options.max_decompressed_bytes)
    try:
        book = fastexcel.read_excel(file.path)
        sheets = list(book.sheet_names)
        name = options.sheet or sheets[0]
        if name in sheets:
            # As text: a number that looks like one keeps its zeros where the cell is a text, and dates are ISO 8601.
            sheet: Any = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
            batch, failed = sheet.to_arrow_with_errors()
            cells = pl.DataFrame(pl.from_arrow(batch)).cast(pl.String)
            return _table(file, _with_errors(cells, failed.errors if failed is not None else ()), options), name
    except SourceError:
        raise
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - its errors may quote cells
        raise SourceError(
            f"{shown(file.name)}: the Excel file is damaged, protected by a password, or of an unknown form",
            hint="open it and save it again, or export it as CSV",
        ) from None
    known = ", ".join(repr(shown(one)) for one in sheets[:10])
    raise SourceError(f"{shown(file.name)}: there is no sheet {shown(name)!r}", hint=f"--sheet with one of: {known}")


def _with_errors(cells: pl.DataFrame, failed: Sequence[Any]) -> pl.DataFrame:
    """Put what Excel shows into cells whose formula failed; read as text they would be empty."""
    places: dict[int, list[tuple[int, str]]] = {}
    for error in failed:
        row, column = error.position
        kind = _ERROR.search(error.detail)
        places.setdefault(column, []).append((row, _ERRORS.get(kind[1] if kind else "", _ERRORS["Value"])))
    columns = cells.get_columns()
    for column, found in places.items():
        rows, texts = [row for row, _ in found], [text for _, text in found]
        columns[column] = columns[column].scatter(rows, texts)
    return pl.DataFrame(columns)


def _refuse_bomb(file: SourceFile, cap_bytes: int) -> None:
    """Refuse a book that unpacks to far more than it is, by its own table of contents: it is read as a whole."""
    try:
        with zipfile.ZipFile(file.path) as content:
            unpacked = sum(member.file_size for member in content.infolist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return  # what it is instead is said by whoever opens it
    if unpacked > min(cap_bytes, max(_FREE_BYTES, _RATIO_CAP * file.size_bytes)):
        raise SourceError(
            f"{shown(file.name)}: unpacks to more than {_RATIO_CAP} times its size, or than a sheet may be",
            hint="export it as CSV if it is genuine",
        )


def _table(file: SourceFile, cells: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
    """Return the rows below the header, with its names."""
    below = cells.slice(options.skip_lines)
    if below.is_empty():
        raise SourceError(f"{shown(file.name)}: the sheet is empty", hint="--sheet names another")
    header = ["" if name is None else str(name) for name in below.row(0)]
    if not any(header):
        raise SourceError(
            f"{shown(file.name)}: row {options.skip_lines + 1} of the sheet should be the header, and it is empty",
            hint="--skip-lines N passes over rows above the header",
        )
    while header and not header[-1] and below.to_series(len(header) - 1).is_null().all():
        header.pop()  # columns beside the table that were formatted once
    try:
        names, odd = check_names([name.strip() if options.trim_headers else name for name in header])
    except Doubt as doubt:
        raise SourceError(f"{shown(file.name)}: {doubt.cause}", hint=doubt.fix) from None
    rows = below.slice(1)
    return pl.DataFrame(
        {name: _as_iso(rows.to_series(place).cast(pl.String)) for place, name in enumerate(names) if name not in odd}
    )


def _as_iso(cells: pl.Series) -> pl.Series:
    """Write moments as ISO 8601; a day comes with midnight behind it, a time of day with the day before all days."""
    return cells.str.replace(_TIME_OF_DAY, "$1").str.replace(_MIDNIGHT, "$1").str.replace(_MOMENT, "${1}T$2")


def _chunk(file_index: int, frame: pl.DataFrame, start: int, skipped: int) -> SourceChunk:
    numbers = np.arange(start + 1, start + 1 + frame.height, dtype=np.uint64)
    return SourceChunk(
        file_index=file_index,
        frame=frame,
        row_number=pl.Series("row_number", numbers, dtype=pl.UInt64),
        line=pl.Series("line", numbers + np.uint64(1 + skipped), dtype=pl.UInt64),
        blank=frame.select(pl.all_horizontal(pl.all().is_null()).alias("blank")).to_series(),
        malformed=pl.DataFrame(schema=MALFORMED_SCHEMA),
    )
