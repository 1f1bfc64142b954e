"""The delivery engine: a pure function from a state and an event to a state and commands.

Law: no clock, no randomness, no I/O. Time comes in with events, jitter from a seed in the state. Whoever executes the
commands makes `Record` durable before it sends anything of the same step; then a process that dies at any moment loses
nothing, and a state made again by `begin` from what was recorded carries on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from importer.core import pacing
from importer.core.delivery import BatchEntry, EngineOptions, Pin, RequestKind, RowResult
from importer.core.engine_bulk import bulk_accepted, operation_seen
from importer.core.engine_dispatch import dispatch
from importer.core.engine_import import created, import_seen, imports_listed, uploaded
from importer.core.engine_messages import (
    Added,
    Answered,
    BulkAccepted,
    Command,
    Created,
    Event,
    ImportSeen,
    ImportsListed,
    LookedUp,
    OperationSeen,
    Patched,
    Refused,
    StopRequested,
    Tick,
    Uploaded,
    WorkerFailed,
)
from importer.core.engine_refusal import never_left, refused
from importer.core.engine_rows import followed_up, looked_up
from importer.core.engine_state import NEVER, Batch, EngineState, Task
from importer.core.engine_turn import DOUBTFUL, Turn
from importer.core.lifecycle import FINAL, BatchState, FinishReason, RowState
from importer.core.route import Route
from importer.core.waiting import Waiting, put


def begin(
    options: EngineOptions, entries: Iterable[BatchEntry], rows: Sequence[RowResult] = (), now_s: float = 0.0
) -> EngineState:
    """Return the state from which a delivery starts, or goes on.

    Args:
        options: How to deliver.
        entries: All batches of the ledger; those that are over are passed by.
        rows: Row results of batches that are not over, and were begun.
        now_s: Monotonic time.
    """
    results: dict[int, RowResult] = {row.position: row for row in rows}
    pins: dict[int, Pin] = {}
    fresh: list[Batch] = []
    begun: list[Batch] = []
    polling: Waiting[Task] | None = None
    next_batch_id = polls = 0
    doubt_s = NEVER
    for entry in entries:
        next_batch_id = max(next_batch_id, entry.spec.batch_id + 1)
        pin = _pin(options, entry, pins)
        if pin is not None and entry.state is BatchState.SPLIT:
            pins[entry.spec.batch_id] = pin
        if entry.state in FINAL:
            if entry.spec.wave and entry.state in DOUBTFUL:
                doubt_s = now_s
            continue
        if entry.state is BatchState.APPLYING:
            polls += 1
            deadline_s = now_s + options.operation_deadline_s
            batch = replace(_batch(entry, pin, results), polls=1, deadline_s=deadline_s)
            due_s = now_s + pacing.poll_s(0, options.poll_first_s, pacing.jitter_at(options.seed, -polls))
            polling = put(polling, due_s, Task(RequestKind.GET_OPERATION, batch, poll=True))
        elif entry.state is BatchState.PENDING:
            fresh.append(_batch(entry, pin, {}))
        else:
            begun.append(_batch(entry, pin, results))
    # What was begun goes first: it belongs to the earliest wave that is open.
    bulk = [b for b in (*begun, *fresh) if b.spec.route is not Route.IMPORT]
    imports = [b for b in (*begun, *fresh) if b.spec.route is Route.IMPORT]
    bulk.sort(key=lambda batch: batch.spec.wave)
    return EngineState(
        options=options,
        pacer=pacing.begun(options.max_rps, now_s),
        bulk=tuple(bulk),
        imports=tuple(imports),
        wave=bulk[0].spec.wave if bulk and not polls else -1,
        applying=polls,
        accepted_s=doubt_s,
        doubt_s=doubt_s,
        polling=polling,
        next_batch_id=next_batch_id,
        max_rows=options.max_batch_rows,
    )


def step(state: EngineState, *events: Event) -> tuple[EngineState, tuple[Command, ...]]:
    """Take events that are there, all of them before anything is sent: the last may ask everybody to wait.

    Args:
        state: As it was.
        events: What happened, and when; at least one.

    Returns:
        The new state, and what to do: at most one `Record`, first; then requests; then `Discard`; and at last either
        `WakeAt` or `Finish`.
    """
    if state.finished:
        return state, ()
    turn = Turn(state, events[0].now_s)
    for event in events:
        turn.now_s = max(turn.now_s, event.now_s)
        _take(turn, event)
    dispatch(turn)
    return turn.end()


def _take(turn: Turn, event: Event) -> None:
    match event:
        case Answered():
            task = turn.in_flight.pop(event.task_id, None)
            if task is not None:
                _answered(turn, task, event)
        case Refused():
            task = turn.in_flight.pop(event.task_id, None)
            if task is not None:
                refused(turn, task, event.failure)
        case WorkerFailed():
            task = turn.in_flight.pop(event.task_id, None)
            if task is not None and not event.left:
                never_left(turn, task)
            turn.stop(FinishReason.FAULT)
        case StopRequested():
            turn.stop(FinishReason.INTERRUPTED)
        case Tick():
            pass


def _answered(turn: Turn, task: Task, event: Answered) -> None:
    turn.protocol_failures = 0
    if not task.poll:
        turn.pacer = pacing.succeeded(turn.pacer, turn.now_s)
    match event.answer:
        case BulkAccepted() as answer:
            bulk_accepted(turn, task, answer)
        case LookedUp() as answer:
            looked_up(turn, task, answer)
        case Patched() | Added() as answer:
            followed_up(turn, task, answer)
        case OperationSeen() as answer:
            operation_seen(turn, task, answer)
        case Created() as answer:
            created(turn, task, answer)
        case Uploaded():
            uploaded(turn, task)
        case ImportSeen() as answer:
            import_seen(turn, task, answer)
        case ImportsListed() as answer:
            imports_listed(turn, task, answer)


def _pin(options: EngineOptions, entry: BatchEntry, pins: Mapping[int, Pin]) -> Pin | None:
    """Return what must still hold of a batch that an earlier process planned; a child is held to its parent's."""
    spec = entry.spec
    if not options.resumed:
        return None
    if spec.digest:
        return Pin(spec.start, spec.stop, spec.digest)
    return pins.get(spec.parent_id) if spec.parent_id is not None else None


_LOOKED_UP: Final = frozenset({RowState.ABSENT, RowState.UNREMOVED})
_GOING: Final = _LOOKED_UP | {RowState.FOUND, RowState.PATCHED, RowState.DUE, RowState.ADDED}
"""What leaves a row in its body."""


def _batch(entry: BatchEntry, pin: Pin | None, results: Mapping[int, RowResult]) -> Batch:
    spec = entry.spec
    mine = [results[p] for p in range(spec.start, spec.stop) if p in results] if results else []
    return Batch(
        spec=spec,
        state=entry.state,
        attempts=entry.attempts,
        trace=entry.trace,
        skip=frozenset(r.position for r in mine if r.state not in _GOING),
        found=tuple((r.position, r.profile_id or "") for r in mine if r.state is RowState.FOUND),
        looked_up=frozenset(r.position for r in mine if r.state in _LOOKED_UP),
        unremoved=frozenset(r.position for r in mine if r.state is RowState.UNREMOVED),
        due=tuple(r.position for r in mine if r.state is RowState.DUE),
        may_be_applied=entry.state is BatchState.SENT,
        root_id=spec.batch_id,
        check=pin,
    )
