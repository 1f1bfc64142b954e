"""Words and values that people and programs write where there is no value."""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.characters import views_of
from importer.core.text_views import VIEW

_NO_VALUE: Final = (
    r"n/?a\.?|n\.a\.|\(?null\)?|none|nil|nan|unknown|unbekannt|inconnu|desconocido|k\.? ?a\.?|keine angabe|"
    r"not (?:available|applicable|provided|set)|no (?:e-?mail|phone|name)|non renseign[e\x{e9}]|sin datos|s/d|"
    r"tb[ad]|-{1,5}|\.{1,5}|\?{1,5}|_{1,5}"
)
_NAMES: Final = (
    "test",
    "none",
    "no",
    "na",
    "noemail",
    "nomail",
    "unknown",
    "dummy",
    "fake",
    "asdf",
    "abc",
    "xx",
    "xxx",
)
NOBODYS_EMAIL: Final = (
    r"no[._-]?e?-?mail@[^@ ]+|"
    rf"(?:{'|'.join(_NAMES)})@"
    r"(?:test|none|no|na|noemail|nomail|unknown|dummy|fake|asdf|abc|domain|mail|email|xxx?)\.[a-z]{2,6}"
)
"""An address that is written where there is none, in any case, from end to end; a pattern."""

_PRETENDED: Final = rf"xxx+|0{{7,}}|{NOBODYS_EMAIL}"
_EMAIL: Final = rf"^(?i:{NOBODYS_EMAIL})$"
_NAMED_MOST: Final = 1_000

_FIRST_BYTES: Final = 2
"""Place of a text's first two bytes among the eight u16 of its view."""

_FIRST_FOUR: Final = 1
"""Place of its first four among the four u32."""

_THREE_BYTES, _SMALL, _HIGH_BITS = np.uint32(0xFFFFFF), np.uint32(0x202020), np.uint32(0x808080)
_BEGUN: Final = sorted({f"{name}@"[:3] for name in _NAMES} | {f"no{after}" for after in "._-em"})
"""How such an address may begin, in small letters."""
_THREES: Final = np.array([int.from_bytes(each.encode(), "little") for each in _BEGUN], dtype=np.uint32) | _SMALL

NULL_WORD: Final = rf"^(?i:{_NO_VALUE})$"
"""Words that mean "no value" wherever they stand: a short list, so that they may be shown."""

PLACEHOLDER: Final = rf"^(?i:{_NO_VALUE}|{_PRETENDED})$"
"""Those, and what only pretends to be a value: test@test.com, 0000000."""


def _beginnings() -> npt.NDArray[np.bool_]:
    """Return which two bytes, as a little-endian number, may begin such an address; those beyond ASCII may."""
    may_begin = np.zeros((256, 256), dtype=np.bool_)
    may_begin[128:] = may_begin[:, 128:] = True
    for letters in {begun[:2] for begun in _BEGUN}:
        for first, second in product(*zip(letters, letters.upper(), strict=True)):
            may_begin[ord(second), ord(first)] = True
    return may_begin.ravel()


_BEGINNINGS: Final = _beginnings()


def is_placeholder(text: pl.Series) -> pl.Series:
    """Tell which values mean that there is none."""
    return text.str.contains(PLACEHOLDER)


def placeholder_email_rows(text: pl.Series) -> pl.Series:
    """Return the rows of e-mail addresses that are written where there is none: noemail@example.com, test@test.com."""
    views = views_of(text)
    rows = np.flatnonzero(_BEGINNINGS.take(views.view(np.uint16)[:, _FIRST_BYTES]))
    # Many names begin like that, and few of those go on like that.
    begun = views.view(VIEW)[rows, _FIRST_FOUR] & _THREE_BYTES
    rows = rows[np.isin(begun | _SMALL, _THREES) | (begun & _HIGH_BITS > 0)]
    found = pl.Series(rows.astype(np.uint32))
    return found.filter(text[found].str.contains(_EMAIL))


def placeholder_emails(text: pl.Series) -> dict[str, int]:
    """Count such addresses in lower case, the commonest; they are nobody's, so they may be shown."""
    found = text[placeholder_email_rows(text)]
    found = found.filter(found.str.contains(r"^[!-~]+$"))
    counted = found.str.to_lowercase().value_counts(sort=True).head(_NAMED_MOST)
    return dict(counted.iter_rows())


def null_words(text: pl.Series) -> dict[str, int]:
    """Count the words that mean "no value", each as it is written."""
    found = text.filter(text.str.contains(NULL_WORD)).value_counts(sort=True)
    return dict(found.iter_rows())
