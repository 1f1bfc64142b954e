"""Each repair as a function from a column of text to the repaired column: what it does not repair stays as it is.

Applied to its own result, a repair changes nothing more. Nothing here looks beyond the cell; what only the column can
tell comes as an argument.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
import phonenumbers
import polars as pl

from importer.core.characters import INVISIBLE
from importer.core.phone_plans import CODE_DIGITS, calling_codes
from importer.core.phones import normalise_phones

SPACES: Final = "[\u00a0\u2007\u202f]"
"""Spaces that do not break a line."""

WRAPPED: Final = r'^="[^"]*"$|^\'(?:[=@].+|[+-]?\(?[0-9][0-9 ()./-]{3,})$'
_FORMULA: Final = r'^="\s*([^"]*?)\s*"$'
_APOSTROPHE: Final = r"^'([=@].+|[+-]?\(?[0-9][0-9 ()./-]{3,})$"

# Scripts to which zero-width characters mean nothing; emoji are left out, they are joined by them.
_PLAIN_SCRIPTS: Final = (
    r"^[\p{Latin}\p{Greek}\p{Cyrillic}\p{Mn}\p{Sc}\x00-\x7f\x{a0}-\x{a8}\x{aa}-\x{ad}\x{af}-\x{bf}\x{d7}\x{f7}"
    r"\x{34f}\x{180e}\x{2000}-\x{203b}\x{203d}-\x{2048}\x{204a}-\x{206f}\x{feff}]*$"
)

MOJIBAKE: Final = (
    "[\u00c2-\u00c5\u00d0\u00d1\u00e2\u00ef]"
    "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201e\u2020-\u2022\u2026"
    "\u2030\u2039\u203a\u20ac\u2122]"
)
"""A byte that begins a character of UTF-8, and one that goes on with it, both read as Windows-1252."""

_MOJIBAKE: Final = re.compile(MOJIBAKE)
# Text in capitals may end in one of these letters before a space, a quotation mark or a dash: IRM\u00c3\u201d.
_CAPITALS: Final = re.compile("[A-Z\u00c0-\u00de][\u00c2\u00c3][\u00a0\u00ab\u00bb\u2013\u2014\u2018-\u201e\u2026]")

DECIMAL_TAIL: Final = r"^(?:-?[1-9][0-9]*|0)\.0$"
SCIENTIFIC: Final = r"^[+-]?[0-9](?:[.,][0-9]+)?[Ee]\+?[0-9]{1,3}$"
_EXACT: Final = r"^(-?)([1-9])[.,]([0-9]+)E\+([0-9]{1,2})$"
_SHEET_DIGITS: Final = 15

_SHAPE: Final = 100
BARE_NUMBER: Final = r"^[1-9][0-9]{7,14}$"

DATED: Final = (
    r"^([0-9]{1,2})([./-])([0-9]{1,2})([./-])([0-9]{4})"
    r"(?:[ T]([0-9]{1,2}):([0-9]{2})(:[0-9]{2})?(?: ?([AaPp])[Mm])?)?$"
)

GROUPED: Final = {
    "comma": r"^-?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?$",
    "point": r"^-?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?$",
    "space": "^-?[1-9][0-9]{0,2}(?:[ \u00a0\u2007\u202f][0-9]{3})+(?:[.,][0-9]+)?$",
    "apostrophe": "^-?[1-9][0-9]{0,2}(?:['\u2019][0-9]{3})+(?:[.,][0-9]+)?$",
}
_SEPARATORS: Final = {"comma": ",", "point": r"\.", "space": "[ \u00a0\u2007\u202f]", "apostrophe": "['\u2019]"}

_DAY_ZERO: Final = {"1900": date(1899, 12, 30), "1904": date(1904, 1, 1)}
_FIRST_SERIAL: Final = {"1900": 61, "1904": 1}
_LAST_SERIAL: Final = {"1900": 2_958_465, "1904": 2_957_003}


def unwrap(text: pl.Series) -> pl.Series:
    """Take off ``="..."`` and the apostrophe before numbers and formulas."""
    return (
        text.str.replace(_APOSTROPHE, "$1").str.replace(_FORMULA, "$1").str.replace(_APOSTROPHE, "$1").str.strip_chars()
    )


def without_invisible(text: pl.Series) -> pl.Series:
    """Take invisible characters out of text whose script has no use for them.

    In text that was decoded wrongly they are parts of letters, and stay.
    """
    changed = text.str.contains(INVISIBLE) & text.str.contains(_PLAIN_SCRIPTS) & ~text.str.contains(MOJIBAKE)
    return _where(changed, text.str.replace_all(INVISIBLE, "").str.strip_chars(), text)


def plain_spaces(text: pl.Series) -> pl.Series:
    """Make non-breaking spaces plain ones, but not those of wrongly decoded text: they are parts of letters."""
    return _where(~text.str.contains(MOJIBAKE), text.str.replace_all(SPACES, " "), text)


def decoded(text: pl.Series) -> pl.Series:
    """Read text rightly that is UTF-8 read as Windows-1252; each distinct suspect is tried once."""
    suspects = text.filter(text.str.contains(MOJIBAKE)).unique().drop_nulls()
    if suspects.is_empty():
        return text
    return text.replace(suspects, pl.Series([_decoded(value) for value in suspects], dtype=pl.String))


def _decoded(value: str) -> str:
    try:
        better = value.encode("cp1252").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return value
    # Read wrongly twice: once would leave it half mended.
    return value if _MOJIBAKE.search(better) or _CAPITALS.search(value) else better


def without_decimal_tail(text: pl.Series) -> pl.Series:
    """Make ``12`` of ``12.0``."""
    return _where(text.str.contains(DECIMAL_TAIL), text.str.strip_suffix(".0"), text)


def written_out(text: pl.Series) -> pl.Series:
    """Write whole numbers in scientific notation out, where all their digits are there."""
    frame = text.to_frame("text").with_columns(pl.col("text").str.extract_groups(_EXACT).alias("part"))
    part = pl.col("part").struct
    sign, first, decimals = part.field("1"), part.field("2"), part.field("3")
    power = part.field("4").cast(pl.UInt32, strict=False)
    whole = pl.concat_str(sign, first, decimals.str.slice(0, power))
    exact = (
        (decimals.str.len_bytes() >= power)
        & (decimals.str.slice(power).str.strip_chars("0") == "")
        & (power + 1 <= _SHEET_DIGITS)
    )
    return frame.select(
        pl.when(exact.fill_null(value=False)).then(whole).otherwise("text").alias(text.name)
    ).to_series()


def with_plus(text: pl.Series, shapes: Sequence[int] | None) -> pl.Series:
    """Put a plus before numbers that are valid with it and nothing else.

    Args:
        text: Trimmed.
        shapes: What `number_shapes` says of the column's numbers that kept their plus: a repaired number has one of
            these shapes, and is not, in a country of theirs, a national number of one of them. None asks neither.
    """
    rows = text.str.contains(BARE_NUMBER).fill_null(value=False).arg_true()
    if rows.is_empty() or (shapes is not None and not shapes):
        return text
    numbers = text.gather(rows)
    read = normalise_phones("+" + numbers, None)
    good = (read["code"].is_null() & (read["e164"] == "+" + numbers)).fill_null(value=False)
    if shapes is not None:
        seen = pl.Series(list(shapes)).implode()
        good &= number_shapes(read["e164"]).is_in(seen).fill_null(value=False)
        for code in sorted({shape // _SHAPE for shape in shapes}):
            national = normalise_phones(numbers, phonenumbers.region_code_for_country_code(code))
            other = national["code"].is_null() & (national["e164"] != read["e164"])
            good &= ~(other & number_shapes(national["e164"]).is_in(seen)).fill_null(value=False)
    # scatter changes the series it is called on
    return text.clone().scatter(rows.filter(good), read["e164"].filter(good))


def number_shapes(e164: pl.Series) -> pl.Series:
    """Return calling code and number of digits of E.164 numbers as one whole number; null stays null."""
    digits = e164.str.slice(1)
    codes = calling_codes()[digits.fill_null("0").str.slice(0, CODE_DIGITS).cast(pl.UInt16).to_numpy()]
    return pl.Series(codes.astype(np.int64)) * _SHAPE + digits.str.len_bytes().cast(pl.Int64)


def day_and_month(text: pl.Series) -> pl.DataFrame:
    """Return the two numbers before the year of each date, null where there is no such date: ``first``, ``second``."""
    part = pl.col("text").str.extract_groups(DATED).alias("part")
    frame = text.alias("text").to_frame().select(part).unnest("part")
    same = pl.col("2") == pl.col("4")
    return frame.select(
        first=pl.when(same).then(pl.col("1").cast(pl.UInt8)), second=pl.when(same).then(pl.col("3").cast(pl.UInt8))
    )


def iso_dates(text: pl.Series, order: str) -> pl.Series:
    """Write dates with day and month in `order` (``dmy`` or ``mdy``) as ISO 8601; what is no such day stays."""
    frame = text.alias("text").to_frame()
    frame = frame.with_columns(pl.col("text").str.extract_groups(DATED).alias("part")).unnest("part")
    day, month = ("1", "3") if order == "dmy" else ("3", "1")
    iso = pl.concat_str("5", pl.lit("-"), pl.col(month).str.zfill(2), pl.lit("-"), pl.col(day).str.zfill(2))
    good = (
        (pl.col("2") == pl.col("4")) & iso.str.to_date("%Y-%m-%d", strict=False).is_not_null() & (pl.col("5") >= "1000")
    )
    hour = pl.col("6").cast(pl.UInt8)
    afternoon = pl.col("9").str.to_lowercase() == "p"
    clock = pl.when(pl.col("9").is_null()).then(hour).when(afternoon).then(hour % 12 + 12).otherwise(hour % 12)
    possible = pl.when(pl.col("9").is_null()).then(hour < 24).otherwise(hour.is_between(1, 12))
    time = pl.concat_str(
        pl.lit("T"), clock.cast(pl.String).str.zfill(2), pl.lit(":"), "7", pl.col("8").fill_null(":00")
    )
    good &= possible.fill_null(value=True) & (pl.col("7") < "60").fill_null(value=True)
    moment = pl.when(hour.is_null()).then(iso).otherwise(pl.concat_str(iso, time))
    return frame.select(
        pl.when(good.fill_null(value=False)).then(moment).otherwise("text").alias(text.name)
    ).to_series()


def ungrouped(text: pl.Series, separator: str) -> pl.Series:
    """Take thousands separators out; a decimal comma becomes a point."""
    grouped = text.str.contains(GROUPED[separator])
    digits = text.str.replace_all(_SEPARATORS[separator], "").str.replace(",", ".", literal=True)
    return _where(grouped, digits, text)


def zero_filled(text: pl.Series, width: int) -> pl.Series:
    """Fill values of digits only up to a width."""
    return _where(text.str.contains(r"^[0-9]+$"), text.str.zfill(width), text)


def dates_of_serials(text: pl.Series, system: str) -> pl.Series:
    """Write day numbers of a workbook as ISO 8601 dates."""
    number = text.to_frame("t").select(pl.when(pl.col("t").str.contains(r"^[1-9][0-9]{0,6}$")).then("t")).to_series()
    days = number.cast(pl.Int32)
    good = days.is_between(_FIRST_SERIAL[system], _LAST_SERIAL[system])
    moment = pl.lit(_DAY_ZERO[system]) + pl.duration(days=pl.col("days"))
    dates = days.to_frame("days").select(moment.dt.strftime("%Y-%m-%d")).to_series()
    return _where(good, dates, text)


def _where(mask: pl.Series, changed: pl.Series, text: pl.Series) -> pl.Series:
    return changed.zip_with(mask.fill_null(value=False), text).alias(text.name)
