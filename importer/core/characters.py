"""What a column of text may hold, seen from its bytes at once, so that most columns need no test a value.

The answers err on the safe side: a flag that is false is certain, one that is true asks for the test a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from importer.core.findings import no_rows
from importer.core.text_views import VIEW, not_null, text_of
from importer.core.transform import LetterCase

CONTROL: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
"""Control characters that no text may have; tab and line breaks are text."""

INVISIBLE: Final = "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
"""Zero-width and direction-changing characters: they make twins that look the same."""

CONTROL_MESSAGE: Final = "a control character; of these, tab and line breaks alone may stand in text"

_IN_TEXT: Final = np.frombuffer(b"\t\n\r", dtype=np.uint8)
_IS_IN_TEXT: Final = np.isin(np.arange(256), _IN_TEXT)
_DELETE: Final = 0x7F
_SPACE: Final = 0x20
_CARRIAGE_RETURN: Final = 0x0D
_WIDE_SPACES: Final = np.array(
    [int.from_bytes(space.encode()) for space in "\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000"]
    + [int.from_bytes(chr(code).encode()) for code in range(0x2000, 0x200B)],
    dtype=np.uint32,
)
"""White space beyond ASCII, as numbers of two or three bytes."""

SHORT_BYTES: Final = 12
"""A text of so many bytes stands in its view."""

PIECE_BYTES: Final = 256 * 1024
"""Bytes of a column that are looked at together, where each has an answer of its own."""

_NO_BUFFER: Final = np.uint32(2**32 - 1)
_EACH_BYTE: Final = np.uint64(0x0101010101010101)
_HIGH_BITS: Final = np.uint64(0x8080808080808080)
_TWO_UNITS: Final = "[\U00010000-\U0010ffff]"

Offsets = npt.NDArray[np.signedinteger[Any]]
"""Where each text of a column begins, and where the last one ends, in 32 or 64 bits."""

_BEYOND_ASCII: Final = (pl.col("text").str.len_bytes() != pl.col("text").str.len_chars()).arg_true()


@dataclass(frozen=True, slots=True)
class TextBytes:
    """What the bytes of a column allow for.

    Attributes:
        control: Some value may match `CONTROL`.
        spaced: Some value may begin or end with white space.
        international: Some value has a character beyond ASCII.
        broken: Some value may hold a line end.
        shortest: Bytes of the shortest value; None where there is none.
        longest: No value has more bytes.
    """

    control: bool
    spaced: bool
    international: bool
    broken: bool
    shortest: int | None
    longest: int


def text_bytes(text: pl.Series) -> TextBytes:
    """Look at the bytes of a String column.

    Example:
        >>> text_bytes(pl.Series(["plain", None, " spaced"]))
        TextBytes(control=False, spaced=True, international=False, broken=False, shortest=5, longest=7)
    """
    held = bytes_held(*bytes_of(text), null_count=0)
    if not text.null_count():
        return held
    # Beneath a null there may be bytes: a mask was laid over them.
    sizes = sizes_of(text)[not_null(text)]
    return replace(held, shortest=int(sizes.min()) if sizes.size else None)


def bytes_of(text: pl.Series) -> tuple[npt.NDArray[np.uint8], Offsets]:
    """Return the bytes of all texts of a column, one behind the other, and where each begins and the last one ends."""
    _, offsets_buffer, data_buffer = text.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64, count=len(text) + 1) if len(text) else np.zeros(1, np.int64)
    size = int(offsets[-1])
    return np.frombuffer(data_buffer, dtype=np.uint8, count=size) if size else np.empty(0, np.uint8), offsets


def views_of(text: pl.Series) -> npt.NDArray[np.uint64]:
    """Return the views of a column's texts, two u64 each.

    The first four bytes are the length; then comes the text itself where it has up to `SHORT_BYTES`, zeros
    behind it. What stands there for a longer text is not all of it, and for a null it means nothing.
    """
    return _views_in(text.to_arrow(compat_level=pl.CompatLevel.newest()))


def _views_in(arrow: pa.Array) -> npt.NDArray[np.uint64]:
    views = np.frombuffer(arrow.buffers()[1] or b"", dtype=np.uint64).reshape(-1, 2)
    return views[arrow.offset : arrow.offset + len(arrow)]


def sizes_of(text: pl.Series) -> npt.NDArray[np.uint32]:
    """Return the bytes of each text, u32; for a null they mean nothing."""
    return views_of(text).view(VIEW)[:, 0]


def middles_of(text: pl.Series) -> npt.NDArray[np.uint32]:
    """Return bytes 4 to 7 of each text as a little-endian number; zeros stand for those behind its end."""
    arrow, present = text.to_arrow(compat_level=pl.CompatLevel.newest()), not_null(text)
    views = _views_in(arrow).view(VIEW)
    middles = np.where(present, views[:, 2], 0)
    buffer_of = np.where(present & (views[:, 0] > SHORT_BYTES), middles, _NO_BUFFER)
    for number, buffer in enumerate(arrow.buffers()[2:]):
        rows = np.flatnonzero(buffer_of == number)
        content = np.ndarray(max(buffer.size - VIEW.itemsize + 1, 0), VIEW, buffer, strides=(1,))
        middles[rows] = content[views[rows, 3] + np.uint32(VIEW.itemsize)]
    return middles


def is_one_of(text: pl.Series, words: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Tell which texts are one of some words; words of up to `SHORT_BYTES` are looked up fast."""
    views = views_of(text)
    heads, tails = np.ascontiguousarray(views[:, 0]), views[:, 1]
    found = np.zeros(len(heads), dtype=np.bool_)
    for word in words:
        content = word.encode()
        if len(content) > SHORT_BYTES:
            found |= text.eq_missing(word).to_numpy()
            continue
        view = len(content).to_bytes(4, "little") + content.ljust(SHORT_BYTES, b"\0")
        head, tail = np.frombuffer(view, dtype=np.uint64)
        found |= (heads == head) & (tails == tail) if tail else heads == head
    return found & not_null(text)


