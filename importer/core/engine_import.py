"""Answers about import parts: create, upload, poll, and finding out what became of one that was interrupted.

An import's ID is on record before its file leaves. So a creation that was not answered has carried no rows, and an
upload that was not answered is judged by the import's own state: PENDING is abandoned and made anew under another name,
anything further is the service's and is polled.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from importer.core.delivery import ApiFailure, FailureKind, RequestKind
from importer.core.engine_messages import Created, ImportSeen, ImportsListed
from importer.core.engine_state import NEVER, Batch, Task
from importer.core.engine_turn import Turn
from importer.core.lifecycle import (
    CODE_IMPORT_ERRORS,
    CODE_IMPORT_FAILED,
    CODE_IMPORT_NO_SUMMARY,
    CODE_NO_ANSWER,
    CODE_NOT_SETTLED,
    BatchState,
    FinishReason,
)
from importer.core.pacing import backoff_s

ARRIVED: Final = frozenset({"PROCESSING", "COMPLETED", "FAILED"})
"""States of an import whose file is with the service."""


def open_import(turn: Turn, batch: Batch) -> None:
    """Begin a part, or pick it up where an earlier process left it."""
    match batch.state:
        case BatchState.CREATING:
            find(turn, batch)
        case BatchState.UPLOADING:
            turn.send_next(Task(RequestKind.GET_IMPORT, batch))
        case BatchState.IMPORTING:
            poll_import(turn, batch)
        case _:
            turn.send_next(Task(RequestKind.CREATE, batch))


def name(turn: Turn, batch: Batch) -> str:
    """Return the name of the next import of a part: run, part, attempt and content in it."""
    return (
        f"memory-importer.{turn.options.run_id}.part{batch.spec.batch_id}"
        f".attempt{batch.attempts + 1}.{batch.spec.digest[:12] or 'child'}.csv"
    )


def created(turn: Turn, task: Task, answer: Created) -> None:
    """Take a 201: the ID goes on record before the file leaves."""
    trace = replace(
        task.batch.trace, import_id=answer.import_id, size_bytes=answer.size_bytes, request_id=answer.request_id
    )
    batch = turn.move(task.batch, BatchState.UPLOADING, trace)
    turn.attempt(replace(task, batch=batch), "created", request_id=answer.request_id)
    turn.send_next(Task(RequestKind.UPLOAD, batch))


def uploaded(turn: Turn, task: Task) -> None:
    """Take the bucket's 200."""
    turn.attempt(task, "uploaded")
    turn.uploaded_s, turn.upload_failing_since_s = turn.now_s, float("inf")
    poll_import(turn, turn.move(task.batch, BatchState.IMPORTING))


def poll_import(turn: Turn, batch: Batch) -> None:
    """Begin to poll an import."""
    deadline_s = turn.now_s + turn.options.import_deadline_s
    turn.poll_in(replace(batch, polls=0, deadline_s=deadline_s), RequestKind.GET_IMPORT)


def import_seen(turn: Turn, task: Task, answer: ImportSeen) -> None:
    """Take the state of an import, be it polled, checked after an interruption, or looked at to find a lost one."""
    batch = task.batch
    match batch.state:
        case BatchState.CREATING:
            _candidate_seen(turn, batch, answer)
        case BatchState.UPLOADING if answer.status == "PENDING":
            if turn.is_bucket_down or batch.blamed >= turn.options.attempts:
                _stays_behind(turn, batch)
            else:
                abandon(turn, task)
        case BatchState.UPLOADING if answer.status in ARRIVED:
            _judge(turn, turn.move(batch, BatchState.IMPORTING), answer)
        case BatchState.UPLOADING:
            # It may still turn out that the file never came, so it is not polled as if it had.
            turn.send_at(
                turn.now_s + backoff_s(task.failures + 1, turn.jitter()), replace(task, failures=task.failures + 1)
            )
        case _:
            _judge(turn, batch, answer)


def _judge(turn: Turn, batch: Batch, answer: ImportSeen) -> None:
    match answer.status:
        case "COMPLETED" if answer.errors is None or answer.warnings is None:
            _over(turn, batch, BatchState.UNATTRIBUTED, CODE_IMPORT_NO_SUMMARY)
        case "COMPLETED" if answer.errors or answer.warnings:
            _over(turn, batch, BatchState.UNATTRIBUTED, CODE_IMPORT_ERRORS)
        case "COMPLETED":
            _over(turn, batch, BatchState.PROCESSED, None)
        case "FAILED":
            _over(turn, batch, BatchState.UNATTRIBUTED, CODE_IMPORT_FAILED)
        case _:  # a state we do not know is not an end
            poll_import_again(turn, batch)


def poll_import_again(turn: Turn, batch: Batch) -> None:
    """Poll later, or give up once its time is over."""
    if batch.deadline_s == NEVER:
        poll_import(turn, batch)
    elif turn.now_s >= batch.deadline_s:
        import_lost(turn, batch)
    else:
        turn.poll_in(batch, RequestKind.GET_IMPORT)


def import_lost(turn: Turn, batch: Batch) -> None:
    """Give up on an import that never ends or is gone."""
    _over(turn, batch, BatchState.UNKNOWN, CODE_NOT_SETTLED)


