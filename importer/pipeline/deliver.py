"""Delivery: drives the engine with real time, a durable ledger and threads that execute.

One thread owns engine and ledger. It takes the events that are there, steps, commits what the step wants recorded, and
only then lets its requests leave. If the commit fails nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from importer.core import pacing
from importer.core.delivery import ApiFailure, EngineOptions, RequestKind, Tally
from importer.core.engine import begin, step
from importer.core.engine_messages import Command, Discard, Event, Finish, Record, StopRequested, Tick, WakeAt
from importer.core.engine_state import EngineState
from importer.core.lifecycle import FinishReason
from importer.errors import DiskError
from importer.pipeline.carrier import Carrier
from importer.pipeline.executor import Executor, Threads
from importer.ports import Clock, Ledger, Payloads, ProfileWriter, StopSignal


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
        applying: Batches and parts that the service has and has not finished.
    """

    tally: Tally
    in_flight: int
    rate: float | None
    waiting_s: float
    applying: int = 0


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
        pacer: What is known of the service's patience, for requests that follow.
    """

    reason: FinishReason
    failure: ApiFailure | None = None
    requests: Mapping[RequestKind, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    retries: int = 0
    throttled: int = 0
    elapsed_s: float = 0.0
    pacer: pacing.Pacer | None = None


def deliver(
    ports: DeliveryPorts,
    options: EngineOptions,
    progress: Callable[[DeliveryProgress], None] = lambda _: None,
    executor: Executor | None = None,
    *,
    known: pacing.Pacer | None = None,
) -> DeliveryResult:
    """Deliver, or go on delivering, every batch of the ledger.

    Args:
        ports: What to talk to. The payloads are used from several threads, the ledger from this one only.
        options: How to deliver.
        progress: Called after every commit, from this thread.
        executor: Executes the requests; threads if None.
        known: What requests before these learned of the service's patience.

    Raises:
        StateError: ledger or package could not be written or read, or the package is not what was planned; nothing
            was sent after that, and the run can be resumed.
    """
    started_s = ports.clock.monotonic_s()
    if executor is None:
        carrier = Carrier(ports.payloads, ports.writer, ports.clock)
        executor = Threads(carrier, options.concurrency + options.poll_concurrency)
    state = begin(options, ports.ledger.entries(), ports.ledger.open_rows(), started_s)
    state = replace(state, pacer=pacing.handed_on(known, options.max_rps, started_s))
    try:
        with executor.running():
            state, finish = _drive(_Loop(ports, executor, progress), state)
    finally:
        executor.discard_all()
    if executor.fault is not None:
        raise _shown(executor.fault)
    return DeliveryResult(
        reason=finish.reason,
        failure=finish.failure,
        requests=state.tally.requests,
        rows=state.tally.rows,
        retries=state.tally.retries,
        throttled=state.tally.throttled,
        elapsed_s=ports.clock.monotonic_s() - started_s,
        pacer=state.pacer,
    )


def _shown(fault: BaseException) -> BaseException:
    """Return what a worker's fault is for the caller: a file that cannot be used is no bug."""
    if not isinstance(fault, OSError):
        return fault
    error = DiskError(
        f"a file of the run could not be used: {fault.strerror or type(fault).__name__}",
        hint="see to the disk of the runs folder, then resume the run; nothing more was sent",
    )
    error.__cause__ = fault
    return error


@dataclass(slots=True)
class _Loop:
    ports: DeliveryPorts
    executor: Executor
    progress: Callable[[DeliveryProgress], None]
    wake_at_s: float = 0.0
    stop_seen: bool = False


def _drive(loop: _Loop, state: EngineState) -> tuple[EngineState, Finish]:
    while True:
        state, commands = step(state, *_events(loop))
        finish = _execute(loop, commands)
        _report(loop, state)
        if finish is not None:
            return state, finish


def _events(loop: _Loop) -> list[Event]:
    """Wait for events; time is one of them."""
    is_asked = not loop.stop_seen and loop.ports.stop.is_set()
    wait_s = 0.0 if is_asked else max(loop.wake_at_s - loop.ports.clock.monotonic_s(), 0.0)
    taken = list(loop.executor.events(wait_s))
    now_s = loop.ports.clock.monotonic_s()
    # Looked at after the wait: what an answer of the meantime would let leave does not leave.
    if not loop.stop_seen and loop.ports.stop.is_set():
        loop.stop_seen = True
        taken.append(StopRequested(now_s))
    return taken or [Tick(now_s)]


def _execute(loop: _Loop, commands: Sequence[Command]) -> Finish | None:
    finish = None
    loop.wake_at_s = float("inf")
    for command in commands:
        match command:
            case Record():
                loop.ports.ledger.apply(command.changes)
            case WakeAt():
                loop.wake_at_s = command.at_s
            case Discard():
                loop.executor.discard(command.batch_id)
            case Finish():
                finish = command
            case _:
                loop.executor.submit(command)
    return finish


def _report(loop: _Loop, state: EngineState) -> None:
    waiting_s = state.pacer.not_before_s - loop.ports.clock.monotonic_s()
    applying = state.applying + state.open_imports
    loop.progress(DeliveryProgress(state.tally, len(state.in_flight), state.pacer.rate, max(waiting_s, 0.0), applying))
