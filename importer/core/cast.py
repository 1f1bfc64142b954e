"""Source text to trait types, leniently: what does not fit is a finding, never an exception and never a silent null.

Every function takes a `Cell` of trimmed text (null is missing) and leaves it with typed values:
STRING -> String, NUMBER -> Int32, BOOLEAN -> Boolean, ARRAY -> String holding the JSON text of a flat array.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from importer.core import limits
from importer.core.characters import CONTROL, CONTROL_MESSAGE, utf16_units
from importer.core.findings import Cell, kept, nulls, scattered
from importer.core.json_text import (
    ARRAY_OF_BOOLEANS,
    ARRAY_OF_INTEGERS,
    ARRAY_OF_STRINGS,
    has_half_pair,
    json_lists,
    json_plain,
    json_strings,
)
from importer.core.plain_dates import plain_dates
from importer.core.schema import DataType
from importer.core.transform import LetterCase, Parse, TraitPlan

TYPED: Final[dict[DataType, pl.DataType]] = {
    DataType.STRING: pl.String(),
    DataType.NUMBER: pl.Int32(),
    DataType.BOOLEAN: pl.Boolean(),
    DataType.ARRAY: pl.String(),
}
"""Column type of each trait type in the package."""

_INTEGER: Final = r"^[+-]?[0-9]+(?:\.0+)?$"
_SCIENTIFIC: Final = r"^[+-]?[0-9](?:\.[0-9]+)?E\+?[0-9]+$"
_ISO_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_ISO_DATETIME: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?$"
)
_HAS_ZONE: Final = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$"
_FIRST_DAY: Final = date(1000, 1, 1)
_LAST_DAY: Final = date(9999, 12, 31)
_JSON_SPACE: Final = r"[ \t\r\n]+"
_TOO_MANY: Final = f"at most {limits.ARRAY_MAX_ITEMS} items"

SCIENTIFIC_MESSAGE: Final = "scientific notation: some of its digits are lost"


def cast_trait(trait: TraitPlan, cell: Cell) -> None:
    """Cast a cell's text to the trait's type, in place.

    Args:
        trait: The plan of the trait; identifiers are normalised elsewhere and are not passed here.
        cell: Trimmed text, null where missing; a list column of Parquet is taken for an ARRAY.
    """
    if cell.value.dtype == pl.List:
        _cast_list(trait, cell)
        return
    change_text(trait, cell)
    match trait.data_type:
        case DataType.STRING:
            _cast_moment(trait, cell)
        case DataType.NUMBER:
            _cast_number(cell)
        case DataType.BOOLEAN:
            _cast_boolean(trait, cell)
        case DataType.ARRAY if trait.split is not None:
            _cast_split(trait.split, cell)
        case DataType.ARRAY:
            _cast_json(cell)


def change_text(trait: TraitPlan, cell: Cell) -> None:
    """Change the case of a text and then replace whole values, as the mapping asks."""
    if trait.case is LetterCase.LOWER:
        cell.value = cell.value.str.to_lowercase()
    elif trait.case is LetterCase.UPPER:
        cell.value = cell.value.str.to_uppercase()
    if trait.replace:
        cell.value = cell.value.replace(dict(trait.replace))


def _cast_number(cell: Cell) -> None:
    text = cell.value
    digits = text.cast(pl.Int32, strict=False)
    odd = (digits.is_null() & text.is_not_null()) | text.str.starts_with("+").fill_null(value=False)
    if odd.any():
        rows = odd.arg_true()
        digits = digits.scatter(rows, _odd_numbers(cell, rows))
    cell.value = digits


def _odd_numbers(cell: Cell, rows: pl.Series) -> pl.Series:
    """Judge what is not plainly the digits of a 32-bit number: a few rows of the column."""
    height = len(cell.value)
    text = cell.value.gather(rows)
    whole = text.str.contains(_INTEGER)
    scientific = text.str.contains(_SCIENTIFIC)
    cell.refuse(scattered(scientific, rows, height), "excel-damage", SCIENTIFIC_MESSAGE)
    message = "expected a whole number written with digits only"
    cell.refuse(scattered(~whole, rows, height), "type-mismatch", message)
    plain = text.str.replace(r"\.0+$", "").str.strip_prefix("+")
    digits = kept(plain, whole).cast(pl.Int32, strict=False)
    message = f"expected {limits.NUMBER_MIN} to {limits.NUMBER_MAX}"
    cell.refuse(scattered(digits.is_null(), rows, height), "out-of-range", message)
    cell.count("number-format", len(digits) - digits.null_count())
    return digits


def _cast_boolean(trait: TraitPlan, cell: Cell) -> None:
    words = {word.lower(): True for word in trait.true_values} | {word.lower(): False for word in trait.false_values}
    truth = _truth(cell.value, words)
    allowed = ", ".join([*trait.true_values, *trait.false_values])
    cell.refuse(truth.is_null() & cell.value.is_not_null(), "type-mismatch", f"expected one of: {allowed}")
    cell.value = truth


def _truth(text: pl.Series, words: Mapping[str, bool]) -> pl.Series:
    """Look words up in lower case; only what is not written so is changed."""
    good = text.is_in([word for word, meant in words.items() if meant])
    truth = kept(good, text.is_in(list(words)))
    rows = (truth.is_null() & text.is_not_null()).arg_true()
    if not rows.len():
        return truth
    lower = text.gather(rows).str.to_lowercase()
    return truth.scatter(rows, lower.replace_strict(words, default=None, return_dtype=pl.Boolean))


def _cast_moment(trait: TraitPlan, cell: Cell) -> None:
    if trait.parse is None:
        return
    text = cell.value
    iso = _date_text(text, trait.format) if trait.parse is Parse.DATE else _datetime_text(text, trait.format)
    shape = trait.format or ("YYYY-MM-DD" if trait.parse is Parse.DATE else "ISO 8601")
    cell.refuse(iso.is_null() & text.is_not_null(), "invalid-date", f"expected {shape}")
    cell.value = iso


def _date_text(text: pl.Series, moment_format: str | None) -> pl.Series:
    plain = plain_dates(text) if moment_format is None else plain_dates(text, moment_format)
    if plain is None:
        return _any_date_text(text, moment_format)
    rows = (plain.is_null() & text.is_not_null()).arg_true()
    return plain.scatter(rows, _any_date_text(text.gather(rows), moment_format)) if rows.len() else plain


def _any_date_text(text: pl.Series, moment_format: str | None) -> pl.Series:
    if moment_format is None:
        return kept(text, text.str.contains(_ISO_DATE) & text.str.to_date("%Y-%m-%d", strict=False).is_not_null())
    day = text.str.to_date(moment_format, strict=False)
    return _in_our_time(day, day).dt.strftime("%Y-%m-%d")


def _in_our_time(moment: pl.Series, day: pl.Series) -> pl.Series:
    """Make moments null whose year has not four digits: `%Y` reads "85" as the year 85."""
    good = day.is_between(_FIRST_DAY, _LAST_DAY)
    return kept(moment, good)


def _datetime_text(text: pl.Series, moment_format: str | None) -> pl.Series:
    """Render moments with a zone in UTC with Z, those without as they are, with a T; microseconds at most."""
    if moment_format is not None:
        moment = text.str.to_datetime(moment_format, time_unit="us", strict=False)
        zone = "" if getattr(moment.dtype, "time_zone", None) is None else "Z"
        return _in_our_time(moment, moment.dt.date()).dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + zone)
    frame = pl.DataFrame({"text": text}).with_columns(
        iso=pl.col("text").str.contains(_ISO_DATETIME), zoned=pl.col("text").str.contains(_HAS_ZONE)
    )
    frame = frame.with_columns(
        plain=pl.when("iso").then(
            pl.col("text")
            .str.replace(" ", "T", literal=True)
            .str.replace(r"Z$", "+0000")
            .str.replace(r"([+-][0-9]{2}):([0-9]{2})$", "$1$2")
            .str.replace(r"T([0-9]{2}:[0-9]{2})($|[+-])", "T$1:00$2")
        )
    )
    utc = pl.when("zoned").then(pl.col("plain")).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)
    naive = (
        pl.when(~pl.col("zoned"))
        .then(pl.col("plain"))
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    )
    return frame.select(
        pl.coalesce(utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"), naive.dt.strftime("%Y-%m-%dT%H:%M:%S%.f"))
    ).to_series()


def _cast_split(separator: str, cell: Cell) -> None:
    text = cell.value
    between = pl.escape_regex(separator)
    # Where no item is empty, has spaces around it, is long or needs escaping, replacing the separator is all there is.
    odd = text.str.contains(rf'^{between}|{between}$|{between}{between}|\s{between}|{between}\s|["\\\x00-\x1f\x7f]')
    odd = (odd | (text.str.len_bytes() > limits.STRING_MAX_CHARS)).fill_null(value=False)
    many = ~odd & (text.str.count_matches(separator, literal=True) >= limits.ARRAY_MAX_ITEMS)
    items = pl.col("text").str.replace_all(separator, '","', literal=True)
    value = pl.DataFrame({"text": text}).select(pl.concat_str(pl.lit('["'), items, pl.lit('"]'))).to_series()
    cell.refuse(many, "too-many-items", _TOO_MANY)
    rows = odd.arg_true()
    if rows.len():
        trimmed = pl.element().str.strip_chars()
        lists = text.gather(rows).str.split(separator).list.eval(trimmed.filter(trimmed != ""))
        value = value.scatter(rows, _item_texts(cell, lists, rows))
    _set_arrays(cell, value)


def _cast_json(cell: Cell) -> None:
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
    numbers = value.gather(rows).str.extract_all(r"-?[0-9]+").list.eval(pl.element().cast(pl.Int64, strict=False))
    _refuse_wide_numbers(cell, numbers, rows)
    rows = (strings & cell.value.is_not_null()).arg_true()
    if rows.len():
        # Written anew, so that the same items give the same bytes.
        value = value.scatter(rows, _item_texts(cell, json_lists(text.gather(rows)), rows))
    _set_arrays(cell, value)


def _set_arrays(cell: Cell, value: pl.Series) -> None:
    cell.value = kept(value, cell.value.is_not_null())


def _item_texts(cell: Cell, items: pl.Series, rows: pl.Series) -> pl.Series:
    """Check the texts of the arrays of some rows, and return the arrays as JSON text."""
    height = len(cell.value)
    control = items.list.eval(pl.element().str.contains(CONTROL)).list.any()
    cell.refuse(scattered(control, rows, height), "control-character", CONTROL_MESSAGE)
    cell.refuse(scattered(items.list.len() > limits.ARRAY_MAX_ITEMS, rows, height), "too-many-items", _TOO_MANY)
    longest = items.list.eval(utf16_units(pl.element())).list.max()
    message = f"an item has more than {limits.STRING_MAX_CHARS} characters"
    cell.refuse(scattered(longest > limits.STRING_MAX_CHARS, rows, height), "too-long", message)
    return json_strings(items)


def _refuse_wide_numbers(cell: Cell, numbers: pl.Series, rows: pl.Series) -> None:
    outside = pl.element().is_null() | ~pl.element().is_between(limits.NUMBER_MIN, limits.NUMBER_MAX)
    wide = numbers.list.eval(outside).list.any()
    message = f"an item is outside {limits.NUMBER_MIN} to {limits.NUMBER_MAX}"
    cell.refuse(scattered(wide, rows, len(cell.value)), "out-of-range", message)


def _cast_list(trait: TraitPlan, cell: Cell) -> None:
    """Take a list column of a typed source for an ARRAY; an item that is null refuses the value."""
    items = cell.value
    rows = pl.int_range(len(items), dtype=pl.UInt32, eager=True)
    inner = getattr(items.dtype, "inner", pl.Null())
    if trait.data_type is not DataType.ARRAY:
        refuse_list(cell)
        cell.value = nulls(TYPED[trait.data_type], len(items))
        return
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


def refuse_list(cell: Cell) -> None:
    """Refuse the lists of a column whose trait takes one value."""
    cell.refuse(cell.value.is_not_null(), "type-mismatch", "the source has a list, the trait takes one value")
