"""Columns -> traits that a store has, by what both are called and by what the values of the column are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from importer.core.inspect import ColumnProfile, Guess, Meaning
from importer.core.mapping_propose_candidates import Candidate, readings_of
from importer.core.mapping_propose_words import SPECIFIC, Name, likeness, name_of
from importer.core.mapping_traits import normalization_of
from importer.core.schema import DataType, Normalization, StoreSchema, TraitDefinition

LEAST: Final = 0.3
"""Candidates below are not worth a line."""

_WANTED: Final = {
    DataType.BOOLEAN: Meaning.BOOLEAN,
    DataType.NUMBER: Meaning.INTEGER,
    DataType.ARRAY: Meaning.ARRAY,
}
_BY_NORMALIZATION: Final = {Normalization.EMAIL: Meaning.EMAIL, Normalization.PHONE: Meaning.PHONE}
_OF_A_KIND: Final = SPECIFIC | {Meaning.DATE, Meaning.DATETIME, Meaning.BOOLEAN, Meaning.MONEY, Meaning.ARRAY}
"""Meanings of values that a trait which is called for another one does not take: no last name is a date."""
_WRONG_KIND: Final = 0.3
_OTHER_MEANING: Final = 0.4
_VALUES_ALONE: Final = 0.95
_SAID: Final = 0.8


class StoreTargets:
    """Finds the traits of a store that a column may become.

    Args:
        schema: Of the store.
    """

    def __init__(self, schema: StoreSchema) -> None:
        self._schema = schema
        self._names = {ref: name_of(trait.name) for ref, trait in schema.traits.items()}
        self._order = {ref: at for at, ref in enumerate(schema.traits)}
        self._by_word: defaultdict[str, list[str]] = defaultdict(list)
        self._by_meaning: defaultdict[Meaning, list[str]] = defaultdict(list)
        for ref, name in self._names.items():
            for word in {*name.words, name.folded}:
                self._by_word[word].append(ref)
            for meaning in name.means | self._means(schema.traits[ref]):
                self._by_meaning[meaning].append(ref)

    def candidates(self, column: ColumnProfile) -> Iterator[Candidate]:
        """Yield what a column may become, best first; nothing where the store has no trait like it."""
        header = name_of(column.name)
        guesses = readings_of(column)
        found = [self._candidate(column, header, ref) for ref in self._near(header, guesses[0])]
        worth = [candidate for candidate in found if candidate.score >= LEAST]
        yield from sorted(worth, key=lambda candidate: (-candidate.score, self._order[candidate.ref]))

    def _near(self, header: Name, guess: Guess) -> list[str]:
        near = [ref for word in {*header.words, header.folded} for ref in self._by_word.get(word, ())]
        near += [ref for meaning in {*header.means, guess.meaning} for ref in self._by_meaning.get(meaning, ())]
        return list(dict.fromkeys(near))

    def _means(self, trait: TraitDefinition) -> frozenset[Meaning]:
        normalization = normalization_of(trait, self._schema)
        meaning = _BY_NORMALIZATION.get(normalization) if normalization is not None else None
        return frozenset() if meaning is None else frozenset({meaning})

    def _candidate(self, column: ColumnProfile, header: Name, ref: str) -> Candidate:
        trait, name = self._schema.traits[ref], self._names[ref]
        guess, fit, remark = self._fit(column, trait, name)
        named = likeness(header, name)
        alone = 0.0
        if guess.meaning in SPECIFIC & (name.means | self._means(trait)):
            alone = _VALUES_ALONE * guess.score * fit
        by_name = named * fit
        score = max(by_name, alone)
        if alone and by_name:
            score = max(score, min(1.0, (by_name + alone) / 2 + 0.05))
        said = "named alike" if named >= _SAID else "named a little alike" if named else "by its values alone"
        return Candidate(
            ref=ref,
            score=round(score, 2),
            reason=f"{said}; {guess.evidence}{remark}",
            guess=guess,
            data_type=trait.data_type,
            id_type=trait.id_type,
            normalization=normalization_of(trait, self._schema),
            is_said=named >= _SAID,
        )

    def _fit(self, column: ColumnProfile, trait: TraitDefinition, name: Name) -> tuple[Guess, float, str]:
        """Return the reading of a column that a trait asks for, how well it fits, and what is wrong."""
        guesses = readings_of(column)
        best = guesses[0]
        wanted = _WANTED.get(trait.data_type)
        if wanted is None:
            wanted = next(iter(self._means(trait)), None)
        if wanted is not None:
            reading = next((guess for guess in guesses if guess.meaning is wanted), None)
            if reading is None:
                what = trait.data_type.value if trait.id_type is None else f"identifier {trait.id_type}"
                return best, _WRONG_KIND, f", but {trait.ref} is {what}"
            return reading, max(reading.score, _WRONG_KIND), ""
        if column.is_list:
            return best, _WRONG_KIND, f", but {trait.ref} is {trait.data_type.value}"
        if name.means and best.meaning in _OF_A_KIND - name.means:
            return best, _OTHER_MEANING, f", which {trait.ref} is not called"
        return best, 1.0, ""
