"""When the next request may leave: one pacer for all workers, as a value.

It learns a request *rate*; concurrency is somebody else's cap. Until the service first says 429 nothing is spaced.
After that the rate is cut (hard when refusals follow each other quickly, gently when they are far apart), grows back
fast while it is well under the rate that was last refused, and creeps around that rate: so a steady limit is met
closely with few refusals, and a lifted limit is found again.

A wait the service asks for holds for everybody. Failures that are not a matter of rate (503, no connection) hold
everybody back by full jitter once they repeat, and are then probed by one request at a time.

All times are monotonic seconds, all rates requests a second. Randomness is a hash of a seed and a counter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MAX_RETRY_AFTER_S: Final = 900.0
"""The longest wait this tool sits through; a service that asks for more ends the run, resumable."""

BACKOFF_BASE_S: Final = 1.0
BACKOFF_CAP_S: Final = 30.0
POLL_CAP_S: Final = 30.0
THROTTLED_BASE_S: Final = 0.5
"""Base of the wait after a 429 that names none."""
RETRY_AFTER_JITTER: Final = 0.1
"""Share of a wait the service asked for that may be added to it, at most a second; nothing is ever taken off."""

_MIN_RATE: Final = 0.2
_FIRST_RATE: Final = 20.0
"""The least that is taken for the rate at the first refusal."""
_HARD_CUT: Final = 0.6
_SOFT_CUT: Final = 0.93
_QUICK_S: Final = 5.0
"""A refusal this soon after the last cut means the rate is still far too high."""
_FAST_GROWTH: Final = 0.1
_SLOW_GROWTH: Final = 0.003
"""Growth of the rate, as a share of it per second."""
_NEAR: Final = (0.96, 1.06)
"""Where growth is slow, as shares of the rate last refused."""
_WINDOW_S: Final = 1.0
"""Over how long throughput is measured."""

_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Pacer:
    """What is known of the service's patience.

    Attributes:
        max_rps: Most requests a second, whatever is learned.
        rate: Learned rate; None while nothing was refused.
        ceiling: Rate at the last refusal.
        not_before_s: No request before this.
        next_send_s: No request that counts towards the rate before this.
        spells: Failures in a row, those of requests that left before the last one not counted.
        failed_at_s: Last such failure.
        waits: 429 in a row that named no wait.
        slowed_at_s: Last cut of the rate.
        grown_at_s: Until when growth was reckoned.
        window_s: Start of the stretch over which throughput is measured.
        window_sent: Requests in it.
        throughput: Of the last full stretch.
        success_s: Last success, or the start.
        failing_since_s: First failure since then; infinity without one.
        asked_until_s: Until when the service asked to wait.
    """

    max_rps: float | None = None
    rate: float | None = None
    ceiling: float = 0.0
    not_before_s: float = _NEVER
    next_send_s: float = _NEVER
    spells: int = 0
    failed_at_s: float = _NEVER
    waits: int = 0
    slowed_at_s: float = _NEVER
    grown_at_s: float = 0.0
    window_s: float = 0.0
    window_sent: int = 0
    throughput: float = 0.0
    success_s: float = 0.0
    failing_since_s: float = float("inf")
    asked_until_s: float = _NEVER

    @property
    def probing(self) -> bool:
        """Whether failures repeat, so that one request at a time tries the service."""
        return self.spells > 1

    @property
    def gate_s(self) -> float:
        """Earliest time of the next request."""
        return max(self.not_before_s, self.next_send_s)

    @property
    def spacing_s(self) -> float:
        """Time between requests, 0 while no rate is known."""
        rates = [rate for rate in (self.rate, self.max_rps) if rate is not None]
        return 1.0 / min(rates) if rates else 0.0


def begun(max_rps: float | None, now_s: float) -> Pacer:
    """Return a pacer that knows nothing yet."""
    return Pacer(max_rps=max_rps, window_s=now_s, grown_at_s=now_s, success_s=now_s)


def handed_on(known: Pacer | None, max_rps: float | None, now_s: float) -> Pacer:
    """Return a pacer for other requests to the same service: a wait it asked for holds, and so does a learned rate."""
    pacer = begun(max_rps, now_s)
    if known is None:
        return pacer
    return replace(
        pacer,
        rate=known.rate,
        ceiling=known.ceiling,
        slowed_at_s=known.slowed_at_s,
        not_before_s=known.not_before_s,
        asked_until_s=known.asked_until_s,
    )


def sent(pacer: Pacer, now_s: float) -> Pacer:
    """Return the pacer after a request left."""
    elapsed = now_s - pacer.window_s
    if elapsed >= _WINDOW_S:
        pacer = replace(pacer, throughput=pacer.window_sent / elapsed, window_s=now_s, window_sent=0)
    spacing = pacer.spacing_s
    # A late wake-up is made up for, idle time is not: it would become a burst.
    start = pacer.next_send_s if now_s - pacer.next_send_s < spacing / 2 else now_s
    return replace(pacer, window_sent=pacer.window_sent + 1, next_send_s=start + spacing)


def succeeded(pacer: Pacer, now_s: float) -> Pacer:
    """Return the pacer after a success."""
    rate = pacer.rate
    if rate is not None:
        low, high = (share * pacer.ceiling for share in _NEAR)
        growth = _SLOW_GROWTH if low <= rate <= high else _FAST_GROWTH
        # A rate that is not what holds requests back says nothing about the service: it may not run away.
        most = max(rate, 1.5 * max(pacer.throughput, 1.0))
        rate = min(rate * (1 + growth * min(now_s - pacer.grown_at_s, 1.0)), most)
    return replace(pacer, rate=rate, grown_at_s=now_s, spells=0, waits=0, success_s=now_s, failing_since_s=float("inf"))


def throttled(pacer: Pacer, now_s: float, sent_at_s: float, retry_after_s: float | None, jitter: float) -> Pacer:
    """Return the pacer after a 429.

    Args:
        pacer: Before.
        now_s: Time of the answer.
        sent_at_s: When the refused request left; one that left before the last cut says nothing new.
        retry_after_s: What the service asked for, at most `MAX_RETRY_AFTER_S`; None when it named no wait.
        jitter: In [0, 1).
    """
    wait = 0.0
    if retry_after_s is not None:
        pacer = told_to_wait(pacer, now_s, retry_after_s, jitter)
    elif sent_at_s >= pacer.slowed_at_s:  # requests that were out together and are all refused count once
        wait = THROTTLED_BASE_S + jitter * min(BACKOFF_CAP_S, THROTTLED_BASE_S * 2**pacer.waits)
        pacer = replace(pacer, waits=min(pacer.waits + 1, 16))
    pacer = replace(
        pacer,
        not_before_s=max(pacer.not_before_s, now_s + wait),
        failing_since_s=min(pacer.failing_since_s, now_s),
    )
    if sent_at_s < pacer.slowed_at_s:
        return pacer
    elapsed = max(now_s - pacer.window_s, 0.25)
    rate = pacer.rate
    if rate is None:  # little was seen yet: rather too much, which the next refusals mend at once, than a crawl
        rate = max(pacer.throughput, pacer.window_sent / elapsed, _FIRST_RATE)
    if pacer.max_rps is not None:
        rate = min(rate, pacer.max_rps)
    quick = pacer.rate is None or now_s - pacer.slowed_at_s < _QUICK_S
    cut = max(rate * (_HARD_CUT if quick else _SOFT_CUT), _MIN_RATE)
    return replace(pacer, rate=cut, ceiling=rate, slowed_at_s=now_s, grown_at_s=now_s)


def failed(pacer: Pacer, now_s: float, sent_at_s: float, retry_after_s: float | None, jitter: float) -> Pacer:
    """Return the pacer after a failure that may pass: 5xx, no connection, no answer."""
    wait = 0.0
    if sent_at_s >= pacer.failed_at_s:
        pacer = replace(pacer, spells=min(pacer.spells + 1, 32), failed_at_s=now_s)
        if pacer.probing:
            wait = backoff_s(pacer.spells, jitter)
    if retry_after_s is not None:
        pacer = told_to_wait(pacer, now_s, retry_after_s, jitter)
    return replace(
        pacer,
        not_before_s=max(pacer.not_before_s, now_s + wait),
        failing_since_s=min(pacer.failing_since_s, now_s),
    )


def told_to_wait(pacer: Pacer, now_s: float, retry_after_s: float, jitter: float) -> Pacer:
    """Return the pacer after the service asked for a wait: nobody sends before it is over."""
    until_s = now_s + asked(retry_after_s, jitter)
    return replace(
        pacer,
        not_before_s=max(pacer.not_before_s, until_s),
        asked_until_s=max(pacer.asked_until_s, until_s),
    )


def asked(retry_after_s: float, jitter: float) -> float:
    """Return how long to wait when the service asked for `retry_after_s`: never less, a little more."""
    wait = min(max(retry_after_s, 0.0), MAX_RETRY_AFTER_S)
    return wait + jitter * min(wait * RETRY_AFTER_JITTER, 1.0)


def backoff_s(failures: int, jitter: float) -> float:
    """Return a full-jitter wait: uniform in [0, 1 s * 2^failures), at most 30 s.

    Example:
        >>> backoff_s(3, 0.5)
        4.0
    """
    return float(jitter * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(failures, 16)))


def poll_s(polls: int, first_s: float, jitter: float) -> float:
    """Return the wait before poll number `polls` (from 0).

    It begins with `first_s`, is half as long again each time up to 30 s, and up to 20 % longer by jitter.
    """
    return float(min(POLL_CAP_S, first_s * 1.5 ** min(polls, 64)) * (1 + 0.2 * jitter))


def jitter_at(seed: int, counter: int) -> float:
    """Return a number in [0, 1) that looks random and is the same for the same seed and counter (splitmix64)."""
    mask = 0xFFFFFFFFFFFFFFFF
    mixed = (seed * 0x9E3779B97F4A7C15 + counter * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return (mixed ^ (mixed >> 31)) / 2.0**64
