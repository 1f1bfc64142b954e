"""What the delivery engine is told (answers, events) and what it asks for (requests, other commands).

Frozen values only. Times are monotonic seconds that came in with an event.
"""

from __future__ import annotations

from dataclasses import dataclass

from importer.core.delivery import ApiFailure, Changes, Pin
from importer.core.lifecycle import FinishReason

# --- answers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BulkAccepted:
    """202 of a Bulk body; `status_url` where the service lets it be followed."""

    request_id: str | None = None
    operation_id: str | None = None
    status_url: str | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """201 of an import; its upload URL stays with the executor."""

    import_id: str
    size_bytes: int
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The bucket took the whole file."""


@dataclass(frozen=True, slots=True)
class ImportSeen:
    """State of an import; counts are None without a summary."""

    status: str
    filename: str
    size_bytes: int | None = None
    errors: int | None = None
    warnings: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ImportsListed:
    """One page of import IDs, newest first."""

    import_ids: tuple[str, ...]
    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class OperationSeen:
    """State of an operation; counts are None where it gave none."""

    status: str
    errors: int | None = None
    warnings: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Canonical profiles that hold one identifier of a row.

    Attributes:
        profile_ids: The profiles.
        more: The row has further identifiers.
        expected: There is none, and a row before this one holds one of its identifiers.
    """

    profile_ids: tuple[str, ...]
    more: bool = False
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Patched:
    """202 of a patch."""

    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """202 of a further identifier; `more` is true where the row has others."""

    request_id: str | None = None
    more: bool = False


Answer = BulkAccepted | Created | Uploaded | ImportSeen | ImportsListed | OperationSeen | LookedUp | Patched | Added

# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed; also the first event of a delivery."""

    now_s: float


@dataclass(frozen=True, slots=True)
class Answered:
    """A request succeeded."""

    now_s: float
    task_id: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Refused:
    """A request did not succeed."""

    now_s: float
    task_id: int
    failure: ApiFailure


@dataclass(frozen=True, slots=True)
class StopRequested:
    """A signal asks to stop."""

    now_s: float


@dataclass(frozen=True, slots=True)
class WorkerFailed:
    """A worker failed in a way that is our own fault (a bug, a damaged package, a full disk).

    `left` is False where that was before the request began to leave.
    """

    now_s: float
    task_id: int
    left: bool = True


Event = Tick | Answered | Refused | StopRequested | WorkerFailed

# --- commands --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """Make these changes durable before the requests of the same step leave."""

    changes: Changes


@dataclass(frozen=True, slots=True)
class SendBulk:
    """Encode and send positions [start, stop) without those in `skip`.

    `check` is what must still hold before that, None where this process made the package.
    """

    task_id: int
    batch_id: int
    start: int
    stop: int
    skip: frozenset[int]
    check: Pin | None = None


@dataclass(frozen=True, slots=True)
class CreateImport:
    """Write the part file if it is not there, and create an import task for it."""

    task_id: int
    batch_id: int
    start: int
    stop: int
    filename: str
    check: Pin | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """Put the part file to the URL that came with the import."""

    task_id: int
    batch_id: int
    start: int
    stop: int
    import_id: str


@dataclass(frozen=True, slots=True)
class PollImport:
    """Read the state of an import."""

    task_id: int
    import_id: str


@dataclass(frozen=True, slots=True)
class ListImports:
    """Read one page of imports."""

    task_id: int
    page_token: str | None


@dataclass(frozen=True, slots=True)
class PollOperation:
    """Read the state of an operation."""

    task_id: int
    status_url: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """Look up one identifier of a row; `identifier` counts them from 0.

    `is_sent` is true where the row's values are accepted, so that its profile is there or will be.
    """

    task_id: int
    position: int
    identifier: int = 0
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    """Remove a row's traits from its profile."""

    task_id: int
    position: int
    profile_id: str


@dataclass(frozen=True, slots=True)
class AddIdentifier:
    """Add a further identifier of a row to its profile; `identifier` counts them from 0."""

    task_id: int
    position: int
    profile_id: str
    identifier: int = 0


Request = SendBulk | CreateImport | Upload | PollImport | ListImports | PollOperation | Lookup | Patch | AddIdentifier


@dataclass(frozen=True, slots=True)
class Discard:
    """The part file of a batch is no longer needed."""

    batch_id: int


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a `Tick` at this time unless another event comes first."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Finish:
    """The delivery is over; `failure` is what ended it, where one request did."""

    reason: FinishReason
    failure: ApiFailure | None = None


Command = Record | Request | Discard | WakeAt | Finish
