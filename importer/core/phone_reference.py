"""One phone number to E.164 by the phonenumbers library: what is right, and what columns must agree with."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import phonenumbers
import polars as pl

AMBIGUOUS_DIGITS: Final = (7, 15)
"""A text without a country is ambiguous if it has so many digits, else it is no phone number."""

MAX_EXTENSION_DIGITS: Final = 6
"""A longer "extension" is taken for a second number in the cell."""


class PhoneIssue(StrEnum):
    """Issue codes a phone number can get."""

    INVALID = "invalid-phone"
    AMBIGUOUS = "ambiguous-phone"
    DAMAGED = "excel-damage"
    UNLIKELY = "unlikely-phone"


_APOSTROPHE: Final = r"^'\s*"
_FORMULA: Final = r'^="\s*([^"]*?)\s*"$'

_FLOAT: Final = re.compile(r"\+?[0-9]{7,}\.0+")
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]{1,3}")
_START: Final = re.compile(r"[0-9+]")
_LETTERS: Final = re.compile(r"(?:[^A-Za-z]*[A-Za-z]){3}")
_KEYPAD_CODE: Final = 1


def unwrap_excel(text: pl.Expr) -> pl.Expr:
    """Strip what spreadsheets put around a text to keep it text: a leading apostrophe, or ``="..."``.

    Args:
        text: String; null stays null.

    Example:
        >>> texts = pl.DataFrame({"t": ["'+1317", '="+1317"', "+1317"]})
        >>> texts.select(unwrap_excel(pl.col("t")))["t"].to_list()
        ['+1317', '+1317', '+1317']
    """
    return text.str.replace(_APOSTROPHE, "").str.replace(_FORMULA, "$1")


def reference_phone(text: str | None, region: str | None) -> tuple[str | None, str | None]:
    """Normalise one phone number with the phonenumbers library; this defines what `normalise_phones` returns.

    Beyond the library: a text that begins with ``+`` is read without the region; digits of other scripts are invalid;
    letters stand for digits only in numbers of calling code 1, where a word added to a number makes it too long; a
    number whose E.164 form would itself be read as another number is invalid.

    Args:
        text: Trimmed; None gives (None, None).
        region: ISO 3166 alpha-2 in upper case, one the library knows, or None.

    Returns:
        E.164 or None, and an issue code or None. Only ``unlikely-phone`` comes with a number.
    """
    if text is None:
        return None, None
    text = re.sub(_FORMULA, r"\1", re.sub(_APOSTROPHE, "", text))
    if _SCIENTIFIC.fullmatch(text):
        return None, PhoneIssue.DAMAGED
    start = _START.search(text)
    if start is None or _has_foreign_digits(text) or _FLOAT.fullmatch(text):
        return None, PhoneIssue.INVALID
    international = start.group() == "+"
    if region is None and not international:
        fewest, most = AMBIGUOUS_DIGITS
        count = len(re.findall(r"[0-9]", text))
        return None, PhoneIssue.AMBIGUOUS if fewest <= count <= most else PhoneIssue.INVALID
    number = _parse(text, None if international else region)
    if number is None or _has_second_meaning(number, text[start.start() :]):
        return None, PhoneIssue.INVALID
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164, None if phonenumbers.is_valid_number(number) else PhoneIssue.UNLIKELY


def _has_foreign_digits(text: str) -> bool:
    """Tell whether a text has decimal digits other than 0-9, or full-width signs."""
    return not text.isascii() and any(
        (char.isdecimal() and not char.isascii()) or "\uff01" <= char <= "\uff5e" for char in text
    )


def _parse(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """Parse a text; None where the library reads no number of a possible length."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_with_reason(number)
    return number if reason == phonenumbers.ValidationResult.IS_POSSIBLE else None


def _has_second_meaning(number: phonenumbers.PhoneNumber, text: str) -> bool:
    """Tell whether what was read is less, more or other than the number that was written."""
    if number.extension is not None and len(number.extension) > MAX_EXTENSION_DIGITS:
        return True
    if number.country_code != _KEYPAD_CODE and _LETTERS.match(text):
        digits = re.sub(r"[\W_]+$", "", text)
        if phonenumbers.is_alpha_number(digits):
            return True
    again = _parse(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None)
    return again is None or phonenumbers.national_significant_number(again) != phonenumbers.national_significant_number(
        number
    )
