"""What the service is asked, one request a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """One profile as the store has it now.

    Attributes:
        profile_id: Canonical, also where the profile that was asked for was merged into it.
        traits: Values by group and trait; never shown, because they are somebody's data.
        created_at: RFC 3339, where the service says it.
    """

    profile_id: str
    traits: Mapping[str, Mapping[str, object]] = field(repr=False)
    created_at: str | None = field(default=None, compare=False)


class StoreReader(Protocol):
    """Reads of a store; nothing here can change it."""

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return the canonical profile IDs that hold an identifier value. Billable: one read a call."""
        ...

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """Read a profile with all its traits, following a merge; None if there is none. Billable once a day."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """A 202: accepted, not applied.

    Attributes:
        request_id: ``twilio-request-id``.
        operation_id: When the service names one.
        status_url: Where to poll, when the service names it.
        retry_after_s: Seconds until a look at the operation is worth it, when the service says so.
        profile_id: The profile it is about, canonical also where the one that was named was merged into it; None
            where it is about many, or none.
    """

    request_id: str | None
    operation_id: str | None = None
    status_url: str | None = None
    retry_after_s: float | None = None
    profile_id: str | None = None


class ProfileReader(StoreReader, Protocol):
    """Reads profiles with all that they hold."""

    def identifiers_of(self, profile_id: str) -> Mapping[str, Sequence[str]]:
        """Return the values of a profile by idType, following a merge. Part of the same billable read."""
        ...


class ProfileRemover(ProfileReader, Protocol):
    """Deletes profiles, and reads what has to be known before."""

    def delete_profile(self, profile_id: str) -> Accepted:
        """Delete a profile; one that was merged into another raises MergedProfileError, and nothing is deleted."""
        ...


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """State of an asynchronous operation: `errors` and `warnings` are None when it gave no counts.

    `error_code` is the service's own code where it failed; what else it says of a failure may quote values.
    """

    status: str
    errors: int | None = None
    warnings: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    operation_id: str | None = None
    created_at: str | None = None
    completed_at: str | None = None
    error_code: int | None = None


@dataclass(frozen=True, slots=True)
class CreatedImport:
    """An import task and where to put its file. `url` is a secret: never logged, never stored."""

    import_id: str
    url: str = field(repr=False)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """One column of an import file and the trait it sets."""

    column_name: str
    trait_group: str
    trait_name: str


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """State of an import task; `errors` and `warnings` are None while it has no summary, `columns` are as created."""

    status: str
    filename: str
    file_size_bytes: int | None
    errors: int | None = None
    warnings: int | None = None
    request_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    columns: tuple[ColumnMapping, ...] = ()


class ProfileWriter(StoreReader, Protocol):
    """Writes to a store. Every method is one HTTP request and raises the ApiError its answer means."""

    def put_bulk(self, body: bytes) -> Accepted:
        """Send one Bulk body."""
        ...

    def patch_profile(self, profile_id: str, body: bytes) -> Accepted:
        """Patch the traits of one profile, following a merge to the canonical profile."""
        ...

    def add_identifier(self, profile_id: str, id_type: str, value: str) -> Accepted:
        """Add a value of an identifier type to a profile, following a merge; one that is there already is fine."""
        ...

    def create_import(self, filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        """Create an import task."""
        ...

    def upload(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Put an import file to its presigned URL: another client, no credentials, exact length."""
        ...

    def get_import(self, import_id: str) -> ImportStatus:
        """Read the state of an import task."""
        ...

    def list_imports(self, page_token: str | None = None) -> tuple[tuple[str, ...], str | None]:
        """Return one page of import IDs, newest first, and the next page's token."""
        ...

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        """Read the state of an operation; the URL must be on the API host."""
        ...
