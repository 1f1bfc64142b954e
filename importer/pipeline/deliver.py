"""Delivery: drives the engine with real time, a durable ledger and threads that execute.

One thread owns engine and ledger. It takes events, steps, commits what the steps want recorded in one transaction, and
only then lets their requests leave. If the commit fails nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from importer.core.delivery import ApiFailure, Changes, EngineOptions, RequestKind, Tally
from importer.core.engine import begin, step
from importer.core.engine_messages import Command, Discard, Event, Finish, Record, StopRequested, Tick, WakeAt
from importer.core.engine_state import EngineState
from importer.core.lifecycle import FinishReason
from importer.pipeline.executor import Executor
from importer.ports import Clock, Ledger, Payloads, ProfileWriter, StopSignal

LOOK_S: Final = 0.2
"""How often the stop signal is looked at while nothing happens."""

_MOST_EVENTS: Final = 64
"""Events taken into one commit; a bound, so that answers do not wait for it long."""


@dataclass(frozen=True, slots=True)
class DeliveryPorts:
    """What a delivery talks to."""

    payloads: Payloads
    writer: ProfileWriter
    ledger: Ledger
    clock: Clock
    stop: StopSignal


@dataclass(frozen=True, slots=True)
class DeliveryProgress:
    """How far a delivery is.

    Attributes:
        tally: Counts so far.
        in_flight: Requests out.
        rate: Learned requests a second, None while nothing was refused.
        waiting_s: How long all requests still wait, because the service asked or fails.
    """

    tally: Tally
    in_flight: int
    rate: float | None
    waiting_s: float


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How a delivery ended. What came of the rows is in the ledger.

    Attributes:
        reason: Why it ended.
        failure: What ended it, where one request did.
        requests: Requests sent, by kind.
        rows: Rows by what their batch came to, as counted on the way.
        retries: Requests sent again.
        throttled: Answers 429.
        elapsed_s: How long it took.
    """

    reason: FinishReason
    failure: ApiFailure | None = None
    requests: Mapping[RequestKind, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    retries: int = 0
    throttled: int = 0
    elapsed_s: float = 0.0


def deliver(
    ports: DeliveryPorts,
    options: EngineOptions,
    progress: Callable[[DeliveryProgress], None] = lambda _: None,
) -> DeliveryResult:
    """Deliver, or go on delivering, every batch of the ledger.

    Args:
        ports: What to talk to. The payloads are used from several threads, the ledger from this one only.
        options: How to deliver.
        progress: Called after every commit, from this thread.

    Raises:
        StateError: the ledger could not be written, or the package is not what was planned; nothing was sent after
            that, and the run can be resumed.
    """
    started_s = ports.clock.monotonic_s()
    events: SimpleQueue[Event] = SimpleQueue()
    threads = options.concurrency + options.poll_concurrency
    executor = Executor(ports.payloads, ports.writer, ports.clock, events, threads)
    state = begin(options, ports.ledger.entries(), ports.ledger.open_rows(), started_s)
    try:
        with executor.running():
            state, finish = _drive(_Loop(ports, executor, events, progress), state)
    finally:
        executor.discard_all()
    if executor.fault is not None:
        raise executor.fault
    return DeliveryResult(
        reason=finish.reason,
        failure=finish.failure,
        requests=state.tally.requests,
        rows=state.tally.rows,
        retries=state.tally.retries,
        throttled=state.tally.throttled,
        elapsed_s=ports.clock.monotonic_s() - started_s,
    )


@dataclass(slots=True)
class _Loop:
    ports: DeliveryPorts
    executor: Executor
    events: SimpleQueue[Event]
    progress: Callable[[DeliveryProgress], None]
    wake_at_s: float = 0.0
    stop_seen: bool = False


def _drive(loop: _Loop, state: EngineState) -> tuple[EngineState, Finish]:
    while True:
        commands: list[Command] = []
        for event in _events(loop):
            state, following = step(state, event)
            commands += following
        _commit(loop, commands)
        finish = _execute(loop, commands)
        _report(loop, state)
        if finish is not None:
            return state, finish


def _events(loop: _Loop) -> list[Event]:
    """Wait for events; time is one of them."""
    now_s = loop.ports.clock.monotonic_s()
    taken: list[Event] = []
    if not loop.stop_seen and loop.ports.stop.is_set():
        loop.stop_seen = True
        taken.append(StopRequested(now_s))
    wait_s = 0.0 if taken else min(max(loop.wake_at_s - now_s, 0.0), LOOK_S)
    try:
        taken.append(loop.events.get(block=wait_s > 0, timeout=wait_s or None))
        while len(taken) < _MOST_EVENTS:
            taken.append(loop.events.get_nowait())
    except Empty:
        pass
    return taken or [Tick(loop.ports.clock.monotonic_s())]


def _commit(loop: _Loop, commands: list[Command]) -> None:
    """Make everything the steps want recorded durable, at once; the last word about a batch counts."""
    records = [command.changes for command in commands if isinstance(command, Record)]
    if not records:
        return
    batches = {entry.spec.batch_id: entry for changes in records for entry in changes.batches}
    loop.ports.ledger.apply(
        Changes(
            tuple(batches.values()),
            tuple(row for changes in records for row in changes.rows),
            tuple(attempt for changes in records for attempt in changes.attempts),
        )
    )


def _execute(loop: _Loop, commands: list[Command]) -> Finish | None:
    finish = None
    loop.wake_at_s = float("inf")
    for command in commands:
        match command:
            case Record():
                pass
            case WakeAt():
                loop.wake_at_s = command.at_s  # a later step knows more than an earlier one
            case Discard():
                loop.executor.discard(command.batch_id)
            case Finish():
                finish = command
            case _:
                loop.executor.submit(command)
    return finish


def _report(loop: _Loop, state: EngineState) -> None:
    waiting_s = state.pacer.not_before_s - loop.ports.clock.monotonic_s()
    loop.progress(DeliveryProgress(state.tally, len(state.in_flight), state.pacer.rate, max(waiting_s, 0.0)))
