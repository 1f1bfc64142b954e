"""A trait that a column may become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from importer.core.inspect import ColumnProfile, Guess, Meaning
from importer.core.inspect_words import header_says
from importer.core.schema import DataType, Normalization

WHOLE_ENOUGH: Final = 0.05
"""Numbers of which nearly all are whole are taken for whole ones that have some bad values among them."""

_TYPES: Final = {
    Meaning.BOOLEAN: DataType.BOOLEAN,
    Meaning.INTEGER: DataType.NUMBER,
    Meaning.ARRAY: DataType.ARRAY,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trait that a column may become.

    Attributes:
        ref: ``Group.trait``.
        score: From 0 to 1.
        reason: Why, in words, without cell values.
        guess: The reading of the column that goes with it.
        data_type: Of the trait.
        id_type: Identifier type of the trait, None for a plain one.
        normalization: Of the identifier type.
        is_said: The header names it: another reading that scores alike is no reason for doubt.
    """

    ref: str
    score: float
    reason: str
    guess: Guess
    data_type: DataType
    id_type: str | None = None
    normalization: Normalization | None = None
    is_said: bool = False


def type_of(meaning: Meaning) -> DataType:
    """Return the type of trait that holds values of a meaning; amounts have fractions, which no NUMBER has."""
    return _TYPES.get(meaning, DataType.STRING)


def readings_of(column: ColumnProfile) -> Sequence[Guess]:
    """Return the guesses of a column, whole numbers before numbers where nearly all are whole."""
    guesses = list(column.guesses)
    whole = next((guess for guess in guesses if guess.meaning is Meaning.INTEGER), None)
    if whole is not None and guesses[0].meaning is Meaning.NUMBER and guesses[0].score - whole.score <= WHOLE_ENOUGH:
        guesses.remove(whole)
        guesses[0] = whole
    return guesses


def is_said(column: ColumnProfile, guess: Guess) -> bool:
    """Tell whether the header speaks for a reading."""
    return guess.meaning in header_says(column.name)
