"""Source text to trait types, leniently: what does not fit is a finding, never an exception and never a silent null.

Every function takes a `Cell` of trimmed text (null is missing) and leaves it with typed values:
STRING -> String, NUMBER -> Int32, BOOLEAN -> Boolean, ARRAY -> String holding the JSON text of a flat array.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from importer.core import limits
from importer.core.cast_arrays import cast_json, cast_list, cast_split
from importer.core.characters import (
    SHORT_BYTES,
    is_one_of,
    short_in_case,
    views_of,
)
from importer.core.findings import Cell, kept, lost, nulls
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

_PLUS: Final = ord("+")
_FIRST_BYTE: Final = 4
"""Place of a text's first byte in its view."""
_ODD_NUMBER: Final = pl.col("text").is_not_null() & (pl.col("digits").is_null() | pl.col("text").str.starts_with("+"))
_IS_WHOLE: Final = pl.col("text").str.contains(_INTEGER)
_ODD_PARTS: Final = (
    _IS_WHOLE.alias("whole"),
    pl.col("text").str.contains(_SCIENTIFIC).alias("scientific"),
    pl.when(_IS_WHOLE)
    .then(pl.col("text").str.replace(r"\.0+$", "").str.strip_prefix("+"))
    .cast(pl.Int32, strict=False)
    .alias("digits"),
)

SCIENTIFIC_MESSAGE: Final = "scientific notation: some of its digits are lost"


def cast_trait(trait: TraitPlan, cell: Cell, *, is_written: bool = True) -> None:
    """Cast a cell's text to the trait's type, in place.

    Args:
        trait: The plan of the trait; identifiers are normalised elsewhere and are not passed here.
        cell: Trimmed text, null where missing; a list column of Parquet is taken for an ARRAY.
        is_written: Whether the value is wanted; what is judged well enough without may leave its text in its place.
    """
    if cell.value.dtype == pl.List:
        if trait.data_type is DataType.ARRAY:
            cast_list(cell)
        else:
            refuse_list(cell)
            cell.value = nulls(TYPED[trait.data_type], len(cell.value))
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
            cast_split(trait.split, cell, is_written=is_written)
        case DataType.ARRAY:
            cast_json(cell)


def change_text(trait: TraitPlan, cell: Cell) -> None:
    """Change the case of a text and then replace whole values, as the mapping asks."""
    if trait.case is not None:
        changed = None if cell.may_exceed(SHORT_BYTES) else short_in_case(cell.value, trait.case)
        if changed is None:
            lower = trait.case is LetterCase.LOWER
            changed = cell.value.str.to_lowercase() if lower else cell.value.str.to_uppercase()
            cell.longest = None
        cell.value = changed
    if trait.replace:
        cell.value = cell.value.replace(dict(trait.replace))
        if cell.longest is not None:
            cell.longest = max(cell.longest, *(len(text.encode()) for text in trait.replace.values()))


def _cast_number(cell: Cell) -> None:
    text = cell.value
    digits = text.cast(pl.Int32, strict=False)
    rows = lost(digits, text)
    if (views_of(text).view(np.uint8)[:, _FIRST_BYTE] == _PLUS).any():
        odd = pl.DataFrame([text.alias("text"), digits.alias("digits")])
        rows = odd.select(_ODD_NUMBER.arg_true()).to_series()
    if rows.len():
        digits = digits.scatter(rows, _odd_numbers(cell, rows))
    cell.value = digits


def _odd_numbers(cell: Cell, rows: pl.Series) -> pl.Series:
    """Judge what is not plainly the digits of a 32-bit number: a few rows of the column."""
    whole, scientific, digits = cell.value[rows].to_frame("text").select(_ODD_PARTS).get_columns()
    cell.note(rows.filter(scientific), "excel-damage", SCIENTIFIC_MESSAGE)
    message = "expected a whole number written with digits only"
    cell.note(rows.filter(~whole & ~scientific), "type-mismatch", message)
    message = f"expected {limits.NUMBER_MIN} to {limits.NUMBER_MAX}"
    cell.note(rows.filter(whole & digits.is_null()), "out-of-range", message)
    cell.count("number-format", len(digits) - digits.null_count())
    return digits


def _cast_boolean(trait: TraitPlan, cell: Cell) -> None:
    text = cell.value
    words = {word.lower(): True for word in trait.true_values} | {word.lower(): False for word in trait.false_values}
    true, false = ([word for word, meant in words.items() if meant is wanted] for wanted in (True, False))
    truth = _truth(text, _spellings(true), _spellings(false))
    rows = lost(truth, text)
    if rows.len():
        odd = _truth(text[rows].str.to_lowercase(), true, false)
        truth = truth.scatter(rows, odd)
        allowed = ", ".join([*trait.true_values, *trait.false_values])
        cell.note(rows.filter(odd.is_null()), "type-mismatch", f"expected one of: {allowed}")
    cell.value = truth


def _truth(text: pl.Series, true: Iterable[str], false: Iterable[str]) -> pl.Series:
    """Look words up as they are; null where a text is none of them."""
    meant = is_one_of(text, true)
    return kept(pl.Series(meant), pl.Series(meant | is_one_of(text, false)))


def _spellings(words: Iterable[str]) -> set[str]:
    """Return words in small letters, in capitals and with a capital, as they are written most."""
    return {spelling for word in words for spelling in (word, word.upper(), word.capitalize()) if word.isascii()}


def _cast_moment(trait: TraitPlan, cell: Cell) -> None:
    if trait.parse is None:
        return
    text = cell.value
    iso = _date_text(text, trait.format) if trait.parse is Parse.DATE else _datetime_text(text, trait.format)
    shape = trait.format or ("YYYY-MM-DD" if trait.parse is Parse.DATE else "ISO 8601")
    cell.note(lost(iso, text), "invalid-date", f"expected {shape}")
    cell.value = iso


def _date_text(text: pl.Series, moment_format: str | None) -> pl.Series:
    plain = plain_dates(text) if moment_format is None else plain_dates(text, moment_format)
    if plain is None:
        return _any_date_text(text, moment_format)
    rows = lost(plain, text)
    return plain.scatter(rows, _any_date_text(text[rows], moment_format)) if rows.len() else plain


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


def refuse_list(cell: Cell) -> None:
    """Refuse the lists of a column whose trait takes one value."""
    cell.refuse(cell.value.is_not_null(), "type-mismatch", "the source has a list, the trait takes one value")
