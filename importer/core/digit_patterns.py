"""Many patterns over digits as one: the places in them that a text of digits can be in.

`importer.core.digit_tables` runs them on whole columns.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from importer.core.digit_grammar import (
    ANY_DIGIT,
    Choice,
    Digits,
    Either,
    Group,
    InTurn,
    Node,
    Repeated,
    TextEnd,
    Unread,
    parse,
)

_NO_DIGIT: Final[frozenset[int]] = frozenset()


@dataclass(slots=True, eq=False)
class Place:
    """A place in a pattern that a text can be in; a place is only itself.

    What follows is worked out when a text first gets there: most of a number plan nobody ever dials. Two threads that
    do so at once make places that say the same.

    Attributes:
        digits: That lead on.
        then: Where they lead; without digits and tag, the places that this one stands for.
        tag: Of the pattern that matches a text that ends here.
    """

    digits: frozenset[int]
    then: tuple[Place, ...]
    tag: Hashable | None = None
    _rest: tuple[Node, Place] | None = None
    _behind: frozenset[Place] | None = None

    @classmethod
    def before(cls, node: Node, end: Place) -> Place:
        """Return the place before a part of a pattern, given the one behind it."""
        return cls(_NO_DIGIT, (), None, (node, end))

    def stands_for(self) -> tuple[Place, ...]:
        """Return the places that this one only leads to, none if it is one that a text can be in."""
        rest = self._rest  # once: another thread may set it to None meanwhile
        if rest is not None:
            self.digits, self.then = _first(*rest)
            self._rest = None  # last, for other threads
        return self.then if not self.digits and self.tag is None else ()

    def behind(self) -> frozenset[Place]:
        """Return where the digits lead in the end."""
        if self._behind is None:
            self._behind = closed(self.then)
        return self._behind


def add(pattern: str, tag: Hashable, *, whole: bool) -> Place:
    """Return the first place of a pattern that begins where the text begins.

    Args:
        pattern: Without anchors; see `parse`.
        tag: What `tags` gives where it matches.
        whole: Whether it must end where the text ends.
    """
    return Place.before(parse(pattern), _end(tag, whole=whole))


def add_choice(choice: Choice, tag: Hashable) -> Place:
    """Do the same with one way in which a pattern can match."""
    return behind(choice.digits, _end(tag, whole=choice.at_end))


def behind(digits: Sequence[frozenset[int]], place: Place) -> Place:
    """Put a place that begins a pattern behind digits, each one of a set; return the new first place."""
    for each in reversed(digits):
        place = Place(each, (place,))
    return place


def closed(places: Sequence[Place]) -> frozenset[Place]:
    """Return the places that a text can be in here: those that are reached without a digit, not what leads there."""
    seen, left = set(places), list(places)
    found = []
    while left:
        place = left.pop()
        others = place.stands_for()
        if others:
            fresh = set(others) - seen
            seen |= fresh
            left += fresh
        else:
            found.append(place)
    return frozenset(found)


def after(places: frozenset[Place], digit: int) -> frozenset[Place]:
    """Return the places behind a digit."""
    return frozenset().union(*(place.behind() for place in places if digit in place.digits))


def tags(places: frozenset[Place]) -> frozenset[Hashable]:
    """Return the tags of the patterns that match a text that ends here."""
    return frozenset(place.tag for place in places if place.tag is not None)


def _end(tag: Hashable, *, whole: bool) -> Place:
    end = Place(_NO_DIGIT if whole else ANY_DIGIT, (), tag)
    if not whole:
        end.then = (end,)
    return end


def _first(node: Node, end: Place) -> tuple[frozenset[int], tuple[Place, ...]]:
    """Return with which digits a part of a pattern begins, and the places behind them; without digits, what it is."""
    match node:
        case Digits(digits):
            return digits, (end,)
        case InTurn(parts):
            rest = parts[1:]
            return _first(parts[0], Place.before(InTurn(rest), end) if rest else end) if parts else (_NO_DIGIT, (end,))
        case Either(parts):
            return _NO_DIGIT, tuple(Place.before(part, end) for part in parts)
        case Repeated(part, least, most):
            if not most:
                return _NO_DIGIT, (end,)
            again = Place.before(Repeated(part, max(least - 1, 0), most - 1), end)
            return _first(part, again) if least else (_NO_DIGIT, (Place.before(part, again), end))
        case Group(part):
            return _first(part, end)
        case Unread(text):
            return _first(parse(text), end)
        case TextEnd():
            raise ValueError("an end of the text inside a pattern")
