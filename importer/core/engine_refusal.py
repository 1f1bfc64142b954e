"""What follows when a request does not succeed: stop, send again, or bring it down to rows.

Three questions, in this order. Does it speak against the whole run (credentials, permission, store, schema)? Does it
speak against what was sent? Else it may pass, and the same request goes again, after a wait all workers share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from importer.core import pacing
from importer.core.delivery import ApiFailure, FailureKind, RequestKind
from importer.core.engine_bulk import bulk_exhausted, operation_lost, poll_operation_again
from importer.core.engine_import import (
    abandon,
    candidate_gone,
    create_refused,
    find,
    import_lost,
    part_too_large,
    poll_import_again,
    upload_failed,
)
from importer.core.engine_rows import row_exhausted, row_refused
from importer.core.engine_split import bad_rows, too_large
from importer.core.engine_state import Task
from importer.core.engine_turn import Turn
from importer.core.failures import PROFILE_ACCESS_DENIED, PROTOCOL_FAILURES, STOP_CODES
from importer.core.lifecycle import BatchState, FinishReason

UNAVAILABLE: Final = 20503
"""Code of the service's own 503: the request was not taken. Any other may be a gateway's, after the service had it."""


_GIVEN_UP: Final = (RequestKind.BULK, RequestKind.LOOKUP, RequestKind.PATCH, RequestKind.ADD_IDENTIFIER)
"""Requests that are given up after so many attempts; all others have an end of their own."""


def refused(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """Take a request that did not succeed."""
    turn.attempt(task, failure.kind.value, failure)
    _pace(turn, task, failure)
    if _ends_run(task, failure):
        _taken_back(turn, task)
        turn.stop(FinishReason.REFUSED, failure)
    elif (failure.retry_after_s or 0.0) > pacing.MAX_RETRY_AFTER_S:
        _taken_back(turn, task)
        turn.stop(FinishReason.STALLED, failure)
    elif failure.kind is FailureKind.PROTOCOL and turn.protocol_failures >= PROTOCOL_FAILURES:
        turn.stop(FinishReason.STALLED, failure)
    elif task.poll:
        _poll_refused(turn, task, failure)
    else:
        _request_refused(turn, task, failure)


def _ends_run(task: Task, failure: ApiFailure) -> bool:
    if failure.kind is not FailureKind.REJECTED:
        return False
    if failure.code in STOP_CODES or failure.status is None or failure.status == 401:
        return True
    match task.kind:
        case RequestKind.BULK:
            return failure.status not in (400, 422)
        case RequestKind.CREATE | RequestKind.UPLOAD:
            return True
        case _:
            return failure.status == 403 and failure.code != PROFILE_ACCESS_DENIED


def _pace(turn: Turn, task: Task, failure: ApiFailure) -> None:
    turn.is_refused = not task.poll and task.kind is not RequestKind.UPLOAD
    retry_after_s = failure.retry_after_s
    if failure.kind is FailureKind.PROTOCOL:
        turn.protocol_failures += 1
    else:
        turn.protocol_failures = 0
    if failure.status == 429:
        turn.throttled += 1
        pacer = pacing.throttled(turn.pacer, turn.now_s, task.sent_at_s, retry_after_s, turn.jitter())
        if task.poll:  # no sign that sending does not succeed
            pacer = replace(pacer, waits=turn.pacer.waits, failing_since_s=turn.pacer.failing_since_s)
        turn.pacer = pacer
    elif failure.kind not in (FailureKind.REJECTED, FailureKind.TOO_LARGE) and not task.poll:
        # A failing bucket says nothing about the API, and a failing poll must not slow down sending.
        if task.kind is not RequestKind.UPLOAD:
            turn.pacer = pacing.failed(turn.pacer, turn.now_s, task.sent_at_s, retry_after_s, turn.jitter())
        elif retry_after_s is not None:
            turn.pacer = pacing.told_to_wait(turn.pacer, turn.now_s, retry_after_s, turn.jitter())
    elif retry_after_s is not None:
        turn.pacer = pacing.told_to_wait(turn.pacer, turn.now_s, retry_after_s, turn.jitter())


def _poll_refused(turn: Turn, task: Task, failure: ApiFailure) -> None:
    gone = failure.kind is FailureKind.REJECTED
    if task.kind is RequestKind.GET_OPERATION:
        if gone:
            operation_lost(turn, task.batch)
        else:
            poll_operation_again(turn, task, failure.retry_after_s)
    elif gone:
        import_lost(turn, task.batch)
    else:
        poll_import_again(turn, task.batch)


def _request_refused(turn: Turn, task: Task, failure: ApiFailure) -> None:
    spoken = failure.kind in (FailureKind.REJECTED, FailureKind.TOO_LARGE)
    match task.kind:
        case RequestKind.BULK if failure.kind is FailureKind.TOO_LARGE:
            too_large(turn, task, failure)
        case RequestKind.BULK if spoken:
            bad_rows(turn, task, failure)
        case RequestKind.CREATE if spoken:
            part_too_large(turn, task)
        case RequestKind.CREATE if failure.status != 429:
            create_refused(turn, task, failure)
        case RequestKind.UPLOAD:
            upload_failed(turn, task, failure)
        case RequestKind.LOOKUP | RequestKind.PATCH | RequestKind.ADD_IDENTIFIER if spoken:
            row_refused(turn, task, failure)
        case RequestKind.GET_IMPORT if spoken and task.batch.state is BatchState.CREATING:
            candidate_gone(turn, task.batch)
        case RequestKind.GET_IMPORT if spoken:
            abandon(turn, task)
        case RequestKind.LIST_IMPORTS if spoken:
            find(turn, replace(task.batch, candidates=(), scanned=turn.options.adopt_scan))
        case _:
            _again(turn, task, failure)


def _again(turn: Turn, task: Task, failure: ApiFailure) -> None:
    blamed = task.blamed + _is_to_blame(turn, task, failure)
    batch = replace(task.batch, may_be_applied=task.batch.may_be_applied or _may_be_applied(failure))
    failed = replace(task, batch=batch, failures=task.failures + 1, blamed=blamed, failed_at_s=turn.now_s)
    if blamed >= turn.options.attempts and task.kind in _GIVEN_UP:
        if task.kind is RequestKind.BULK:
            bulk_exhausted(turn, batch, failure)
        else:
            row_exhausted(turn, failed, failure)
        return
    if task.kind is RequestKind.BULK and not batch.may_be_applied:
        failed = replace(failed, batch=turn.move(batch, BatchState.OPENED))
    wait_s = 0.0 if failure.status == 429 else pacing.backoff_s(failed.failures, turn.jitter())
    turn.send_at(turn.now_s + wait_s, failed)


def _may_be_applied(failure: ApiFailure) -> bool:
    if failure.kind in (FailureKind.AMBIGUOUS, FailureKind.PROTOCOL):
        return True
    if failure.status == 503:
        return failure.code != UNAVAILABLE and failure.retry_after_s is None
    return failure.status == 408 or (failure.status or 0) >= 500


def _is_to_blame(turn: Turn, task: Task, failure: ApiFailure) -> bool:
    if failure.kind in (FailureKind.AMBIGUOUS, FailureKind.PROTOCOL):
        return True
    # A service that is down fails everybody; it is the batch only if others got through since it last failed.
    return failure.status not in (None, 429) and turn.pacer.success_s > task.failed_at_s


def _taken_back(turn: Turn, task: Task) -> None:
    """Note that a body was refused before it could be applied: its rows are not sent."""
    if task.kind is RequestKind.BULK and not task.batch.may_be_applied:
        turn.move(task.batch, BatchState.OPENED)


def never_left(turn: Turn, task: Task) -> None:
    """Note that a request did not leave although that was on record: rows that no earlier one carried are not sent."""
    _taken_back(turn, task)
    if task.kind in (RequestKind.CREATE, RequestKind.UPLOAD):
        # An import that was made for the file stays PENDING; another attempt makes its own.
        trace = replace(task.batch.trace, import_id=None, filename=None, size_bytes=None)
        turn.move(task.batch, BatchState.OPENED, trace)
