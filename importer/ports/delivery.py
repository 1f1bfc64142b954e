"""What a delivery reads and keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from importer.core.delivery import BatchEntry, Changes, RowResult
from importer.ports.service import ColumnMapping


@dataclass(frozen=True, slots=True)
class PartFile:
    """One import file, ready to be uploaded; 0600."""

    path: str
    size_bytes: int
    columns: tuple[ColumnMapping, ...]
    sha256: str


class Payloads(Protocol):
    """What the rows at given positions of the send order look like on the wire. Used from several threads at once."""

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode a Bulk body of positions [start, stop) without those in `skip`, in order."""
        ...

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Return the import file of positions [start, stop), writing it unless it is already there."""
        ...

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return idType and value of each identifier of a row."""
        ...

    def further_identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return idType and value of each identifier that no body carries and that is added to the row's profile."""
        ...

    def follows(self, position: int) -> bool:
        """Tell whether a row before this one in the send order holds one of its identifiers; takes a while at first."""
        ...

    def patch_body(self, position: int) -> bytes:
        """Encode the removals of a row: nulls."""
        ...

    def digest(self, start: int, stop: int) -> str:
        """Return the pinned hash of positions [start, stop): which rows they are, and of which content."""
        ...


class Ledger(Protocol):
    """What is durable of a delivery. One thread uses it."""

    def entries(self) -> Iterator[BatchEntry]:
        """Yield every batch, in order of its ID."""
        ...

    def open_rows(self) -> Sequence[RowResult]:
        """Return the row results of batches that were begun and are not over."""
        ...

    def apply(self, changes: Changes) -> None:
        """Make changes durable, all or none.

        Raises:
            StateError: they could not be written; nothing may be sent any more.
        """
        ...
