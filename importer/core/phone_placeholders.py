"""Phone numbers that people type where they have none."""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
import phonenumbers
import polars as pl

from importer.core.characters import middles_of

_PUNCTUATION: Final = "[ ()./+-]"
_REPEATED: Final = tuple(digit * 10 for digit in "012345679")  # +1 888 888 8888 can be a subscriber's
_PLACEHOLDERS: Final = (
    *_REPEATED,
    *("0" * count for count in (7, 8, 9, 11, 12, 13, 14, 15)),
    *("1" * count for count in (7, 8, 9, 12)),
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "9876543210",
)
_CALLING_CODES: Final = "|".join(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
_DIGITS: Final = f"(?:{_CALLING_CODES})?(?:{'|'.join(_PLACEHOLDERS)})$"

_UP: Final = np.uint32(0x010101)
_DOWN: Final = np.uint32(2**32 - 0x010101)

_Text = TypeVar("_Text", pl.Expr, pl.Series)


def is_placeholder_phone(text: _Text) -> _Text:
    """Tell whether a phone number is a well-known placeholder (0000000000, 1234567890 and their like).

    Compared by digits alone, with any calling code or none. The list is short and exact: a number that merely looks
    invented is not on it.

    Args:
        text: String column or expression, as it was written or E.164; null gives null.
    """
    return text.str.replace_all(_PUNCTUATION, "").str.contains("^" + _DIGITS)


def placeholder_number_rows(e164: pl.Series) -> pl.Series:
    """Return the rows of E.164 numbers that are placeholders; they have nothing between their digits."""
    # behind the plus and up to three digits of a calling code, the next four are alike, ascend or descend
    middles = middles_of(e164)
    steps = (middles >> np.uint32(8)) - (middles & np.uint32(0xFFFFFF))
    even = (middles > 0) & ((steps == 0) | (steps == _UP) | (steps == _DOWN))
    rows = pl.Series(np.flatnonzero(even).astype(np.uint32))
    return rows.filter(e164[rows].str.contains(r"^\+" + _DIGITS))
