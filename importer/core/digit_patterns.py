"""Many patterns over digits, run on a whole column at once: one look-up in a table for each digit of the longest text.

The table's states are sets of places in the patterns, and a state is worked out when a text first gets there: only what
occurs in the data costs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.digit_grammar import ANY_DIGIT, Choice, Digits, Either, Group, InTurn, Node, Repeated, TextEnd, parse

_ZERO: Final = ord("0")
_DIGITS: Final = 10
_UNKNOWN: Final = -1

_State = TypeVar("_State", bound=Hashable)


@dataclass(frozen=True, slots=True)
class DigitTexts:
    """A column of texts of digits.

    Attributes:
        digits: The digits of all texts, 0 to 9, u8.
        starts: Where each text begins in them.
        lengths: How many it has.
    """

    digits: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: pl.Series) -> DigitTexts:
        """Take a String column that has nothing but digits, and no nulls."""
        _, offsets_buffer, data = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
        offsets = np.frombuffer(offsets_buffer, dtype=np.int64, count=len(texts) + 1)
        size = int(offsets[-1])
        digits = np.frombuffer(data, dtype=np.uint8, count=size) if size else np.empty(0, np.uint8)
        return cls(digits - np.uint8(_ZERO), offsets[:-1], np.diff(offsets))

    def after(self, widths: npt.NDArray[np.int64] | int) -> DigitTexts:
        """Take the first digits off each text; one that has fewer becomes empty."""
        widths = np.minimum(widths, self.lengths)
        return DigitTexts(self.digits, self.starts + widths, self.lengths - widths)

    def of_rows(self, rows: npt.NDArray[np.intp]) -> DigitTexts:
        """Return some of the texts."""
        return DigitTexts(self.digits, self.starts[rows], self.lengths[rows])


@dataclass(slots=True)
class DigitPatterns:
    """Patterns, compiled to places that a text can be in: some digits lead on to another place, some nothing."""

    _digits: list[frozenset[int]] = field(default_factory=list)
    _next: list[tuple[int, ...]] = field(default_factory=list)
    _tags: dict[int, Hashable] = field(default_factory=dict)

    def add(self, pattern: str, tag: Hashable, *, whole: bool) -> int:
        """Add a pattern that begins where the text begins, and return its first place.

        Args:
            pattern: Without anchors; see `parse`.
            tag: What `tags` gives where it matches.
            whole: Whether it must end where the text ends.
        """
        return self._before(parse(pattern), self._end(tag, whole=whole))

    def add_choice(self, choice: Choice, tag: Hashable) -> int:
        """Add one way in which a pattern can match."""
        place = self._end(tag, whole=choice.at_end)
        for digits in reversed(choice.digits):
            place = self._place(digits, (place,))
        return place

    def closed(self, places: frozenset[int]) -> frozenset[int]:
        """Add the places that are reached without a digit, and leave out those that only lead there."""
        seen, left = set(places), list(places)
        while left:
            place = left.pop()
            if self._is_fork(place):
                fresh = set(self._next[place]) - seen
                seen |= fresh
                left += fresh
        return frozenset(place for place in seen if not self._is_fork(place))

    def after(self, places: frozenset[int], digit: int) -> frozenset[int]:
        """Return the places behind a digit."""
        return self.closed(frozenset(self._next[place][0] for place in places if digit in self._digits[place]))

    def tags(self, places: frozenset[int]) -> frozenset[Hashable]:
        """Return the tags of the patterns that match a text that ends here."""
        return frozenset(self._tags[place] for place in places if place in self._tags)

    def _is_fork(self, place: int) -> bool:
        return not self._digits[place] and place not in self._tags

    def _place(self, digits: frozenset[int], then: tuple[int, ...]) -> int:
        self._digits.append(digits)
        self._next.append(then)
        return len(self._digits) - 1

    def _end(self, tag: Hashable, *, whole: bool) -> int:
        end = self._place(frozenset() if whole else ANY_DIGIT, ())
        if not whole:
            self._next[end] = (end,)
        self._tags[end] = tag
        return end

    def _before(self, node: Node, end: int) -> int:
        """Make the places of a part of a pattern, given the one behind it."""
        match node:
            case Digits(digits):
                return self._place(digits, (end,))
            case InTurn(parts):
                for part in reversed(parts):
                    end = self._before(part, end)
                return end
            case Either(parts):
                return self._place(frozenset(), tuple(self._before(part, end) for part in parts))
            case Repeated(part, least, most):
                after = end
                for count in range(most, 0, -1):
                    inner = self._before(part, after)
                    after = inner if count <= least else self._place(frozenset(), (inner, end))
                return after
            case Group(part):
                return self._before(part, end)
            case TextEnd():
                raise ValueError("an end of the text inside a pattern")


@dataclass(frozen=True, slots=True)
class _Known(Generic[_State]):
    """What was worked out so far. It is never changed: who needs more of it makes a larger one."""

    states: tuple[_State, ...]
    steps: npt.NDArray[np.int32]
    answers: npt.NDArray[np.uint16]


class DigitTable(Generic[_State]):
    """Walks texts of digits through states, and says what holds of a text by the state it ends in and its length.

    Safe to use from several threads: one that works states out may do so in vain, no more.

    Args:
        start: State of an empty text.
        after: State behind a digit.
        answers: What holds of the texts that end in a state, by length, 0 to the longest that has an answer of its own.
    """

    def __init__(
        self,
        start: _State,
        after: Callable[[_State, int], _State],
        answers: Callable[[_State], npt.NDArray[np.uint16]],
    ) -> None:
        self._after = after
        self._answers = answers
        self._known = _Known((start,), np.full((1, _DIGITS), _UNKNOWN, dtype=np.int32), answers(start)[np.newaxis])

    def look_up(self, texts: DigitTexts) -> npt.NDArray[np.uint16]:
        """Return the answer for each text."""
        known = self._known
        lengths = texts.lengths
        at = texts.starts.copy()
        state = np.zeros(lengths.size, dtype=np.int32)
        shortest, longest = (int(lengths.min()), int(lengths.max())) if lengths.size else (0, 0)
        for count in range(longest):
            here = slice(None) if count < shortest else np.flatnonzero(lengths > count)
            place = state[here] * np.int32(_DIGITS) + texts.digits[at[here]]
            after = known.steps.ravel()[place]
            if int(after.min()) == _UNKNOWN:
                known = self._known = self._grown(known, np.unique(place[after == _UNKNOWN]).tolist())
                after = known.steps.ravel()[place]
            state[here] = after
            at += 1
        answers: npt.NDArray[np.uint16] = known.answers[state, np.minimum(lengths, known.answers.shape[1] - 1)]
        return answers

    def _grown(self, known: _Known[_State], places: Sequence[int]) -> _Known[_State]:
        """Work out the steps that are missing, given as state and digit in one number."""
        numbers = {state: number for number, state in enumerate(known.states)}
        targets = [self._after(known.states[place // _DIGITS], place % _DIGITS) for place in places]
        fresh = [state for state in dict.fromkeys(targets) if state not in numbers]
        numbers |= {state: number for number, state in enumerate(fresh, len(numbers))}
        steps = np.concatenate([known.steps, np.full((len(fresh), _DIGITS), _UNKNOWN, dtype=np.int32)])
        steps.ravel()[places] = [numbers[target] for target in targets]
        answers = [known.answers, *(self._answers(state)[np.newaxis] for state in fresh)]
        return _Known((*known.states, *fresh), steps, np.concatenate(answers))
