"""A priority queue as a value: what waits for a moment, earliest first.

A leftist heap: `put` and `taken` share all but O(log n) nodes with the queue they were made from, so an engine state
that holds a hundred thousand waiting polls costs no more to step than one that holds ten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[T]):
    """A non-empty queue; None is the empty one.

    Attributes:
        due_s: When the first item is due, monotonic seconds.
        item: The first item.
        size: Items in the queue.
    """

    due_s: float
    item: T
    size: int = 1
    _rank: int = 1
    _left: Waiting[T] | None = field(default=None, repr=False)
    _right: Waiting[T] | None = field(default=None, repr=False)


def put(queue: Waiting[T] | None, due_s: float, item: T) -> Waiting[T]:
    """Return the queue with one more item."""
    merged = _merged(queue, Waiting(due_s, item))
    assert merged is not None  # noqa: S101 - one side is not empty
    return merged


def taken(queue: Waiting[T]) -> Waiting[T] | None:
    """Return the queue without its first item."""
    return _merged(queue._left, queue._right)  # noqa: SLF001 - this module's own value


def size(queue: Waiting[T] | None) -> int:
    """Return how many items wait."""
    return 0 if queue is None else queue.size


def _merged(one: Waiting[T] | None, other: Waiting[T] | None) -> Waiting[T] | None:
    if one is None or other is None:
        return one if other is None else other
    first, second = (one, other) if one.due_s <= other.due_s else (other, one)
    left, right = first._left, _merged(first._right, second)  # noqa: SLF001 - this module's own value
    if _rank(left) < _rank(right):
        left, right = right, left
    return Waiting(first.due_s, first.item, 1 + size(left) + size(right), 1 + _rank(right), left, right)


def _rank(queue: Waiting[T] | None) -> int:
    return 0 if queue is None else queue._rank  # noqa: SLF001 - this module's own value
