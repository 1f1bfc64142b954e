"""Files of one JSON object a line (NDJSON, JSON Lines) as a source: numbers keep their digits, bad lines are rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from importer.errors import SourceError
from importer.ports import MALFORMED_SCHEMA, SourceChunk, SourceDescription
from importer.sources.decode import open_bytes, read_up_to
from importer.sources.files import check_unchanged, fingerprint_of, shown
from importer.sources.header import check_names
from importer.sources.readahead import read_ahead
from importer.sources.sniff import Doubt

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from importer.ports import SourceFile, SourceOptions
    from importer.sources.decode import ByteStream

_CHUNK_LINES: Final = 20_000
_CHUNK_BYTES: Final = 16 * 1024 * 1024
_HEAD_LINES: Final = 10_000
"""Lines whose keys are the columns. A later line with another key is not read, rather than read without it."""

_BOM: Final = b"\xef\xbb\xbf"


class _Odd(Exception):  # noqa: N818 - a verdict about one line
    """A line that is no row, and why; the text holds no value."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Odd("a key stands in it twice")
    return found


def _constant(_: str) -> None:
    raise _Odd("it holds NaN or Infinity, which is no JSON")


# Numbers stay the text they are: no digit of an id or an amount is lost on the way.
_DECODER: Final = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_constant, object_pairs_hook=_pairs, strict=True
)


