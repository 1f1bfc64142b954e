"""Dates of fixed width, read and written as ISO 8601 by arithmetic on whole columns of bytes.

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
import pyarrow as pa

_PARTS: Final = "Ymd"
_WIDTHS: Final = (4, 2, 2)
_FORMAT: Final = re.compile(r"%([Ymd])([^%0-9]?)%([Ymd])([^%0-9]?)%([Ymd])", re.ASCII)
_VIEW_BYTES: Final = 16
_LENGTH_BYTES: Final = 4
_ZERO: Final = np.uint8(ord("0"))
_ISO: Final = "%Y-%m-%d"
_ISO_BYTES: Final = 10
_FIRST_YEAR: Final = 1000
_FEBRUARY: Final = 2
_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.uint8)

_Digits = npt.NDArray[np.uint8]


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
    lengths, content = _short_texts(text)
    good = (lengths == shape.width) & text.is_not_null().to_numpy()
    for place, byte in shape.between.items():
        good &= content[:, place] == byte
    year, month, day = (_digits(content, start, count) for start, count in zip(shape.starts, _WIDTHS, strict=True))
    for part in (year, month, day):
        good &= (part <= 9).all(axis=0)
    good &= _is_day(year, month, day)
    if date_format == _ISO:
        return text.to_frame("text").select(pl.when(pl.Series(good)).then("text")).to_series()
    return _iso_texts(np.concatenate([year, month, day]), good)


def _short_texts(text: pl.Series) -> tuple[npt.NDArray[np.uint32], _Digits]:
    """Return the lengths of texts in bytes, and the bytes of those that stand in their views, one row a text.

    A view has 16 bytes: the length, and then the text itself where it has up to 12 bytes (Arrow's columnar format,
    "Variable-size Binary View Layout"). What stands there for a longer text or a null means nothing.
    """
    arrow = text.to_arrow(compat_level=pl.CompatLevel.newest())
    views = np.frombuffer(arrow.buffers()[1] or b"", dtype=np.uint8).reshape(-1, _VIEW_BYTES)
    views = views[arrow.offset : arrow.offset + len(text)]
    return views.view(np.uint32)[:, 0], views[:, _LENGTH_BYTES:]


def _digits(content: _Digits, start: int, count: int) -> _Digits:
    """Return digits as numbers, one row a place; what is no digit becomes larger than 9."""
    return np.ascontiguousarray(content[:, start : start + count].T) - _ZERO


def _is_day(year: _Digits, month: _Digits, day: _Digits) -> npt.NDArray[np.bool_]:
    """Tell which are dates of the calendar, given digits."""
    century, of_century = 10 * year[0] + year[1], 10 * year[2] + year[3]
    month_number, day_number = 10 * month[0] + month[1], 10 * day[0] + day[1]
    known = month_number < _DAYS.size
    last = _DAYS[np.where(known, month_number, 0)]
    leap = np.where(of_century == 0, century, of_century) % 4 == 0
    last = last + ((month_number == _FEBRUARY) & leap)
    is_day: npt.NDArray[np.bool_] = (year[0] > 0) & (day_number > 0) & (day_number <= last)
    return is_day


def _iso_texts(digits: _Digits, good: npt.NDArray[np.bool_]) -> pl.Series:
    """Write year, month and day with hyphens between them."""
    content = np.full((int(np.count_nonzero(good)), _ISO_BYTES), ord("-"), dtype=np.uint8)
    content[:, [0, 1, 2, 3, 5, 6, 8, 9]] = digits[:, good].T + _ZERO
    offsets = np.zeros(good.size + 1, dtype=np.int64)
    np.cumsum(good * _ISO_BYTES, out=offsets[1:])
    buffers = [pa.py_buffer(part) for part in (np.packbits(good, bitorder="little"), offsets, content)]
    return cast("pl.Series", pl.from_arrow(pa.Array.from_buffers(pa.large_string(), good.size, buffers)))
