"""What giving a store trait groups and traits asks of the service, one request a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from importer.core.schema import StoreSchema
from importer.ports.service import Accepted, OperationStatus

T = TypeVar("T")


class EachRequest(Protocol):
    """How one request is made of a read that takes several: at once, or again where a failure may pass.

    Repeated as a whole it may never come to its end: a busy service lets the first requests through each time.
    """

    def __call__(self, read: Callable[[], T], /) -> T:
        """Make the request."""
        ...


def at_once(read: Callable[[], T], /) -> T:
    """Make a request once."""
    return read()


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

    def fetch_schema(self, each: EachRequest = at_once) -> StoreSchema:
        """Read trait groups and identity settings, all pages; `each` makes every single request."""
        ...

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        """Read the state of an operation."""
        ...
