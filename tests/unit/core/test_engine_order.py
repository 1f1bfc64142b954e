"""The order of sending, the end of a run, and the values the engine is built from."""

from __future__ import annotations

import random

import pytest

from importer.core.delivery import ApiFailure, BatchEntry, BatchSpec, EngineOptions, FailureKind, Pin
from importer.core.engine import begin, step
from importer.core.engine_messages import (
    Answer,
    Answered,
    BulkAccepted,
    Finish,
    Refused,
    Request,
    SendBulk,
    StopRequested,
    Tick,
    WakeAt,
    WorkerFailed,
)
from importer.core.lifecycle import MOVES, BatchState, FinishReason, moved
from importer.core.route import Route
from importer.core.waiting import Waiting, put, size, taken
from tests.support.engine_driver import (
    ACCEPTED,
    DOWN,
    LOST,
    THROTTLED,
    UNAUTHORISED,
    Run,
    always,
    bulk,
    refusing,
    with_operation,
)


def test_waves_go_one_after_the_other() -> None:
    """No batch of a wave starts before the last of the wave before is answered, however that was refused."""
    specs = [*bulk(5), *bulk(5, wave=1, first=5), *bulk(5, wave=2, first=10)]
    answered: dict[int, float] = {}
    serve_bad = refusing({7, 60, 61})

    def serve(request: Request, now_s: float) -> Answer | ApiFailure | WorkerFailed:
        assert isinstance(request, SendBulk)
        answer = serve_bad(request, now_s)
        for position in range(request.start, request.stop):
            if isinstance(answer, BulkAccepted) or request.stop - request.start == 1:
                answered[position] = now_s + 0.1
        earlier = range(request.start // 50 * 50)
        assert all(answered[position] <= now_s for position in earlier)
        return answer

    run = Run(specs, serve).go()
    assert run.rows_by_state() == {"failed": 3, "accepted": 147}


def test_a_stop_waits_for_what_is_in_flight() -> None:
    """A signal begins no new work, keeps the answers that come within ten seconds, and says interrupted."""
    run = Run(bulk(100), always(ACCEPTED), stop_at_s=1.05).go()
    assert run.reason is FinishReason.INTERRUPTED
    assert 1.05 < run.now_s < 1.3
    assert set(run.rows_by_state()) == {"accepted", "not_sent"}


def test_a_stop_does_not_wait_for_ever() -> None:
    """After ten seconds a stop leaves what is in flight: those rows are unknown until the run is resumed."""
    run = Run(bulk(100), always(ACCEPTED), latency_s=60, stop_at_s=1.0).go()
    assert run.reason is FinishReason.INTERRUPTED
    assert run.now_s == 11.0
    assert run.rows_by_state() == {"unknown": 80, "not_sent": 920}
    again = Run((), always(ACCEPTED), batches=run.batches, rows=run.rows).go()
    assert again.rows_by_state() == {"accepted": 1000}


def test_a_signal_outranks_a_refusal() -> None:
    """A run that was refused and then told to stop says interrupted."""
    state = begin(EngineOptions("r"), [BatchEntry(spec) for spec in bulk(20)])
    state, _ = step(state, Tick(0.0))
    state, _ = step(state, Refused(0.1, 0, UNAUTHORISED))
    state, _ = step(state, StopRequested(0.2))
    state, commands = step(state, Tick(10.2))
    assert commands == (Finish(FinishReason.INTERRUPTED, UNAUTHORISED),)


def test_a_fault_of_a_worker_ends_the_run() -> None:
    """A bug while a body is encoded stops the run; what was answered stays answered."""
    state = begin(EngineOptions("r", concurrency=2), [BatchEntry(spec) for spec in bulk(5)])
    state, _ = step(state, Tick(0.0))
    state, _ = step(state, WorkerFailed(0.1, 0))
    state, commands = step(state, Answered(0.2, 1, ACCEPTED))
    assert commands[-1] == Finish(FinishReason.FAULT)


def test_a_body_that_never_left_is_not_sent() -> None:
    """What fails before its request leaves has sent nothing, whatever the ledger was told before."""
    run = Run(bulk(20), lambda request, now_s: WorkerFailed(now_s, request.task_id, left=False)).go()
    assert run.reason is FinishReason.FAULT
    assert run.rows_by_state() == {"not_sent": 200}


@pytest.mark.parametrize("left", [True, False])
def test_a_body_that_may_have_been_taken_before_stays_unknown(left: bool) -> None:
    """A send that was lost is not undone by a later one that never left."""
    sends = 0

    def serve(request: Request, now_s: float) -> Answer | ApiFailure | WorkerFailed:
        nonlocal sends
        sends += 1
        return LOST if sends == 1 else WorkerFailed(now_s, request.task_id, left=left)

    run = Run(bulk(1), serve).go()
    assert sends == 2
    assert run.rows_by_state() == {"unknown": 10}


def test_halves_of_a_body_that_may_have_been_taken_stay_unknown() -> None:
    """A lost body that is cut before it goes again, because a smaller size was learned, may be there all the same."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure | WorkerFailed:
        assert isinstance(request, SendBulk)
        if request.start == 0 and request.stop == 10:
            return LOST
        if request.stop - request.start == 10:
            return ApiFailure(FailureKind.TOO_LARGE, 413)
        return WorkerFailed(now_s, request.task_id, left=False) if request.start < 10 else ACCEPTED

    run = Run(bulk(2), serve).go(concurrency=1)
    assert run.batches[0].state is BatchState.SPLIT
    assert run.rows_by_state() == {"unknown": 10, "accepted": 10}


def test_halves_are_held_to_the_hash_of_the_whole() -> None:
    """A resumed run checks rows that were cut out of a batch by what was planned, whichever process cut it."""
    run = Run(bulk(1), refusing({3}), stop_at_s=0.15).go()
    assert run.reason is FinishReason.INTERRUPTED
    assert run.batches[0].state is BatchState.SPLIT
    again = Run((), refusing({3}), batches=run.batches, rows=run.rows).go(resumed=True)
    checks = {request.check for _, request in again.log if isinstance(request, SendBulk)}
    assert checks == {Pin(0, 10, "digest")}
    assert {request.check for _, request in run.log if isinstance(request, SendBulk)} == {None}
    cut = Run((), always(ACCEPTED), batches={0: BatchEntry(bulk(1)[0])}).go(resumed=True, max_batch_rows=5)
    assert [request.check for _, request in cut.log if isinstance(request, SendBulk)] == [Pin(0, 10, "digest")] * 2


def test_all_that_came_back_is_heard_before_anything_leaves() -> None:
    """An answer that frees a worker does not send its next request past a Retry-After that came with it."""
    state = begin(EngineOptions("r", concurrency=2), [BatchEntry(spec) for spec in bulk(5)])
    state, _ = step(state, Tick(0.0))
    state, commands = step(state, Answered(0.1, 0, ACCEPTED), Refused(0.1, 1, THROTTLED))
    assert not any(isinstance(command, SendBulk) for command in commands)
    assert isinstance(commands[-1], WakeAt)
    assert commands[-1].at_s >= 1.1


def test_an_answer_to_nothing_is_ignored() -> None:
    """Events of requests that are not out change nothing."""
    state = begin(EngineOptions("r"), [BatchEntry(spec) for spec in bulk(1)])
    state, _ = step(state, Tick(0.0))
    for event in (Answered(0.1, 99, ACCEPTED), Refused(0.1, 99, DOWN), WorkerFailed(0.1, 0)):
        after, _ = step(state, event)
        assert after.tally.rows == {}


def test_nothing_to_do_is_completed_at_once() -> None:
    """A ledger of settled batches needs no request."""
    done = {0: BatchEntry(bulk(1)[0], BatchState.ACCEPTED)}
    run = Run((), always(ACCEPTED), batches=done).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.log == []


def test_a_batch_of_no_rows_is_over_at_once() -> None:
    """Nothing is sent for nothing."""
    run = Run([BatchSpec(0, Route.BULK, 5, 5)], always(ACCEPTED)).go()
    assert run.log == []
    assert run.state() is BatchState.EMPTIED


def test_the_cost_of_a_step_does_not_grow_with_the_run() -> None:
    """Ten thousand batches whose operations all run on take as many requests as they must, and end."""
    run = Run(bulk(10_000, 1), lambda request, _now: with_operation(request)).go(
        operation_deadline_s=5.0, poll_concurrency=50
    )
    assert run.reason is FinishReason.COMPLETED
    assert len(run.outcomes()) == 10_000


def test_a_batch_moves_by_the_table_alone() -> None:
    """Every move that is not in the table raises."""
    for current in BatchState:
        for following in BatchState:
            if following in MOVES[current]:
                assert moved(current, following) is following
            else:
                with pytest.raises(ValueError, match="cannot go"):
                    moved(current, following)


def test_waiting_gives_back_in_order() -> None:
    """The queue is a priority queue, and putting something in leaves the queue before it as it was."""
    rng = random.Random(1)
    dues = [rng.random() for _ in range(500)]
    queue: Waiting[int] | None = None
    for number, due_s in enumerate(dues):
        queue = put(queue, due_s, number)
    kept = queue
    order = []
    while queue is not None:
        order.append(queue.due_s)
        queue = taken(queue)
    assert order == sorted(dues)
    assert size(kept) == 500
