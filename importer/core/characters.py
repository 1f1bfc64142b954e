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
    if size == 0:
        return TextBytes(control=False, spaced=False, international=False)
    data = np.frombuffer(data_buffer, dtype=np.uint8, count=size)
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
    filled = np.flatnonzero(np.diff(offsets))
    edges = data[np.concatenate([offsets[filled], offsets[filled + 1] - 1])]
    # white space beyond ASCII takes several bytes, none of them ASCII
    return bool(((edges <= _SPACE) | (edges > _DELETE)).any())


def utf16_units(text: pl.Expr) -> pl.Expr:
    """Count UTF-16 units: a character outside the basic plane has two."""
    return text.str.len_chars() + text.str.count_matches(_TWO_UNITS)


def longer_than(text: pl.Series, max_units: int) -> pl.Series:
    """Tell which texts have more UTF-16 units; they are counted only where the bytes allow for it."""
    suspects = (text.str.len_bytes() > max_units).arg_true()
    longer = pl.repeat(False, len(text), eager=True)  # noqa: FBT003
    if suspects.len():
        counted = text.gather(suspects).to_frame("text").select(utf16_units(pl.col("text")) > max_units).to_series()
        longer = longer.scatter(suspects, counted)
    return longer