def short_in_case(text: pl.Series, case: LetterCase) -> pl.Series | None:
    """Return texts of up to `SHORT_BYTES` in another case; None where one may be beyond ASCII."""
    bytes_, present = views_of(text), not_null(text)
    if (bytes_ & _HIGH_BITS).any():
        return None
    # the high bit of a byte says whether it is at least the first letter, or behind the last; lengths are below both
    first = ord("A" if case is LetterCase.LOWER else "a")
    from_first = bytes_ + _EACH_BYTE * np.uint64(0x80 - first)
    behind_last = bytes_ + _EACH_BYTE * np.uint64(0x80 - first - 26)
    letters = (from_first & ~behind_last & _HIGH_BITS) >> np.uint64(2)
    changed = bytes_ ^ letters
    changed[~present] = 0
    return text_of(changed.view(VIEW), present, np.empty(0, dtype=np.uint8))


def bytes_held(data: npt.NDArray[np.uint8], offsets: Offsets, null_count: int) -> TextBytes:
    """Look at the bytes of texts that stand one behind the other.

    Args:
        data: u8, of all texts.
        offsets: Where each text begins in it, and where the last one ends: one more than texts.
        null_count: How many are null, if there are no bytes beneath a null; Arrow's CSV engine leaves none.
    """
    sizes = offsets[1:] - offsets[:-1]
    shortest, longest = _shortest(sizes, null_count), int(sizes.max(initial=0))
    if not data.size:
        return TextBytes(
            control=False, spaced=False, international=False, broken=False, shortest=shortest, longest=longest
        )
    lowest, highest = int(data.min()), int(data.max())
    international = highest > _DELETE
    return TextBytes(
        control=(lowest < _SPACE and _has_control(data)) or (highest >= _DELETE and _has_delete(data)),
        spaced=(lowest <= _SPACE or international) and _spaced_edges(data, offsets),
        international=international,
        broken=lowest <= _CARRIAGE_RETURN,
        shortest=shortest,
        longest=longest,
    )


