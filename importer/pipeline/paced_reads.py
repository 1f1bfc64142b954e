"""Reads from several threads at the pace the service bears: one pacer for all of them, and one word to stop.

Reads change nothing, so whatever may pass is asked again; what speaks against every read ends them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from importer.core import pacing
from importer.core.delivery import ApiFailure, FailureKind
from importer.core.failures import PROTOCOL_FAILURES, failure_of
from importer.core.lifecycle import FinishReason
from importer.core.read_back import ends_reading
from importer.errors import ApiError
from importer.ports import Clock, StopSignal

READ_ATTEMPTS: Final = 8
"""Tries of one read, the first included; answers 429 are not counted, they were never looked at."""

_LONGEST_NAP_S: Final = 0.2
"""How long a thread waits before it looks again whether somebody asked to stop."""

_SHORTEST_NAP_S: Final = 0.005
_PROBING_NAP_S: Final = 0.05

_T = TypeVar("_T")


class ReadingEndedError(Exception):
    """No further read is made; `PacedReads.reason` says why."""


class NotReadError(Exception):
    """This one could not be read; others may."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard to read. All times are seconds.

    Attributes:
        max_rps: Most reads a second; None leaves it to what the service bears.
        stall_s: Without any success for so long no further read is made.
        seed: Of the jitter.
        known: What requests before these learned of the service's patience.
    """

    max_rps: float | None = None
    stall_s: float = 600.0
    seed: int = 0
    known: pacing.Pacer | None = None


class PacedReads:
    """Makes reads for any number of threads.

    Args:
        clock: Of the pacer.
        stop: Set when somebody asked to stop.
        wait: Waits so many seconds; true if somebody asked to stop meanwhile.
        pace: How hard.

    Attributes:
        reason: Why no further read is made; None while they go on.
        error: What the service said last, where it is the reason.
        retries: Reads made again.
    """

    def __init__(self, clock: Clock, stop: StopSignal, wait: Callable[[float], bool], pace: Pace) -> None:
        self._clock = clock
        self._stop = stop
        self._wait = wait
        self._pace = pace
        self._lock = threading.Lock()
        self._pacer = pacing.handed_on(pace.known, pace.max_rps, clock.monotonic_s())
        self._in_flight = 0
        self._jitters = 0
        self._protocol_failures = 0
        self._last_error: ApiError | None = None
        self._requests: dict[str, int] = {}
        self.reason: FinishReason | None = None
        self.error: ApiError | None = None
        self.retries = 0

    @property
    def requests(self) -> dict[str, int]:
        """Requests made so far, by kind."""
        with self._lock:
            return dict(self._requests)

    @property
    def pacer(self) -> pacing.Pacer:
        """What is known of the service's patience."""
        return self._pacer

    @property
    def waiting_s(self) -> float:
        """How long all reads still wait, because the service asked for it or fails."""
        return max(self._pacer.not_before_s - self._clock.monotonic_s(), 0.0)

    def read(self, kind: str, ask: Callable[[], _T]) -> _T:
        """Ask when it is this read's turn, again where a failure may pass.

        Args:
            kind: Under which it is counted.
            ask: One request.

        Raises:
            ReadingEndedError: nothing is read any more.
            NotReadError: it failed `READ_ATTEMPTS` times.
            ApiError: the service refused this one read; asking again is pointless.
        """
        failures = 0
        while True:
            sent_at_s = self._turn(kind)
            try:
                answer = ask()
            except ApiError as error:
                failure = failure_of(error)
                self._take(failure, error, sent_at_s)
                if self.reason is not None:
                    raise ReadingEndedError from error
                if failure.kind is FailureKind.REJECTED:
                    raise
                failures += failure.status != 429
            else:
                self._succeeded()
                return answer
            if failures >= READ_ATTEMPTS:
                raise NotReadError
            self._nap(pacing.backoff_s(failures, self._jitter()) if failures else 0.0)
            with self._lock:
                self.retries += 1

    def stopped(self) -> bool:
        """Tell whether no further read is made; asks the stop signal, too."""
        if self.reason is None and self._stop.is_set():
            self._end(FinishReason.INTERRUPTED)
        return self.reason is not None

    def _turn(self, kind: str) -> float:
        """Wait until the next read may leave; return the time it leaves."""
        while True:
            if self.stopped():
                raise ReadingEndedError
            with self._lock:
                now_s = self._clock.monotonic_s()
                if now_s >= self._pacer.gate_s and not (self._pacer.probing and self._in_flight):
                    self._pacer = pacing.sent(self._pacer, now_s)
                    self._in_flight += 1
                    self._requests[kind] = self._requests.get(kind, 0) + 1
                    return now_s
                self._watch_for_stall(now_s)
                least_s = _PROBING_NAP_S if self._pacer.probing else _SHORTEST_NAP_S
                nap_s = max(self._pacer.gate_s - now_s, least_s)
            self._nap(min(nap_s, _LONGEST_NAP_S))

    def _nap(self, seconds: float) -> None:
        until_s = self._clock.monotonic_s() + seconds
        while (left_s := until_s - self._clock.monotonic_s()) > 0:
            if self.stopped() or self._wait(min(left_s, _LONGEST_NAP_S)):
                return

    def _succeeded(self) -> None:
        with self._lock:
            self._in_flight -= 1
            self._protocol_failures = 0
            self._pacer = pacing.succeeded(self._pacer, self._clock.monotonic_s())

    def _take(self, failure: ApiFailure, error: ApiError, sent_at_s: float) -> None:
        """Learn from a failure; it may end all reads."""
        asked_s, jitter = failure.retry_after_s, self._jitter()
        with self._lock:
            self._in_flight -= 1
            now_s = self._clock.monotonic_s()
            strange = failure.kind is FailureKind.PROTOCOL
            self._protocol_failures = self._protocol_failures + 1 if strange else 0
            if failure.status == 429:
                self._pacer = pacing.throttled(self._pacer, now_s, sent_at_s, asked_s, jitter)
            elif failure.kind is FailureKind.REJECTED:
                self._pacer = pacing.succeeded(self._pacer, now_s)  # it was looked at and answered
            else:
                self._pacer = pacing.failed(self._pacer, now_s, sent_at_s, asked_s, jitter)
            if ends_reading(failure):
                self._end(FinishReason.REFUSED, error)
            elif (asked_s or 0.0) > pacing.MAX_RETRY_AFTER_S or self._protocol_failures >= PROTOCOL_FAILURES:
                self._end(FinishReason.STALLED, error)
            self._last_error = error

    def _watch_for_stall(self, now_s: float) -> None:
        since_s = max(self._pacer.failing_since_s, self._pacer.asked_until_s)
        if now_s >= since_s + self._pace.stall_s:
            self._end(FinishReason.STALLED, self._last_error)

    def _end(self, reason: FinishReason, error: ApiError | None = None) -> None:
        if self.reason is None:
            self.reason, self.error = reason, error

    def _jitter(self) -> float:
        self._jitters += 1
        return pacing.jitter_at(self._pace.seed, self._jitters)
