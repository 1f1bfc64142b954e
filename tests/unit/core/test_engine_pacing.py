"""Failures that may pass, and what the service asks for: when the engine sends again, and when it gives up."""

from __future__ import annotations

from itertools import pairwise

import pytest

from importer.core.delivery import ApiFailure, FailureKind
from importer.core.engine_messages import (
    Answer,
    Request,
    SendBulk,
)
from importer.core.lifecycle import BatchState, FinishReason
from importer.core.pacing import jitter_at
from tests.support.engine_driver import (
    ACCEPTED,
    DOWN,
    LOST,
    THROTTLED,
    Run,
    always,
    bulk,
    with_operation,
)


def test_a_body_that_is_never_answered_is_unknown_after_eight_sends() -> None:
    """Lost answers of one batch do not stop the others; it is sent eight times."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        return LOST if request.start == 0 else ACCEPTED

    run = Run(bulk(30), serve).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.rows_by_state() == {"unknown": 10, "accepted": 290}
    assert sum(1 for _, r in run.log if isinstance(r, SendBulk) and r.start == 0) == 8
    assert run.batches[0].attempts == 8
    assert run.batches[0].trace.code == "no-answer"


def test_a_batch_whose_500_is_its_own_is_unknown_in_the_end() -> None:
    """A batch that always answers 500 while others get through is given up, after eight such answers or a few more."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        return ApiFailure(FailureKind.RETRYABLE, 500, 20500) if request.start == 0 else ACCEPTED

    run = Run(bulk(2000), serve).go(max_rps=10)
    assert run.state() is BatchState.UNKNOWN
    assert run.rows_by_state()["accepted"] == 19_990


def test_a_spell_of_503_costs_few_retries() -> None:
    """Two minutes of 503 cost a few dozen requests, and the run goes on by itself."""
    run = Run(bulk(400), lambda _r, now_s: DOWN if 3.0 <= now_s < 123.0 else ACCEPTED).go(max_rps=20)
    assert run.reason is FinishReason.COMPLETED
    assert run.rows_by_state() == {"accepted": 4000}
    assert len(run.log) <= 400 + 40
    assert run.now_s < 123 + 30 + 400 / 20 + 5


@pytest.mark.parametrize("failure", [DOWN, ApiFailure(FailureKind.RETRYABLE), ApiFailure(FailureKind.RETRYABLE, 429)])
def test_no_success_for_ten_minutes_ends_the_run_resumable(failure: ApiFailure) -> None:
    """A service that never comes back ends the run after ten minutes; rows it never took are not sent."""
    run = Run(bulk(50), always(failure)).go()
    assert run.reason is FinishReason.STALLED
    assert 600 <= run.now_s <= 640
    assert len(run.log) <= 250
    assert run.rows_by_state() == {"not_sent": 500}


def test_answers_that_are_not_the_service_end_the_run_resumable() -> None:
    """A captive portal answers 200 to everything: nothing is believed, and little is sent."""
    run = Run(bulk(50), always(ApiFailure(FailureKind.PROTOCOL, 200))).go()
    assert run.reason is FinishReason.STALLED
    assert len(run.log) <= 20
    assert set(run.rows_by_state()) == {"unknown", "not_sent"}


@pytest.mark.parametrize("wait_s", [0.0, 1.0, 7.0, 300.0, 900.0])
@pytest.mark.parametrize("status", [429, 503])
def test_nobody_sends_before_the_service_said(wait_s: float, status: int) -> None:
    """Retry-After holds for every worker, and for polls."""
    told: list[float] = []

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert all(now_s >= until_s or now_s < until_s - wait_s for until_s in told)
        if len(told) < 3 and now_s > 2 * len(told):
            told.append(now_s + 0.1 + wait_s)
            return ApiFailure(FailureKind.RETRYABLE, status, None, wait_s)
        return with_operation(request)

    run = Run(bulk(200), serve).go(max_rps=30)
    assert run.reason is FinishReason.COMPLETED
    assert len(told) == 3


def test_a_wait_longer_than_we_sit_through_ends_the_run_at_once() -> None:
    """Retry-After of a day: no request before it, and no process that waits for it."""
    run = Run(bulk(50), always(ApiFailure(FailureKind.RETRYABLE, 429, None, 86_400.0))).go()
    assert run.reason is FinishReason.STALLED
    assert len(run.log) <= 8
    assert run.now_s < 1
    assert run.rows_by_state() == {"not_sent": 500}


@pytest.mark.parametrize("burst", [1, 20])
def test_a_steady_limit_is_met_closely(burst: int) -> None:
    """Against 20 requests a second, after 30 s: under 5 % are refused and over 85 % of the limit is used."""
    tokens, last_s = float(burst), 0.0
    taken_at: list[float] = []
    refused_at: list[float] = []

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        nonlocal tokens, last_s
        tokens, last_s = min(burst, tokens + 20 * (now_s - last_s)), now_s
        if tokens >= 1:
            tokens -= 1
            taken_at.append(now_s)
            return ACCEPTED
        refused_at.append(now_s)
        return THROTTLED

    run = Run(bulk(5000), serve).go()
    assert run.reason is FinishReason.COMPLETED
    taken_late = sum(at_s > 30 for at_s in taken_at)
    refused_late = sum(at_s > 30 for at_s in refused_at)
    assert refused_late < 0.05 * (taken_late + refused_late)
    assert taken_late >= 0.85 * 20 * (run.now_s - 30)


def test_the_most_requests_a_second_are_kept() -> None:
    """`max_rps` spaces requests from the first on."""
    run = Run(bulk(100), always(ACCEPTED)).go(max_rps=10)
    assert 9.8 <= run.now_s <= 10.2
    times = run.sent(SendBulk)
    assert all(later - earlier >= 0.099 for earlier, later in pairwise(times))


def test_jitter_is_spread_and_repeatable() -> None:
    """Numbers of a seed fill [0, 1) and are the same each time."""
    drawn = [jitter_at(5, counter) for counter in range(10_000)]
    assert drawn == [jitter_at(5, counter) for counter in range(10_000)]
    assert 0.49 < sum(drawn) / len(drawn) < 0.51
    assert 0 <= min(drawn) < 0.001
    assert 0.999 < max(drawn) < 1
