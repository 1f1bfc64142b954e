"""What the service's log makes of a batch that was over: never more than it says, and never better where it says worse.

The moves are those of `importer.core.lifecycle.TOLD_LATER`; nothing that a request of this tool was answered is undone
by a log that is silent about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from importer.core.delivery import BatchEntry, Changes, RowResult
from importer.core.lifecycle import (
    CODE_EVENT_ERRORS,
    CODE_EVENT_REFUSED,
    CODE_IMPORT_ERRORS,
    CODE_IMPORT_NO_SUMMARY,
    CODE_OPERATION_ERRORS,
    TOLD_LATER,
    BatchState,
    RowState,
    told_later,
)
from importer.core.route import Route
from importer.core.service_log import BatchLog

_COUNTED: Final = frozenset({CODE_OPERATION_ERRORS, CODE_IMPORT_ERRORS, CODE_EVENT_ERRORS})
"""Codes of batches that had errors, as counts: naming the rows explains them."""


_FOLLOWED_UP: Final = (RowState.FOUND, RowState.PATCHED, RowState.DUE, RowState.ADDED)


@dataclass(frozen=True, slots=True)
class PatchLog:
    """What the log says of the requests about single rows of a batch: removals, and further identifiers.

    Attributes:
        refused: Positions with one that was refused, with the service's code.
        clean: Positions with all of them applied without an error or a warning.
    """

    refused: dict[int, int | None]
    clean: set[int]


NO_PATCHES: Final = PatchLog({}, set())


def changes_told(
    entry: BatchEntry, rows: Sequence[RowResult], log: BatchLog, patches: PatchLog = NO_PATCHES
) -> Changes:
    """Return what is to be recorded of a batch after its log was read; nothing where that changes nothing.

    Args:
        entry: The batch, over.
        rows: What is known of rows of it beside that.
        log: What the log says of it.
        patches: What the log says of the requests about single rows that followed it.
    """
    if entry.state not in TOLD_LATER:
        return Changes()
    known = {row.position: row for row in rows}
    unsent = {row.position for row in rows if _never_left(row)}
    positions = range(entry.spec.start, entry.spec.stop)
    sent = [position for position in positions if position not in unsent] if unsent else positions
    named = dict(patches.refused)
    if entry.spec.route is not Route.IMPORT:
        named |= {sent[index]: code for index, code in log.named.items() if index < len(sent)}
    refused = [_refused(position, code, entry, known.get(position)) for position, code in sorted(named.items())]
    # What was explained row by row stays so, whatever entries without names come later.
    is_explained = entry.state is BatchState.PROCESSED and any(row.code == CODE_EVENT_REFUSED for row in rows)
    following = None if is_explained else _state(entry, len(sent), log, unpatched=_unpatched(rows, patches))
    batches: tuple[BatchEntry, ...] = ()
    if following is not None and following != (entry.state, entry.trace.code):
        state, code = following
        if state is not entry.state:
            told_later(entry.state, state)
        batches = (replace(entry, state=state, trace=replace(entry.trace, code=code)),)
    return Changes(batches, tuple(row for row in refused if row is not None and known.get(row.position) != row))


def _never_left(row: RowResult) -> bool:
    """Tell whether a row was left out of its body: held, or its lookup was refused.

    A row whose own request was refused later had its values sent, and so had one that the log named.
    """
    if row.state is RowState.HELD:
        return True
    return row.state is RowState.FAILED and row.profile_id is None and row.code != CODE_EVENT_REFUSED


def _unpatched(rows: Sequence[RowResult], patches: PatchLog) -> bool:
    """Tell whether requests about rows were sent of which the log does not say that they were applied."""
    patched = (row.position for row in rows if row.state in _FOLLOWED_UP)
    return any(position not in patches.clean and position not in patches.refused for position in patched)


def _refused(position: int, code: int | None, entry: BatchEntry, before: RowResult | None) -> RowResult | None:
    if before is not None and before.state in (RowState.FAILED, RowState.UNKNOWN) and before.code != CODE_EVENT_REFUSED:
        return None  # what it was answered itself stands
    request_id = before.request_id if before is not None and before.request_id else entry.trace.request_id
    profile_id = before.profile_id if before is not None else None
    return RowResult(
        position, RowState.FAILED, CODE_EVENT_REFUSED, profile_id, service_code=code, request_id=request_id
    )


def _state(entry: BatchEntry, sent: int, log: BatchLog, *, unpatched: bool) -> tuple[BatchState, str | None] | None:
    """Return state and code that the log gives a batch; None where it says nothing new."""
    is_counted = entry.state is BatchState.UNATTRIBUTED and entry.trace.code in _COUNTED
    is_open = entry.state is not BatchState.UNATTRIBUTED or entry.trace.code == CODE_IMPORT_NO_SUMMARY
    if not (is_counted or is_open):
        return None
    can_be_named = entry.spec.route is not Route.IMPORT
    if (is_open and log.is_clean(sent)) or (can_be_named and log.names_all(sent)):
        return None if unpatched else (BatchState.PROCESSED, None)
    if log.has_errors and sent == 1:
        return BatchState.FAILED, CODE_EVENT_REFUSED
    if is_open and (log.has_errors or log.has_warnings):
        return BatchState.UNATTRIBUTED, CODE_EVENT_ERRORS
    return None
