"""Bulk bodies on their way: lookups before them, their 202, what follows row by row, and polls of their operations."""

from __future__ import annotations

from dataclasses import replace

from importer.core.delivery import ApiFailure, RequestKind, RowResult
from importer.core.engine_messages import BulkAccepted, OperationSeen
from importer.core.engine_state import Batch, RowWork, Task
from importer.core.engine_turn import Turn
from importer.core.lifecycle import (
    CODE_NO_ANSWER,
    CODE_OPERATION_ERRORS,
    CODE_OPERATION_FAILED,
    CODE_REMOVAL_NOT_MADE,
    BatchState,
    RowState,
)
from importer.core.route import Route


def open_batch(turn: Turn, batch: Batch) -> None:
    """Begin a batch: its lookups first, where it needs them."""
    if batch.spec.route is Route.BULK_PATCH:
        known = batch.looked_up | batch.skip | {position for position, _ in batch.found}
        todo = tuple((p, None) for p in range(batch.spec.start, batch.spec.stop) if p not in known)
        if todo:
            # Written down, so that a resumed run knows which row results belong to unfinished work.
            batch = turn.move(batch, BatchState.OPENED, replace(batch.trace, code=None))
            turn.rows_open[batch.spec.batch_id] = RowWork(batch, RequestKind.LOOKUP, todo)
            return
    send_or_empty(turn, batch)


def send_or_empty(turn: Turn, batch: Batch) -> None:
    """Send what is left of a batch; a batch of nothing is over."""
    if batch.live:
        turn.send_next(Task(RequestKind.BULK, batch))
        return
    if batch.state is BatchState.PENDING:
        batch = turn.move(batch, BatchState.OPENED)
    turn.answered(turn.move(batch, BatchState.EMPTIED), accepted=False)


def bulk_accepted(turn: Turn, task: Task, answer: BulkAccepted) -> None:
    """Take a 202 of a body."""
    turn.attempt(task, "accepted", request_id=answer.request_id)
    turn.refusals, turn.alike, turn.alike_rows = 0, None, 0
    batch = replace(
        task.batch,
        trace=replace(
            task.batch.trace,
            request_id=answer.request_id,
            operation_id=answer.operation_id,
            status_url=answer.status_url,
        ),
    )
    batch = _own_up(turn, batch)
    if batch.spec.route is Route.BULK_IDENTIFIERS:
        batch = replace(batch, due=tuple(batch.live_positions()))
        for position in batch.due:
            turn.row(RowResult(position, RowState.DUE))
    if batch.due or any(position not in batch.skip for position, _ in batch.found):
        batch = turn.move(batch, BatchState.PATCHING)
    go_on_with_rows(turn, batch)


def go_on_with_rows(turn: Turn, batch: Batch) -> None:
    """Do what follows the accepted values of a batch, row by row: removals, or further identifiers."""
    patches = tuple((position, profile) for position, profile in batch.found if position not in batch.skip)
    if batch.due:
        batch = replace(batch, deadline_s=turn.now_s + turn.options.lookup_patience_s)
        todo = tuple((position, None) for position in batch.due)
        turn.rows_open[batch.spec.batch_id] = RowWork(batch, RequestKind.LOOKUP, todo)
    elif patches:
        turn.rows_open[batch.spec.batch_id] = RowWork(batch, RequestKind.PATCH, patches)
    else:
        follow(turn, batch)


def _own_up(turn: Turn, batch: Batch) -> Batch:
    """Say of rows whose values were just accepted, and whose removals cannot be made, that it is so."""
    missed = sorted(batch.unremoved - batch.skip)
    for position in missed:
        turn.row(RowResult(position, RowState.UNKNOWN, CODE_REMOVAL_NOT_MADE))
    return replace(batch, skip=batch.skip.union(missed), unremoved=frozenset())


def follow(turn: Turn, batch: Batch) -> None:
    """Poll the operation behind an accepted batch where the service names one; else `accepted` is all we know."""
    if batch.trace.status_url is None:
        turn.answered(turn.move(batch, BatchState.ACCEPTED), accepted=True)
        return
    batch = turn.move(batch, BatchState.APPLYING)
    turn.answered(batch, accepted=True)
    turn.applying += 1
    poll_operation(turn, batch)


def poll_operation(turn: Turn, batch: Batch) -> None:
    """Begin to poll an operation."""
    deadline_s = turn.now_s + turn.options.operation_deadline_s
    turn.poll_in(replace(batch, polls=0, deadline_s=deadline_s), RequestKind.GET_OPERATION)


def operation_seen(turn: Turn, task: Task, answer: OperationSeen) -> None:
    """Take the state of an operation; an unknown state is not an end."""
    batch = task.batch
    match answer.status:
        case "COMPLETED" if answer.errors or answer.warnings:
            _operation_over(turn, batch, BatchState.UNATTRIBUTED, CODE_OPERATION_ERRORS)
        case "COMPLETED" if answer.errors == 0 and answer.warnings == 0 and not _may_be_patched(batch):
            _operation_over(turn, batch, BatchState.PROCESSED)
        case "COMPLETED":
            _operation_over(turn, batch, BatchState.ACCEPTED)
        case "FAILED" | "CANCELLED":
            _operation_over(turn, batch, BatchState.UNATTRIBUTED, CODE_OPERATION_FAILED)
        case _:
            poll_operation_again(turn, task, answer.retry_after_s)


def _may_be_patched(batch: Batch) -> bool:
    """Tell whether requests about rows followed a batch: they are accepted, and its operation says nothing of them."""
    if batch.spec.route is Route.BULK_IDENTIFIERS:
        return True
    untouched = batch.looked_up | batch.unremoved | batch.skip
    return batch.spec.route is Route.BULK_PATCH and len(untouched) < batch.spec.rows


def poll_operation_again(turn: Turn, task: Task, retry_after_s: float | None) -> None:
    """Poll later, or leave the batch at `accepted` once its time is over, or would be by the end of the wait asked."""
    wait_s = max(retry_after_s or 0.0, 0.0)
    if turn.now_s + wait_s >= task.batch.deadline_s:
        operation_lost(turn, task.batch)
    else:
        turn.poll_in(task.batch, RequestKind.GET_OPERATION, wait_s)


def operation_lost(turn: Turn, batch: Batch) -> None:
    """Give up on an operation that never ends or is gone: its batch stays `accepted`."""
    _operation_over(turn, batch, BatchState.ACCEPTED)


def _operation_over(turn: Turn, batch: Batch, state: BatchState, code: str | None = None) -> None:
    if state is not BatchState.ACCEPTED:
        turn.count("accepted", -batch.live)
        turn.count(state.value, batch.live)
    turn.applying -= 1
    turn.doubt(turn.move(batch, state, replace(batch.trace, code=code)))


def bulk_exhausted(turn: Turn, batch: Batch, failure: ApiFailure) -> None:
    """Give up on a body whose sends were lost once too often."""
    trace = replace(batch.trace, code=CODE_NO_ANSWER, http_status=failure.status, service_code=failure.code)
    turn.answered(turn.move(batch, BatchState.UNKNOWN, trace), accepted=False)
