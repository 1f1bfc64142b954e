"""Texts of digits, walked through states a whole column at once: one look-up in a table for every two digits.

The table is filled as texts come by: only what occurs in the data costs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

MARGIN: Final = 32
"""Bytes in front of the digits of `DigitTexts` and behind them."""

MOST_DIGITS: Final = 63
"""No text that is looked up is longer."""

_DIGITS, _PAIRS, _LENGTHS = 10, 100, MOST_DIGITS + 1
_UNKNOWN: Final = 0
_FIRST_ROOM: Final = 64
# of two ASCII digits as a byte, 10 * first + second - 11 * ord("0") overflows to their number
_ZEROES: Final = np.uint8(11 * ord("0") % 256)

Integers = npt.NDArray[np.int64]
States = npt.NDArray[np.int32]
Answers = npt.NDArray[np.int16]

_State = TypeVar("_State", bound=Hashable)


@dataclass(frozen=True, slots=True)
class DigitTexts:
    """A column of texts of digits.

    Attributes:
        content: ASCII digits of all texts, u8, with `MARGIN` bytes that mean nothing in front and behind.
        pairs: u8, the number that two digits make, by the place of the first.
        starts: Where each text begins in them.
        lengths: How many digits it has.
    """

    content: npt.NDArray[np.uint8]
    pairs: npt.NDArray[np.uint8]
    starts: Integers
    lengths: Integers

    @classmethod
    def of(cls, content: npt.NDArray[np.uint8], is_digit: npt.NDArray[np.bool_], offsets: Integers) -> DigitTexts:
        """Take the digits out of texts.

        Args:
            content: Bytes of all texts, one behind the other.
            is_digit: Which of them are digits.
            offsets: Where each text begins, and where the last one ends.
        """
        before = np.zeros(content.size + 1, dtype=np.int32)
        np.cumsum(is_digit, out=before[1:])
        places = before.take(offsets).astype(np.int64)
        digits = np.full(2 * MARGIN + int(before[-1]), ord("0"), dtype=np.uint8)
        # polars takes bytes out by a mask ten times as fast as numpy
        digits[MARGIN : digits.size - MARGIN] = pl.Series(content).filter(pl.Series(is_digit)).to_numpy()
        pairs = digits[:-1] * np.uint8(_DIGITS) + digits[1:] - _ZEROES
        return cls(digits, pairs, places[:-1] + MARGIN, np.diff(places))

    def after(self, widths: Integers | int) -> DigitTexts:
        """Take the first digits off each text; it has as many."""
        return DigitTexts(self.content, self.pairs, self.starts + widths, self.lengths - widths)

    def of_rows(self, rows: npt.NDArray[np.intp]) -> DigitTexts:
        """Return some of the texts."""
        return DigitTexts(self.content, self.pairs, self.starts[rows], self.lengths[rows])


@dataclass(frozen=True, slots=True)
class _Known:
    """What was worked out so far, by number; 0 is unknown.

    Attributes:
        room: All numbers of states in it are below.
        single: State behind a state and a digit.
        steps: State behind a state and two digits.
        answers: One more than the answer to a state and a length.
    """

    room: int
    single: States
    steps: States
    answers: Answers

    @classmethod
    def empty(cls, room: int) -> _Known:
        """Know nothing, with room for so many states."""
        single, steps = (np.zeros(room * ways, dtype=np.int32) for ways in (_DIGITS, _PAIRS))
        return cls(room, single, steps, np.zeros(room * _LENGTHS, dtype=np.int16))

    def larger(self, room: int) -> _Known:
        """Know the same, with more room."""
        larger = self.empty(room)
        for name in ("single", "steps", "answers"):
            known = getattr(self, name)
            getattr(larger, name)[: known.size] = known
        return larger


class DigitTable(Generic[_State]):
    """Walks texts of digits through states, and says what holds of a text by the state it ends in and its length.

    Safe to use from several threads: a state has one number for good, so what one thread writes is what another would
    write, and what is lost when two of them make room is worked out again. Each keeps to the `_Known` it has or made.

    Args:
        after: State behind a digit.
        answer: What holds of the texts that end in a state and have so many digits: a number below 2**15.
    """

    def __init__(self, after: Callable[[_State, int], _State], answer: Callable[[_State, int], int]) -> None:
        self._after = after
        self._answer = answer
        self._fresh = count(1)
        self._states: dict[int, _State] = {}
        self._numbers: dict[_State, int] = {}
        self._known = _Known.empty(_FIRST_ROOM)

    def start(self, state: _State) -> int:
        """Return the number of a state, in which texts may begin."""
        number = self._numbers.get(state)
        if number is None:
            number = next(self._fresh)
            self._states[number] = state  # before anybody can have the number
            number = self._numbers.setdefault(state, number)
        return number

    def look_up(self, texts: DigitTexts, starts: States | int, lengths: Integers) -> Answers:
        """Return the answer for each text.

        Args:
            texts: Texts of at most `MOST_DIGITS` digits.
            starts: `start` of the state in which each begins.
            lengths: What the answer is asked with as its length.
        """
        if not lengths.size:
            return np.empty(0, dtype=np.int16)
        states = np.zeros(lengths.size, dtype=np.int32) + starts
        known = self._with_room(self._known, int(states.max()))
        odd = np.flatnonzero(texts.lengths & 1 > 0)
        digits = texts.content.take(texts.starts[odd]) - np.uint8(ord("0"))
        known, states[odd] = self._behind(known, states[odd], digits)
        at, steps = texts.starts + (texts.lengths & 1), texts.lengths >> 1
        fewest, most = int(steps.min()), int(steps.max())
        for step in range(most):
            here = slice(None) if step < fewest else np.flatnonzero(steps > step)
            places = states[here] * np.int32(_PAIRS) + texts.pairs.take(at[here])
            after = known.steps.take(places)
            if int(after.min()) == _UNKNOWN:
                known = self._with_steps(known, places[after == _UNKNOWN])
                after = known.steps.take(places)
            states[here] = after
            at += 2
        return self._answers(known, states * np.int32(_LENGTHS) + lengths)

    def _with_steps(self, known: _Known, missing: States) -> _Known:
        """Work out steps, given as state and two digits in one number."""
        pairs = missing % _PAIRS
        known, between = self._behind(known, missing // _PAIRS, pairs // _DIGITS)
        known, after = self._behind(known, between, pairs % _DIGITS)
        known.steps[missing] = after
        return known

    def _behind(self, known: _Known, states: States, digits: npt.NDArray[np.integer]) -> tuple[_Known, States]:
        places = states * np.int32(_DIGITS) + digits
        missing = _distinct(places[known.single.take(places) == _UNKNOWN])
        if missing:
            after = [self.start(self._after(self._states[place // _DIGITS], place % _DIGITS)) for place in missing]
            known = self._with_room(known, max(after))
            known.single[missing] = after
        return known, known.single.take(places)

    def _answers(self, known: _Known, places: Integers) -> Answers:
        """Return the answers to states and lengths, given as one number each."""
        answers = known.answers.take(places)
        if int(answers.min()) == _UNKNOWN:
            missing = _distinct(places[answers == _UNKNOWN])
            found = [1 + self._answer(self._states[place // _LENGTHS], place % _LENGTHS) for place in missing]
            known.answers[missing] = found
            answers = known.answers.take(places)
        return answers - np.int16(1)

    def _with_room(self, known: _Known, number: int) -> _Known:
        if number < known.room:
            return known
        self._known = larger = known.larger(max(2 * known.room, number + 1))
        return larger


def _distinct(places: npt.NDArray[np.signedinteger]) -> list[int]:
    return np.flatnonzero(np.bincount(places)).tolist() if places.size else []
