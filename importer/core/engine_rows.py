"""Requests about single rows: lookups before a body that goes with removals, or after one with further identifiers.

The removals and the further identifiers themselves come last.
"""

from __future__ import annotations

from dataclasses import replace

from importer.core import pacing
from importer.core.delivery import OUTCOME_ADDED, ApiFailure, RequestKind, RowResult
from importer.core.engine_bulk import follow, send_or_empty
from importer.core.engine_messages import Added, LookedUp, Patched
from importer.core.engine_split import set_aside
from importer.core.engine_state import NEVER, RowWork, Task
from importer.core.engine_turn import Turn
from importer.core.lifecycle import (
    CODE_AMBIGUOUS_PROFILE,
    CODE_IDENTIFIER_NOT_ADDED,
    CODE_NO_ANSWER,
    CODE_REFUSED,
    CODE_REMOVAL_NOT_MADE,
    BatchState,
    RowState,
)


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
    """Take the profiles one of a row's identifiers belongs to; the next identifier's turn is a request of its own."""
    if task.batch.state is BatchState.PATCHING:
        _looked_up_after(turn, task, answer)
        return
    profiles = tuple(dict.fromkeys((*task.profiles, *answer.profile_ids)))
    if answer.more and len(profiles) < 2:
        following = replace(task, identifier=task.identifier + 1, profiles=profiles, failures=0, blamed=0)
        turn.send_next(following)
        return
    position = _position(task)
    match profiles:
        case ():
            _nobody(turn, task, is_expected=answer.expected)
        case (profile_id,):
            _end_row(turn, task, RowResult(position, RowState.FOUND, profile_id=profile_id))
        case _:
            _end_row(turn, task, RowResult(position, RowState.HELD, CODE_AMBIGUOUS_PROFILE))


def _nobody(turn: Turn, task: Task, *, is_expected: bool) -> None:
    """Take it that no profile holds any identifier of a row: then there is nothing to remove.

    That is not sure while an earlier row with one of its identifiers was accepted, and the service does not say when
    it applies what it accepted: the profile may be yet to come, so the row is looked up again for some time.
    """
    position = _position(task)
    if task.batch.spec.wave <= 1 or not is_expected or turn.doubt_s == NEVER:
        _end_row(turn, task, RowResult(position, RowState.ABSENT))
        return
    until_s = turn.doubt_s + turn.options.lookup_patience_s
    if turn.now_s >= until_s:
        _end_row(turn, task, RowResult(position, RowState.UNREMOVED, CODE_REMOVAL_NOT_MADE))
        return
    again = replace(task, identifier=0, profiles=(), looks=task.looks + 1, failures=0, blamed=0)
    wait_s = pacing.poll_s(task.looks, turn.options.poll_first_s, turn.jitter())
    turn.send_at(min(turn.now_s + wait_s, until_s), again)


def _looked_up_after(turn: Turn, task: Task, answer: LookedUp) -> None:
    """Take the profile of a row whose values were accepted: its further identifiers are added to that one.

    The service applies later what it accepted, so the profile may be yet to come; its first identifier finds it.
    """
    match answer.profile_ids:
        case (profile_id,):
            added_to = replace(task, kind=RequestKind.ADD_IDENTIFIER, profile_id=profile_id, failures=0, blamed=0)
            turn.send_next(added_to)
        case () if turn.now_s < task.batch.deadline_s:
            again = replace(task, looks=task.looks + 1, failures=0, blamed=0)
            wait_s = pacing.poll_s(task.looks, turn.options.poll_first_s, turn.jitter())
            turn.send_at(min(turn.now_s + wait_s, task.batch.deadline_s), again)
        case _:
            _end_row(turn, task, RowResult(_position(task), RowState.UNKNOWN, CODE_IDENTIFIER_NOT_ADDED))


def followed_up(turn: Turn, task: Task, answer: Patched | Added) -> None:
    """Take a 202 of a patch or of a further identifier; the next identifier's turn is a request of its own."""
    state = RowState.PATCHED
    if isinstance(answer, Added):
        turn.attempt(task, OUTCOME_ADDED, request_id=answer.request_id)
        if answer.more:
            turn.send_next(replace(task, identifier=task.identifier + 1, failures=0, blamed=0))
            return
        state = RowState.ADDED
    _end_row(turn, task, RowResult(_position(task), state, profile_id=task.profile_id, request_id=answer.request_id))


def row_refused(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """End a row whose own request was refused."""
    if _is_lookup_after(task):
        _end_row(turn, task, _result(task, RowState.UNKNOWN, CODE_IDENTIFIER_NOT_ADDED, failure))
    else:
        _end_row(turn, task, _result(task, RowState.FAILED, CODE_REFUSED, failure))


def row_exhausted(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """Give up on a row whose own request was lost once too often: without its lookup the row does not go."""
    if _is_lookup_after(task):
        _end_row(turn, task, _result(task, RowState.UNKNOWN, CODE_IDENTIFIER_NOT_ADDED, failure))
    elif task.kind is RequestKind.LOOKUP:
        work = turn.rows_open[task.batch.spec.batch_id]
        _end_work(turn, replace(work, unanswered=work.unanswered | {_position(task)}))
    else:
        _end_row(turn, task, _result(task, RowState.UNKNOWN, CODE_NO_ANSWER, failure))


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


def _is_lookup_after(task: Task) -> bool:
    """Tell whether it is the lookup of a row whose values were accepted already."""
    return task.kind is RequestKind.LOOKUP and task.batch.state is BatchState.PATCHING


def _position(task: Task) -> int:
    if task.position is None:
        raise ValueError("not a row's request")
    return task.position


def _end_row(turn: Turn, task: Task, result: RowResult) -> None:
    turn.row(result)
    work = turn.rows_open[task.batch.spec.batch_id]
    batch = work.batch
    match result.state:
        case RowState.FOUND:
            batch = replace(batch, found=(*batch.found, (result.position, result.profile_id or "")))
        case RowState.ABSENT:
            batch = replace(batch, looked_up=batch.looked_up | {result.position})
        case RowState.UNREMOVED:
            batch = replace(batch, unremoved=batch.unremoved | {result.position})
        case RowState.PATCHED | RowState.ADDED:
            pass
        case _:
            batch = replace(batch, skip=batch.skip | {result.position})
    _end_work(turn, replace(work, batch=batch))


def _end_work(turn: Turn, work: RowWork) -> None:
    """Account for one row of a batch, and go on with the batch after its last."""
    batch = work.batch
    work = replace(work, open=work.open - 1)
    if work.open or work.following < len(work.todo):
        turn.rows_open[batch.spec.batch_id] = work
        return
    del turn.rows_open[batch.spec.batch_id]
    if batch.state is BatchState.PATCHING:
        follow(turn, batch)
    elif work.unanswered:
        set_aside(turn, batch, work.unanswered)
    else:
        send_or_empty(turn, batch)
