"""What a column of text may hold, seen from its bytes at once, so that most columns need no test a value.

The answers err on the safe side: a flag that is false is certain, one that is true asks for the test a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

CONTROL: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
"""Control characters that no text may have; tab and line breaks are text."""

INVISIBLE: Final = "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
"""Zero-width and direction-changing characters: they make twins that look the same."""

CONTROL_MESSAGE: Final = "a control character; of these, tab and line breaks alone may stand in text"

_DELETE: Final = 0x7F
_SPACE: Final = 0x20
_VISIBLE: Final = np.uint8(_SPACE + 1)

_TWO_UNITS: Final = "[\U00010000-\U0010ffff]"


@dataclass(frozen=True, slots=True)
class TextBytes:
    """What the bytes of a column allow for.

    Attributes:
        control: Some value may match `CONTROL`.
        spaced: Some value may begin or end with white space.
        international: Some value has a character beyond ASCII.
    """

    control: bool
    spaced: bool
    international: bool


def text_bytes(text: pl.Series) -> TextBytes:
    """Look at the bytes of a String column.

    Example:
        >>> text_bytes(pl.Series(["plain", None, " spaced"]))
        TextBytes(control=False, spaced=True, international=False)
    """
    _, offsets_buffer, data_buffer = text.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64, count=len(text) + 1) if len(text) else np.zeros(1, np.int64)
    size = int(offsets[-1])
    return bytes_held(
        np.frombuffer(data_buffer, dtype=np.uint8, count=size) if size else np.empty(0, np.uint8), offsets
    )


def bytes_held(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> TextBytes:
    """Look at the bytes of texts that stand one behind the other.

    Args:
        data: u8, of all texts.
        offsets: Where each text begins in it, and where the last one ends: one more than texts.
    """
    if not data.size:
        return TextBytes(control=False, spaced=False, international=False)
    lowest, highest = int(data.min()), int(data.max())
    international = highest > _DELETE
    return TextBytes(
        control=(lowest < _SPACE and _has_control(data)) or (highest >= _DELETE and bool((data == _DELETE).any())),
        spaced=(lowest <= _SPACE or international) and _spaced_edges(data, offsets),
        international=international,
    )


def _has_control(data: npt.NDArray[np.uint8]) -> bool:
    in_text = sum(np.count_nonzero(data == byte) for byte in b"\t\n\r")
    return bool(np.count_nonzero(data < _SPACE) > in_text)


def _spaced_edges(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> bool:
    starts, ends = offsets[:-1], offsets[1:]
    filled = starts != ends
    if not filled.all():
        starts, ends = starts[filled], ends[filled]
    # white space beyond ASCII takes several bytes, none of them ASCII; smaller ones wrap around
    return any(bool((data[places] - _VISIBLE > _DELETE - _VISIBLE).any()) for places in (starts, ends - 1))


def has_invisible(text: pl.Series) -> pl.Series:
    """Tell which texts have a character of `INVISIBLE`: all of those are beyond ASCII."""
    rows = (text.str.len_bytes() != text.str.len_chars()).arg_true()
    found = pl.repeat(False, len(text), eager=True)  # noqa: FBT003
    return found.scatter(rows, text.gather(rows).str.contains(INVISIBLE))


def utf16_units(text: pl.Expr) -> pl.Expr:
    """Count UTF-16 units: a character outside the basic plane has two."""
    return text.str.len_chars() + text.str.count_matches(_TWO_UNITS)


def longer_than(text: pl.Series, max_units: int) -> pl.Series:
    """Tell which texts have more UTF-16 units; they are counted only where the bytes allow for it."""
    sizes = text.str.len_bytes()
    longer = pl.repeat(False, len(text), eager=True)  # noqa: FBT003
    if (sizes.max() or 0) > max_units:  # type: ignore[operator] # the maximum of a u32 column
        suspects = (sizes > max_units).arg_true()
        counted = text.gather(suspects).to_frame("text").select(utf16_units(pl.col("text")) > max_units).to_series()
        longer = longer.scatter(suspects, counted)
    return longer
