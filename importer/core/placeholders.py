"""Words and values that people and programs write where there is no value."""

from __future__ import annotations

from typing import Final

import polars as pl

_NO_VALUE: Final = (
    r"n/?a\.?|n\.a\.|\(?null\)?|none|nil|nan|unknown|unbekannt|inconnu|desconocido|k\.? ?a\.?|keine angabe|"
    r"not (?:available|applicable|provided|set)|no (?:e-?mail|phone|name)|non renseign[e\x{e9}]|sin datos|s/d|"
    r"tb[ad]|-{1,5}|\.{1,5}|\?{1,5}|_{1,5}"
)
_PRETENDED: Final = (
    r"xxx+|0{7,}|no[._-]?e?-?mail@[^@ ]+|"
    r"(?:test|none|no|na|noemail|nomail|unknown|dummy|fake|asdf|abc|xxx?)@"
    r"(?:test|none|no|na|noemail|nomail|unknown|dummy|fake|asdf|abc|domain|mail|email|xxx?)\.[a-z]{2,6}"
)

NULL_WORD: Final = rf"^(?i:{_NO_VALUE})$"
"""Words that mean "no value" wherever they stand: a short list, so that they may be shown."""

PLACEHOLDER: Final = rf"^(?i:{_NO_VALUE}|{_PRETENDED})$"
"""Those, and what only pretends to be a value: test@test.com, 0000000."""


def is_placeholder(text: pl.Series) -> pl.Series:
    """Tell which values mean that there is none."""
    return text.str.contains(PLACEHOLDER)


def null_words(text: pl.Series) -> dict[str, int]:
    """Count the words that mean "no value", each as it is written."""
    found = text.filter(text.str.contains(NULL_WORD)).value_counts(sort=True)
    return dict(found.iter_rows())
