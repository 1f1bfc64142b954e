r"""Patterns over digits, read: the part of regular expressions that number plans are written in.

Digits, ``\d``, classes, groups, ``|``, ``?``, ``{n}``, ``{n,m}``, and ``$`` at the end of a way through a pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import chain, product
from typing import Final

ANY_DIGIT: Final = frozenset(range(10))

_SIGNS: Final = re.compile(r"\\d|\[(?:[0-9](?:-[0-9])?)+\]|\(\?:|\{[0-9]+(?:,[0-9]+)?\}|[0-9()|?$]")
_NOTHING_TO_REPEAT: Final = re.compile(r"(?:^|[|}]|\?(?!:)|\((?!\?:)|\(\?:)[?{]")
_RANGES: Final = re.compile(r"([0-9])(?:-([0-9]))?")
_END: Final = ""
_BEHIND_PARTS: Final = (_END, "|", ")")


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


@dataclass(frozen=True, slots=True)
class Unread:
    """A group in brackets whose text has all of its signs in order, but which nobody needed to look into so far."""

    text: str


Node = Digits | InTurn | Either | Repeated | Group | TextEnd | Unread


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


@cache
def choices(pattern: str) -> tuple[Choice, ...]:
    """Return every way in which a pattern can match, in the order in which an engine tries them."""
    reading = _Reading(pattern)
    return tuple(_ways(reading.whole(), reading.groups))


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
        case Unread(text):
            return _ways(parse(text), last_group)
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


@cache
def _digits(written: str) -> Digits | None:
    r"""Read a digit, ``\d`` or a class; None for what is none of them."""
    if written == r"\d":
        return Digits(ANY_DIGIT)
    if written[0] not in "[0123456789":
        return None
    ranges = _RANGES.findall(written)
    return Digits(frozenset(chain.from_iterable(range(int(low), int(high or low) + 1) for low, high in ranges)))


class _Reading:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.groups = 0
        self._pattern = pattern
        self._signs = [*_SIGNS.findall(pattern), _END]
        self._at = 0
        if "".join(self._signs) != pattern or _NOTHING_TO_REPEAT.search(pattern):
            raise self._unknown()

    def whole(self) -> Node:
        """Read all of it."""
        node = self._either()
        if self._signs[self._at] != _END:
            raise self._unknown()
        return node

    def _either(self) -> Node:
        parts = [self._in_turn()]
        while self._signs[self._at] == "|":
            self._at += 1
            parts.append(self._in_turn())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _in_turn(self) -> Node:
        parts: list[Node] = []
        while self._signs[self._at] not in _BEHIND_PARTS:
            parts.append(self._repeated(self._single()))
        return parts[0] if len(parts) == 1 else InTurn(tuple(parts))

    def _single(self) -> Node:
        sign = self._signs[self._at]
        self._at += 1
        if sign == "$":
            return TextEnd()
        if sign not in ("(", "(?:"):
            digits = _digits(sign)
            if digits is None:
                raise self._unknown()
            return digits
        if sign == "(?:" and (text := self._unread()) is not None:
            return Unread(text)
        self.groups += sign == "("
        number = self.groups
        inner = self._either()
        if self._signs[self._at] != ")":
            raise self._unknown()
        self._at += 1
        return Group(inner, number) if sign == "(" else inner

    def _unread(self) -> str | None:
        """Pass over the rest of a group and return its text; None where a group in it is captured."""
        depth, end = 1, self._at
        while depth:
            sign = self._signs[end]
            if sign == "(":
                return None
            if sign == _END:
                raise self._unknown()
            depth += (sign == "(?:") - (sign == ")")
            end += 1
        text = "".join(self._signs[self._at : end - 1])
        self._at = end
        return text

    def _repeated(self, part: Node) -> Node:
        sign = self._signs[self._at]
        if sign == "?":
            self._at += 1
            return Repeated(part, 0, 1)
        if not sign.startswith("{"):
            return part
        self._at += 1
        bounds = sign[1:-1].split(",")
        return Repeated(part, int(bounds[0]), int(bounds[-1]))

    def _unknown(self) -> ValueError:
        return ValueError(f"not understood: {self._pattern}")
