"""The whole engine against a faulty service on a virtual clock, from a seed, with a crash at any step.

A failing seed is in the assertion; `simulate(SEED)` replays it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from importer.core.delivery import ApiFailure, BatchEntry, BatchSpec, EngineOptions, FailureKind, RowResult
from importer.core.engine import begin, step
from importer.core.engine_messages import (
    Answer,
    Answered,
    BulkAccepted,
    Command,
    Created,
    CreateImport,
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
)
from importer.core.lifecycle import FINAL, OUTCOME, ROW_OUTCOME, BatchState, FinishReason, RowState
from importer.core.route import Route

SEEDS_A_BLOCK = 50
RETRY_AFTERS: tuple[float | None, ...] = (None, 0.0, 1.0, 3.0, 30.0)


@dataclass
class FakeImport:
    """An import task of the fake service."""

    filename: str
    size: int
    status: str = "PENDING"
    polls: int = 0
    counts: tuple[int, int] | None = None
    positions: range = range(0)


@dataclass
class FakeService:
    """A service that journals what it took, and fails as its seed says."""

    rng: random.Random
    positions: int
    bad: frozenset[int]
    double: frozenset[int]
    missing: frozenset[int]
    unpatchable: frozenset[int]
    poison: int
    pointers: bool
    status_urls: bool
    max_rows: int
    fault_share: float
    received: set[int] = field(default_factory=set)
    patched: set[int] = field(default_factory=set)
    imports: dict[str, FakeImport] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    locked_from: float = float("inf")
    locked_until: float = float("inf")
    down: tuple[float, float] = (float("inf"), float("inf"))
    not_before_s: float = 0.0

    def take(self, request: Request, now_s: float) -> tuple[float, Answer | ApiFailure]:
        """Answer a request that left now: after how long, and what."""
        latency = self.rng.uniform(0.02, 0.4)
        if not isinstance(request, Upload):
            assert now_s >= self.not_before_s, "a request left before the Retry-After was over"
        if self.down[0] <= now_s < self.down[1]:
            return latency, ApiFailure(FailureKind.RETRYABLE, 503)
        if self.locked_from <= now_s < self.locked_until:
            return latency, ApiFailure(FailureKind.REJECTED, 401, 20003)
        if self.rng.random() < self.fault_share:
            return self._fault(request, latency)
        return latency, self._answer(request)

    def _fault(self, request: Request, latency: float) -> tuple[float, Answer | ApiFailure]:
        fault = self.rng.choice(["connect", "lost", "applied", "applied", "429", "503", "500", "protocol"])
        if fault == "connect":
            return latency, ApiFailure(FailureKind.RETRYABLE)
        if fault == "429":
            wait = self.rng.choice(RETRY_AFTERS)
            return latency, ApiFailure(FailureKind.RETRYABLE, 429, 20429, wait)
        if fault in ("503", "500"):
            if fault == "500" and self.rng.random() < 0.5:
                self._answer(request)
            return latency, ApiFailure(FailureKind.RETRYABLE, int(fault))
        if fault == "protocol":
            return latency, ApiFailure(FailureKind.PROTOCOL, 200)
        if fault == "applied":
            self._answer(request)
        return self.rng.choice([latency, 60.0]), ApiFailure(FailureKind.AMBIGUOUS)

    def _answer(self, request: Request) -> Answer | ApiFailure:
        match request:
            case SendBulk():
                return self._bulk(request)
            case Lookup(position=position):
                if position in self.double:
                    return LookedUp(("a", "b"))
                return LookedUp(()) if position in self.missing else LookedUp((f"p{position}",))
            case Patch(position=position, profile_id=profile_id):
                assert profile_id == f"p{position}"
                assert position in self.received, "patched before its values were accepted"
                if position in self.unpatchable:
                    return ApiFailure(FailureKind.REJECTED, 404, 20404)
                self.patched.add(position)
                return Patched("rq")
            case PollOperation(status_url=url):
                self.operations[url] += 1
                return self._operation(url)
            case _:
                return self._import(request)

    def _bulk(self, request: SendBulk) -> Answer | ApiFailure:
        rows = [p for p in range(request.start, request.stop) if p not in request.skip]
        assert rows, "an empty body was sent"
        if len(rows) > self.max_rows:
            return ApiFailure(FailureKind.TOO_LARGE, 413)
        if self.poison in rows:
            return ApiFailure(FailureKind.AMBIGUOUS)
        wrong = tuple(index for index, p in enumerate(rows) if p in self.bad)
        if wrong:
            return ApiFailure(FailureKind.REJECTED, 400, 520010, pointers=wrong if self.pointers else ())
        self.received.update(rows)
        if not self.status_urls:
            return BulkAccepted("rq")
        url = f"/v1/ControlPlane/Operations/op{len(self.operations)}"
        self.operations[url] = 0
        return BulkAccepted("rq", url.rsplit("/", 1)[1], url)

    def _operation(self, url: str) -> OperationSeen:
        if self.operations[url] < 2:
            return OperationSeen("RUNNING")
        kind = int(url.rsplit("op", 1)[1]) % 5
        known = {3: OperationSeen("FAILED"), 4: OperationSeen("COMPLETED")}
        return known.get(kind, OperationSeen("COMPLETED", int(kind == 2), 0))

    def _import(self, request: Request) -> Answer | ApiFailure:
        match request:
            case CreateImport():
                import_id = f"imp{len(self.imports)}"
                self.imports[import_id] = FakeImport(
                    request.filename, request.stop - request.start, positions=range(request.start, request.stop)
                )
                return Created(import_id, request.stop - request.start)
            case Upload():
                task = self.imports[request.import_id]
                if self.rng.random() < 0.1:
                    return ApiFailure(FailureKind.RETRYABLE, 403)
                task.status = "PROCESSING"
                self.received.update(task.positions)
                return Uploaded()
            case PollImport():
                task = self.imports[request.import_id]
                task.polls += 1
                if task.status == "PROCESSING" and task.polls > 2:
                    task.status = self.rng.choice(["COMPLETED", "COMPLETED", "FAILED"])
                    task.counts = self.rng.choice([(0, 0), (0, 0), (1, 0), None])
                counts = task.counts if task.counts is not None else (None, None)
                return ImportSeen(task.status, task.filename, task.size, *counts)
            case ListImports():
                ids = sorted(self.imports, key=lambda name: -int(name[3:]))
                at = int(request.page_token or 0)
                following = str(at + 3) if at + 3 < len(ids) else None
                return ImportsListed(tuple(ids[at : at + 3]), following)
            case _:
                raise AssertionError(request)


@dataclass
class FakeLedger:
    """What would survive the process."""

    batches: dict[int, BatchEntry] = field(default_factory=dict)
    rows: dict[int, RowResult] = field(default_factory=dict)

    def open_rows(self) -> list[RowResult]:
        """Rows of batches that were begun and are not over, as the real one has it."""
        over = {*FINAL, BatchState.PENDING, BatchState.APPLYING}
        spans = [(e.spec.start, e.spec.stop) for e in self.batches.values() if e.state not in over]
        return [row for row in self.rows.values() if any(a <= row.position < b for a, b in spans)]

    def outcomes(self) -> dict[int, str]:
        """State of each position; a position twice or never is an error."""
        found: dict[int, str] = {}
        for entry in self.batches.values():
            if entry.state is BatchState.SPLIT:
                continue
            for position in range(entry.spec.start, entry.spec.stop):
                assert position not in found, f"position {position} is in two batches"
                row = self.rows.get(position)
                state = OUTCOME[entry.state]
                if row is not None and row.state in ROW_OUTCOME:
                    state = ROW_OUTCOME[row.state]
                found[position] = state
        return found


class CrashError(Exception):
    """The process was killed."""


@dataclass
class World:
    """Virtual time, the service, the ledger, and one process after the other."""

    rng: random.Random
    service: FakeService
    ledger: FakeLedger
    now_s: float = 0.0
    crash_share: float = 0.0
    stop_at_s: float = float("inf")
    stopped_at_s: float = float("inf")
    sent: int = 0

    def run(self, options: EngineOptions) -> FinishReason:
        """Run one process to its end."""
        self.service.not_before_s = self.now_s  # a new process cannot know what the last one was told
        state = begin(options, sorted_entries(self.ledger), self.ledger.open_rows(), self.now_s)
        arriving: list[tuple[float, int, Event]] = []
        event: Event = Tick(self.now_s)
        stop_seen = False
        for number in range(200_000):
            state, commands = step(state, event)
            self._crash()
            wake_s, finish = self._execute(commands, arriving, number)
            if finish is not None:
                return finish
            due_s = arriving[0][0] if arriving else float("inf")
            if not stop_seen and self.stop_at_s < float("inf") and self.stop_at_s <= min(due_s, wake_s):
                stop_seen, self.now_s = True, max(self.now_s, self.stop_at_s)
                event = StopRequested(self.now_s)
            elif arriving and due_s <= wake_s:
                self.now_s, _, event = heapq.heappop(arriving)
                self._learn(event)
            else:
                assert wake_s < float("inf"), "nothing will ever happen again"
                self.now_s = max(self.now_s, wake_s)
                event = Tick(self.now_s)
        raise AssertionError("the engine does not come to an end")

    def _crash(self) -> None:
        if self.rng.random() < self.crash_share:
            raise CrashError

    def _learn(self, event: Event) -> None:
        if isinstance(event, Refused) and event.failure.retry_after_s:
            until_s = self.now_s + event.failure.retry_after_s
            self.service.not_before_s = max(self.service.not_before_s, until_s)

    def _execute(
        self, commands: tuple[Command, ...], arriving: list[tuple[float, int, Event]], number: int
    ) -> tuple[float, FinishReason | None]:
        wake_s = float("inf")
        for command in commands:
            match command:
                case Record(changes):
                    self.ledger.batches |= {entry.spec.batch_id: entry for entry in changes.batches}
                    self.ledger.rows |= {row.position: row for row in changes.rows}
                    self._crash()
                case WakeAt(at_s):
                    wake_s = at_s
                case Finish(reason=reason):
                    return wake_s, reason
                case SendBulk() | CreateImport() | Upload() | PollImport() | ListImports() | PollOperation():
                    self._send(command, arriving, number)
                case Lookup() | Patch():
                    self._send(command, arriving, number)
        return wake_s, None

    def _send(self, request: Request, arriving: list[tuple[float, int, Event]], number: int) -> None:
        self.sent += 1
        if isinstance(request, SendBulk):
            self._check_bulk(request)
        after_s, answer = self.service.take(request, self.now_s)
        at_s = self.now_s + after_s
        event: Event
        if isinstance(answer, ApiFailure):
            event = Refused(at_s, request.task_id, answer)
        else:
            event = Answered(at_s, request.task_id, answer)
        heapq.heappush(arriving, (at_s, number * 1000 + request.task_id % 1000, event))

    def _check_bulk(self, request: SendBulk) -> None:
        entry = self.ledger.batches[request.batch_id]
        assert entry.state is BatchState.SENT, "sent before the intent was durable"
        wave = entry.spec.wave
        for other in self.ledger.batches.values():
            if other.spec.route is not Route.IMPORT and other.spec.wave < wave:
                assert other.state in {*FINAL, BatchState.APPLYING}, "a wave began before the one before it was over"


def sorted_entries(ledger: FakeLedger) -> Iterator[BatchEntry]:
    """Yield the batches as the real ledger does."""
    for batch_id in sorted(ledger.batches):
        yield ledger.batches[batch_id]


def make_world(seed: int) -> World:
    """Make everything a seed decides."""
    rng = random.Random(seed)
    specs: list[BatchSpec] = []
    position = 0
    for wave in range(rng.choice([1, 1, 3])):
        for _ in range(rng.randint(1, 6)):
            route = rng.choice([Route.BULK, Route.BULK, Route.BULK_PATCH, Route.IMPORT])
            if wave and route is Route.IMPORT:
                route = Route.BULK
            rows = rng.randint(1, 12 if route is Route.BULK_PATCH else 60)
            specs.append(BatchSpec(len(specs), route, position, position + rows, wave, f"{seed:032x}"))
            position += rows
    by_import = {p for s in specs if s.route is Route.IMPORT for p in range(s.start, s.stop)}
    some = [p for p in range(position) if p not in by_import]
    service = FakeService(
        rng=rng,
        positions=position,
        bad=frozenset(rng.sample(some, min(len(some), rng.choice([0, 0, 1, 3])))),
        double=frozenset(rng.sample(some, min(len(some), rng.choice([0, 2])))),
        missing=frozenset(rng.sample(some, min(len(some), rng.choice([0, 5])))),
        unpatchable=frozenset(rng.sample(some, min(len(some), rng.choice([0, 3])))),
        poison=rng.choice([-1, -1, -1, *some[:1]]),
        pointers=rng.random() < 0.5,
        status_urls=rng.random() < 0.6,
        max_rows=rng.choice([1000, 1000, 20]),
        fault_share=rng.choice([0.0, 0.05, 0.3]),
    )
    if rng.random() < 0.2:
        service.locked_from, service.locked_until = 1.0, 30.0
    if rng.random() < 0.2:
        service.down = (0.5, 0.5 + rng.choice([5.0, 120.0]))
    ledger = FakeLedger({spec.batch_id: BatchEntry(spec) for spec in specs})
    world = World(rng, service, ledger, crash_share=rng.choice([0.0, 0.0, 0.02, 0.1]))
    if rng.random() < 0.15:
        world.stop_at_s = rng.uniform(0.0, 3.0)
    return world


def simulate(seed: int) -> World:
    """Run a seed to completion, over crashes and stops, and check the invariants."""
    world = make_world(seed)
    for life in range(60):
        if life > 10:
            world.crash_share = 0.0
        options = EngineOptions("run", seed=seed + life, resumed=life > 0)
        answered = {b for b, e in world.ledger.batches.items() if e.state in FINAL or e.state is BatchState.APPLYING}
        try:
            reason = world.run(options)
        except CrashError:
            reason = None
        for batch_id in answered:
            state = world.ledger.batches[batch_id].state
            assert state in {*FINAL, BatchState.APPLYING}, "an answered batch was sent again"
        check_ledger(world)
        if reason is FinishReason.COMPLETED:
            break
        if reason is FinishReason.REFUSED and world.now_s >= world.service.locked_until:
            break
        if reason is not None:
            world.stop_at_s = float("inf")
            world.now_s += 60.0
    else:
        raise AssertionError("no process came to an end")
    if reason is FinishReason.COMPLETED:
        check_completed(world)
    return world


def check_ledger(world: World) -> None:
    """Check what must hold at any moment."""
    outcomes = world.ledger.outcomes()
    assert sorted(outcomes) == list(range(world.service.positions)), "a position is in no batch"
    for position, state in outcomes.items():
        if state in ("accepted", "processed"):
            assert position in world.service.received, f"{position} is {state}, and the service never had it"
        if state == "failed":
            wrong = world.service.bad | world.service.unpatchable
            assert position in wrong, f"{position} is failed, and nothing is wrong with it"


def check_completed(world: World) -> None:
    """Check what must hold once a run is complete."""
    service = world.service
    assert all(entry.state in FINAL for entry in world.ledger.batches.values()), "a batch was left open"
    for position, state in world.ledger.outcomes().items():
        named = state in ("failed", "held", "unknown")
        row = world.ledger.rows.get(position)
        if row is not None and row.state is RowState.NOT_SENT:
            continue
        assert named or position in service.received, f"{position} is {state}, and was never received"
        assert state != "not_sent", f"{position} was left behind"
        if state == "held":
            assert position in service.double
        if row is not None and row.state is RowState.PATCHED:
            assert position in service.patched
        done = state in ("accepted", "processed", "unattributed")
        assert not done or row is None or row.state is not RowState.FOUND, f"{position} has removals left"


@pytest.mark.parametrize("block", range(10))
def test_every_row_is_accounted_for_whatever_happens(block: int) -> None:
    """Whatever the service and the machine do, every position ends in one true state and none is lost."""
    for seed in range(block * SEEDS_A_BLOCK, (block + 1) * SEEDS_A_BLOCK):
        try:
            simulate(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_a_seed_replays_the_same_run() -> None:
    """The engine and its world depend on the seed and nothing else."""
    one, other = simulate(7), simulate(7)
    assert (one.sent, one.now_s) == (other.sent, other.now_s)
    assert one.ledger.outcomes() == other.ledger.outcomes()
