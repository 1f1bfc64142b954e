"""Dates of fixed width, read and written as ISO 8601 by arithmetic on eight bytes of every text at once.

Nothing is refused here: what is not plainly a date of our time is left to who reads one date more slowly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.characters import views_of
from importer.core.text_views import VIEW, not_null, text_of

_PARTS: Final = "Ymd"
_WIDTHS: Final = (4, 2, 2)
_FORMAT: Final = re.compile(r"%([Ymd])([^%0-9]?)%([Ymd])([^%0-9]?)%([Ymd])", re.ASCII)
_ISO: Final = "%Y-%m-%d"
_ZERO: Final = ord("0")
_WORD_BYTES: Final = 8
_HALF: Final = np.uint64(32)
_LENGTH: Final = np.uint64(0xFFFFFFFF)
_FIRST_CENTURY: Final = 10
_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NO_DAY, _DAY, _LEAP_DAY = range(3)

_Words = npt.NDArray[np.uint64]
_Numbers = npt.NDArray[np.uint16]


def _calendar() -> npt.NDArray[np.uint8]:
    """Return what a month and a day are, by 100 times the month and the day; any u16 has its place."""
    calendar = np.full(1 << 16, _NO_DAY, dtype=np.uint8)
    for month, days in enumerate(_DAYS, start=1):
        calendar[100 * month + 1 : 100 * month + days + 1] = _DAY
    calendar[229] = _LEAP_DAY
    return calendar


_CALENDAR: Final = _calendar()


@dataclass(frozen=True, slots=True)
class DateShape:
    """Where the parts of a date stand.

    Attributes:
        width: Bytes of the whole.
        starts: Where year, month and day begin.
        between: Bytes that are none of them, by their place.
    """

    width: int
    starts: tuple[int, int, int]
    between: dict[int, int]


@cache
def date_shape(date_format: str) -> DateShape | None:
    """Return the shape of dates of a chrono format; None where it is not four digits, two and two in some order.

    Example:
        >>> date_shape("%d/%m/%Y")
        DateShape(width=10, starts=(6, 3, 0), between={2: 47, 5: 47})
    """
    found = _FORMAT.fullmatch(date_format)
    if found is None or not date_format.isascii() or {*found.group(1, 3, 5)} != set(_PARTS):
        return None
    starts, between, at = {}, {}, 0
    for part, separator in zip(found.group(1, 3, 5), (*found.group(2, 4), ""), strict=True):
        starts[part] = at
        at += _WIDTHS[_PARTS.index(part)]
        if separator:
            between[at] = ord(separator)
            at += 1
    return DateShape(at, (starts["Y"], starts["m"], starts["d"]), between)


def plain_dates(text: pl.Series, date_format: str = _ISO) -> pl.Series | None:
    """Read the dates of a column that have just the digits of their format, of the years 1000 to 9999.

    Args:
        text: String.
        date_format: Chrono format.

    Returns:
        String, ``YYYY-MM-DD``, null where the text is anything else, a wrong date among them; None where dates of this
        format have no fixed shape.
    """
    shape = date_shape(date_format)
    if shape is None:
        return None
    heads, tails = views_of(text).T
    # bytes 0 to 7 of the text, and 8 to 11
    words: list[_Words] = [heads >> _HALF | tails << _HALF, tails >> _HALF]
    zeros, carries, other = _tests(date_format)
    # digits become 0 to 9 and what stands between them 0: then no digit has a high half, not even with 6 added
    words = [word ^ zero for word, zero in zip(words, zeros, strict=True)]
    good = (heads & _LENGTH == shape.width) & not_null(text)
    for at, word in enumerate(words):
        good &= (word | word + carries[at]) & other[at] == 0
    year_at, month_at, day_at = shape.starts
    pairs = np.empty((4, len(text)), dtype=np.uint16)
    for at, place in enumerate((year_at, year_at + 2, month_at, day_at)):
        pairs[at] = _pair(words, place)
    good &= _is_day(*((pairs & 0xFF) * np.uint16(10) + (pairs >> 8)))
    if date_format == _ISO:
        return text.to_frame("text").select(pl.when(pl.Series(good)).then("text")).to_series()
    return _iso_texts(pairs.astype(np.uint64), good)


@cache
def _tests(date_format: str) -> tuple[_Words, _Words, _Words]:
    """Return for each eight bytes what digits begin at, what to add to them, and the bits that must be none then."""
    shape = cast("DateShape", date_shape(date_format))
    digits = [start + at for start, count in zip(shape.starts, _WIDTHS, strict=True) for at in range(count)]
    zeros, carries, other = np.zeros(16, np.uint8), np.zeros(16, np.uint8), np.full(16, 0xFF, np.uint8)
    for place, byte in shape.between.items():
        zeros[place] = byte
    zeros[digits], carries[digits], other[digits] = _ZERO, 6, 0xF0
    return zeros.view(np.uint64), carries.view(np.uint64), other.view(np.uint64)


def _pair(words: list[_Words], place: int) -> _Words:
    """Return numbers with two neighbouring digits in the lowest bytes, the first in the lowest of all."""
    if place == _WORD_BYTES - 1:
        return words[0] >> np.uint64(56) | words[1] << np.uint64(8)
    word, within = divmod(place, _WORD_BYTES)
    return words[word] >> np.uint64(8 * within)


def _is_day(century: _Numbers, of_century: _Numbers, month: _Numbers, day: _Numbers) -> npt.NDArray[np.bool_]:
    """Tell which are dates of the calendar."""
    kind = _CALENDAR.take(month * np.uint16(100) + day)
    rows = np.flatnonzero(kind == _LEAP_DAY)
    four = np.where(of_century[rows] == 0, century[rows], of_century[rows])
    kind[rows[four % 4 != 0]] = _NO_DAY
    is_day: npt.NDArray[np.bool_] = (kind != _NO_DAY) & (century >= _FIRST_CENTURY)
    return is_day


def _iso_texts(pairs: _Words, good: npt.NDArray[np.bool_]) -> pl.Series:
    """Write views of ten bytes: the length, digits of century, year, month and day, and hyphens between them."""
    century, of_century, month, day = pairs
    heads, tails = np.frombuffer(b"\x0a\0\0\x000000-00-00\0\0", dtype=np.uint64)
    views = np.empty((good.size, 2), dtype=np.uint64)
    views[:, 0] = heads + (century << 32) + (of_century << 48)
    views[:, 1] = tails + (month << 8) + (day << 32)
    views[~good] = 0
    return text_of(views.view(VIEW), good, np.empty(0, dtype=np.uint8))
