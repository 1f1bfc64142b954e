"""Words and values that people and programs write where there is no value."""

from __future__ import annotations

from typing import Final

import polars as pl

_NO_VALUE: Final = (
    r"n/?a\.?|n\.a\.|\(?null\)?|none|nil|nan|unknown|unbekannt|inconnu|desconocido|k\.? ?a\.?|keine angabe|"
    r"not (?:available|applicable|provided|set)|no (?:e-?mail|phone|name)|non renseign[e\x{e9}]|sin datos|s/d|"
    r"tb[ad]|-{1,5}|\.{1,5}|\?{1,5}|_{1,5}"
)
_NOBODYS_EMAIL: Final = (
    r"no[._-]?e?-?mail@[^@ ]+|"
    r"(?:test|none|no|na|noemail|nomail|unknown|dummy|fake|asdf|abc|xxx?)@"
    r"(?:test|none|no|na|noemail|nomail|unknown|dummy|fake|asdf|abc|domain|mail|email|xxx?)\.[a-z]{2,6}"
)

_PRETENDED: Final = rf"xxx+|0{{7,}}|{_NOBODYS_EMAIL}"
_EMAIL: Final = rf"^(?i:{_NOBODYS_EMAIL})$"
_NAMED_MOST: Final = 1_000

NULL_WORD: Final = rf"^(?i:{_NO_VALUE})$"
"""Words that mean "no value" wherever they stand: a short list, so that they may be shown."""

PLACEHOLDER: Final = rf"^(?i:{_NO_VALUE}|{_PRETENDED})$"
"""Those, and what only pretends to be a value: test@test.com, 0000000."""


def is_placeholder(text: pl.Series) -> pl.Series:
    """Tell which values mean that there is none."""
    return text.str.contains(PLACEHOLDER)


def is_placeholder_email(text: pl.Series) -> pl.Series:
    """Tell which e-mail addresses are written where there is none: noemail@example.com, test@test.com."""
    return text.str.contains(_EMAIL)


def placeholder_emails(text: pl.Series) -> dict[str, int]:
    """Count such addresses in lower case, the commonest; they are nobody's, so they may be shown."""
    found = text.filter(is_placeholder_email(text) & text.str.contains(r"^[!-~]+$"))
    counted = found.str.to_lowercase().value_counts(sort=True).head(_NAMED_MOST)
    return dict(counted.iter_rows())


def null_words(text: pl.Series) -> dict[str, int]:
    """Count the words that mean "no value", each as it is written."""
    found = text.filter(text.str.contains(NULL_WORD)).value_counts(sort=True)
    return dict(found.iter_rows())
