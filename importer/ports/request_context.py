"""What a request is sent on behalf of. It travels beside the call, on its thread, and only logs read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request is about.

    Attributes:
        attempt: How many times in a row this very request was sent, this time included.
        batch_id: The batch whose rows it carries; None for requests that carry none.
    """

    attempt: int = 1
    batch_id: int | None = None


_current: Final[ContextVar[RequestContext]] = ContextVar("request_context", default=RequestContext())  # noqa: B039 - it is frozen


def request_context() -> RequestContext:
    """Return what the requests of this thread are about just now."""
    return _current.get()


@contextmanager
def in_context(context: RequestContext) -> Iterator[None]:
    """Say what the requests of a block are about."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
