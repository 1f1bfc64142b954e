"""Readings of columns about places and languages."""

from __future__ import annotations

from collections import Counter

import phonenumbers

from importer.core.inspect import Guess, Meaning
from importer.core.inspect_reading import MIN_SCORE, MOST, Column, mean, percent, scored
from importer.core.inspect_words import COUNTRY_NAMES, LANGUAGES, US_STATES, plain


def country_guesses(column: Column) -> list[Guess]:
    """Judge whether values are codes or names of countries."""
    if column.distinct > 400:
        return []
    regions: Counter[str] = Counter()
    codes = 0
    for value, count in column.values.value_counts().iter_rows():
        upper = value.upper()
        region = upper if upper in phonenumbers.SUPPORTED_REGIONS else COUNTRY_NAMES.get(plain(value))
        if region is not None:
            regions[region] += count
            codes += count if len(value) == 2 else 0
    fits, codes_share = regions.total() / len(column.values), codes / len(column.values)
    named = Meaning.COUNTRY in column.said
    states = _states(column)
    alone = 0.5 if codes > regions.total() / 2 and (states > 0.9 or not named) else 0.95
    ranked = dict(sorted(regions.items(), key=lambda entry: (-entry[1], entry[0])))
    kinds = {0: "are names of countries", regions.total(): "are country codes"}
    kind = kinds.get(codes, f"are countries, {percent(codes_share, 'as codes and the others by name')}")
    evidence = f"{percent(fits, kind)}; mostly {', '.join(list(ranked)[:3])}" if ranked else ""
    return [
        scored(
            column,
            Meaning.COUNTRY,
            fits,
            alone=alone,
            evidence=evidence,
            regions=ranked,
            codes_share=round(codes_share, 3),
        )
    ]


def _states(column: Column) -> float:
    """Return the share of values that are states of the US."""
    if column.share("^[A-Za-z]{2}$") < MIN_SCORE:
        return 0.0
    return mean(column.values.str.to_uppercase().is_in(list(US_STATES)))


def place_guesses(column: Column) -> list[Guess]:
    """Judge whether values are regions, postal codes, cities or streets."""
    guesses = []
    states = _states(column)
    if states > MIN_SCORE or Meaning.REGION in column.said:
        words = column.share(r"^[\p{L}][\p{L} .'\x{2019}-]*$")
        fits = max(states, words * 0.8)
        guesses.append(
            scored(
                column,
                Meaning.REGION,
                fits,
                alone=0.6,
                evidence=percent(states, "are states of the US") if states > 0.5 else percent(words, "are words"),
            )
        )
    codes = column.share(
        r"^(?:[0-9]{4,5}(?:-[0-9]{4})?|[0-9]{2}-[0-9]{3}|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}|"
        r"[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[0-9]{4} ?[A-Z]{2}|[0-9]{3} [0-9]{2}|[0-9]{5,6}|[0-9]{3}-[0-9]{4}|"
        r"[0-9]{5}-[0-9]{3})$"
    )
    odd = column.share(r"[A-Z -]")
    if codes > MIN_SCORE:
        guesses.append(
            scored(
                column,
                Meaning.POSTAL_CODE,
                codes,
                alone=0.75 if odd > 0.5 else 0.35,
                evidence=percent(codes, "are written like postal codes"),
            )
        )
    for meaning, pattern in (
        (Meaning.CITY, r"^[\p{L}][\p{L} .'\x{2019}()/-]*$"),
        (Meaning.STREET, r"^[^@:]*\p{L}[^@:]*$"),  # no e-mail or web address
    ):
        if meaning in column.said:
            fits = column.share(pattern)
            guesses.append(scored(column, meaning, fits, alone=0.3, evidence=percent(fits, "are words")))
    return guesses


def language_guesses(column: Column) -> list[Guess]:
    """Judge whether values are codes of languages."""
    if Meaning.LANGUAGE not in column.said and column.share(r"^[a-z]{2}[-_][A-Z]{2}$") <= MOST:
        return []
    known = mean(column.values.str.to_lowercase().str.slice(0, 2).is_in(list(LANGUAGES)))
    fits = min(known, column.share(r"^[A-Za-z]{2}(?:[-_][A-Za-z]{2})?$"))
    return [scored(column, Meaning.LANGUAGE, fits, alone=0.9, evidence=percent(fits, "are language codes"))]
