"""Which words of a source its mapping may read as "no value"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from importer.core.inspect import ColumnProfile, Meaning

_MOST: Final = 20
_PEOPLE: Final = frozenset({Meaning.FIRST_NAME, Meaning.LAST_NAME})
_CODES: Final = frozenset({Meaning.COUNTRY, Meaning.REGION})


def propose_null_tokens(columns: Iterable[ColumnProfile]) -> tuple[str, ...]:
    """Return the words that mean "no value", as they are written, the most frequent first.

    They hold for every column of a mapping, so a word that is a value somewhere is left out: NA is a country and a
    region; there are people called Null and Nan, unless the word stands in other columns as well.
    """
    counts: Counter[str] = Counter()
    elsewhere: set[str] = set()
    never: set[str] = set()
    for column in columns:
        counts.update(column.null_words)
        if column.guess.meaning in _CODES:
            never.update(word for word in column.null_words if word.isalpha())
        if column.guess.meaning not in _PEOPLE:
            elsewhere.update(column.null_words)
    names = (word for word, _ in counts.most_common() if word in elsewhere or not word.isalpha())
    return tuple(word for word in names if word not in never)[:_MOST]
