"""What the values of a column seem to be, with a score and the evidence for it.

Each reading is judged by itself, from an even sample of the values and from the header; a score is the share of values
that fit, lowered where values alone prove little and raised where the header says the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from importer.core.inspect import SENSITIVE, Guess, Meaning
from importer.core.inspect_moments import date_guesses
from importer.core.inspect_people import email_guesses, name_guesses, phone_guesses
from importer.core.inspect_places import country_guesses, language_guesses, place_guesses
from importer.core.inspect_reading import FEW, MIN_SCORE, MOST, Column, percent, scored
from importer.core.inspect_sensitive import sensitive_guesses
from importer.core.inspect_words import FALSE_WORDS, TRUE_WORDS


def guess_meaning(column: Column) -> tuple[Guess, ...]:
    """Judge a column under every reading.

    Returns:
        At most four readings, best first; never none.
    """
    if column.values.is_empty():
        return (Guess(Meaning.EMPTY, 1.0, "no values"),)
    if column.is_list:
        return (Guess(Meaning.ARRAY, 1.0, "a list column", separator="|"),)
    guesses = [guess for judge in _JUDGES for guess in judge(column)]
    guesses += sensitive_guesses([(column.values, column.said)])[0]
    guesses = [guess for guess in guesses if guess.score >= MIN_SCORE]
    # A unique column of tax numbers is a good key, and still what must not be imported.
    best = sorted(guesses, key=lambda guess: (guess.meaning not in SENSITIVE, -guess.score, guess.meaning.value))[:4]
    return tuple(best) or (Guess(Meaning.TEXT, MIN_SCORE, "nothing else fits"),)


def _booleans(column: Column) -> list[Guess]:
    if column.distinct > FEW:
        return []
    counted = column.values.str.to_lowercase().value_counts().rows()
    yes = tuple(sorted(word for word, _ in counted if word in TRUE_WORDS))
    no = tuple(sorted(word for word, _ in counted if word in FALSE_WORDS))
    fits = sum(count for word, count in counted if word in yes or word in no) / len(column.values)
    if fits < MIN_SCORE:
        return []
    alone = 0.95 if yes and no else 0.4
    if {*yes, *no} <= {"0", "1"}:
        alone = 0.6
    evidence = percent(fits, f"are {', '.join([*yes, *no])}")
    return [scored(column, Meaning.BOOLEAN, fits, alone=alone, evidence=evidence, true_values=yes, false_values=no)]


def _numbers(column: Column) -> list[Guess]:
    whole = column.share(r"^[+-]?(?:0|[1-9][0-9]{0,9})(?:\.0+)?$")
    number = column.share(r"^[+-]?[0-9]{1,15}(?:[.,][0-9]+)?$|^-?[1-9][0-9]{0,2}(?:[,. '][0-9]{3})+(?:[.,][0-9]+)?$")
    cents = column.share(r"[.,][0-9]{2}$")
    signed = column.share(r"^[\p{Sc}]\s?-?[0-9]|[0-9]\s?(?:[\p{Sc}]|EUR|USD|GBP|CHF)$")
    guesses = []
    if whole > MIN_SCORE:
        guesses.append(scored(column, Meaning.INTEGER, whole, alone=0.85, evidence=percent(whole, "are whole numbers")))
    if number > MIN_SCORE and whole < 1:
        guesses.append(scored(column, Meaning.NUMBER, number, alone=0.86, evidence=percent(number, "are numbers")))
    money = max(signed, number * 0.9 if Meaning.MONEY in column.said and not signed else 0, cents * 0.7 * number)
    if money > MIN_SCORE:
        what = "have a currency sign" if signed else "are numbers, such as amounts are written"
        guesses.append(
            scored(
                column,
                Meaning.MONEY,
                money,
                alone=0.95,
                evidence=percent(signed or number, what),
                currency=_currency(column) if signed else "",
            )
        )
    return guesses


def _currency(column: Column) -> str:
    signs = {"\u20ac|EUR": "EUR", r"\$|USD": "USD", "\u00a3|GBP": "GBP", "CHF": "CHF"}
    found = [code for sign, code in signs.items() if column.share(sign) > 0]
    return found[0] if len(found) == 1 else ""


def _keys(column: Column) -> list[Guess]:
    unique = column.distinct / column.filled if column.filled else 0.0
    uuid = column.share(r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
    sales = column.share(r"^(?:00[13]|00Q|500)[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?$")
    shape = max(uuid, sales)
    compact = column.share(r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$")
    if shape > MOST:
        kind = "are UUIDs" if uuid >= sales else "are Salesforce record IDs"
        return [scored(column, Meaning.IDENTIFIER, shape, alone=0.98, evidence=percent(shape, kind))]
    fits = min(unique, 1.0) * compact
    digits = column.share(r"[0-9]")
    if fits < 0.5 or digits < 0.5:
        return []
    full = column.filled == column.rows
    about = "" if column.distinct_is_exact else "about "
    evidence = (
        ("every row has a value, " if full else "") + about + percent(min(unique, 1.0), "of the values occur once")
    )
    return [
        scored(column, Meaning.IDENTIFIER, fits * (1 if full else 0.9), alone=0.88 if full else 0.5, evidence=evidence)
    ]


def _texts(column: Column) -> list[Guess]:
    guesses = []
    url = column.share(r"^(?:https?://|www\.)\S+$")
    if url > MIN_SCORE:
        guesses.append(scored(column, Meaning.URL, url, alone=0.97, evidence=percent(url, "are web addresses")))
    lists = [
        (sign, column.share(rf"[^\s{pl.escape_regex(sign)}]{pl.escape_regex(sign)}\s?[^\s{pl.escape_regex(sign)}]"))
        for sign in ("|", ";", ",")
    ]
    brackets = column.share(r"^\[.*\]$")
    if brackets > MIN_SCORE:
        guesses.append(
            scored(column, Meaning.ARRAY, brackets, alone=0.95, evidence=percent(brackets, "are JSON arrays"))
        )
    sign, split = max(lists, key=lambda entry: entry[1])
    wordy = column.share(r"^[\p{L}\p{N} _|;,&/-]+$")
    if split > 0.15 and (sign != "," or Meaning.ARRAY in column.said) and column.share(r"^[0-9.,;|]+$") < 0.5:
        guesses.append(
            scored(
                column,
                Meaning.ARRAY,
                min(1.0, 0.6 + split / 2) * wordy,
                alone=0.8,
                evidence=percent(split, f"have items with {sign} between them"),
                separator=sign,
            )
        )
    if column.distinct <= FEW and column.distinct <= column.filled / 4:
        many = f"{column.distinct:,} different values" if column.distinct > 1 else "one value in all rows that have any"
        guesses.append(Guess(Meaning.CATEGORY, 0.55, many))
    spaced = column.share(r"\p{L}.* .*\p{L}")
    guesses.append(
        scored(column, Meaning.TEXT, 1.0, alone=0.3 + 0.3 * spaced, evidence=percent(spaced, "are several words"))
        if spaced
        else Guess(Meaning.TEXT, MIN_SCORE, "nothing else fits")
    )
    return guesses


_JUDGES: Final[tuple[Callable[[Column], list[Guess]], ...]] = (
    email_guesses,
    phone_guesses,
    date_guesses,
    _booleans,
    _numbers,
    country_guesses,
    place_guesses,
    language_guesses,
    name_guesses,
    _keys,
    _texts,
)