class NdjsonSource:
    """One or more files of JSON objects, read in order.

    Blank lines are rows, as in a CSV file. Values are texts, numbers, ``true`` and ``false``, null, and lists of these;
    a line with an object as a value is not read.

    Args:
        files: Each with its compression, None for plain text.
        options: What the user asked for.
    """

    def __init__(self, files: Sequence[tuple[SourceFile, str | None]], options: SourceOptions) -> None:
        self._files = [file for file, _ in files]
        self._compressions = [compression for _, compression in files]
        self._options = options
        self._columns: dict[str, bool] | None = None

    def describe(self) -> SourceDescription:
        """Read the first lines for the columns.

        Raises:
            SourceError: a file cannot be read, or has no objects.
        """
        columns = self._known()
        return SourceDescription(
            kind="ndjson",
            files=tuple(self._files),
            columns=tuple(columns),
            notes=(f"JSON lines; columns are the keys of the first {_HEAD_LINES:,} lines",),
        )

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows of all files; each call is a fresh pass.

        Raises:
            SourceError: a file cannot be read further.
            SourceChangedError: a file changed since it was opened.
        """
        self._known()
        return read_ahead(self._read_files)

    def fingerprint(self) -> str:
        """Return a hash over content and size of all files.

        Raises:
            SourceError: a file cannot be read.
            SourceChangedError: a file changed since it was opened.
        """
        return fingerprint_of(self._files)

    def _known(self) -> dict[str, bool]:
        """Return the columns, and which of them hold lists."""
        if self._columns is None:
            found: dict[str, bool] = {}
            for lines in self._first_lines():
                for line in lines:
                    _add_columns(found, line)
            if not found and not self._options.allow_empty:
                raise SourceError(
                    f"{shown(self._files[0].name)}: no JSON object in its first lines",
                    hint="one object a line is read; check the export, or --allow-empty",
                )
            try:
                names, odd = check_names(list(found))
            except Doubt as doubt:
                raise SourceError(f"{shown(self._files[0].name)}: {doubt.cause}", hint=doubt.fix) from None
            self._columns = {name: found[name] for name in names if name not in odd}
        return self._columns

    def _first_lines(self) -> Iterator[list[bytes]]:
        left = _HEAD_LINES
        for file, compression in zip(self._files, self._compressions, strict=True):
            check_unchanged(file)
            _, stream = open_bytes(file, compression, self._options.max_decompressed_bytes)
            try:
                for lines in _stretches(stream, file, self._options.max_field_bytes):
                    yield lines[:left]
                    left -= len(lines)
                    if left <= 0:
                        return
            finally:
                stream.close()

    def _read_files(self) -> Generator[SourceChunk, None, None]:
        columns = self._known()
        for index, (file, compression) in enumerate(zip(self._files, self._compressions, strict=True)):
            check_unchanged(file)
            _, stream = open_bytes(file, compression, self._options.max_decompressed_bytes)
            first = 1
            try:
                for lines in _stretches(stream, file, self._options.max_field_bytes):
                    yield _chunk(index, lines, first, columns)
                    first += len(lines)
            finally:
                stream.close()
            check_unchanged(file)


def _stretches(stream: ByteStream, file: SourceFile, max_line_bytes: int) -> Iterator[list[bytes]]:
    """Yield lines, some thousands at a time.

    Raises:
        SourceError: a line is longer than a cell may be.
    """
    rest, line_number, is_first = b"", 0, True
    while block := read_up_to(stream, _CHUNK_BYTES):
        block = block.removeprefix(_BOM) if is_first else block
        is_first = False
        lines = (rest + block).split(b"\n")
        long = next((number for number, line in enumerate(lines, 1) if len(line) > max_line_bytes), None)
        if long is not None:
            raise SourceError(
                f"{shown(file.name)}: line {line_number + long} is longer than {max_line_bytes} bytes",
                hint="--max-field allows more",
            )
        rest = lines.pop()
        line_number += len(lines)
        for start in range(0, len(lines), _CHUNK_LINES):
            yield lines[start : start + _CHUNK_LINES]
    if rest:
        yield [rest]


def _parsed(line: bytes) -> dict[str, Any]:
    """Return a line's object.

    Raises:
        _Odd: it is none.
    """
    try:
        found = _DECODER.decode(line.decode("utf-8"))
        if b"\\u" in line:
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise _Odd("it is not UTF-8") from None
    except UnicodeEncodeError:
        raise _Odd("it has one half of a character (a lone surrogate)") from None
    except (ValueError, RecursionError):
        raise _Odd("it is not one JSON object") from None
    if not isinstance(found, dict):
        raise _Odd("it is not one JSON object")
    return found


def _add_columns(columns: dict[str, bool], line: bytes) -> None:
    if not line.strip():
        return
    try:
        found = _parsed(line)
    except _Odd:
        return
    for name, value in found.items():
        columns[name] = columns.get(name, False) or _is_list(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value)


@dataclass
class _Rows:
    """Lines on their way to a chunk."""

    columns: dict[str, bool]
    cells: dict[str, list[Any]] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    blank: list[bool] = field(default_factory=list)
    bad: list[tuple[int, str, bytes]] = field(default_factory=list)

    def add(self, number: int, line: bytes) -> None:
        """Take in one line."""
        is_blank = not line.strip()
        try:
            row = {} if is_blank else self._texts(_parsed(line))
        except _Odd as odd:
            self.bad.append((number, str(odd), line))
            return
        self.numbers.append(number)
        self.blank.append(is_blank)
        for name in self.columns:
            self.cells.setdefault(name, []).append(row.get(name))

    def _texts(self, row: dict[str, Any]) -> dict[str, Any]:
        texts: dict[str, Any] = {}
        for name, value in row.items():
            if name not in self.columns:
                raise _Odd(f"it has a key that the first {_HEAD_LINES:,} lines have not")
            if isinstance(value, dict):
                raise _Odd("it has an object as a value")
            if isinstance(value, list):
                texts[name] = [_item(item) for item in value]
            elif self.columns[name] and value is not None:
                raise _Odd("it has a single value where other lines have a list")
            else:
                texts[name] = _text(value)
        return texts


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) or value is None else str(value)


def _item(value: Any) -> str | None:
    if isinstance(value, (dict, list)):
        raise _Odd("it has a list in a list, or an object in one")
    return _text(value)


def _chunk(file_index: int, lines: list[bytes], first: int, columns: dict[str, bool]) -> SourceChunk:
    rows = _Rows(columns)
    for number, line in enumerate(lines, first):
        rows.add(number, line)
    kinds = {name: pl.List(pl.String) if is_list else pl.String() for name, is_list in columns.items()}
    numbers = np.array(rows.numbers, dtype=np.uint64)
    bad = pl.DataFrame(
        [(number, number, "malformed-row", f"the line cannot be read: {why}", raw) for number, why, raw in rows.bad],
        schema=MALFORMED_SCHEMA,
        orient="row",
    )
    return SourceChunk(
        file_index=file_index,
        frame=pl.DataFrame({name: rows.cells.get(name, []) for name in columns}, schema=kinds),
        row_number=pl.Series("row_number", numbers, dtype=pl.UInt64),
        line=pl.Series("line", numbers, dtype=pl.UInt64),
        blank=pl.Series("blank", rows.blank, dtype=pl.Boolean),
        malformed=bad,
    )
