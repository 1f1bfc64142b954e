"""Texts of phone numbers as bytes, a whole column at once: what is written in them, and how E.164 is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.characters import bytes_of
from importer.core.digit_tables import DigitTexts, Integers
from importer.core.text_views import INLINE_BYTES, VIEW, VIEW_PARTS, BoolArray, not_null, text_of

_MIN_DIGITS: Final = 5
_MOST_BYTES: Final = 60
_DECIMAL_TAIL: Final = r"\.0+$"

_PLUS, _POINT, _ZERO = ord("+"), ord("."), ord("0")
_OPENS: Final = np.isin(np.arange(256), np.frombuffer(b" (./-", dtype=np.uint8))
_WRAPS: Final = np.isin(np.arange(256), np.frombuffer(b"'=", dtype=np.uint8))

_SLOT: Final = np.dtype("V24")
"""Room for the longest E.164 number."""

_MOST_CODES: Final = 1000
_FRONTS: Final = np.array([b"+", *(b"+%d" % code for code in range(1, _MOST_CODES))], dtype="S4")
_FRONT_SIZES: Final = np.strings.str_len(_FRONTS)
# by part of a text, four bytes each, and by its length: what keeps the bytes of the part that it has
_KEPT: Final = np.array(
    [
        [(1 << 8 * min(max(size - start, 0), VIEW.itemsize)) - 1 for size in range(_SLOT.itemsize + 1)]
        for start in range(0, INLINE_BYTES, VIEW.itemsize)
    ],
    dtype=VIEW,
)


@dataclass(frozen=True, slots=True)
class Written:
    """Texts as they are written, as far as columns can read them.

    Attributes:
        digits: The digits of each.
        present: bool, there is a text.
        readable: bool, nothing in it can start an extension, a second number or a word.
        plus: bool, it begins with ``+`` where it is readable.
        is_wrapped: Some of them may be what a spreadsheet wrapped.
    """

    digits: DigitTexts
    present: BoolArray
    readable: BoolArray
    plus: BoolArray
    is_wrapped: bool


def written(text: pl.Series) -> Written:
    """Read texts."""
    content, offsets = bytes_of(text)
    is_digit = content - np.uint8(_ZERO) < 10
    digits = DigitTexts.of(content, is_digit, offsets)
    readable = (digits.lengths >= _MIN_DIGITS) & (np.diff(offsets) <= _MOST_BYTES)
    strange = ~(is_digit | _is_between(content))
    # A plus stands first, or second behind what may open a number.
    first = content.take(offsets[:-1], mode="clip") if content.size else np.zeros(len(text), dtype=np.uint8)
    plus = readable & (first == _PLUS)
    strange[offsets[:-1][plus]] = False
    rows = np.flatnonzero(readable & _OPENS.take(first))
    rows = rows[content.take(offsets[rows] + 1) == _PLUS]
    plus[rows], strange[offsets[rows] + 1] = True, False
    left = np.flatnonzero(strange)
    readable[_owners(offsets, left)] = False
    points = np.flatnonzero(content == _POINT)
    if points.size:
        _refuse_decimals(text, _owners(offsets, points[content.take(points + 1, mode="clip") == _ZERO]), readable)
    return Written(digits, not_null(text), readable, plus, bool(_WRAPS.take(content.take(left)).any()))


def _is_between(content: npt.NDArray[np.uint8]) -> BoolArray:
    """Tell which bytes are of no account between digits: " ()-./"."""
    is_between: BoolArray = (
        (content == ord(" ")) | (content - np.uint8(ord("(")) <= 1) | (content - np.uint8(ord("-")) <= 2)
    )
    return is_between


def _owners(offsets: Integers, places: Integers) -> Integers:
    """Return the texts that bytes belong to."""
    return np.searchsorted(offsets, places, side="right") - 1


def _refuse_decimals(text: pl.Series, rows: Integers, readable: BoolArray) -> None:
    """Leave numbers that end as decimal fractions do to the library, given the rows where that may be."""
    if rows.size:
        readable[rows[text[rows].str.contains(_DECIMAL_TAIL).to_numpy()]] = False


def e164_texts(digits: DigitTexts, codes: Integers, usable: BoolArray) -> pl.Series:
    """Write numbers as E.164.

    Args:
        digits: At most 20 of each that is usable.
        codes: Calling code to put in front of each, 0 for none.
        usable: False for null.
    """
    fronts = _FRONT_SIZES.take(codes)
    sizes = np.where(usable, digits.lengths + fronts, 0)
    content = digits.content
    slots = np.ndarray(content.size - _SLOT.itemsize + 1, dtype=_SLOT, buffer=content, strides=(1,))
    numbers = slots[digits.starts - fronts].view(VIEW).reshape(-1, _SLOT.itemsize // VIEW.itemsize)
    numbers[:, 0] = numbers[:, 0] & ~_KEPT[0].take(fronts) | _FRONTS.view(VIEW).take(codes)
    views = np.empty((sizes.size, VIEW_PARTS), dtype=VIEW)
    views[:, 0] = sizes
    for part, kept in enumerate(_KEPT):
        views[:, part + 1] = numbers[:, part] & kept.take(sizes)
    longer = np.flatnonzero(sizes > INLINE_BYTES)
    views[longer, 2] = 0
    views[longer, 3] = np.arange(longer.size) * _SLOT.itemsize
    return text_of(views, usable, numbers[longer])
