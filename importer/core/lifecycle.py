"""The life of a batch: its states, the moves between them, and what each state says about its rows.

Law: a batch changes state through `moved` alone, and an impossible move raises. The tables are data; nothing here knows
of requests, time or storage.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class BatchState(StrEnum):
    """Where a batch stands, as the ledger has it."""

    PENDING = "pending"
    """Planned; nothing was done for it."""
    OPENED = "opened"
    """Work began; no request that could have applied its rows is out."""
    SENT = "sent"
    """A body that carries its rows was meant to leave; the answer is not known."""
    PATCHING = "patching"
    """Its values are accepted; removals, or further identifiers, follow one by one."""
    APPLYING = "applying"
    """Accepted, and the operation behind it is polled."""
    CREATING = "creating"
    """An import was meant to be created; its ID is not known."""
    UPLOADING = "uploading"
    """The import's ID is known; its file was meant to leave."""
    IMPORTING = "importing"
    """The file is with the service; the import is polled."""
    SPLIT = "split"
    """Its rows went on in children."""
    ACCEPTED = "accepted"
    PROCESSED = "processed"
    UNATTRIBUTED = "unattributed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    EMPTIED = "emptied"
    """Every row was left out by its own result; nothing of it is with the service."""


class RowState(StrEnum):
    """What is known of one row beside its batch."""

    ABSENT = "absent"
    """Looked up: no profile, so nothing to remove."""
    FOUND = "found"
    """Looked up: one profile, removals due."""
    UNREMOVED = "unremoved"
    """Looked up for long enough, and the profile an earlier row makes was not there: the values go, no removals."""
    PATCHED = "patched"
    DUE = "due"
    """Its values are accepted; further identifiers are to be added to its profile."""
    ADDED = "added"
    """Its further identifiers are accepted as well."""
    HELD = "held"
    FAILED = "failed"
    UNKNOWN = "unknown"


class FinishReason(StrEnum):
    """Why a delivery ended."""

    COMPLETED = "completed"
    """Every batch is settled, or accepted as far as the service tells."""
    REFUSED = "refused"
    """The service refuses everything: credentials, permission, store, schema, or each row alike."""
    STALLED = "stalled"
    """No success for too long, or the service asked for too long a wait; resumable."""
    INCOMPLETE = "incomplete"
    """Some requests were never answered, and what depends on them was not sent; all else is settled. Resumable."""
    INTERRUPTED = "interrupted"
    """A signal; resumable."""
    FAULT = "fault"
    """A bug in a worker; resumable."""


_S = BatchState

MOVES: Final[dict[BatchState, frozenset[BatchState]]] = {
    _S.PENDING: frozenset({_S.OPENED, _S.SENT, _S.SPLIT, _S.CREATING}),
    _S.OPENED: frozenset({_S.OPENED, _S.SENT, _S.SPLIT, _S.CREATING, _S.EMPTIED}),
    _S.SENT: frozenset(
        {
            _S.SENT,
            _S.OPENED,
            _S.SPLIT,
            _S.PATCHING,
            _S.APPLYING,
            _S.ACCEPTED,
            _S.FAILED,
            _S.UNKNOWN,
            _S.EMPTIED,
        }
    ),
    _S.PATCHING: frozenset({_S.PATCHING, _S.APPLYING, _S.ACCEPTED}),
    _S.APPLYING: frozenset({_S.APPLYING, _S.ACCEPTED, _S.PROCESSED, _S.UNATTRIBUTED}),
    _S.CREATING: frozenset({_S.CREATING, _S.OPENED, _S.SPLIT, _S.UPLOADING, _S.IMPORTING, _S.UNKNOWN}),
    _S.UPLOADING: frozenset({_S.UPLOADING, _S.CREATING, _S.OPENED, _S.IMPORTING, _S.UNKNOWN}),
    _S.IMPORTING: frozenset({_S.IMPORTING, _S.PROCESSED, _S.UNATTRIBUTED, _S.UNKNOWN}),
    _S.SPLIT: frozenset(),
    _S.ACCEPTED: frozenset(),
    _S.PROCESSED: frozenset(),
    _S.UNATTRIBUTED: frozenset(),
    _S.FAILED: frozenset(),
    _S.UNKNOWN: frozenset(),
    _S.EMPTIED: frozenset(),
}
"""State to the states that may follow it."""

