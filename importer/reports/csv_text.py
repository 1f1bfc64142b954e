"""Rows as CSV text by column expressions: quoted where needed, and made harmless where people open it."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from importer.reports.plain_text import ESCAPES, UNPRINTABLE


@dataclass(frozen=True, slots=True)
class CsvStyle:
    """How rows are written; `quote` and `delimiter` are one character each."""

    delimiter: str = ","
    quote: str = '"'
    line_terminator: str = "\n"

    @property
    def special(self) -> frozenset[str]:
        """Characters that no unquoted field may have."""
        # A mark U+FEFF at the start of an unquoted first field would be read as a byte order mark.
        return frozenset(f"{self.delimiter}{self.quote}\r\n\ufeff")


def csv_lines(frame: pl.DataFrame, style: CsvStyle) -> pl.Series:
    """Return each row as a line with its end.

    A null is an empty field, an empty text a quoted empty one; lists become JSON text, other types their text.

    Frame in: any columns, at least one.
    """
    others = [as_text(name, dtype).alias(name) for name, dtype in frame.schema.items() if dtype != pl.String]
    texts = frame.with_columns(others) if others else frame
    special = _char_class(style.special)
    # Most columns have nothing to quote: one look at all of them spares each its own.
    found = texts.select(_needs_quotes(pl.all(), special).any()).row(0)
    fields = [
        _quoted(name, special, style.quote) if some else pl.col(name)
        for name, some in zip(texts.columns, found, strict=True)
    ]
    line = pl.concat_str([field.fill_null("") for field in fields], separator=style.delimiter) + style.line_terminator
    return texts.select(line.alias("line")).to_series()


def csv_header(names: Sequence[str], style: CsvStyle) -> str:
    """Return the header line with its end."""
    fields = [name if name and style.special.isdisjoint(name) else _in_quotes(name, style.quote) for name in names]
    return style.delimiter.join(fields) + style.line_terminator


def _in_quotes(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote


def _needs_quotes(text: pl.Expr, special: str) -> pl.Expr:
    return text.str.contains(special) | (text == "")


def _quoted(name: str, special: str, quote: str) -> pl.Expr:
    text = pl.col(name)
    doubled = text.str.replace_all(quote, quote * 2, literal=True)
    return pl.when(_needs_quotes(text, special)).then(pl.lit(quote) + doubled + pl.lit(quote)).otherwise(text)


def as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column as text: lists as JSON, everything else cast."""
    column = pl.col(name)
    if dtype == pl.String:
        return column
    if not isinstance(dtype, pl.List):
        return column.cast(pl.String)
    inner = dtype.inner
    if inner not in {pl.String(), pl.Boolean()} and not inner.is_numeric():
        column = column.list.eval(pl.element().cast(pl.String))
    # polars encodes structs only: {"v":[...]} without its frame is the list.
    text = pl.struct(column.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
    return pl.when(column.is_not_null()).then(text)


def _char_class(chars: frozenset[str]) -> str:
    return "[" + "".join(f"\\x{{{ord(char):x}}}" for char in sorted(chars)) + "]"


def harmless(column: str) -> pl.Expr:
    r"""Return text that a spreadsheet shows as it stands: no formula, no control or direction-changing character.

    A first character that starts a formula gets an apostrophe before it; characters nobody can see are written as
    ``\u202e``.
    """
    text = pl.col(column)
    escaped = pl.when(text.str.contains(UNPRINTABLE)).then(text.str.replace_many(ESCAPES)).otherwise(text)
    # Judged on the original text: a tab or a line end at the start makes some programs look further.
    formula = text.str.contains(r"^\s*[=+\-@＝＋－＠]|^[\t\r\n]")  # noqa: RUF001 - full-width forms start formulas too
    return pl.when(formula).then(pl.lit("'") + escaped).otherwise(escaped).alias(column)


class Encoder:
    """Turns text into the bytes of one encoding, piece by piece.

    Args:
        encoding: A codec's name.
        has_bom: Write a byte order mark first.
    """

    def __init__(self, encoding: str, *, has_bom: bool = False) -> None:
        name = codecs.lookup(encoding).name
        # utf-16, utf-32 and utf-8-sig write their mark by themselves.
        self._own_mark = name in {"utf-16", "utf-32", "utf-8-sig"}
        self._plain = name == "utf-8"
        # What a codec read it can write, with rare exceptions (shift states, one-way mappings): those stay legible
        # rather than end a report.
        self._encoder = codecs.getincrementalencoder(name)("backslashreplace")
        self._mark = "\ufeff" if has_bom and not self._own_mark else ""

    def encode(self, text: str) -> bytes:
        """Encode text; the first call puts the mark before it."""
        mark, self._mark = self._mark, ""
        return self._encoder.encode(mark + text)

    def encode_lines(self, lines: pl.Series) -> bytes | memoryview:
        """Encode lines one after another."""
        if self._plain and not self._mark:
            return joined_utf8(lines)
        return self.encode(str(joined_utf8(lines), "utf-8"))


def joined_utf8(texts: pl.Series) -> memoryview:
    """Return texts without nulls one after another, as they lie in memory."""
    arrow = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    values = arrow.buffers()[2]
    return memoryview(values) if values is not None else memoryview(b"")


HUMAN_STYLE: Final = CsvStyle()
"""How files for people are written."""
