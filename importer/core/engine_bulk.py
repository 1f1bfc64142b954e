"""Answers to Bulk bodies and polls of their operations, and what follows from them.

Refusals are brought down to rows: by the pointers of the answer where it has them, else by halving. Halves of one body
are both tried before either is halved again, so that one good half shows early that not everything is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from importer.core.delivery import ApiFailure, BatchSpec, RequestKind, RowResult
from importer.core.engine_messages import BulkAccepted, OperationSeen
from importer.core.engine_state import Batch, Root, RowWork, Task
from importer.core.engine_turn import Turn
from importer.core.lifecycle import (
    CODE_LOOKUP_UNANSWERED,
    CODE_NO_ANSWER,
    CODE_OPERATION_ERRORS,
    CODE_OPERATION_FAILED,
    CODE_REFUSED,
    CODE_REMOVAL_NOT_MADE,
    BatchState,
    FinishReason,
    RowState,
)
from importer.core.route import Route

SYSTEMIC_ROWS: Final = 8
"""Rows refused alone and alike, with nothing accepted in between, that show the fault is not theirs."""


POINTED_BODIES: Final = 3
"""Refusals of one body after which pointers are no longer followed: a service that names a few of its bad rows each
time would cost a request for every few of them."""


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


def bad_rows(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """Bring the 400 of a body down to rows."""
    batch = task.batch
    turn.refusals += 1
    live = batch.live_positions()
    named = sorted({live[index] for index in failure.pointers if 0 <= index < len(live)})
    if named and batch.pointed < POINTED_BODIES:
        for position in named:
            turn.row(_refused_row(position, failure))
        rest = replace(batch, skip=batch.skip | frozenset(named), may_be_applied=False, pointed=batch.pointed + 1)
        if not rest.live:
            _alike(turn, batch, failure, len(named))
        # The first move makes the row results findable for a resumed run, should it end before the rest is sent.
        send_or_empty(turn, turn.move(rest, BatchState.OPENED))
    elif len(live) == 1:
        one_row_refused(turn, batch, failure)
        _alike(turn, batch, failure, 1)
    else:
        # A body that is refused was refused each time.
        split(turn, replace(batch, may_be_applied=False))


def one_row_refused(turn: Turn, batch: Batch, failure: ApiFailure) -> None:
    """End a body of one row that was refused."""
    if batch.skip:
        position = batch.live_positions()[0]
        turn.row(_refused_row(position, failure))
        batch = replace(batch, skip=batch.skip | {position})
        turn.answered(turn.move(batch, BatchState.EMPTIED), accepted=False)
        return
    trace = replace(
        batch.trace,
        code=CODE_REFUSED,
        http_status=failure.status,
        service_code=failure.code,
        request_id=failure.request_id,
    )
    turn.answered(turn.move(batch, BatchState.FAILED, trace), accepted=False)


def too_large(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """Halve a body that is too large, and remember what the service said is too much."""
    live = task.batch.live
    if live == 1:
        one_row_refused(turn, task.batch, failure)
        return
    if failure.status is not None:
        turn.max_rows = max(1, min(turn.max_rows, live // 2))
    split(turn, task.batch)


def split(turn: Turn, batch: Batch) -> None:
    """Let two children carry on with the rows of a batch."""
    turn.split += 1
    live = batch.live_positions()
    first, second = _divided(turn, batch, [live[len(live) // 2]])
    tasks = [Task(RequestKind.BULK, child) for child in (second, first)]
    at = len(turn.stack)
    if at and batch.spec.parent_id is not None and turn.stack[-1].batch.spec.parent_id == batch.spec.parent_id:
        at -= 1  # the other half of the same body goes first
    turn.stack[at:at] = tasks


def set_aside(turn: Turn, batch: Batch, positions: frozenset[int]) -> None:
    """Leave the rows whose lookups were never answered to a resume, and send the others of their batch without them."""
    edges = [
        position
        for position in range(batch.spec.start + 1, batch.spec.stop)
        if (position in positions) != (position - 1 in positions)
    ]
    pieces = [batch]
    if edges:
        turn.split += 1
        pieces = _divided(turn, batch, edges)
    for piece in pieces:
        if piece.spec.start in positions:
            turn.left(turn.move(piece, BatchState.OPENED, replace(piece.trace, code=CODE_LOOKUP_UNANSWERED)))
        else:
            send_or_empty(turn, piece)


def _divided(turn: Turn, batch: Batch, edges: Sequence[int]) -> list[Batch]:
    """Replace a batch by children that begin at its start and at each edge, ascending."""
    turn.move(batch, BatchState.SPLIT)
    root = turn.roots.get(batch.root_id, Root(open=1))
    turn.roots[batch.root_id] = replace(root, open=root.open + len(edges))
    turn.open_sends += len(edges)
    return [
        _child(turn, batch, start, stop)
        for start, stop in zip([batch.spec.start, *edges], [*edges, batch.spec.stop], strict=True)
    ]


def _child(turn: Turn, batch: Batch, start: int, stop: int) -> Batch:
    spec = BatchSpec(
        batch_id=turn.next_batch_id,
        route=batch.spec.route,
        start=start,
        stop=stop,
        wave=batch.spec.wave,
        parent_id=batch.spec.batch_id,
    )
    turn.next_batch_id += 1
    child = Batch(
        spec=spec,
        skip=frozenset(p for p in batch.skip if start <= p < stop),
        found=tuple(pair for pair in batch.found if start <= pair[0] < stop),
        looked_up=frozenset(p for p in batch.looked_up if start <= p < stop),
        unremoved=frozenset(p for p in batch.unremoved if start <= p < stop),
        may_be_applied=batch.may_be_applied,
        root_id=batch.root_id,
        check=batch.check,
        pointed=batch.pointed,
    )
    if child.may_be_applied:
        return turn.move(child, BatchState.SENT)  # what was lost held its rows too
    if spec.route is Route.BULK_PATCH or child.skip:
        return turn.move(child, BatchState.OPENED)
    turn.write(child)
    return child


def _refused_row(position: int, failure: ApiFailure) -> RowResult:
    return RowResult(
        position,
        RowState.FAILED,
        CODE_REFUSED,
        http_status=failure.status,
        service_code=failure.code,
        request_id=failure.request_id,
    )


def _alike(turn: Turn, batch: Batch, failure: ApiFailure, rows: int) -> None:
    """Stop when rows are refused alike and nothing shows that others fare better.

    A body of which another part was accepted is such a sign: its bad rows only happen to stand together.
    """
    root = turn.roots.get(batch.root_id)
    if root is not None and root.accepted:
        return
    key = (failure.status, failure.code)
    turn.alike_rows = rows + (turn.alike_rows if key == turn.alike else 0)
    turn.alike = key
    if turn.alike_rows >= SYSTEMIC_ROWS:
        turn.stop(FinishReason.REFUSED, failure)