def _shortest(sizes: Offsets, null_count: int) -> int | None:
    """Return the least size of texts that are not null, where each null takes the place of an empty one."""
    if null_count == len(sizes):
        return None
    if len(sizes) - np.count_nonzero(sizes) > null_count:
        return 0
    # One less than nothing is the greatest number without a sign: nulls do not count.
    return int((sizes - 1).view(f"u{sizes.itemsize}").min()) + 1


def _has_control(data: npt.NDArray[np.uint8]) -> bool:
    return not all(_IS_IN_TEXT.take(piece[piece < _SPACE]).all() for _, piece in byte_pieces(data))


def _has_delete(data: npt.NDArray[np.uint8]) -> bool:
    return any((piece == _DELETE).any() for _, piece in byte_pieces(data))


def byte_pieces(data: npt.NDArray[np.uint8]) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield the bytes of a column in pieces, and where each begins.

    A question about each byte has as many answers: those about a whole column do not fit the processor's cache.
    """
    for start in range(0, data.size, PIECE_BYTES):
        yield start, data[start : start + PIECE_BYTES]


def _spaced_edges(data: npt.NDArray[np.uint8], offsets: Offsets) -> bool:
    firsts, lasts = edges(offsets)
    for places, before in ((firsts, (0, 0)), (lasts, (1, 2))):
        found = data.take(places)
        if (found <= _SPACE).any():
            return True
        beyond = places[found > _DELETE]
        if beyond.size and _wide_spaces(data, *(beyond - count for count in before)):
            return True
    return False


def _wide_spaces(data: npt.NDArray[np.uint8], twos: Offsets, threes: Offsets) -> bool:
    """Tell whether white space of two bytes, or of three, begins at one of these places."""
    pairs = data.take(twos).astype(np.uint32) << 8 | data.take(twos + 1, mode="clip")
    if np.isin(pairs, _WIDE_SPACES).any():
        return True
    leads = data.take(threes, mode="clip").astype(np.uint32) << 16
    rest = data.take(threes + 1, mode="clip").astype(np.uint32) << 8 | data.take(threes + 2, mode="clip")
    return bool(np.isin(leads | rest, _WIDE_SPACES).any())


def edges(offsets: Offsets) -> tuple[Offsets, Offsets]:
    """Return the places of the first and of the last byte of each text; those of an empty one are of its neighbours."""
    return np.minimum(offsets[:-1], offsets[-1] - 1), offsets[1:] - 1


def rows_at(places: npt.NDArray[np.intp], offsets: Offsets) -> pl.Series:
    """Return the rows in whose texts these bytes stand."""
    return pl.Series(np.unique(np.searchsorted(offsets, places, side="right") - 1).astype(np.uint32))


def control_rows(text: pl.Series) -> pl.Series:
    """Return the rows whose text has a character of `CONTROL`."""
    data, offsets = bytes_of(text)
    places = np.flatnonzero((data < _SPACE) | (data == _DELETE))
    places = places[~_IS_IN_TEXT.take(data[places])]
    return rows_at(places, offsets)


def invisible_rows(text: pl.Series) -> pl.Series:
    """Return the rows whose text has a character of `INVISIBLE`: all of those are beyond ASCII."""
    rows = text.to_frame("text").select(_BEYOND_ASCII).to_series()
    return rows.filter(text[rows].str.contains(INVISIBLE)) if rows.len() else rows


def utf16_units(text: pl.Expr) -> pl.Expr:
    """Count UTF-16 units: a character outside the basic plane has two."""
    return text.str.len_chars() + text.str.count_matches(_TWO_UNITS)


def longer_rows(text: pl.Series, max_units: int) -> pl.Series:
    """Return the rows whose text has more UTF-16 units; they are counted only where the bytes allow for it."""
    rows = pl.Series(np.flatnonzero(sizes_of(text) > max_units).astype(np.uint32))
    if not rows.len():
        return no_rows()
    counted = text[rows].to_frame("text").select(utf16_units(pl.col("text")) > max_units).to_series()
    return rows.filter(counted)
