"""Bulk bodies that are brought down to rows: by the pointers of a refusal where it has them, else by halving.

Halves of one body are both tried before either is halved again, so that one good half shows early that not everything
is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from importer.core.delivery import ApiFailure, BatchSpec, RequestKind, RowResult
from importer.core.engine_bulk import send_or_empty
from importer.core.engine_state import Batch, Root, Task
from importer.core.engine_turn import Turn
from importer.core.lifecycle import CODE_LOOKUP_UNANSWERED, CODE_REFUSED, BatchState, FinishReason, RowState
from importer.core.route import Route

SYSTEMIC_ROWS: Final = 8
"""Rows refused alone and alike, with nothing accepted in between, that show the fault is not theirs."""

POINTED_BODIES: Final = 3
"""Refusals of one body after which pointers are no longer followed: a service that names a few of its bad rows each
time would cost a request for every few of them."""


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
