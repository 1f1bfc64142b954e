"""The delivery engine on a virtual clock, against services that are each one function."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from importer.core.delivery import ApiFailure, BatchEntry, BatchSpec, EngineOptions, FailureKind, RowResult
from importer.core.engine import begin, step
from importer.core.engine_messages import (
    Answer,
    Answered,
    BulkAccepted,
    Created,
    CreateImport,
    Discard,
    Event,
    Finish,
    ImportSeen,
    ImportsListed,
    ListImports,
    LookedUp,
    Lookup,
    OperationSeen,
    Patch,
    Patched,
    PollImport,
    PollOperation,
    Record,
    Refused,
    Request,
    SendBulk,
    StopRequested,
    Tick,
    Upload,
    Uploaded,
    WakeAt,
    WorkerFailed,
)
from importer.core.lifecycle import MOVES, OUTCOME, ROW_OUTCOME, BatchState, FinishReason, RowState, moved
from importer.core.pacing import jitter_at
from importer.core.route import Route
from importer.core.waiting import Waiting, put, size, taken

ACCEPTED = BulkAccepted("RQ1")
REFUSED_400 = ApiFailure(FailureKind.REJECTED, 400, 520010)
THROTTLED = ApiFailure(FailureKind.RETRYABLE, 429, 20429, 1.0)
DOWN = ApiFailure(FailureKind.RETRYABLE, 503)
UNAUTHORISED = ApiFailure(FailureKind.REJECTED, 401, 20003)
LOST = ApiFailure(FailureKind.AMBIGUOUS)

Serve = Callable[[Request, float], Answer | ApiFailure]


@dataclass
class Run:
    """One process on a virtual clock; `serve` answers each request as it leaves, `latency_s` later."""

    specs: Sequence[BatchSpec]
    serve: Serve
    latency_s: float = 0.1
    stop_at_s: float = float("inf")
    batches: dict[int, BatchEntry] = field(default_factory=dict)
    rows: dict[int, RowResult] = field(default_factory=dict)
    log: list[tuple[float, Request]] = field(default_factory=list)
    discarded: list[int] = field(default_factory=list)
    now_s: float = 0.0
    finish: Finish | None = None

    def __post_init__(self) -> None:
        self.batches = self.batches or {spec.batch_id: BatchEntry(spec) for spec in self.specs}

    def go(self, **options: object) -> Run:
        """Run to the end."""
        made = EngineOptions("run1", **options)  # type: ignore[arg-type]
        state = begin(made, [self.batches[n] for n in sorted(self.batches)], list(self.rows.values()), self.now_s)
        arriving: list[tuple[float, int, Event]] = []
        event: Event = Tick(self.now_s)
        stopped = False
        for _ in range(2_000_000):
            state, commands = step(state, event)
            wake_s = float("inf")
            for command in commands:
                match command:
                    case Record(changes):
                        self.batches |= {entry.spec.batch_id: entry for entry in changes.batches}
                        self.rows |= {row.position: row for row in changes.rows}
                    case WakeAt(at_s):
                        wake_s = at_s
                    case Finish():
                        self.finish = command
                        assert step(state, Tick(self.now_s))[1] == ()
                        return self
                    case Discard(batch_id):
                        self.discarded.append(batch_id)
                    case _:
                        self._send(command, arriving)
            due_s = arriving[0][0] if arriving else float("inf")
            assert min(due_s, wake_s) < float("inf"), "nothing will ever happen again"
            if not stopped and self.stop_at_s <= min(due_s, wake_s):
                stopped, self.now_s = True, self.stop_at_s
                event = StopRequested(self.now_s)
            elif due_s <= wake_s:
                self.now_s, _, event = heapq.heappop(arriving)
            else:
                self.now_s = max(wake_s, self.now_s)
                event = Tick(self.now_s)
        raise AssertionError("no end")

    def _send(self, request: Request, arriving: list[tuple[float, int, Event]]) -> None:
        self.log.append((self.now_s, request))
        answer = self.serve(request, self.now_s)
        at_s = self.now_s + self.latency_s
        event: Event
        if isinstance(answer, ApiFailure):
            event = Refused(at_s, request.task_id, answer)
        else:
            event = Answered(at_s, request.task_id, answer)
        heapq.heappush(arriving, (at_s, request.task_id, event))

    @property
    def reason(self) -> FinishReason:
        """Why it ended."""
        assert self.finish is not None
        return self.finish.reason

    def sent(self, kind: type[Request]) -> list[float]:
        """When requests of a kind left."""
        return [at_s for at_s, request in self.log if isinstance(request, kind)]

    def outcomes(self) -> dict[int, str]:
        """State of each position; in exactly one batch each."""
        found: dict[int, str] = {}
        for entry in self.batches.values():
            if entry.state is not BatchState.SPLIT:
                for position in range(entry.spec.start, entry.spec.stop):
                    assert position not in found
                    row = self.rows.get(position)
                    own = ROW_OUTCOME.get(row.state) if row is not None else None
                    found[position] = own or OUTCOME[entry.state]
        return found

    def rows_by_state(self) -> Counter[str]:
        """How many rows came to what."""
        return Counter(self.outcomes().values())

    def state(self, batch_id: int = 0) -> BatchState:
        """State of a batch."""
        return self.batches[batch_id].state


def bulk(count: int, rows: int = 10, wave: int = 0, route: Route = Route.BULK, first: int = 0) -> list[BatchSpec]:
    """Return batches of equal size."""
    return [
        BatchSpec(first + n, route, (first + n) * rows, (first + n + 1) * rows, wave, "digest") for n in range(count)
    ]


def refusing(bad: set[int], *, pointers: bool = False) -> Serve:
    """Return a service that refuses bodies with these rows."""

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        assert isinstance(request, SendBulk)
        body = [p for p in range(request.start, request.stop) if p not in request.skip]
        wrong = tuple(index for index, p in enumerate(body) if p in bad)
        if not wrong:
            return ACCEPTED
        return ApiFailure(FailureKind.REJECTED, 400, 520010, pointers=wrong if pointers else ())

    return serve


def always(answer: Answer | ApiFailure) -> Serve:
    """Return a service that always says the same."""
    return lambda _request, _now_s: answer


# --- refusals brought down to rows -----------------------------------------------------------------------------------


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

    def odd(request: Request, now_s: float) -> Answer | ApiFailure:
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


# --- refusals of everything ------------------------------------------------------------------------------------------


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
    assert all(request.check == "digest" for _, request in again.log if isinstance(request, SendBulk))


# --- what may pass ---------------------------------------------------------------------------------------------------


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
    """A service that never comes back ends the run after ten minutes; what was refused before it was taken is not sent."""
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
        return _with_operation(request)

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
    assert all(later - earlier >= 0.099 for earlier, later in zip(times, times[1:], strict=False))


# --- order, stop, faults ---------------------------------------------------------------------------------------------


def test_waves_go_one_after_the_other() -> None:
    """No batch of a wave starts before the last of the wave before is answered, however that was refused."""
    specs = [*bulk(5), *bulk(5, wave=1, first=5), *bulk(5, wave=2, first=10)]
    answered: dict[int, float] = {}
    serve_bad = refusing({7, 60, 61})

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
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


def test_the_cost_of_a_step_does_not_grow_with_the_run() -> None:
    """Twenty thousand batches whose operations all run on take as many requests as they must, and end."""
    run = Run(bulk(20_000, 1), lambda request, _now: _with_operation(request)).go(
        operation_deadline_s=5.0, poll_concurrency=50
    )
    assert run.reason is FinishReason.COMPLETED
    assert len(run.outcomes()) == 20_000


# --- operations ------------------------------------------------------------------------------------------------------


def _with_operation(request: Request, status: str = "RUNNING") -> Answer:
    if isinstance(request, SendBulk):
        return BulkAccepted("RQ", "op", "/v1/ControlPlane/Operations/op")
    return OperationSeen(status)


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
    run = Run(bulk(1), lambda r, _: _with_operation(r) if isinstance(r, SendBulk) else seen).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.state() is state
    assert run.batches[0].trace.code == code
    assert run.now_s <= 660


def test_polls_wait_longer_each_time() -> None:
    """Polls begin after two seconds and end at thirty and a little."""
    run = Run(bulk(1), lambda r, _: _with_operation(r)).go()
    times = run.sent(PollOperation)
    waits = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert 2.0 <= times[0] - 0.1 <= 2.5
    assert all(2.0 <= wait <= 36.2 for wait in waits[:-1])
    assert max(waits) >= 30


def test_polling_does_not_hold_up_sending() -> None:
    """Bodies leave at their pace while hundreds of operations run on."""
    run = Run(bulk(800), lambda r, _: _with_operation(r)).go(operation_deadline_s=60)
    assert max(run.sent(SendBulk)) <= 800 / 8 * 0.1 + 1


def test_a_resumed_run_goes_on_polling() -> None:
    """An operation whose polling was interrupted is polled, and its body not sent again."""
    run = Run(bulk(3), lambda r, _: _with_operation(r), stop_at_s=1.0).go()
    assert run.rows_by_state() == {"accepted": 30}
    again = Run((), lambda _r, _n: OperationSeen("COMPLETED", 0, 0), batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"processed": 30}
    assert again.sent(SendBulk) == []


# --- rows with removals ----------------------------------------------------------------------------------------------


def _rows_service(request: Request, now_s: float) -> Answer | ApiFailure:
    match request:
        case Lookup(position=0):
            return LookedUp(())
        case Lookup(position=1):
            return LookedUp(("a", "b"))
        case Lookup(position=2):
            return ApiFailure(FailureKind.REJECTED, 404, 20404)
        case Lookup(position=3):
            return ApiFailure(FailureKind.REJECTED, 400, 520046)
        case Lookup(position=4):
            return LOST
        case Lookup(position=position):
            return LookedUp((f"p{position}",))
        case Patch(position=6):
            return ApiFailure(FailureKind.REJECTED, 404, 520009)
        case Patch(position=7):
            return LOST
        case Patch(position=8):
            return ApiFailure(FailureKind.REJECTED, 403, 520008)
        case Patch():
            return Patched("RQ")
        case SendBulk():
            assert request.skip == {1, 3, 4}
            return ACCEPTED
    raise AssertionError(request)


def test_removals_follow_the_values_row_by_row() -> None:
    """Looked up first: none is values only, one is patched after the 202, several is held and left out."""
    run = Run(bulk(1, route=Route.BULK_PATCH), _rows_service).go()
    assert run.reason is FinishReason.COMPLETED
    assert run.outcomes() == {
        0: "accepted",
        1: "held",
        2: "accepted",
        3: "failed",
        4: "not_sent",
        5: "accepted",
        6: "failed",
        7: "unknown",
        8: "failed",
        9: "accepted",
    }
    assert run.rows[1].code == "ambiguous-profile"
    assert run.rows[5].state is RowState.PATCHED
    assert min(run.sent(Patch)) > max(run.sent(SendBulk)) > max(run.sent(Lookup))


def test_rows_held_all_send_nothing() -> None:
    """A batch whose rows all belong to several profiles sends no body."""
    run = Run(bulk(1, route=Route.BULK_PATCH), always(LookedUp(("a", "b")))).go()
    assert run.sent(SendBulk) == []
    assert run.state() is BatchState.EMPTIED
    assert run.rows_by_state() == {"held": 10}


@pytest.mark.parametrize("stop_at_s", [0.05, 0.15, 0.25, 0.35, 0.45])
def test_rows_are_looked_up_and_patched_once_over_a_resume(stop_at_s: float) -> None:
    """What was looked up or patched by an earlier process is neither again."""
    specs = bulk(1, route=Route.BULK_PATCH)

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        match request:
            case Lookup():
                return LookedUp((f"p{request.position}",))
            case SendBulk():
                return ACCEPTED
        return Patched("RQ")

    run = Run(specs, serve, stop_at_s=stop_at_s).go(concurrency=4)
    again = Run((), serve, batches=run.batches, rows=run.rows).go(concurrency=4)
    assert again.rows_by_state() == {"accepted": 10}
    for kind in (Lookup, Patch):
        assert len(run.sent(kind)) + len(again.sent(kind)) == 10


def test_halves_keep_what_their_rows_were_looked_up_for() -> None:
    """Children of a refused body with removals need no second lookup, and patch their own rows."""
    bad = refusing({4})

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        match request:
            case Lookup():
                return LookedUp((f"p{request.position}",)) if request.position % 2 else LookedUp(())
            case SendBulk():
                return bad(request, now_s)
        return Patched("RQ")

    run = Run(bulk(1, route=Route.BULK_PATCH), serve).go()
    assert len(run.sent(Lookup)) == 10
    assert len(run.sent(Patch)) == 5
    assert run.rows_by_state() == {"failed": 1, "accepted": 9}


# --- tables and values -----------------------------------------------------------------------------------------------


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


def test_jitter_is_spread_and_repeatable() -> None:
    """Numbers of a seed fill [0, 1) and are the same each time."""
    drawn = [jitter_at(5, counter) for counter in range(10_000)]
    assert drawn == [jitter_at(5, counter) for counter in range(10_000)]
    assert 0.49 < sum(drawn) / len(drawn) < 0.51
    assert 0 <= min(drawn) < 0.001
    assert 0.999 < max(drawn) < 1


USED = (CreateImport, Created, ImportSeen, ImportsListed, ListImports, PollImport, Upload, Uploaded)
