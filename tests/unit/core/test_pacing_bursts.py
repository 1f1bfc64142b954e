"""Requests that were out together and are refused together: one refusal, as far as waiting goes."""

from __future__ import annotations

from importer.core.pacing import THROTTLED_BASE_S, begun, throttled

LONGEST_FIRST_WAIT_S = 2 * THROTTLED_BASE_S


def test_a_burst_without_a_wait_counts_once() -> None:
    """Eight workers that get a 429 for what left before anybody knew wait as long as one of them would."""
    pacer = begun(None, 0.0)
    for number in range(8):
        pacer = throttled(pacer, 1.0 + number / 100, sent_at_s=0.5, retry_after_s=None, jitter=0.999)
    assert pacer.waits == 1
    assert pacer.not_before_s <= 1.0 + LONGEST_FIRST_WAIT_S


def test_a_refusal_after_the_wait_doubles_it() -> None:
    """What left after the first refusal was known says that the wait was too short."""
    pacer = throttled(begun(None, 0.0), 1.0, sent_at_s=0.5, retry_after_s=None, jitter=0.999)
    pacer = throttled(pacer, 2.5, sent_at_s=2.0, retry_after_s=None, jitter=0.999)
    assert pacer.waits == 2
    assert pacer.not_before_s > 2.5 + LONGEST_FIRST_WAIT_S


def test_a_wait_that_is_asked_for_is_taken_from_each_refusal() -> None:
    """The last one counts, also of a burst: nobody sends before it is over."""
    pacer = begun(None, 0.0)
    for number in range(8):
        pacer = throttled(pacer, 1.0 + number, sent_at_s=0.5, retry_after_s=2.0, jitter=0.0)
    assert pacer.not_before_s == 8.0 + 2.0
