"""Many patterns over digits as one: the places in them that a text of digits can be in.

`importer.core.digit_tables` runs them on whole columns.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from importer.core.digit_grammar import ANY_DIGIT, Choice, Digits, Either, Group, InTurn, Node, Repeated, TextEnd, parse


@dataclass(slots=True)
class DigitPatterns:
    """Patterns, compiled to places that a text can be in: some digits lead on to another place, some nothing."""

    _digits: list[frozenset[int]] = field(default_factory=list)
    _next: list[tuple[int, ...]] = field(default_factory=list)
    _tags: dict[int, Hashable] = field(default_factory=dict)
    _closed: dict[int, frozenset[int]] = field(default_factory=dict)

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
        return self.behind(choice.digits, self._end(tag, whole=choice.at_end))

    def behind(self, digits: Sequence[frozenset[int]], place: int) -> int:
        """Put a place that begins a pattern behind digits, each one of a set; return the new first place."""
        for each in reversed(digits):
            place = self._place(each, (place,))
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
        return frozenset().union(*(self._behind(place) for place in places if digit in self._digits[place]))

    def _behind(self, place: int) -> frozenset[int]:
        behind = self._closed.get(place)
        if behind is None:
            behind = self._closed[place] = self.closed(frozenset(self._next[place]))
        return behind

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
