"""Many patterns over digits, run on a whole column at once: one look-up in a table for each digit of the longest text.

The table's states are sets of places in the patterns, and a state is worked out when a text first gets there: only what
occurs in the data costs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

_ZERO: Final = ord("0")
_DIGITS: Final = 10
_UNKNOWN: Final = -1

_State = TypeVar("_State", bound=Hashable)


@dataclass(slots=True)
class DigitPatterns:
    r"""Patterns, compiled to places that a text can be in: some digits lead on to another place, some nothing.

    Understood are digits, ``\d``, classes, groups, ``|``, ``?``, ``{n}`` and ``{n,m}``. A ``$`` is passed over.
    """

    _digits: list[frozenset[int]] = field(default_factory=list)
    _next: list[tuple[int, ...]] = field(default_factory=list)
    _tags: dict[int, Hashable] = field(default_factory=dict)

    def add(self, pattern: str, tag: Hashable, *, whole: bool) -> int:
        """Add a pattern that begins where the text begins, and return its first place.

        Args:
            pattern: Without anchors.
            tag: What `tags` gives where it matches.
            whole: Whether it must end where the text ends.
        """
        end = self._place(frozenset() if whole else frozenset(range(_DIGITS)), ())
        if not whole:
            self._next[end] = (end,)
        self._tags[end] = tag
        reading = _Reading(self, pattern)
        return reading.alternatives(end)

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

    def step(self, digits: frozenset[int], then: int) -> int:
        """Return a place from which some digits lead on."""
        return self._place(digits, (then,))

    def fork(self, *then: int) -> int:
        """Return a place that is several places."""
        return self._place(frozenset(), then)


_Part = Callable[[int], int]
"""Makes the places of a part of a pattern, given the place behind it."""


class _Reading:
    """Reads one pattern from left to right; its places are made from right to left."""

    def __init__(self, patterns: DigitPatterns, pattern: str) -> None:
        self._patterns = patterns
        self._pattern = pattern
        self._at = 0

    def alternatives(self, end: int) -> int:
        """Read what stands between two ``|``, up to the end of a group or of the pattern."""
        return self._alternatives()(end)

    def _alternatives(self) -> _Part:
        choices = [self._sequence()]
        while self._peek() == "|":
            self._take()
            choices.append(self._sequence())
        if len(choices) == 1:
            return choices[0]
        return lambda end: self._patterns.fork(*(choice(end) for choice in choices))

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._peek() not in ("", "|", ")"):
            if self._peek() == "$":
                self._take()
                continue
            parts.append(self._repeated(self._single()))

        def make(end: int) -> int:
            for part in reversed(parts):
                end = part(end)
            return end

        return make

    def _single(self) -> _Part:
        char = self._take()
        if char == "(":
            if self._pattern.startswith("?:", self._at):
                self._at += 2
            inner = self._alternatives()
            self._take()
            return inner
        digits = self._class() if char == "[" else self._digit(char)
        return lambda end: self._patterns.step(digits, end)

    def _digit(self, char: str) -> frozenset[int]:
        if char == "\\" and self._take() == "d":
            return frozenset(range(_DIGITS))
        if not char.isdigit():
            raise ValueError(f"no pattern of digits: {self._pattern}")
        return frozenset([int(char)])

    def _class(self) -> frozenset[int]:
        digits: set[int] = set()
        while (char := self._take()) != "]":
            if self._peek() == "-":
                self._take()
                digits |= set(range(int(char), int(self._take()) + 1))
            else:
                digits |= self._digit(char)
        return frozenset(digits)

    def _repeated(self, part: _Part) -> _Part:
        least, most = 1, 1
        if self._peek() == "?":
            self._take()
            least = 0
        elif self._peek() == "{":
            close = self._pattern.index("}", self._at)
            bounds = self._pattern[self._at + 1 : close].split(",")
            least, most = int(bounds[0]), int(bounds[-1])
            self._at = close + 1

        def make(end: int) -> int:
            after = end
            for count in range(most, 0, -1):
                inner = part(after)
                after = inner if count <= least else self._patterns.fork(inner, end)
            return after

        return make

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]


class DigitTable(Generic[_State]):
    """Walks texts of digits through states, and says what holds of a text by the state it ends in and its length.

    Safe to use from several threads.

    Args:
        start: State of an empty text.
        after: State behind a digit.
        answers: What holds of the texts that end in a state, by length, `lengths` small numbers.
        lengths: Longer texts have the answer of the longest length.
    """

    def __init__(
        self,
        start: _State,
        after: Callable[[_State, int], _State],
        answers: Callable[[_State], npt.NDArray[np.uint16]],
        lengths: int,
    ) -> None:
        self._after = after
        self._answer = answers
        self._states: list[_State] = []
        self._numbers: dict[_State, int] = {}
        self._steps = np.full((64, _DIGITS), _UNKNOWN, dtype=np.int32)
        self._answers = np.zeros((64, lengths), dtype=np.uint16)
        self._growing = Lock()
        self._number(start)

    def look_up(self, texts: pl.Series) -> npt.NDArray[np.uint16]:
        """Return the answer for each text.

        Args:
            texts: String of digits, no nulls.
        """
        _, offsets_buffer, data = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
        offsets = np.frombuffer(offsets_buffer, dtype=np.int64, count=len(texts) + 1)
        digits = np.frombuffer(data, dtype=np.uint8, count=int(offsets[-1])) if offsets[-1] else np.zeros(1, np.uint8)
        lengths = np.diff(offsets)
        at = offsets[:-1].copy()
        state = np.zeros(len(texts), dtype=np.int32)
        shortest, longest = (int(lengths.min()), int(lengths.max())) if len(texts) else (0, 0)
        for count in range(longest):
            if count < shortest:
                state = self._walk(state, digits[at] - np.uint8(_ZERO))
            else:
                here = np.flatnonzero(lengths > count)
                state[here] = self._walk(state[here], digits[at[here]] - np.uint8(_ZERO))
            at += 1
        return self._answers[state, np.minimum(lengths, self._answers.shape[1] - 1)]

    def _walk(self, state: npt.NDArray[np.int32], digit: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        place = state * np.int32(_DIGITS) + digit
        after: npt.NDArray[np.int32] = self._steps.ravel()[place]
        if after.size and int(after.min()) == _UNKNOWN:
            with self._growing:
                for number in np.unique(place[after == _UNKNOWN]).tolist():
                    before, with_ = divmod(number, _DIGITS)
                    target = self._number(self._after(self._states[before], with_))
                    self._steps[before, with_] = target
            after = self._steps.ravel()[place]
        return after

    def _number(self, state: _State) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
            if number == len(self._steps):
                self._steps = np.concatenate([self._steps, np.full_like(self._steps, _UNKNOWN)])
                self._answers = np.concatenate([self._answers, np.zeros_like(self._answers)])
            self._answers[number] = self._answer(state)
        return number
