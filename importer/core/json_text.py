"""JSON text made and recognised, whole columns at a time: strings escaped, flat arrays matched.

The result of each function is what `json.dumps(..., ensure_ascii=False)` would give for the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import numpy as np
import polars as pl
import pyarrow as pa

from importer.core.arrow_texts import content_of

_ESCAPES: Final[dict[str, str]] = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
} | {chr(i): f"\\u{i:04x}" for i in range(0x20) if chr(i) not in "\n\r\t\b\f"}
_MARKS: Final = '"\\'
_BREAKS: Final = "\n\r\t"
"""Of control characters those that text can have where others are refused."""

_SPACE_BYTE: Final = 0x20

_SPACE: Final = r"[ \t\r\n]*"
_STRING: Final = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'
_INTEGER: Final = "-?(?:0|[1-9][0-9]*)"


def _array_of(item: str, *, empty: bool = False) -> str:
    items = rf"{item}(?:{_SPACE},{_SPACE}{item})*"
    return rf"^\[{_SPACE}{f'(?:{items})?' if empty else items}{_SPACE}\]$"


ARRAY_OF_STRINGS: Final = _array_of(_STRING, empty=True)
ARRAY_OF_INTEGERS: Final = _array_of(_INTEGER)
ARRAY_OF_BOOLEANS: Final = _array_of("(?:true|false)")
"""Match the JSON text of a flat array; an empty one is taken for one of strings."""

_PAIR: Final = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF: Final = r"\\u[dD][89a-fA-F]"


def escape_expr(text: pl.Expr) -> pl.Expr:
    """Return `text` as it stands between the quotes of a JSON string. Null stays null.

    Args:
        text: String.
    """
    return text.str.replace_many(dict(_ESCAPES))


def escaped(text: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return texts as they stand between the quotes of JSON strings; the column itself where none needs an escape.

    Args:
        text: Null stays null.
    """
    escapes = escapes_in(text)
    if not escapes:
        return text
    column = cast("pl.Series", pl.from_arrow(text))
    return column.str.replace_many(dict(escapes)).to_arrow(compat_level=pl.CompatLevel.oldest())


def escapes_in(text: pa.LargeStringArray) -> Mapping[str, str]:
    """Return the escapes that a column needs, by character: to look for all that there are takes twice as long.

    All of them, where it has a control character that is no line break or tab.
    """
    content, ends = content_of(text)
    data = np.frombuffer(content, dtype=np.uint8)[ends[0] : ends[-1]]
    found = data.tobytes()
    escapes = {char: _ESCAPES[char] for char in _MARKS if char.encode() in found}
    if data.size and data.min() < _SPACE_BYTE:
        # By numpy, as there are many where there are some, and bytes are counted with the interpreter locked.
        breaks = {char: np.count_nonzero(data == ord(char)) for char in _BREAKS}
        if np.count_nonzero(data < _SPACE_BYTE) > sum(breaks.values()):
            return _ESCAPES
        escapes |= {char: _ESCAPES[char] for char, count in breaks.items() if count}
    return escapes


def json_strings(items: pl.Series) -> pl.Series:
    """Return lists of text as the JSON text of arrays of strings. Null stays null."""
    escaped = items.list.eval('"' + escape_expr(pl.element()) + '"')
    return ("[" + escaped.list.join(",") + "]").rename(items.name)


def json_plain(items: pl.Series) -> pl.Series:
    """Return lists of integers or of truth values as the JSON text of arrays. Null stays null."""
    return ("[" + items.list.eval(pl.element().cast(pl.String)).list.join(",") + "]").rename(items.name)


def json_lists(text: pl.Series) -> pl.Series:
    """Return JSON texts that match `ARRAY_OF_STRINGS`, without half pairs, as lists of text."""
    return text.str.json_decode(pl.List(pl.String))


def has_half_pair(text: pl.Series) -> pl.Series:
    """Tell whether a JSON text escapes half of a surrogate pair, which no UTF-8 text can hold."""
    if not text.str.contains(_HALF).any():
        return pl.repeat(False, len(text), eager=True)  # noqa: FBT003
    bare = text.str.replace_all("\\\\", "", literal=True)
    return bare.str.replace_all(_PAIR, "").str.contains(_HALF)


def quoted(text: str) -> str:
    r"""Return one text as a JSON string.

    Example:
        >>> quoted('say "hi"')
        '"say \\\\"hi\\\\""'
    """
    return '"' + "".join(_ESCAPES.get(char, char) for char in text) + '"'
