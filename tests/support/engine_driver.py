"""Drives the delivery engine on a virtual clock, against a service that is one function."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
    OperationSeen,
    PollImport,
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
from importer.core.lifecycle import OUTCOME, ROW_OUTCOME, BatchState, FinishReason
from importer.core.route import Route

ACCEPTED = BulkAccepted("RQ1")
THROTTLED = ApiFailure(FailureKind.RETRYABLE, 429, 20429, 1.0)
DOWN = ApiFailure(FailureKind.RETRYABLE, 503, 20503)
UNAUTHORISED = ApiFailure(FailureKind.REJECTED, 401, 20003)
LOST = ApiFailure(FailureKind.AMBIGUOUS)
PROCESSED = ImportSeen("COMPLETED", "", errors=0, warnings=0)
DOWN_500 = ApiFailure(FailureKind.RETRYABLE, 500, 20500)
Serve = Callable[[Request, float], Answer | ApiFailure | WorkerFailed]


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
        if isinstance(answer, WorkerFailed):
            event = answer
        elif isinstance(answer, ApiFailure):
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


def parts(count: int = 1) -> list[BatchSpec]:
    """Return import parts."""
    return bulk(count, route=Route.IMPORT)


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


def with_operation(request: Request, status: str = "RUNNING") -> Answer:
    """Answer a body with an operation, and each poll of it with `status`."""
    if isinstance(request, SendBulk):
        return BulkAccepted("RQ", "op", "/v1/ControlPlane/Operations/op")
    return OperationSeen(status)


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
