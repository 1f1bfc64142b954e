"""Operations behind accepted bodies, and how they are polled."""

from __future__ import annotations

from itertools import pairwise

import pytest

from importer.core.delivery import ApiFailure, FailureKind
from importer.core.engine_messages import (
    OperationSeen,
    PollOperation,
    SendBulk,
)
from importer.core.lifecycle import BatchState, FinishReason
from tests.support.engine_driver import (
    DOWN,
    Run,
    Serve,
    bulk,
    with_operation,
)


@pytest.mark.parametrize(
    ("seen", "state", "code"),
    [
        (OperationSeen("COMPLETED", 0, 0), BatchState.PROCESSED, None),
        (OperationSeen("COMPLETED"), BatchState.ACCEPTED, None),
        (OperationSeen("COMPLETED", 0, None), BatchState.ACCEPTED, None),
        (OperationSeen("COMPLETED", 1, 0), BatchState.UNATTRIBUTED, "operation-errors"),
        (OperationSeen("COMPLETED", 0, 2), BatchState.UNATTRIBUTED, "operation-errors"),
        (OperationSeen("FAILED"), BatchState.UNATTRIBUTED, "operation-failed"),
        (OperationSeen("CANCELLED"), BatchState.UNATTRIBUTED, "operation-failed"),
        (ApiFailure(FailureKind.REJECTED, 404), BatchState.ACCEPTED, None),
        (OperationSeen("RUNNING"), BatchState.ACCEPTED, None),
        (OperationSeen("SOMETHING_NEW", retry_after_s=5.0), BatchState.ACCEPTED, None),
        (DOWN, BatchState.ACCEPTED, None),
    ],
)
def test_an_operation_says_what_came_of_a_body(
    seen: OperationSeen | ApiFailure, state: BatchState, code: str | None
) -> None:
    """Only counts of zero mean processed; no end, no counts or no operation leave it at accepted."""
    run = Run(bulk(1), lambda r, _: with_operation(r) if isinstance(r, SendBulk) else seen).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.state() is state
    assert run.batches[0].trace.code == code
    assert run.now_s <= 660


def test_polls_wait_longer_each_time() -> None:
    """Polls begin after two seconds and end at thirty and a little."""
    run = Run(bulk(1), lambda r, _: with_operation(r)).go()
    times = run.sent(PollOperation)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 2.0 <= times[0] - 0.1 <= 2.5
    assert all(2.0 <= wait <= 36.2 for wait in waits[:-1])
    assert max(waits) >= 30


def test_polling_does_not_hold_up_sending() -> None:
    """Bodies leave at their pace while hundreds of operations run on."""
    run = Run(bulk(800), lambda r, _: with_operation(r)).go(operation_deadline_s=60)
    assert max(run.sent(SendBulk)) <= 800 / 8 * 0.1 + 1


def test_a_resumed_run_goes_on_polling() -> None:
    """An operation whose polling was interrupted is polled, and its body not sent again."""
    run = Run(bulk(3), lambda r, _: with_operation(r), stop_at_s=1.0).go()
    assert run.rows_by_state() == {"accepted": 30}
    again = Run((), lambda _r, _n: OperationSeen("COMPLETED", 0, 0), batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"processed": 30}
    assert again.sent(SendBulk) == []


def _asking_for(wait_s: float) -> Serve:
    """Return a service whose operations run on, and ask to be left alone for so long."""
    seen = OperationSeen("RUNNING", retry_after_s=wait_s)
    return lambda request, _now_s: with_operation(request) if isinstance(request, SendBulk) else seen


def test_an_operation_is_not_polled_before_the_wait_it_asks_for() -> None:
    """Retry-After of an operation is kept, up to the time its batch is followed at all."""
    run = Run(bulk(1), _asking_for(50.0)).go(operation_deadline_s=120.0)
    times = run.sent(PollOperation)
    assert len(times) == 3
    assert all(later - earlier >= 50.1 for earlier, later in pairwise(times))
    assert run.state() is BatchState.ACCEPTED


def test_a_wait_beyond_the_deadline_ends_the_polling() -> None:
    """Nobody waits for a day to learn what became of one body."""
    run = Run(bulk(1), _asking_for(86_400.0)).go()
    assert len(run.sent(PollOperation)) == 1
    assert run.reason is FinishReason.COMPLETED
    assert run.now_s < 10
