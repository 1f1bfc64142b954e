"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from importer.memory_api.reply import Reply
from importer.memory_api.translate import protocol_error

Order = Literal["ASC", "DESC"]
"""Oldest or newest first."""

MOST_PROFILES: Final = 1000
MOST_OTHERS: Final = 100
"""Largest pages that the contract has for profiles, and for everything else."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: In the order of the answer.
        next_token: Asks for the page after it; None on the last.
        endpoint: Where it came from, for messages.
    """

    items: tuple[T, ...]
    next_token: str | None
    endpoint: str

    def map(self, change: Callable[[T], Any]) -> Page[Any]:
        """Return the page with other values for its items."""
        return Page(tuple(map(change, self.items)), self.next_token, self.endpoint)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for.

    Attributes:
        token: Of the page before it; None for the first.
        size: Items at most; None leaves it to the service (50).
        order: By creation; newest first if nothing is said.
    """

    token: str | None = None
    size: int | None = None
    order: Order | None = None

    def query(self) -> dict[str, str]:
        """Return the query parameters."""
        given = {"pageSize": self.size, "pageToken": self.token, "orderBy": self.order}
        return {name: str(value) for name, value in given.items() if value is not None}


FIRST: Final = PageRequest()


def next_token(answer: Mapping[str, Any]) -> str | None:
    """Return the token of the next page; None on the last, and where lists come without `meta`."""
    meta = answer.get("meta")
    token = meta.get("nextToken") if isinstance(meta, dict) else None
    return token if isinstance(token, str) and token else None


def page_of(reply: Reply, answer: Mapping[str, Any], items: tuple[T, ...]) -> Page[T]:
    """Return an answer's page."""
    return Page(items, next_token(answer), reply.endpoint)


def all_items(read: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """Yield the items of all pages; a page is read when it is needed.

    Args:
        read: Reads the page of a token; None stands for the first.

    Raises:
        ProtocolError: a page token came twice.
        ApiError: a page could not be read.
    """
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = read(token)
        yield from page.items
        token = page.next_token
        if token is None:
            return
        if token in seen:
            raise protocol_error(page.endpoint, "a page token came twice", 200)
        seen.add(token)