TOLD_LATER: Final[dict[BatchState, frozenset[BatchState]]] = {
    _S.ACCEPTED: frozenset({_S.PROCESSED, _S.UNATTRIBUTED, _S.FAILED}),
    _S.PROCESSED: frozenset({_S.UNATTRIBUTED, _S.FAILED}),
    _S.UNATTRIBUTED: frozenset({_S.PROCESSED, _S.FAILED}),
    _S.UNKNOWN: frozenset({_S.PROCESSED, _S.UNATTRIBUTED, _S.FAILED}),
}
"""What the service's own log may make of a batch that is over, beside the delivery; see `importer.core.told_later`."""

FINAL: Final = frozenset(state for state, following in MOVES.items() if not following)
"""States nothing follows."""

OUTCOME: Final[dict[BatchState, str]] = {
    _S.PENDING: "not_sent",
    _S.OPENED: "not_sent",
    _S.SENT: "unknown",
    _S.PATCHING: "accepted",
    _S.APPLYING: "accepted",
    _S.CREATING: "not_sent",  # a create carries no rows
    _S.UPLOADING: "unknown",
    _S.IMPORTING: "unknown",
    _S.ACCEPTED: "accepted",
    _S.PROCESSED: "processed",
    _S.UNATTRIBUTED: "unattributed",
    _S.FAILED: "failed",
    _S.UNKNOWN: "unknown",
    _S.EMPTIED: "not_sent",
}
"""Final row state a batch gives its rows, wherever it stopped. A split batch gives none: its children do."""

ROW_OUTCOME: Final[dict[RowState, str]] = {
    RowState.HELD: "held",
    RowState.FAILED: "failed",
    RowState.UNKNOWN: "unknown",
}
"""Row results that override the batch's outcome."""

HALF_DONE: Final = frozenset({RowState.FOUND, RowState.DUE})
"""Row results that are `unknown` where the batch stopped between values and what was to follow them."""

CODE_REFUSED: Final = "refused-by-service"
CODE_AMBIGUOUS_PROFILE: Final = "ambiguous-profile"
CODE_LOOKUP_UNANSWERED: Final = "lookup-unanswered"
CODE_REMOVAL_NOT_MADE: Final = "removal-not-made"
CODE_IDENTIFIER_NOT_ADDED: Final = "identifier-not-added"
CODE_NO_ANSWER: Final = "no-answer"
CODE_NOT_SETTLED: Final = "not-settled"
CODE_IMPORT_FAILED: Final = "import-failed"
CODE_IMPORT_ERRORS: Final = "import-errors"
CODE_IMPORT_NO_SUMMARY: Final = "import-no-summary"
CODE_OPERATION_FAILED: Final = "operation-failed"
CODE_OPERATION_ERRORS: Final = "operation-errors"
CODE_EVENT_ERRORS: Final = "event-errors"
CODE_EVENT_REFUSED: Final = "event-refused"


def moved(current: BatchState, following: BatchState) -> BatchState:
    """Return `following` if `current` may turn into it.

    Raises:
        ValueError: the table has no such move; always a bug.
    """
    if following not in MOVES[current]:
        raise ValueError(f"a batch cannot go from {current} to {following}")
    return following


def told_later(current: BatchState, following: BatchState) -> BatchState:
    """Return `following` if the service's log may turn a batch that is over into it.

    Raises:
        ValueError: the table has no such move; always a bug.
    """
    if following not in TOLD_LATER.get(current, frozenset()):
        raise ValueError(f"a log cannot turn a batch from {current} to {following}")
    return following
