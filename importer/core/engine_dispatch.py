"""What to send next: the end of every step.

Order: what waits and is due, then what belongs to batches at work, then import parts, then the next Bulk batch of the
wave. Polls have a cap and a pace of their own beside that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from importer.core import pacing
from importer.core.delivery import RequestKind
from importer.core.engine_bulk import go_on_with_rows, open_batch, send_or_empty
from importer.core.engine_import import name, open_import
from importer.core.engine_messages import (
    AddIdentifier,
    CreateImport,
    Finish,
    ListImports,
    Lookup,
    Patch,
    PollImport,
    PollOperation,
    Request,
    SendBulk,
    Upload,
)
from importer.core.engine_rows import begin_row, has_rows
from importer.core.engine_split import split
from importer.core.engine_state import Task
from importer.core.engine_turn import Turn
from importer.core.lifecycle import BatchState, FinishReason
from importer.core.waiting import taken

BISECTING_CONCURRENCY: Final = 2
"""Requests in flight while every body is refused: no more are spent on finding out that nothing will be accepted."""

POLL_SHARE: Final = 0.25
"""Share of a known rate that polls may take."""


def dispatch(turn: Turn) -> None:
    """Send what may be sent now, and say when to look again or that it is over."""
    if turn.stopping is None:
        _send_others(turn)
        _send_polls(turn)  # last: what the others picked up may be for polling
        _watch_for_stall(turn)
    if turn.stopping is not None:
        _drain(turn)
    elif _is_over(turn):
        is_incomplete = turn.left_behind or turn.imports_at < len(turn.imports)
        turn.finish = Finish(FinishReason.INCOMPLETE if is_incomplete else FinishReason.COMPLETED)


def _drain(turn: Turn) -> None:
    if turn.in_flight and turn.now_s < turn.drain_until_s:
        turn.wake_at_s = turn.drain_until_s
    else:
        turn.finish = Finish(turn.stopping or FinishReason.FAULT, turn.stop_failure)


def _is_over(turn: Turn) -> bool:
    begun = turn.in_flight or turn.stack or turn.rows_open or turn.waiting or turn.polling
    return not begun and _following_wave(turn) is None and not _may_open_import(turn)


# --- polls -----------------------------------------------------------------------------------------------------------


def _send_polls(turn: Turn) -> None:
    out = sum(task.poll for task in turn.in_flight.values())
    while turn.polling is not None and out < turn.options.poll_concurrency:
        gate_s = max(turn.polling.due_s, turn.pacer.not_before_s, turn.next_poll_s)
        if gate_s > turn.now_s:
            _wake(turn, gate_s)
            return
        task = turn.polling.item
        turn.polling = taken(turn.polling)
        turn.next_poll_s = turn.now_s + turn.pacer.spacing_s / POLL_SHARE
        turn.pacer = pacing.sent(turn.pacer, turn.now_s)
        _send(turn, task)
        out += 1


# --- everything else -------------------------------------------------------------------------------------------------


def _send_others(turn: Turn) -> None:
    cap = turn.options.concurrency
    if turn.pacer.probing:
        cap = 1
    elif turn.refusals >= cap:
        cap = min(cap, BISECTING_CONCURRENCY)
    out = sum(not task.poll for task in turn.in_flight.values())
    while out < cap:
        if turn.waiting is not None and turn.waiting.due_s > turn.now_s:
            _wake(turn, turn.waiting.due_s)
        if turn.pacer.gate_s > turn.now_s:
            if _has_something(turn):
                _wake(turn, turn.pacer.gate_s)
            return
        task = _following(turn)
        if task is None:
            return
        if task.kind is not RequestKind.UPLOAD:  # the bucket is another service
            turn.pacer = pacing.sent(turn.pacer, turn.now_s)
        _send(turn, task)
        out += 1


def _has_something(turn: Turn) -> bool:
    due = turn.waiting is not None and turn.waiting.due_s <= turn.pacer.gate_s
    return bool(due or turn.stack or has_rows(turn) or _may_open_import(turn) or _may_open_bulk(turn))


def _following(turn: Turn) -> Task | None:
    """Take the next request; opening a batch may end it, cut it or begin with its rows, hence the loop."""
    while True:
        if turn.waiting is not None and turn.waiting.due_s <= turn.now_s:
            task = turn.waiting.item
            turn.waiting = taken(turn.waiting)
            turn.retries += 1
        elif turn.stack:
            task = turn.stack.pop()
        elif (row := begin_row(turn)) is not None:
            return row
        elif not _open_following(turn):
            return None
        else:
            continue
        if task.kind is RequestKind.BULK and task.batch.live > turn.max_rows:
            split(turn, task.batch)
        else:
            return task


def _open_following(turn: Turn) -> bool:
    if _may_open_import(turn):
        part = turn.imports[turn.imports_at]
        turn.imports_at += 1
        turn.open_imports += 1
        open_import(turn, part)
        return True
    if not _may_open_bulk(turn):
        return False
    batch = turn.bulk[turn.bulk_at]
    turn.bulk_at += 1
    if batch.spec.wave != turn.wave:
        turn.wave, turn.doubt_s = batch.spec.wave, turn.accepted_s
    turn.open_sends += 1
    if batch.state is BatchState.PATCHING:
        go_on_with_rows(turn, batch)
    elif batch.state is BatchState.SENT:
        send_or_empty(turn, batch)
    else:
        open_batch(turn, batch)
    return True


def _may_open_import(turn: Turn) -> bool:
    more = turn.imports_at < len(turn.imports) and not turn.is_bucket_down
    return more and turn.open_imports < turn.options.max_imports


def _following_wave(turn: Turn) -> int | None:
    """Return the wave of the next Bulk batch; None when no other will be begun."""
    if turn.bulk_at >= len(turn.bulk):
        return None
    wave = turn.bulk[turn.bulk_at].spec.wave
    # What was left behind must come before the later rows of its identities, so they wait for it.
    return wave if wave <= turn.left_wave else None


def _may_open_bulk(turn: Turn) -> bool:
    following = _following_wave(turn)
    if following is None or following == turn.wave:
        return following is not None
    # A row of a later wave may look up the profile that an earlier one makes: where the service lets its operations be
    # followed, that one is applied first.
    return turn.open_sends == 0 and (following == 0 or turn.applying == 0)


# --- sending ---------------------------------------------------------------------------------------------------------


def _send(turn: Turn, task: Task) -> None:
    batch = task.batch
    if task.kind is RequestKind.BULK:
        batch = turn.move(batch, BatchState.SENT, attempts=1)
    elif task.kind is RequestKind.CREATE:
        trace = replace(batch.trace, filename=name(turn, batch))
        batch = turn.move(batch, BatchState.CREATING, trace, attempts=1)
    task = replace(task, batch=batch, task_id=turn.next_task_id, sent_at_s=turn.now_s)
    turn.next_task_id += 1
    turn.in_flight[task.task_id] = task
    turn.count_request(task.kind)
    turn.requests.append(_request(task))


def _request(task: Task) -> Request:
    batch, spec, number = task.batch, task.batch.spec, task.task_id
    match task.kind:
        case RequestKind.BULK:
            return SendBulk(number, spec.batch_id, spec.start, spec.stop, batch.skip, batch.check)
        case RequestKind.CREATE:
            return CreateImport(number, spec.batch_id, spec.start, spec.stop, batch.trace.filename or "", batch.check)
        case RequestKind.UPLOAD:
            return Upload(number, spec.batch_id, spec.start, spec.stop, batch.trace.import_id or "")
        case RequestKind.GET_IMPORT:
            return PollImport(number, batch.candidates[0] if batch.candidates else batch.trace.import_id or "")
        case RequestKind.LIST_IMPORTS:
            return ListImports(number, batch.page_token)
        case RequestKind.GET_OPERATION:
            return PollOperation(number, batch.trace.status_url or "")
        case RequestKind.LOOKUP | RequestKind.PATCH | RequestKind.ADD_IDENTIFIER:
            return _row_request(task)


def _row_request(task: Task) -> Request:
    position = task.position if task.position is not None else -1
    match task.kind:
        case RequestKind.PATCH:
            return Patch(task.task_id, position, task.profile_id or "")
        case RequestKind.ADD_IDENTIFIER:
            return AddIdentifier(task.task_id, position, task.profile_id or "", task.identifier)
        case _:
            is_sent = task.batch.state is BatchState.PATCHING
            return Lookup(task.task_id, position, task.identifier, is_sent=is_sent)


# --- time ------------------------------------------------------------------------------------------------------------


def _wake(turn: Turn, at_s: float) -> None:
    turn.wake_at_s = min(turn.wake_at_s, at_s)


def _watch_for_stall(turn: Turn) -> None:
    """Stop when nothing succeeded for too long; never while a wait that the service asked for is still to be tried."""
    uploading = any(task.kind is RequestKind.UPLOAD for task in turn.in_flight.values())
    if turn.pacer.failing_since_s == float("inf") or uploading:
        return
    at_s = turn.pacer.failing_since_s + turn.options.stall_s
    if not turn.is_refused:  # what waits because it was asked to is not failing
        at_s = max(at_s, turn.pacer.asked_until_s + turn.options.stall_s)
    if turn.now_s >= at_s:
        turn.stop(FinishReason.STALLED)
    else:
        _wake(turn, at_s)