def _over(turn: Turn, batch: Batch, state: BatchState, code: str | None) -> None:
    turn.settled(turn.move(batch, state, replace(batch.trace, code=code)))


def create_refused(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """Take a creation that did not succeed: where it may have happened, look for it before making another."""
    batch = _failed(turn, task.batch, lost=failure.kind is FailureKind.AMBIGUOUS, success_s=turn.pacer.success_s)
    if batch.blamed >= turn.options.attempts:
        _stays_behind(turn, batch)
        return
    failed = replace(task, batch=batch, failures=task.failures + 1, failed_at_s=turn.now_s)
    if not (failure.kind is FailureKind.RETRYABLE and failure.status in (None, 429, 503)):
        failed = replace(
            failed, kind=RequestKind.LIST_IMPORTS, batch=replace(batch, candidates=(), page_token=None, scanned=0)
        )
    turn.send_at(turn.now_s + backoff_s(failed.failures, turn.jitter()), failed)


def upload_failed(turn: Turn, task: Task, failure: ApiFailure) -> None:
    """Take an upload that did not succeed: the import itself says whether the file arrived."""
    batch = _failed(turn, task.batch, lost=failure.status == 403, success_s=turn.uploaded_s)
    turn.upload_failing_since_s = min(turn.upload_failing_since_s, turn.now_s)
    wait_s = backoff_s(batch.failures, turn.jitter())
    turn.send_at(turn.now_s + wait_s, Task(RequestKind.GET_IMPORT, batch, failures=batch.failures))


def _failed(turn: Turn, batch: Batch, *, lost: bool, success_s: float) -> Batch:
    """Count a failure of a part; one that is down for everybody speaks against none."""
    is_own = lost or success_s > batch.failed_at_s
    return replace(batch, blamed=batch.blamed + is_own, failures=batch.failures + 1, failed_at_s=turn.now_s)


def _stays_behind(turn: Turn, batch: Batch) -> None:
    """Leave a part no row of which is with the service to a resume, and let the rest go on."""
    if batch.state is BatchState.UPLOADING:
        trace = replace(batch.trace, import_id=None, filename=None, size_bytes=None, code=CODE_NO_ANSWER)
        turn.move(batch, BatchState.OPENED, trace)
    turn.left_behind = True
    turn.open_imports -= 1


def abandon(turn: Turn, task: Task) -> None:
    """Leave an import that has no file behind, and make another."""
    turn.attempt(task, "abandoned")
    trace = replace(task.batch.trace, import_id=None, filename=None, size_bytes=None)
    turn.send_next(
        Task(RequestKind.CREATE, replace(task.batch, trace=trace, candidates=(), page_token=None, scanned=0))
    )


def find(turn: Turn, batch: Batch) -> None:
    """Look further for the import whose creation was not answered; without one, make another."""
    if batch.candidates:
        turn.send_next(Task(RequestKind.GET_IMPORT, batch))
    elif batch.scanned < turn.options.adopt_scan and (batch.scanned == 0 or batch.page_token is not None):
        turn.send_next(Task(RequestKind.LIST_IMPORTS, batch))
    else:
        abandon(turn, Task(RequestKind.CREATE, batch))


def imports_listed(turn: Turn, task: Task, answer: ImportsListed) -> None:
    """Take a page of import IDs."""
    batch = task.batch
    if not answer.import_ids:
        abandon(turn, task)
        return
    # A page token that repeats would list for ever.
    following = answer.next_token if answer.next_token != batch.page_token else None
    room = turn.options.adopt_scan - batch.scanned
    find(turn, replace(batch, candidates=answer.import_ids[:room], page_token=following))


def candidate_gone(turn: Turn, batch: Batch) -> None:
    """Pass over an import task that cannot be read."""
    find(turn, replace(batch, candidates=batch.candidates[1:], scanned=batch.scanned + 1))


def _candidate_seen(turn: Turn, batch: Batch, answer: ImportSeen) -> None:
    wanted = batch.trace
    is_same_size = wanted.size_bytes is None or answer.size_bytes is None or wanted.size_bytes == answer.size_bytes
    if answer.filename != wanted.filename or not is_same_size:
        candidate_gone(turn, batch)
        return
    trace = replace(wanted, import_id=batch.candidates[0], size_bytes=answer.size_bytes)
    batch = replace(batch, trace=trace)
    if answer.status == "PENDING":
        abandon(turn, Task(RequestKind.GET_IMPORT, batch))
    else:
        _judge(turn, turn.move(batch, BatchState.IMPORTING), answer)


def part_too_large(turn: Turn, task: Task) -> None:
    """Cut a part whose file came out larger than the service takes."""
    if task.batch.live == 1:
        turn.stop(FinishReason.FAULT)
        return
    turn.split += 1
    turn.open_imports -= 1
    spec = task.batch.spec
    middle = (spec.start + spec.stop) // 2
    turn.move(task.batch, BatchState.SPLIT)
    for start, stop in ((spec.start, middle), (middle, spec.stop)):
        child = replace(spec, batch_id=turn.next_batch_id, start=start, stop=stop, digest="", parent_id=spec.batch_id)
        turn.next_batch_id += 1
        turn.open_imports += 1
        batch = Batch(child, root_id=task.batch.root_id, check=task.batch.check)
        turn.write(batch)
        turn.send_next(Task(RequestKind.CREATE, batch))
