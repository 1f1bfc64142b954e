"""The rules of an import file: its header, its characters, what a cell means.

Pure over an iterator of lines, with the standard library's `csv`: another reading of the format than the importer's.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from importer.emulator import values
from importer.emulator.schema import MIN_VALUES, StoreSchema

MAX_ROWS = 1_000_000
MAX_COLUMNS = 100
MAX_HEADER_CHARS = 64
MAX_FAILED_ROWS = 100
CHUNK_ROWS = 1000
REMOVE = "\\N"

_LATIN = "àáâäǎæãåāçćčċďðḍèéêëěẽēėęğġħḥìíîïǐĩīıįķłļľṁòóôöǒœøõōřṛßşșśšṣțťþṭùúûüǔũūűůŵýŷÿźžżẓ"
_UPPER = [upper for letter in _LATIN if len(upper := letter.upper()) == 1]
_SIGNS = "!@#$%^&*()_+-=[]{}:\\|.`~<>/?"
_DIGITS_AND_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALLOWED_CHARACTERS = frozenset([*_DIGITS_AND_LETTERS, *_SIGNS, *_LATIN, *_UPPER])
_CLASS = "[" + "".join(re.escape(character) for character in sorted(ALLOWED_CHARACTERS)) + "]"
_CELL = f"(?:{_CLASS}+(?: {_CLASS}+)*)?"
# All cells of a row in one match: a separator outside the allowed set keeps them apart.
_SEPARATOR = "\x1f"
_ROW = re.compile(f"{_CELL}(?:{_SEPARATOR}{_CELL})*")


class ImportFailedError(Exception):
    """The file as a whole cannot be imported; the message names no cell."""


class Column(NamedTuple):
    """One mapped column."""

    position: int
    group: str
    trait: str
    kind: str


class Parsed(NamedTuple):
    """One chunk of rows: traits of the good ones in order, and how many failed."""

    traits: list[dict[str, dict[str, Any]]]
    failed: int


def plan_columns(header: Sequence[str], mappings: Sequence[Mapping[str, str]], schema: StoreSchema) -> list[Column]:
    """Match the file's header with the import's column mappings, or raise the reason it cannot be."""
    if len(header) > MAX_COLUMNS:
        raise ImportFailedError(f"the file has more than {MAX_COLUMNS} columns")
    if len(set(header)) != len(header):
        raise ImportFailedError("a column name is repeated in the header")
    if any(not name or len(name) > MAX_HEADER_CHARS for name in header) or not _ROW.fullmatch(_SEPARATOR.join(header)):
        raise ImportFailedError("a column name is empty, too long or has characters that are not allowed")
    columns = []
    for mapping in mappings:
        definition = schema.find_definition(mapping["traitGroup"], mapping["traitName"])
        if mapping["columnName"] not in header:
            raise ImportFailedError("a mapped column is missing in the header")
        if definition is None:
            raise ImportFailedError("a mapped trait does not exist any more")
        position = header.index(mapping["columnName"])
        columns.append(Column(position, mapping["traitGroup"], mapping["traitName"], definition["dataType"]))
    return columns


def read_chunks(lines: Iterable[str], mappings: Sequence[Mapping[str, str]], schema: StoreSchema) -> Iterator[Parsed]:
    """Yield the file's rows in chunks; a row that breaks a rule is counted and left out."""
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise ImportFailedError("the file is empty")
        columns = plan_columns(header, mappings, schema)
        chunk: list[list[str]] = []
        for row in reader:
            if not row:
                continue
            chunk.append(row)
            if len(chunk) == CHUNK_ROWS:
                yield _parse_chunk(chunk, len(header), columns, schema)
                chunk = []
        if chunk:
            yield _parse_chunk(chunk, len(header), columns, schema)
    except csv.Error as error:
        raise ImportFailedError("the file is not well-formed CSV") from error


def _parse_chunk(rows: Sequence[Sequence[str]], width: int, columns: Sequence[Column], schema: StoreSchema) -> Parsed:
    parsed = [traits for row in rows if len(row) == width and (traits := parse_row(row, columns)) is not None]
    bad = schema.find_bad_patches(parsed)
    good = [traits for position, traits in enumerate(parsed) if position not in bad and _is_profile(traits, schema)]
    return Parsed(good, len(rows) - len(good))


def parse_row(row: Sequence[str], columns: Sequence[Column]) -> dict[str, dict[str, Any]] | None:
    r"""Return a row's traits, or None where it breaks a rule.

    An empty cell is an empty string and overwrites; `\N` is a null and removes. Neither is an identifier.
    """
    cells = [row[column.position] for column in columns]
    if not _ROW.fullmatch(_SEPARATOR.join(cells)):
        return None
    traits: dict[str, dict[str, Any]] = {}
    for column, cell in zip(columns, cells, strict=True):
        if column.kind == "STRING":
            value = None if cell == REMOVE else cell
        elif column.kind == "ARRAY":
            return None
        else:
            value = None if cell == REMOVE else values.parse_cell(column.kind, cell)
            if value is values.INVALID:
                return None
        group = traits.get(column.group)
        if group is None:
            group = traits[column.group] = {}
        group[column.trait] = value
    return traits


def _is_profile(traits: Mapping[str, Mapping[str, Any]], schema: StoreSchema) -> bool:
    if sum(value is not None for group in traits.values() for value in group.values()) < MIN_VALUES:
        return False
    identifiers, bad = schema.read_identifiers(traits)
    return bool(identifiers) and not bad
