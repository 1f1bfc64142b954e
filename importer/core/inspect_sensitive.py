"""Columns the service is not for: card numbers, national identity numbers, health data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.inspect import Guess, Meaning

_CARD: Final = (
    r"^(?:4[0-9]{12}(?:[0-9]{3}){0,2}|(?:5[1-5]|2[2-7]|35)[0-9]{14}|3[47][0-9]{13}|3[068][0-9]{12}|6[0245][0-9]{14})$"
)
_NATIONAL: Final = {
    "US social security numbers": (
        r"^(?:00[1-9]|0[1-9][0-9]|[1-578][0-9]{2}|6(?:[0-57-9][0-9]|6[0-57-9]))-(?:0[1-9]|[1-9][0-9])-"
        r"(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})$"
    ),
    "British national insurance numbers": r"^[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]$",
    "Italian tax codes": r"^[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]$",
    "Spanish identity numbers": r"^[0-9]{8}[A-HJ-NP-TV-Z]$|^[XYZ][0-9]{7}[A-HJ-NP-TV-Z]$",
    "French social security numbers": (
        r"^[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?[0-9]{2} ?[0-9]{3} ?[0-9]{3}(?: ?[0-9]{2})?$"
    ),
    "German social insurance numbers": r"^[0-9]{2}[0-3][0-9](?:0[1-9]|1[0-2])[0-9]{2}[A-Z][0-9]{3}$",
    "Brazilian CPF numbers": r"^[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}$",
}
_DIAGNOSES: Final = "ICD-10 diagnoses"
_WRITTEN: Final = {**_NATIONAL, _DIAGNOSES: r"^[A-TV-Z][0-9]{2}\.[0-9]{1,4}$"}
_CARDS, _DIGITS = "payment cards", "digits"
_MOST_DIGITS: Final = 20
_MANY: Final = 0.6
_LEAST: Final = 3
"""Different values that have to fit: one number in ten has the check digit of a card by chance."""
_SAID: Final = 0.95


def sensitive_guesses(columns: Sequence[tuple[pl.Series, frozenset[Meaning]]]) -> list[list[Guess]]:
    """Judge whether columns hold what must not be imported.

    All of them at once: asked one by one, the asking takes longer than the looking.

    Args:
        columns: Of each a sample of trimmed values, String without nulls, and the meanings that its header speaks for.

    Returns:
        The guesses about each column, none where nothing speaks for it.
    """
    guesses = [
        [
            Guess(meaning, _SAID, "the header says so", by_name=True)
            for meaning in (Meaning.CARD_NUMBER, Meaning.NATIONAL_ID, Meaning.HEALTH)
            if meaning in said
        ]
        for _, said in columns
    ]
    numbered = _numbered([values for values, _ in columns])
    if numbered:
        looks = _looks(pl.concat([columns[at][0] for at in numbered]))
        start = 0
        for at in numbered:
            values = columns[at][0]
            guesses[at] += _guesses(values, looks.slice(start, len(values)))
            start += len(values)
    return guesses


def _numbered(columns: Sequence[pl.Series]) -> list[int]:
    """Return which columns have two digits side by side somewhere: nothing that is looked for has fewer."""
    filled = [(at, len(values)) for at, values in enumerate(columns) if len(values)]
    if not filled:
        return []
    has_digits = pl.concat([columns[at] for at, _ in filled]).str.contains("[0-9]{2}")
    ends = accumulate(count for _, count in filled)
    return [at for (at, count), end in zip(filled, ends, strict=True) if has_digits.slice(end - count, count).any()]


def _looks(values: pl.Series) -> pl.DataFrame:
    """Tell of each value what it looks like: a Boolean column for each of `_WRITTEN`, and one for cards."""
    fits = [pl.col("value").str.contains(pattern).alias(what) for what, pattern in _WRITTEN.items()]
    digits = pl.col("value").str.replace_all("[ -]", "")
    looks = values.to_frame("value").select(*fits, digits.alias(_DIGITS), digits.str.contains(_CARD).alias(_CARDS))
    shaped = np.flatnonzero(looks[_CARDS].to_numpy())
    if shaped.size:
        is_card = np.zeros(len(values), dtype=np.bool_)
        is_card[shaped] = _luhn(looks[_DIGITS][shaped])
        looks = looks.with_columns(pl.Series(_CARDS, is_card))
    return looks.drop(_DIGITS)


def _guesses(values: pl.Series, looks: pl.DataFrame) -> Iterator[Guess]:
    share = {look.name: float(look.sum()) / len(values) for look in looks.get_columns()}
    cards, diagnoses = share[_CARDS], share[_DIAGNOSES]
    if cards > _MANY and values.filter(looks[_CARDS]).n_unique() >= _LEAST:
        yield Guess(Meaning.CARD_NUMBER, round(0.99 * cards, 2), "check digits of payment cards are right")
    for what in _NATIONAL:
        if share[what] > _MANY:
            yield Guess(Meaning.NATIONAL_ID, round(0.96 * share[what], 2), f"written like {what}")
    if diagnoses > _MANY:
        yield Guess(Meaning.HEALTH, round(0.9 * diagnoses, 2), f"written like {_DIAGNOSES}")


def _luhn(digits: pl.Series) -> npt.NDArray[np.bool_]:
    """Tell whether the check digit is right; every text is digits only, `_MOST_DIGITS` at most."""
    padded = "".join(digits.str.zfill(_MOST_DIGITS))
    digit = np.frombuffer(padded.encode(), dtype=np.uint8).reshape(-1, _MOST_DIGITS) - np.uint8(ord("0"))
    digit[:, ::2] *= 2
    digit[digit > 9] -= 9
    right: npt.NDArray[np.bool_] = digit.sum(axis=1) % 10 == 0
    return right
