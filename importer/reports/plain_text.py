"""Text that came from outside, made fit to be shown: what nobody can see is written out."""

from __future__ import annotations

import re
from typing import Final

_RANGES: Final = (
    (0x00, 0x1F),  # control characters; an escape sequence could rewrite the screen
    (0x7F, 0x9F),
    (0xAD, 0xAD),  # soft hyphen
    (0x61C, 0x61C),  # direction marks and overrides: text that reads differently from what it is
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x2069),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
)
_SHORT: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

ESCAPES: Final[dict[str, str]] = {
    chr(code): _SHORT.get(chr(code), f"\\u{code:04x}") for first, last in _RANGES for code in range(first, last + 1)
}
"""Each character that cannot be seen, and how it is written."""

UNPRINTABLE: Final = "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in _RANGES) + "]"
"""Matches any of them, for the regex engine of polars."""

_TABLE: Final = str.maketrans(ESCAPES)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return a name or a message as it may be shown on a terminal.

    Args:
        text: Any text.
        encoding: Of the terminal or the file it goes to; what that lacks is written as an escape.
    """
    legible = _SURROGATE.sub("?", text.translate(_TABLE))
    return legible.encode(encoding, "backslashreplace").decode(encoding)


def legible_name(name: str) -> str:
    """Return a file's name as text: it may hold bytes that are none, which files of text cannot take."""
    return name.encode("utf-8", "replace").decode()
