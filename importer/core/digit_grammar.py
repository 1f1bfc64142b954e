r"""Patterns over digits, read: the part of regular expressions that number plans are written in.

Digits, ``\d``, classes, groups, ``|``, ``?``, ``{n}``, ``{n,m}``, and ``$`` at the end of a way through a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain, product
from typing import Final

ANY_DIGIT: Final = frozenset(range(10))


@dataclass(frozen=True, slots=True)
class Digits:
    """One of some digits."""

    digits: frozenset[int]


@dataclass(frozen=True, slots=True)
class InTurn:
    """Parts that follow each other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Parts of which the first that fits counts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A part, as often as it fits."""

    part: Node
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Group:
    """A part that is captured; groups are numbered from 1."""

    part: Node
    number: int


@dataclass(frozen=True, slots=True)
class TextEnd:
    """The end of the text."""


Node = Digits | InTurn | Either | Repeated | Group | TextEnd


@dataclass(frozen=True, slots=True)
class Choice:
    """One way in which a pattern can match: so many digits, each one of a set.

    Attributes:
        digits: Of each place.
        at_end: Whether the text must end behind them.
        has_last_group: Whether the pattern's last capturing group takes part.
    """

    digits: tuple[frozenset[int], ...] = ()
    at_end: bool = False
    has_last_group: bool = False

    def then(self, other: Choice) -> Choice:
        """Return this choice followed by another."""
        return Choice(
            self.digits + other.digits,
            self.at_end or other.at_end,
            self.has_last_group or other.has_last_group,
        )


@cache
def parse(pattern: str) -> Node:
    """Read a pattern; the regions of one calling code have many in common.

    Raises:
        ValueError: it has something that is not understood here.
    """
    return _Reading(pattern).whole()


def choices(pattern: str) -> list[Choice]:
    """Return every way in which a pattern can match, in the order in which an engine tries them."""
    reading = _Reading(pattern)
    return _ways(reading.whole(), reading.groups)


def _ways(node: Node, last_group: int) -> list[Choice]:
    match node:
        case Digits(digits):
            return [Choice((digits,))]
        case TextEnd():
            return [Choice(at_end=True)]
        case Either(parts):
            return list(chain.from_iterable(_ways(part, last_group) for part in parts))
        case InTurn(parts):
            return _in_turn([_ways(part, last_group) for part in parts])
        case Repeated(part, least, most):
            ways = _ways(part, last_group)
            return [way for count in range(most, least - 1, -1) for way in _in_turn([ways] * count)]
        case Group(part, number):
            captured = Choice(has_last_group=number == last_group)
            return [way.then(captured) for way in _ways(part, last_group)]


def _in_turn(parts: list[list[Choice]]) -> list[Choice]:
    ways = []
    for steps in product(*parts):
        way = Choice()
        for step in steps:
            way = way.then(step)
        ways.append(way)
    return ways


class _Reading:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.groups = 0
        self._pattern = pattern
        self._at = 0

    def whole(self) -> Node:
        """Read all of it."""
        node = self._either()
        if self._at < len(self._pattern):
            raise self._unknown()
        return node

    def _either(self) -> Node:
        parts = [self._in_turn()]
        while self._peek() == "|":
            self._take()
            parts.append(self._in_turn())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _in_turn(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._single()))
        return InTurn(tuple(parts))

    def _single(self) -> Node:
        char = self._take()
        if char == "$":
            return TextEnd()
        if char == "[":
            return Digits(self._class())
        if char != "(":
            return Digits(self._digit(char))
        if self._pattern.startswith("?:", self._at):
            self._at += 2
            inner = self._either()
        else:
            self.groups += 1
            number = self.groups
            inner = Group(self._either(), number)
        if self._take() != ")":
            raise self._unknown()
        return inner

    def _digit(self, char: str) -> frozenset[int]:
        if char == "\\" and self._take() == "d":
            return ANY_DIGIT
        if not char.isdecimal():
            raise self._unknown()
        return frozenset([int(char)])

    def _class(self) -> frozenset[int]:
        digits: frozenset[int] = frozenset()
        while (char := self._take()) != "]":
            if self._peek() == "-":
                self._take()
                digits |= frozenset(range(int(char), int(self._take()) + 1))
            else:
                digits |= self._digit(char)
        return digits

    def _repeated(self, part: Node) -> Node:
        if self._peek() == "?":
            self._take()
            return Repeated(part, 0, 1)
        if self._peek() != "{":
            return part
        close = self._pattern.index("}", self._at)
        bounds = self._pattern[self._at + 1 : close].split(",")
        self._at = close + 1
        return Repeated(part, int(bounds[0]), int(bounds[-1]))

    def _unknown(self) -> ValueError:
        return ValueError(f"not understood: {self._pattern}")

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1 : self._at]
