"""Refusals: brought down to rows, to smaller bodies, or to the end of the run."""

from __future__ import annotations

import random

import pytest

from importer.core.delivery import ApiFailure, FailureKind, Pin
from importer.core.engine_messages import (
    Answer,
    Request,
    SendBulk,
    WorkerFailed,
)
from importer.core.lifecycle import BatchState, FinishReason
from tests.support.engine_driver import (
    ACCEPTED,
    DOWN,
    DOWN_500,
    UNAUTHORISED,
    Run,
    always,
    bulk,
    refusing,
)


@pytest.mark.parametrize(("count", "calls"), [(1, 23), (2, 41), (10, 154)])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_bad_rows_are_named_by_halving(count: int, calls: int, concurrency: int) -> None:
    """Bad rows of a body of 1000 are named exactly, within the promised number of calls."""
    for seed in range(20):
        bad = set(random.Random(seed).sample(range(1000), count))
        run = Run(bulk(1, 1000), refusing(bad)).go(concurrency=concurrency)
        assert run.reason is FinishReason.COMPLETED
        assert {p for p, state in run.outcomes().items() if state == "failed"} == bad
        assert run.rows_by_state()["accepted"] == 1000 - count
        assert len(run.log) <= calls


@pytest.mark.parametrize("count", [1, 2, 10, 999])
def test_bad_rows_are_named_by_pointers(count: int) -> None:
    """With pointers in the answer two calls are enough."""
    bad = set(random.Random(count).sample(range(1000), count))
    run = Run(bulk(1, 1000), refusing(bad, pointers=True)).go()
    assert {p for p, state in run.outcomes().items() if state == "failed"} == bad
    assert len(run.log) <= 2
    assert run.rows[min(bad)].code == "refused-by-service"
    assert run.rows[min(bad)].service_code == 520010


def test_pointers_that_name_no_row_fall_back_to_halving() -> None:
    """A pointer beyond the body is not believed."""
    serve = refusing({3})

    def odd(request: Request, now_s: float) -> Answer | ApiFailure | WorkerFailed:
        answer = serve(request, now_s)
        return ApiFailure(answer.kind, 400, 1, pointers=(5000,)) if isinstance(answer, ApiFailure) else answer

    run = Run(bulk(1, 8), odd).go()
    assert [p for p, state in run.outcomes().items() if state == "failed"] == [3]


@pytest.mark.parametrize("concurrency", [1, 2, 8])
@pytest.mark.parametrize("first", [0, 3, 495, 990])
def test_bad_rows_that_stand_together_are_not_systemic(concurrency: int, first: int) -> None:
    """Ten bad rows in a row are ten bad rows: another part of their body was accepted."""
    bad = set(range(first, first + 10))
    run = Run(bulk(1, 1000), refusing(bad)).go(concurrency=concurrency)
    assert run.reason is FinishReason.COMPLETED
    assert run.rows_by_state() == {"failed": 10, "accepted": 990}


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("pointers", [False, True])
def test_refusing_everything_is_systemic(concurrency: int, pointers: bool) -> None:
    """A service that refuses every row alike ends the run within a few dozen calls, the rest not sent."""
    run = Run(bulk(50, 1000), refusing(set(range(50_000)), pointers=pointers)).go(concurrency=concurrency)
    assert run.reason is FinishReason.REFUSED
    assert run.finish is not None
    assert run.finish.failure is not None
    assert run.finish.failure.code == 520010
    assert len(run.log) <= 60
    assert run.rows_by_state()["failed"] <= 16_000
    assert run.rows_by_state()["not_sent"] > 30_000


def test_all_rows_of_a_small_body_may_be_bad() -> None:
    """Seven refused rows are no proof against the rest of the run."""
    run = Run(bulk(1, 7), refusing(set(range(7)))).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.rows_by_state() == {"failed": 7}


def test_a_row_refused_alone_after_others_were_named_is_named_too() -> None:
    """Rows already left out do not hide the last bad one."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        pointers = (0,) if not request.skip else ()
        return ApiFailure(FailureKind.REJECTED, 400, 1, pointers=pointers)

    run = Run(bulk(1, 2), serve).go()
    assert run.rows_by_state() == {"failed": 2}
    assert run.state() is BatchState.EMPTIED


def test_a_body_too_large_is_halved_and_the_size_learned() -> None:
    """After one 413 a body of that size is not tried again, but for those already on their way."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        return ACCEPTED if request.stop - request.start <= 300 else ApiFailure(FailureKind.TOO_LARGE, 413)

    run = Run(bulk(40, 1000), serve).go(concurrency=1)
    too_large = sum(1 for _, r in run.log if isinstance(r, SendBulk) and r.stop - r.start > 300)
    assert too_large == 2
    assert run.rows_by_state() == {"accepted": 40_000}


