"""Readings of columns about people: e-mail addresses, phone numbers, names."""

from __future__ import annotations

from collections import Counter
from typing import Final

import phonenumbers
import polars as pl

from importer.core.emails import normalise_emails
from importer.core.inspect import Guess, Meaning
from importer.core.inspect_reading import FEW, MIN_SCORE, MOST, Column, mean, percent, scored
from importer.core.phones import normalise_phones

_CERTAIN: Final = 0.98
_PHONES_LOOKED_AT: Final = 2_000


def email_guesses(column: Column) -> list[Guess]:
    """Judge whether values are e-mail addresses."""
    if column.share("@") < MIN_SCORE:
        return []
    fits = mean(normalise_emails(column.values)["code"].is_null())
    return [scored(column, Meaning.EMAIL, fits, alone=_CERTAIN, evidence=percent(fits, "look like e-mail addresses"))]


def phone_guesses(column: Column) -> list[Guess]:
    """Judge whether values are phone numbers, and of which countries."""
    if column.share(r"^[+(0-9][0-9 ()./+-]{5,24}(?: ?(?:x|ext)\.? ?[0-9]{1,6})?$") < MIN_SCORE:
        return []
    values = column.values
    if len(values) > _PHONES_LOOKED_AT:
        values = values.gather_every(-(-len(values) // _PHONES_LOOKED_AT))
    read = normalise_phones(values, None)
    whole = read["e164"].is_not_null()
    national = (read["code"] == "ambiguous-phone").fill_null(value=False)
    spelled = national & values.str.contains(r"[ ()/-]") & ~values.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}")
    whole_share, national_share = mean(whole), mean(national)
    named = Meaning.PHONE in column.said
    weight = 0.97 if named else 0.25 + 0.45 * (mean(spelled) / national_share if national_share else 0)
    score = whole_share * _CERTAIN + national_share * weight
    regions = _phone_regions(read["e164"].drop_nulls())
    parts = [percent(whole_share, "are numbers with country code")] if whole_share else []
    parts += [percent(national_share, "could be national numbers")] if national_share else []
    parts += ["mostly " + ", ".join(list(regions)[:3])] if regions else []
    parts += ["the header says so"] if named else []
    return [
        Guess(
            Meaning.PHONE,
            round(score, 2),
            "; ".join(parts),
            regions=regions,
            international_share=round(whole_share, 3),
        )
    ]


def _phone_regions(e164: pl.Series) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for number, count in e164.value_counts().iter_rows():
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
        if region:
            counted[region] += count
    return dict(sorted(counted.items(), key=lambda entry: (-entry[1], entry[0])))


def name_guesses(column: Column) -> list[Guess]:
    """Judge whether values are names of people."""
    word = column.share(r"^\p{Lu}[\p{L}'\x{2019}.-]*$")
    words = column.share(r"^\p{Lu}[\p{L}'\x{2019}.-]*(?: [\p{L}'\x{2019}.-]+){1,4}$")
    letters = column.share(r"^['\x{2019}]?[\p{L}\p{M}][\p{L}\p{M} '\x{2019}.-]*$")
    evidence = percent(letters, "are words such as names")
    guesses = [
        scored(column, meaning, letters, alone=0.3, evidence=evidence)
        for meaning in (Meaning.FIRST_NAME, Meaning.LAST_NAME, Meaning.FULL_NAME)
        if meaning in column.said and letters > MIN_SCORE
    ]
    if not guesses and column.distinct > FEW:
        if words > MOST:
            guesses.append(
                Guess(Meaning.FULL_NAME, round(0.5 * words, 2), percent(words, "are two to five capitalised words"))
            )
        elif word > MOST:
            guesses.append(Guess(Meaning.LAST_NAME, round(0.32 * word, 2), percent(word, "are one capitalised word")))
    return guesses
