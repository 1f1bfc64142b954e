"""Every error this package raises on purpose, grouped by what the caller should do next.

ImporterError               has ``.hint`` (what to do) and ``.context`` (ids and counts, never cell values)
  ConfigError               fix it and run again; nothing was sent
    SettingsError           environment or options
    ProblemsError           a file that a person wrote; carries every problem found, with line and fix
      MappingError          the mapping file
      SyncFileError         the sync file
  SourceError               the source cannot be read as a table
    SourceChangedError      it is not the file the run was made from
  GuardError                a run guard tripped; nothing more was sent
  StateError                the run folder or its ledger is damaged, newer than this version, or missing
    PackageChangedError     the package is not what was planned
    LedgerDamagedError      the ledger cannot be trusted; `resume RUN --rebuild-ledger` makes it anew
    DiskError               the disk under it is full or failing; what was saved stands, the run can be resumed
    LockedError             another process sends to this store from this runs folder
  ApiError                  status, request id, endpoint; never a body, never a query string
    RetryableApiError       429, 5xx on repeatable calls, no connection; ``retry_after_s``
    RejectedRequestError    4xx: the request broke the contract or was not allowed
      MergedProfileError    the profile was merged, and the request was not to follow it; ``canonical_id``
    AmbiguousRequestError   sent, no answer
    ProtocolError           the answer broke the contract
  RunInterrupted            a signal; drained, saved, resumable
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ImporterError(Exception):
    """Base of every error raised on purpose."""

    def __init__(self, message: str, *, hint: str = "", context: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context: dict[str, object] = dict(context or {})


class ConfigError(ImporterError):
    """Something the user wrote must be fixed; nothing was sent."""


class SettingsError(ConfigError):
    """An option or an environment variable is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a mapping or sync file.

    Attributes:
        line: 1-based line in the file, None when it has no place of its own.
        message: The cause, in one line.
        fix: What to write instead, in one line; may be empty.
    """

    line: int | None
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """Show place, cause and fix on one line."""
        place = f"line {self.line}: " if self.line is not None else ""
        return f"{place}{self.message}" + (f" ({self.fix})" if self.fix else "")


class ProblemsError(ConfigError):
    """A file that a person wrote is refused; ``problems`` holds all of its faults."""

    noun = "file"

    def __init__(self, problems: Sequence[Problem], *, name: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = str(self.problems[0]) if count == 1 else f"{count} problems"
        super().__init__(f"{name or self.noun}: {head}", hint=f"fix the {self.noun} and run again")


class MappingError(ProblemsError):
    """The mapping file is refused; ``problems`` holds all of its faults."""

    noun = "mapping"


class SyncFileError(ProblemsError):
    """The sync file is refused; ``problems`` holds all of its faults."""

    noun = "sync file"


class SourceError(ImporterError):
    """The source cannot be read as a table."""


class SourceChangedError(SourceError):
    """The source is not the one the run was made from."""


class GuardError(ImporterError):
    """A guard of the run tripped before anything (more) was sent."""


class StateError(ImporterError):
    """The run folder is missing, damaged or written by another version."""


class PackageChangedError(StateError):
    """The package does not hold what was planned any more; the run cannot be sent."""


class LedgerDamagedError(StateError):
    """The ledger is missing, damaged, or that of another run; nothing it says is believed."""


class DiskError(StateError):
    """The disk under the runs folder is full or failing; what was saved before stands."""


class LockedError(StateError):
    """Another process is sending to this store from this runs folder."""


class ApiError(ImporterError):
    """The service did not do what was asked.

    Args:
        message: One line, without any part of a body or a query string.
        endpoint: Method and path template, for example ``PUT /Profiles/Bulk``.
        status: HTTP status, None without an answer.
        code: The service's own error code, None when absent.
        request_id: ``twilio-request-id`` of the answer.
        retry_after_s: Seconds the service asked to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        endpoint: str,
        status: int | None = None,
        code: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(
            message, context={"endpoint": endpoint, "status": status, "code": code, "request_id": request_id}
        )
        self.endpoint = endpoint
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class RetryableApiError(ApiError):
    """The same request may succeed later."""


class RejectedRequestError(ApiError):
    """The service refused the request; sending it again unchanged is pointless."""


class MergedProfileError(RejectedRequestError):
    """The profile was merged into another one, and the request was not to follow it there.

    Args:
        message: One line.
        endpoint: Method and path template.
        status: HTTP status of the move.
        request_id: ``twilio-request-id`` of the answer.
        canonical_id: The profile that it was merged into.
    """

    def __init__(self, message: str, *, endpoint: str, status: int, request_id: str | None, canonical_id: str) -> None:
        super().__init__(message, endpoint=endpoint, status=status, request_id=request_id)
        self.canonical_id = canonical_id
        self.context["canonical_id"] = canonical_id


class AmbiguousRequestError(ApiError):
    """The request left and no answer came back."""


class ProtocolError(ApiError):
    """The answer broke the service's contract."""


class RunInterrupted(ImporterError):  # noqa: N818 - a signal, not a fault
    """A signal stopped the run after it drained and saved; it can be resumed."""
