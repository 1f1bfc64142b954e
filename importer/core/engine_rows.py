"""Requests about single rows: the lookup before a body that goes with removals, and the removals after it."""

from __future__ import annotations

from dataclasses import replace

from importer.core.delivery import ApiFailure, RequestKind, RowResult
from importer.core.engine_bulk import follow, send_or_empty
from importer.core.engine_messages import LookedUp, Patched
from importer.core.engine_state import Task
from importer.core.engine_turn import Turn
from importer.core.lifecycle import CODE_AMBIGUOUS_PROFILE, CODE_NO_ANSWER, CODE_REFUSED, RowState


def begin_row(turn: Turn) -> Task | None:
    """Return the next row's request of a batch at work, None where all have begun."""
    for batch_id, work in turn.rows_open.items():
        if work.following < len(work.todo):
            position, profile_id = work.todo[work.following]
            turn.rows_open[batch_id] = replace(work, following=work.following + 1, open=work.open + 1)
            return Task(work.kind, work.batch, position=position, profile_id=profile_id)
    return None


def has_rows(turn: Turn) -> bool:
    """Tell whether some row's request has not begun."""
    return any(work.following < len(work.todo) for work in turn.rows_open.values())


def looked_up(turn: Turn, task: Task, answer: LookedUp) -> None:
    """Take the profiles a row's identifiers belong to."""
    position = _position(task)
    match answer.profile_ids:
        case ():
            _end_row(turn, task, RowResult(position, RowState.ABSENT))
        case (profile_id,):
            _end_row(turn, task, RowResult(position, RowState.FOUND, profile_id=profile_id))
        case _:
            _end_row(turn, task, RowResult(position, RowState.HELD, CODE_AMBIGUOUS_PROFILE))


def patched(turn: Turn, task: Task, answer: Patched) -> None:
    """Take a 202 of a patch."""
    result = RowResult(_position(task), RowState.PATCHED, profile_id=task.profile_id, request_id=answer.request_id)
    _end_row(turn, task, result)


def row_refused(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """End a row whose own request was refused.

    A lookup that answers 404 without naming the store may mean that no profile holds the value; a store that is really
    gone refuses the body that follows.
    """
    if task.kind is RequestKind.LOOKUP and failure.status == 404:
        looked_up(turn, task, LookedUp(()))
        return
    _end_row(turn, task, _result(task, RowState.FAILED, CODE_REFUSED, failure))


def row_exhausted(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """Give up on a row whose own request was lost once too often."""
    state = RowState.NOT_SENT if task.kind is RequestKind.LOOKUP else RowState.UNKNOWN
    _end_row(turn, task, _result(task, state, CODE_NO_ANSWER, failure))


def _result(task: Task, state: RowState, code: str, failure: ApiFailure) -> RowResult:
    return RowResult(
        _position(task),
        state,
        code,
        profile_id=task.profile_id,
        http_status=failure.status,
        service_code=failure.code,
        request_id=failure.request_id,
    )


def _position(task: Task) -> int:
    if task.position is None:
        raise ValueError("not a row's request")
    return task.position


def _end_row(turn: Turn, task: Task, result: RowResult) -> None:
    turn.row(result)
    batch_id = task.batch.spec.batch_id
    work = turn.rows_open[batch_id]
    batch = work.batch
    match result.state:
        case RowState.FOUND:
            batch = replace(batch, found=(*batch.found, (result.position, result.profile_id or "")))
        case RowState.ABSENT:
            batch = replace(batch, looked_up=batch.looked_up | {result.position})
        case RowState.PATCHED:
            pass
        case _:
            batch = replace(batch, skip=batch.skip | {result.position})
    work = replace(work, batch=batch, open=work.open - 1)
    if work.open or work.following < len(work.todo):
        turn.rows_open[batch_id] = work
        return
    del turn.rows_open[batch_id]
    if work.kind is RequestKind.LOOKUP:
        send_or_empty(turn, batch)
    else:
        follow(turn, batch)
