"""The delivery engine on a virtual clock, against services that are each one function."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from importer.core.delivery import ApiFailure, BatchEntry, BatchSpec, EngineOptions, FailureKind, RowResult, Trace
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
PROCESSED = ImportSeen("COMPLETED", "", errors=0, warnings=0)
DOWN_500 = ApiFailure(FailureKind.RETRYABLE, 500, 20500)

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
    assert all(later - earlier >= 0.099 for earlier, later in pairwise(times))


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


def test_a_batch_of_no_rows_is_over_at_once() -> None:
    """Nothing is sent for nothing."""
    run = Run([BatchSpec(0, Route.BULK, 5, 5)], always(ACCEPTED)).go()
    assert run.log == []
    assert run.state() is BatchState.EMPTIED


def test_a_batch_that_was_patched_to_its_last_row_is_followed() -> None:
    """A process that died after the last patch leaves nothing to send, and the operation to poll."""
    entry = BatchEntry(
        bulk(1, route=Route.BULK_PATCH)[0], BatchState.PATCHING, 1, Trace(status_url="/v1/ControlPlane/Operations/op")
    )
    rows = {position: RowResult(position, RowState.PATCHED) for position in range(10)}
    run = Run((), always(OperationSeen("COMPLETED", 0, 0)), batches={0: entry}, rows=rows).go(resumed=True)
    assert run.state() is BatchState.PROCESSED
    assert run.sent(Patch) == []


def test_the_cost_of_a_step_does_not_grow_with_the_run() -> None:
    """Ten thousand batches whose operations all run on take as many requests as they must, and end."""
    run = Run(bulk(10_000, 1), lambda request, _now: _with_operation(request)).go(
        operation_deadline_s=5.0, poll_concurrency=50
    )
    assert run.reason is FinishReason.COMPLETED
    assert len(run.outcomes()) == 10_000


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
    waits = [later - earlier for earlier, later in pairwise(times)]
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


LOOKUPS: dict[int, Answer | ApiFailure] = {
    0: LookedUp(()),
    1: LookedUp(("a", "b")),
    2: ApiFailure(FailureKind.REJECTED, 404, 20404),
    3: ApiFailure(FailureKind.REJECTED, 400, 520046),
    4: LOST,
}
PATCHES: dict[int, Answer | ApiFailure] = {
    6: ApiFailure(FailureKind.REJECTED, 404, 520009),
    7: LOST,
    8: ApiFailure(FailureKind.REJECTED, 403, 520008),
}


def _rows_service(request: Request, _now_s: float) -> Answer | ApiFailure:
    match request:
        case Lookup(position=position):
            return LOOKUPS.get(position, LookedUp((f"p{position}",)))
        case Patch(position=position):
            return PATCHES.get(position, Patched("RQ"))
        case SendBulk():
            assert request.skip == {1, 3, 4}
    return ACCEPTED


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


# --- imports ---------------------------------------------------------------------------------------------------------


@dataclass
class Imports:
    """The import side of a service; `answers` replaces single answers, by request type and count of it."""

    seen: ImportSeen = field(default_factory=lambda: PROCESSED)
    answers: dict[tuple[type[Request], int], Answer | ApiFailure] = field(default_factory=dict)
    asked: Counter[type[Request]] = field(default_factory=Counter)
    tasks: dict[str, str] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)
    older: int = 0

    def __call__(self, request: Request, _now_s: float) -> Answer | ApiFailure:
        """Answer a request."""
        number = self.asked[type(request)]
        self.asked[type(request)] += 1
        given = self.answers.get((type(request), number))
        if isinstance(request, CreateImport) and (given is None or given is LOST):
            self.tasks[f"imp{len(self.tasks)}"] = request.filename
        if isinstance(request, Upload) and (given is None or given is LOST):
            self.uploaded.append(request.import_id)
        return given or self._usual(request)

    def _usual(self, request: Request) -> Answer:
        match request:
            case CreateImport():
                return Created(f"imp{len(self.tasks) - 1}", 10)
            case Upload():
                return Uploaded()
            case PollImport(import_id=import_id):
                if import_id in self.uploaded:
                    return ImportSeen(self.seen.status, self.tasks[import_id], 10, self.seen.errors, self.seen.warnings)
                return ImportSeen("PENDING", self.tasks.get(import_id, "another.csv"), 10)
            case ListImports(page_token=token):
                ids = [f"other{n}" for n in range(self.older)] + list(reversed(self.tasks))
                at = int(token or 0)
                return ImportsListed(tuple(ids[at : at + 2]), str(at + 2) if at + 2 < len(ids) else None)
        raise AssertionError(request)


def parts(count: int = 1) -> list[BatchSpec]:
    """Return import parts."""
    return bulk(count, route=Route.IMPORT)


@pytest.mark.parametrize(
    ("seen", "state", "code"),
    [
        (ImportSeen("COMPLETED", "", errors=0, warnings=0), BatchState.PROCESSED, None),
        (ImportSeen("COMPLETED", "", errors=1, warnings=0), BatchState.UNATTRIBUTED, "import-errors"),
        (ImportSeen("COMPLETED", "", errors=0, warnings=1), BatchState.UNATTRIBUTED, "import-errors"),
        (ImportSeen("COMPLETED", ""), BatchState.UNATTRIBUTED, "import-no-summary"),
        (ImportSeen("FAILED", ""), BatchState.UNATTRIBUTED, "import-failed"),
        (ImportSeen("PROCESSING", ""), BatchState.UNKNOWN, "not-settled"),
        (ImportSeen("SOMETHING_NEW", ""), BatchState.UNKNOWN, "not-settled"),
    ],
)
def test_an_import_is_judged_by_its_counts(seen: ImportSeen, state: BatchState, code: str | None) -> None:
    """Only a summary of zero errors and zero warnings is processed; one that never ends is unknown after an hour."""
    run = Run(parts(3), Imports(seen)).go()
    assert run.reason is FinishReason.COMPLETED
    assert [run.state(n) for n in range(3)] == [state] * 3
    assert run.batches[0].trace.code == code
    assert sorted(run.discarded) == [0, 1, 2]
    assert run.now_s <= 3700


def test_an_import_is_named_after_run_part_attempt_and_content() -> None:
    """The name tells the import of one attempt from any other."""
    imports = Imports()
    Run(parts(2), imports).go()
    assert list(imports.tasks.values()) == [f"memory-importer.run1.part{n}.attempt1.digest.csv" for n in (0, 1)]


def test_few_parts_are_at_work_at_once_and_do_not_hold_up_bulk() -> None:
    """At most four parts are between creation and settlement, while bodies go out."""
    imports = Imports(ImportSeen("PROCESSING", ""))

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        return ACCEPTED if isinstance(request, SendBulk) else imports(request, now_s)

    run = Run([*parts(6), *bulk(20, first=6)], serve).go(import_deadline_s=100.0)
    created = run.sent(CreateImport)
    assert created[3] < 1
    assert created[4] > 100
    assert max(run.sent(SendBulk)) < 2


@pytest.mark.parametrize(
    "failure", [LOST, DOWN, ApiFailure(FailureKind.RETRYABLE, 403), ApiFailure(FailureKind.PROTOCOL, 302)]
)
def test_an_upload_that_did_not_succeed_is_judged_by_its_import(failure: ApiFailure) -> None:
    """PENDING is abandoned and made anew under another name; anything further is polled."""
    imports = Imports(answers={(Upload, 0): failure})
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.PROCESSED
    arrived = failure is LOST
    assert imports.asked[CreateImport] == (1 if arrived else 2)
    assert imports.asked[Upload] == (1 if arrived else 2)
    assert run.batches[0].trace.filename == list(imports.tasks.values())[-1]


def test_an_upload_that_never_succeeds_is_unknown() -> None:
    """After eight imports the part is given up, and the rest of the run is not."""
    answers: dict[tuple[type[Request], int], Answer | ApiFailure] = {
        (Upload, n): ApiFailure(FailureKind.RETRYABLE, 403) for n in range(8)
    }
    imports = Imports(answers=answers)
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.UNKNOWN
    assert imports.asked[CreateImport] == 8


def test_a_creation_without_an_answer_is_looked_for_and_abandoned() -> None:
    """A lost 201 leaves a PENDING import that nobody can upload to: it is found, left, and another made."""
    imports = Imports(answers={(CreateImport, 0): LOST}, older=3)
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[CreateImport] == 2
    assert imports.asked[ListImports] == 2
    assert run.batches[0].trace.import_id == "imp1"


def test_an_import_found_further_on_is_adopted() -> None:
    """Where a lost creation turns out to be processed already, it is polled and not made again."""
    imports = Imports()
    name = "memory-importer.run1.part0.attempt1.digest.csv"
    imports.tasks["imp0"] = name
    imports.uploaded.append("imp0")
    entry = BatchEntry(parts()[0], BatchState.CREATING, 1, Trace(filename=name))
    run = Run((), imports, batches={0: entry}).go(resumed=True)
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[CreateImport] == 0
    assert run.batches[0].trace.import_id == "imp0"


@pytest.mark.parametrize(
    ("listing", "get"),
    [
        (ImportsListed(()), None),
        (ApiFailure(FailureKind.REJECTED, 404, 20404), None),
        (ImportsListed(("x", "y")), ApiFailure(FailureKind.REJECTED, 404)),
        (ImportsListed(("x",), None), ImportSeen("PROCESSING", "other.csv", 10)),
        (ImportsListed(("x",), "1"), ImportSeen("PROCESSING", "other.csv", 10)),
    ],
)
def test_a_creation_that_is_nowhere_is_made_anew(listing: Answer | ApiFailure, get: Answer | ApiFailure | None) -> None:
    """An import that is in no list, or cannot be read, was not made; a page token that repeats ends the search."""
    answers: dict[tuple[type[Request], int], Answer | ApiFailure] = {(CreateImport, 0): DOWN_500}
    answers |= {(ListImports, n): listing for n in range(300)}
    if get is not None:
        answers |= {(PollImport, n): get for n in range(2)}
    imports = Imports(answers=answers)
    run = Run(parts(), imports).go(adopt_scan=2)
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[CreateImport] == 2


def test_a_creation_that_was_never_taken_is_sent_again() -> None:
    """429, 503 or no connection: nothing was created, so nothing is looked for."""
    failures = [THROTTLED, DOWN, ApiFailure(FailureKind.RETRYABLE)]
    imports = Imports(answers={(CreateImport, n): failure for n, failure in enumerate(failures)})
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.PROCESSED
    assert imports.asked[ListImports] == 0


def test_a_part_that_cannot_be_created_stays_behind() -> None:
    """A creation that fails again and again does not stop the bodies; the run is resumable for the part."""
    imports = Imports(answers={(CreateImport, n): DOWN_500 for n in range(8)})

    def serve(request: Request, now_s: float) -> Answer | ApiFailure:
        return ACCEPTED if isinstance(request, SendBulk) else imports(request, now_s)

    run = Run([*parts(), *bulk(20, first=1)], serve).go()
    assert run.reason is FinishReason.STALLED
    assert run.rows_by_state() == {"accepted": 200, "not_sent": 10}
    again = Run((), serve, batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"accepted": 200, "processed": 10}


@pytest.mark.parametrize(
    "at",
    [
        (CreateImport, ApiFailure(FailureKind.REJECTED, 400, 520046)),
        (Upload, ApiFailure(FailureKind.REJECTED, 403)),
    ],
)
def test_a_refused_mapping_or_signature_stops_the_run(at: tuple[type[Request], ApiFailure]) -> None:
    """What no other part can mend ends the run."""
    run = Run(parts(3), Imports(answers={(at[0], 0): at[1]})).go(max_imports=1)
    assert run.reason is FinishReason.REFUSED
    assert run.rows_by_state()["not_sent"] >= 20


def test_an_import_that_is_gone_while_polled_is_unknown() -> None:
    """404 for a part that was uploaded: nobody can say what became of it."""
    imports = Imports(answers={(PollImport, 0): DOWN, (PollImport, 1): ApiFailure(FailureKind.REJECTED, 404)})
    run = Run(parts(), imports).go()
    assert run.state() is BatchState.UNKNOWN


def test_a_part_too_large_is_cut() -> None:
    """A file larger than the service takes becomes two."""
    imports = Imports(answers={(CreateImport, 0): ApiFailure(FailureKind.TOO_LARGE)})
    run = Run(parts(), imports).go()
    assert run.rows_by_state() == {"processed": 10}
    assert run.state() is BatchState.SPLIT
    assert sorted(run.discarded) == [0, 1, 2]


def test_one_row_too_large_for_a_file_is_a_fault() -> None:
    """The plan should never have made such a part."""
    imports = Imports(answers={(CreateImport, 0): ApiFailure(FailureKind.TOO_LARGE)})
    run = Run([BatchSpec(0, Route.IMPORT, 0, 1)], imports).go()
    assert run.reason is FinishReason.FAULT


@pytest.mark.parametrize("stop_at_s", [0.05, 0.15, 0.25, 2.25, 4.0])
def test_a_part_is_picked_up_where_it_was_left(stop_at_s: float) -> None:
    """Whenever a process ends, the next one finishes the part with one file processed."""
    imports = Imports(ImportSeen("PROCESSING", ""))
    run = Run(parts(), imports, stop_at_s=stop_at_s).go()
    imports.seen = PROCESSED
    again = Run((), imports, batches=run.batches).go(resumed=True)
    assert again.rows_by_state() == {"processed": 10}
    assert len(imports.uploaded) == 1


def test_an_upload_cut_off_is_checked_first() -> None:
    """A process that died while uploading: the import is asked before a file is sent again."""
    entry = BatchEntry(parts()[0], BatchState.UPLOADING, 1, Trace(import_id="imp0", filename="f"))
    for failure, creations in ((DOWN, 0), (ApiFailure(FailureKind.REJECTED, 404), 1)):
        later = Imports(answers={(PollImport, 0): failure}, tasks={"imp0": "f"}, uploaded=["imp0"])
        run = Run((), later, batches={0: entry}).go(resumed=True)
        assert run.state() is BatchState.PROCESSED
        assert later.asked[CreateImport] == creations


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
