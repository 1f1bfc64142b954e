"""Reading from the service before a run: a passing failure is no reason to end a scheduled run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from importer.core.pacing import asked, backoff_s, jitter_at
from importer.errors import AmbiguousRequestError, ApiError, RetryableApiError, RunInterrupted
from importer.ports.request_context import RequestContext, in_context
from importer.ports.schema import EachRequest

READ_ATTEMPTS: Final = 5
"""Tries of one read, the first included."""

LONGEST_WAIT_S: Final = 60.0
"""A read that would have to wait longer fails at once; whoever scheduled the run decides."""

_T = TypeVar("_T")


def never_applied(error: ApiError) -> bool:
    """Tell whether a request that failed changed nothing for certain, so that a write may be sent again."""
    return isinstance(error, RetryableApiError) and error.status in (None, 429, 503)


def each_patiently(wait: Callable[[float], bool]) -> EachRequest:
    """Return how a read of several requests waits for each of them; see `patiently`."""

    def each(read: Callable[[], _T], /) -> _T:
        return patiently(read, wait)

    return each


def patiently(
    read: Callable[[], _T],
    wait: Callable[[float], bool],
    *,
    seed: int = 0,
    again: Callable[[ApiError], bool] = lambda _: True,
) -> _T:
    """Read, again after a wait where a failure may pass; reads change nothing, so repeating them is safe.

    Args:
        read: One read; or a write, with `again`.
        wait: Waits so many seconds; true if somebody asked to stop meanwhile (`threading.Event.wait` does that).
        seed: Of the jitter.
        again: Tells of a failure that may pass whether the request may be repeated after it.

    Raises:
        ApiError: the last failure, or one that does not pass.
        RunInterrupted: somebody asked to stop.
    """
    for failures in range(1, READ_ATTEMPTS):
        try:
            with in_context(RequestContext(failures)):
                return read()
        except (RetryableApiError, AmbiguousRequestError) as error:
            if not again(error):
                raise
            jitter = jitter_at(seed, failures)
            asked_s = error.retry_after_s
            delay_s = asked(asked_s, jitter) if asked_s is not None else backoff_s(failures, jitter)
            if delay_s > LONGEST_WAIT_S:
                raise
        if wait(delay_s):
            raise RunInterrupted("stopped while waiting for the service; nothing was sent", hint="start it again")
    with in_context(RequestContext(READ_ATTEMPTS)):
        return read()
