"""What is delivered and what is known of it: batches, row results, changes to be recorded, and how to deliver.

Frozen values only. No value here holds a cell, a body or a presigned URL; those stay with whoever executes requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from importer.core.lifecycle import BatchState, RowState
from importer.core.route import Route

# --- what is delivered -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """Consecutive positions of the send order that go out together.

    Attributes:
        batch_id: Unique in the run.
        route: How they go.
        start: First position.
        stop: One past the last position.
        wave: 0 for rows that stand alone; rows that must follow each other are numbered from 1. No Bulk batch of a
            wave starts before every Bulk batch of earlier waves is answered. Imports are not part of this order: rows
            that must follow each other never go by import.
        digest: Pinned hash of its rows; empty for a child, whose parent has it.
        parent_id: The batch it was split from.
    """

    batch_id: int
    route: Route
    start: int
    stop: int
    wave: int = 0
    digest: str = ""
    parent_id: int | None = None

    @property
    def rows(self) -> int:
        """How many positions it holds."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Pin:
    """What the typed rows of positions [start, stop) must still hash to before any of them is sent."""

    start: int
    stop: int
    digest: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What the service said about a batch, by which it can be found again."""

    request_id: str | None = None
    operation_id: str | None = None
    status_url: str | None = None
    import_id: str | None = None
    filename: str | None = None
    size_bytes: int | None = None
    code: str | None = None
    http_status: int | None = None
    service_code: int | None = None


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One batch as the ledger keeps it. `attempts` counts requests that were meant to carry its rows."""

    spec: BatchSpec
    state: BatchState = BatchState.PENDING
    attempts: int = 0
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What is known of one position beside its batch."""

    position: int
    state: RowState
    code: str | None = None
    profile_id: str | None = None
    http_status: int | None = None
    service_code: int | None = None
    request_id: str | None = None


OUTCOME_ADDED: Final = "added"
"""Outcome of an attempt by which a further identifier was accepted."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answered (or lost) request, for people who trace it with the service."""

    batch_id: int
    kind: RequestKind
    outcome: str
    position: int | None = None
    http_status: int | None = None
    service_code: int | None = None
    request_id: str | None = None
    import_id: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What one step wants durable, before any request of the same step leaves."""

    batches: tuple[BatchEntry, ...] = ()
    rows: tuple[RowResult, ...] = ()
    attempts: tuple[Attempt, ...] = ()


# --- requests --------------------------------------------------------------------------------------------------------


class RequestKind(StrEnum):
    """Kinds of request the engine asks for."""

    BULK = "bulk"
    PATCH = "patch"
    LOOKUP = "lookup"
    ADD_IDENTIFIER = "add-identifier"
    CREATE = "create-import"
    UPLOAD = "upload"
    GET_IMPORT = "get-import"
    LIST_IMPORTS = "list-imports"
    GET_OPERATION = "get-operation"


class FailureKind(StrEnum):
    """What may be done after a request did not succeed."""

    RETRYABLE = "retryable"
    REJECTED = "rejected"
    AMBIGUOUS = "ambiguous"
    PROTOCOL = "protocol"
    TOO_LARGE = "too-large"
    """Refused by size, by the service (413) or, without a status, before it was sent."""


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """Why a request did not succeed.

    Attributes:
        kind: What may be done.
        status: HTTP status, None without an answer.
        code: The service's error code.
        retry_after_s: What the service asked to wait.
        pointers: Indices into the body's profiles that the answer named.
        request_id: ``twilio-request-id``.
        mappings: Pointers to columns of an import that the answer named, such as ``columnMappings/3/traitName``.
    """

    kind: FailureKind
    status: int | None = None
    code: int | None = None
    retry_after_s: float | None = None
    pointers: tuple[int, ...] = ()
    request_id: str | None = None
    mappings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to deliver. All times are seconds.

    Attributes:
        run_id: Part of the names of imports.
        seed: Of the jitter.
        concurrency: Requests in flight at once; only a cap, the learned rate decides.
        poll_concurrency: Polls in flight beside them.
        max_imports: Import parts between creation and settlement at once.
        max_rps: Most requests a second; None leaves it to what the service bears.
        attempts: Sends of one batch without an answer, or with an error of its own, before it is `unknown`.
        stall_s: Without any success for so long the delivery stops, resumable.
        drain_s: How long a stop waits for what is in flight.
        poll_first_s: Wait before the first poll of an operation or import.
        operation_deadline_s: After this an operation is no longer polled; its batch stays `accepted`.
        import_deadline_s: After this an import that is not settled is `unknown`.
        lookup_patience_s: How long after earlier rows of its identity were accepted a row is looked up, before it is
            taken that there is no profile to remove anything from; and how long after a row itself was accepted its
            profile is looked for, before its further identifiers are given up.
        max_batch_rows: Larger Bulk batches are cut before they are sent.
        adopt_scan: Import tasks looked at, newest first, to find one whose creation was not answered.
        resumed: The batches come from an earlier process: check their digests.
    """

    run_id: str
    seed: int = 0
    concurrency: int = 8
    poll_concurrency: int = 2
    max_imports: int = 4
    max_rps: float | None = None
    attempts: int = 8
    stall_s: float = 600.0
    drain_s: float = 10.0
    poll_first_s: float = 2.0
    operation_deadline_s: float = 600.0
    import_deadline_s: float = 3600.0
    lookup_patience_s: float = 60.0
    max_batch_rows: int = 1000
    adopt_scan: int = 200
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a delivery so far, for progress and reports.

    Attributes:
        requests: Sent, by kind.
        rows: By the state their batch came to; left-out rows are counted under their own.
        retries: Requests sent again.
        throttled: Answers 429.
        split: Batches that went on as children.
    """

    requests: Mapping[RequestKind, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    retries: int = 0
    throttled: int = 0
    split: int = 0
