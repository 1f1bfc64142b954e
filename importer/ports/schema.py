"""What giving a store trait groups and traits asks of the service, one request a method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from importer.core.schema import StoreSchema
from importer.ports.service import Accepted, OperationStatus


class Versioned(Protocol):
    """Something that may be changed only as it was read."""

    @property
    def etag(self) -> str | None:
        """What ``If-Match`` takes; None where the service names none."""
        ...


class TraitGroupWriter(Protocol):
    """Reads and changes trait groups. Every method raises the ApiError its answer means."""

    def get(self, name: str) -> Versioned:
        """Read a trait group."""
        ...

    def create(self, body: Mapping[str, Any]) -> Accepted:
        """Create a trait group; a 409 says that there is one of that name."""
        ...

    def patch(self, name: str, body: Mapping[str, Any], *, if_match: str | None = None) -> Accepted:
        """Add or change traits; a 412 says that the group is not what it was."""
        ...


class SchemaWriter(Protocol):
    """Reads a store's schema and adds to it."""

    @property
    def trait_groups(self) -> TraitGroupWriter:
        """The trait groups of the store."""
        ...

    def fetch_schema(self) -> StoreSchema:
        """Read trait groups and identity settings, all pages."""
        ...

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        """Read the state of an operation."""
        ...
