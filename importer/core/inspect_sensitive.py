"""Columns the service is not for: card numbers, national identity numbers, health data."""

from __future__ import annotations

from typing import Final

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
_DIAGNOSIS: Final = r"^[A-TV-Z][0-9]{2}\.[0-9]{1,4}$"
_MANY: Final = 0.6
_LEAST: Final = 3
"""Different values that have to fit: one number in ten has the check digit of a card by chance."""
_SAID: Final = 0.95


def sensitive_guesses(values: pl.Series, said: frozenset[Meaning]) -> list[Guess]:
    """Judge whether a column holds what must not be imported.

    Args:
        values: A sample of trimmed values, no nulls.
        said: Meanings the header speaks for.
    """
    guesses = [
        Guess(meaning, _SAID, "the header says so", by_name=True)
        for meaning in (Meaning.CARD_NUMBER, Meaning.NATIONAL_ID, Meaning.HEALTH)
        if meaning in said
    ]
    if not values.str.contains("[0-9]{2}").any():
        return guesses
    is_card = _is_card(values)
    cards = _share(is_card)
    if cards > _MANY and values.filter(is_card).n_unique() >= _LEAST:
        guesses.append(Guess(Meaning.CARD_NUMBER, round(0.99 * cards, 2), "check digits of payment cards are right"))
    # All of them at once: asked one by one, the asking takes longer than the looking.
    fits = (pl.col("value").str.contains(pattern).mean() for pattern in (*_NATIONAL.values(), _DIAGNOSIS))
    shares = values.to_frame("value").select(fit.alias(str(at)) for at, fit in enumerate(fits)).row(0)
    for what, share in zip(_NATIONAL, shares, strict=False):
        if share > _MANY:
            guesses.append(Guess(Meaning.NATIONAL_ID, round(0.96 * share, 2), f"written like {what}"))
    diagnoses = shares[-1]
    if diagnoses > _MANY:
        guesses.append(Guess(Meaning.HEALTH, round(0.9 * diagnoses, 2), "written like ICD-10 diagnoses"))
    return guesses


def _is_card(values: pl.Series) -> pl.Series:
    digits = values.str.replace_all("[ -]", "")
    shaped = digits.str.contains(_CARD)
    if not shaped.any():
        return shaped
    return shaped & _luhn(digits.zip_with(shaped, pl.Series(["1"], dtype=pl.String).new_from_index(0, len(digits))))


def _luhn(digits: pl.Series) -> pl.Series:
    """Tell whether the check digit is right; every text is digits only."""
    padded = digits.str.zfill(20)
    total = pl.repeat(0, len(digits), dtype=pl.Int64, eager=True)
    for at in range(20):
        digit = padded.str.slice(at, 1).cast(pl.Int64)
        if at % 2 == 0:
            digit = digit * 2
            digit = digit - (digit > 9).cast(pl.Int64) * 9
        total = total + digit
    return total % 10 == 0


def _share(mask: pl.Series) -> float:
    return float(mask.fill_null(value=False).mean() or 0.0)  # type: ignore[arg-type] # the mean of a Boolean column
