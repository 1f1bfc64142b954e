"""Source text and lists to ARRAYs: a flat array as JSON text, the same bytes for the same items."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core import limits
from importer.core.characters import CONTROL, CONTROL_MESSAGE, Offsets, bytes_of, edges, rows_at, utf16_units
from importer.core.findings import Cell, kept, marked, no_rows, nulls
from importer.core.json_text import (
    ARRAY_OF_BOOLEANS,
    ARRAY_OF_INTEGERS,
    ARRAY_OF_STRINGS,
    has_half_pair,
    json_lists,
    json_plain,
    json_strings,
)

_JSON_SPACE: Final = r"[ \t\r\n]+"
_TOO_MANY: Final = f"at most {limits.ARRAY_MAX_ITEMS} items"
_SPACE, _DELETE = b" \x7f"


def cast_split(separator: str, cell: Cell, *, is_written: bool = True) -> None:
    """Cast items with a separator between them; they are trimmed, and empty ones left out.

    Args:
        separator: One character or more.
        cell: Trimmed text.
        is_written: Whether the array is wanted as JSON; the text stays where it is not.
    """
    text, long = cell.value, cell.may_exceed(limits.STRING_MAX_CHARS)
    # Where no item is empty, has spaces around it, is long or needs escaping, replacing the separator is all there is.
    rows = _odd_lists(text, separator, limits.STRING_MAX_CHARS if long else None)
    value = _joined_anew(text, separator) if is_written else text
    if cell.may_exceed(limits.ARRAY_MAX_ITEMS - 1):
        many = text.str.count_matches(separator, literal=True) >= limits.ARRAY_MAX_ITEMS
        cell.refuse(many & ~marked(rows, len(text)), "too-many-items", _TOO_MANY)
    if rows.len():
        trimmed = pl.element().str.strip_chars()
        lists = text[rows].str.split(separator).list.eval(trimmed.filter(trimmed != ""))
        items = _item_texts(cell, lists, rows)
        value = value.scatter(rows, items) if is_written else value
    _set_arrays(cell, value)


def _joined_anew(text: pl.Series, separator: str) -> pl.Series:
    """Write plain items as JSON."""
    items = pl.col("text").str.replace_all(separator, '","', literal=True)
    return text.to_frame("text").select(pl.concat_str(pl.lit('["'), items, pl.lit('"]'))).to_series()


def cast_json(cell: Cell) -> None:
    """Cast the JSON text of a flat array."""
    text = cell.value
    strings = text.str.contains(ARRAY_OF_STRINGS)
    integers = text.str.contains(ARRAY_OF_INTEGERS)
    booleans = text.str.contains(ARRAY_OF_BOOLEANS)
    message = "expected a JSON array of texts, of whole numbers or of true/false"
    cell.refuse(~(strings | integers | booleans), "type-mismatch", message)
    cell.refuse(strings & has_half_pair(text), "type-mismatch", "an item has half of a surrogate pair")
    value = text.str.replace_all(_JSON_SPACE, "")
    many = ~strings & (value.str.count_matches(",", literal=True) >= limits.ARRAY_MAX_ITEMS)
    cell.refuse(many, "too-many-items", _TOO_MANY)
    rows = integers.arg_true()
    if rows.len():
        numbers = value[rows].str.extract_all(r"-?[0-9]+").list.eval(pl.element().cast(pl.Int64, strict=False))
        _refuse_wide_numbers(cell, numbers, rows)
    rows = (strings & cell.value.is_not_null()).arg_true()
    if rows.len():
        # Written anew, so that the same items give the same bytes.
        value = value.scatter(rows, _item_texts(cell, json_lists(text[rows]), rows))
    _set_arrays(cell, value)


def _set_arrays(cell: Cell, value: pl.Series) -> None:
    if cell.value.null_count() > value.null_count():
        value = kept(value, cell.value.is_not_null())
    cell.value = value


def _item_texts(cell: Cell, items: pl.Series, rows: pl.Series) -> pl.Series:
    """Check the texts of the arrays of some rows, and return the arrays as JSON text."""
    control = items.list.eval(pl.element().str.contains(CONTROL)).list.any()
    cell.refuse_rows(rows.filter(control), "control-character", CONTROL_MESSAGE)
    cell.refuse_rows(rows.filter(items.list.len() > limits.ARRAY_MAX_ITEMS), "too-many-items", _TOO_MANY)
    longest = items.list.eval(utf16_units(pl.element())).list.max()
    message = f"an item has more than {limits.STRING_MAX_CHARS} characters"
    cell.refuse_rows(rows.filter(longest > limits.STRING_MAX_CHARS), "too-long", message)
    return json_strings(items)


def _refuse_wide_numbers(cell: Cell, numbers: pl.Series, rows: pl.Series) -> None:
    outside = pl.element().is_null() | ~pl.element().is_between(limits.NUMBER_MIN, limits.NUMBER_MAX)
    wide = numbers.list.eval(outside).list.any()
    message = f"an item is outside {limits.NUMBER_MIN} to {limits.NUMBER_MAX}"
    cell.refuse_rows(rows.filter(wide), "out-of-range", message)


def cast_list(cell: Cell) -> None:
    """Take a list column of a typed source; an item that is null refuses the value."""
    items = cell.value
    rows = pl.int_range(len(items), dtype=pl.UInt32, eager=True)
    inner = getattr(items.dtype, "inner", pl.Null())
    cell.refuse(items.list.eval(pl.element().is_null()).list.any(), "type-mismatch", "an array has no empty items")
    cell.refuse(items.list.len() > limits.ARRAY_MAX_ITEMS, "too-many-items", _TOO_MANY)
    if inner.is_integer():
        _refuse_wide_numbers(cell, items.list.eval(pl.element().cast(pl.Int64, strict=False)), rows)
        value = json_plain(items)
    elif inner == pl.Boolean:
        value = json_plain(items)
    elif inner in (pl.String, pl.Null):
        value = _item_texts(cell, items.cast(pl.List(pl.String)), rows)
    else:
        cell.refuse(items.is_not_null(), "type-mismatch", "array items are texts, whole numbers or true/false")
        value = nulls(pl.String, len(items))
    _set_arrays(cell, value)


def _odd_lists(text: pl.Series, separator: str, max_bytes: int | None) -> pl.Series:
    """Return the rows with an item that is empty, has white space around it or a character that JSON escapes.

    Args:
        text: Items with a separator between them.
        separator: One character or more.
        max_bytes: A text of more bytes is odd too; None where there is none.
    """
    between = pl.escape_regex(separator)
    odd = pl.col("text").str.contains(
        rf'^{between}|{between}$|{between}{between}|\s{between}|{between}\s|["\\\x00-\x1f\x7f]'
    )
    if max_bytes is not None:
        odd |= pl.col("text").str.len_bytes() > max_bytes
    elif len(separator.encode()) == 1:
        rows = _perhaps_odd_lists(*bytes_of(text), ord(separator))
        return rows.filter(text[rows].to_frame("text").select(odd).to_series()) if rows.len() else rows
    return text.to_frame("text").select(odd.arg_true()).to_series()


def _perhaps_odd_lists(data: npt.NDArray[np.uint8], offsets: Offsets, separator: int) -> pl.Series:
    """Return the rows that may hold an odd list, as far as single bytes tell: all others are plain."""
    if not data.size:
        return no_rows()
    odd = (data <= _SPACE) | (data == ord('"')) | (data == ord("\\")) | (data >= _DELETE)
    between = data == separator
    odd[1:] |= between[1:] & between[:-1]
    for places in edges(offsets):
        odd[places] |= between[places]
    return rows_at(np.flatnonzero(odd), offsets)