def test_a_body_too_large_before_it_is_sent_is_only_halved() -> None:
    """Wide rows in one place say nothing about the size the service takes elsewhere."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        wide = request.start < 10 and request.stop - request.start > 5
        return ApiFailure(FailureKind.TOO_LARGE) if wide else ACCEPTED

    run = Run(bulk(3, 10), serve).go(concurrency=1)
    assert len(run.log) == 1 + 2 + 2
    assert run.rows_by_state() == {"accepted": 30}


def test_a_row_too_large_alone_is_refused() -> None:
    """413 for one row names that row."""
    run = Run(bulk(1, 1), always(ApiFailure(FailureKind.TOO_LARGE, 413))).go()
    assert run.rows_by_state() == {"failed": 1}
    assert run.batches[0].trace.http_status == 413


@pytest.mark.parametrize(
    "failure",
    [
        UNAUTHORISED,
        ApiFailure(FailureKind.REJECTED, 403, 20403),
        ApiFailure(FailureKind.REJECTED, 404, 520041),
        ApiFailure(FailureKind.REJECTED, 400, 520049),
        ApiFailure(FailureKind.REJECTED, 400, 520047),
        ApiFailure(FailureKind.REJECTED, None),
    ],
)
def test_what_no_batch_can_mend_stops_the_run_and_a_resume_goes_on(failure: ApiFailure) -> None:
    """Credentials, permission, store or schema: no more than what is in flight is sent; a resume finishes."""
    count = 0

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        nonlocal count
        count += 1
        return ACCEPTED if count <= 20 else failure

    run = Run(bulk(100), serve).go()
    assert run.reason is FinishReason.REFUSED
    assert len(run.log) <= 20 + 8
    assert run.rows_by_state() == {"accepted": 200, "not_sent": 800}
    again = Run((), always(ACCEPTED), batches=run.batches, rows=run.rows).go(resumed=True)
    assert again.rows_by_state() == {"accepted": 1000}
    assert len(again.log) == 80
    bodies = [request for _, request in again.log if isinstance(request, SendBulk)]
    assert all(request.check == Pin(request.start, request.stop, "digest") for request in bodies)


@pytest.mark.parametrize("named", [1, 10])
def test_refusing_everything_is_systemic_though_few_rows_are_named_each_time(named: int) -> None:
    """A service that names only the first bad rows of each body is not asked once for every few of them."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        rows = request.stop - request.start - len(request.skip)
        return ApiFailure(FailureKind.REJECTED, 400, 520010, pointers=tuple(range(min(named, rows))))

    run = Run(bulk(20, 1000), serve).go()
    assert run.reason is FinishReason.REFUSED
    assert len(run.log) <= 100
    assert run.rows_by_state()["failed"] <= 500


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (DOWN, "not_sent"),
        (ApiFailure(FailureKind.RETRYABLE, 503, None, 1.0), "not_sent"),
        (ApiFailure(FailureKind.RETRYABLE), "not_sent"),
        (ApiFailure(FailureKind.RETRYABLE, 503), "unknown"),
        (ApiFailure(FailureKind.RETRYABLE, 524), "unknown"),
        (ApiFailure(FailureKind.RETRYABLE, 408), "unknown"),
        (DOWN_500, "unknown"),
    ],
)
def test_what_may_have_been_applied_is_not_called_not_sent(failure: ApiFailure, state: str) -> None:
    """Only where the service itself says that it did not take a body are its rows not sent; a gateway cannot know."""
    run = Run(bulk(1), always(failure)).go()
    assert run.reason is FinishReason.STALLED
    assert run.rows_by_state() == {state: 10}


@pytest.mark.parametrize("status", [503, 501, 408, 524])
def test_a_batch_that_alone_is_refused_for_ever_is_unknown_in_the_end(status: int) -> None:
    """Whatever the status: where others get through meanwhile, eight such answers are enough."""
    failure = ApiFailure(FailureKind.RETRYABLE, status)

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        return failure if request.batch_id == 0 else ACCEPTED

    run = Run(bulk(3000), serve).go(max_rps=10)
    assert run.state() is BatchState.UNKNOWN
    assert run.rows_by_state()["accepted"] == 29_990
