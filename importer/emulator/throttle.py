"""The limit of the request rate: a bucket of tokens that fills as time goes by."""

from __future__ import annotations

import math
from collections.abc import Callable

from importer.emulator.problems import Code, RefusedError


class Throttle:
    """One token a request; the one that finds none is told when there will be one.

    Args:
        max_per_s: Tokens that come in a second; None sets no limit.
        burst: Tokens that the bucket holds, at least one; `max_per_s` of them where None.
        clock: Monotonic time in seconds.
    """

    def __init__(self, max_per_s: float | None, burst: int | None, clock: Callable[[], float]) -> None:
        self._max_per_s = max_per_s
        self._size = float(burst) if burst is not None else max(max_per_s or 0.0, 1.0)
        self._clock = clock
        self._tokens = self._size
        self._seen_at = clock()

    def check(self) -> None:
        """Take a token, or raise the 429 of a request too many; it was not looked at and may be sent again."""
        if self._max_per_s is None:
            return
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._seen_at) * self._max_per_s)
        self._seen_at = now
        if self._tokens < 1:
            wait_s = max(1, math.ceil((1 - self._tokens) / self._max_per_s))
            raise RefusedError(429, Code.TOO_MANY_REQUESTS, "too many requests", (), {"Retry-After": str(wait_s)})
        self._tokens -= 1
