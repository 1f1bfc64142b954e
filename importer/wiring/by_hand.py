"""Single operations of the service, as a person asks for them: no run, no package, nothing kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar
from urllib.parse import urlsplit

from importer.core.schema import StoreSchema
from importer.errors import AmbiguousRequestError, ProtocolError, RetryableApiError
from importer.memory_api.client import MemoryClient
from importer.memory_api.paging import Order, Page, PageRequest, all_items
from importer.pipeline.patience import never_applied, patiently
from importer.ports import OperationStatus
from importer.settings import Settings
from importer.wiring.targets import PATIENCE, Wait, live_client, open_emulator

T = TypeVar("T")

_POLL_S: Final = 2.0
_MOST_POLL_S: Final = 30.0
_RUNNING: Final = frozenset({"PENDING", "RUNNING", "PROCESSING"})
_DOUBT: Final = "it may have been done or not; look before you do it again"


@dataclass(frozen=True)
class ByHand:
    """A store that is open for single operations.

    Attributes:
        client: Speaks to it.
        host: Where it is.
        store_id: Empty where what is done belongs to none.
        emulator: Whether it is the local service, which costs nothing and loses nothing.
        wait: Waits so many seconds; true if somebody asked to stop.
    """

    client: MemoryClient
    host: str
    store_id: str
    emulator: bool
    wait: Wait = PATIENCE

    def read(self, read: Callable[[], T]) -> T:
        """Read, again after a while where a failure may pass."""
        return patiently(read, self.wait)

    def write(self, write: Callable[[], T]) -> T:
        """Write, again only where the service certainly did nothing.

        Raises:
            ApiError: it was refused, or nobody knows what became of it; the hint says which.
        """
        try:
            return patiently(write, self.wait, again=never_applied)
        except (AmbiguousRequestError, RetryableApiError, ProtocolError) as error:
            if not never_applied(error) and error.status not in (409, 412):
                error.hint = _DOUBT
            raise

    def schema(self) -> StoreSchema:
        """Read the store's schema."""
        return self.client.fetch_schema(self.read)

    def listed(
        self, read: Callable[[PageRequest], Page[T]], *, limit: int | None, most: int, order: Order | None = None
    ) -> Iterator[T]:
        """Yield the items of a list, page by page.

        Args:
            read: Reads one page.
            limit: Items at most; None for all.
            most: Largest page of this list.
            order: By creation.
        """
        size = most if limit is None else min(limit, most)
        found = all_items(lambda token: self.read(lambda: read(PageRequest(token, size, order))))
        return found if limit is None else islice(found, limit)

    def finished(self, look: Callable[[], T], status: Callable[[T], str], timeout_s: float) -> T:
        """Look again and again until something is done, and return what was seen last: perhaps still under way.

        Args:
            look: One look.
            status: Of what it found.
            timeout_s: Longest wait in all, in seconds.
        """
        seen, waited_s, pause_s = self.read(look), 0.0, _POLL_S
        while status(seen) in _RUNNING and waited_s < timeout_s:
            asked_s = seen.retry_after_s if isinstance(seen, OperationStatus) else None
            pause = min(asked_s if asked_s is not None else pause_s, timeout_s - waited_s)
            if self.wait(pause):
                break
            waited_s, pause_s = waited_s + max(pause, 0.05), min(pause_s * 1.5, _MOST_POLL_S)
            seen = self.read(look)
        return seen


def is_running(status: str) -> bool:
    """Tell whether an operation or an import is not done yet."""
    return status in _RUNNING


@contextmanager
def open_by_hand(
    settings: Settings, *, emulator: bool, needs_store: bool = True, wait: Wait = PATIENCE
) -> Iterator[ByHand]:
    """Open a store, or the account, for single operations.

    Args:
        settings: Names the store and has the credentials.
        emulator: Use the local service; what was accepted is applied before this ends.
        needs_store: Whether what is done belongs to a store.
        wait: How to wait for a service that is busy.

    Raises:
        SettingsError: no store, no credentials, or a malformed store ID.
        ApiError: the service refused.
    """
    if emulator:
        with open_emulator(settings, wait=wait) as target:
            yield ByHand(target.client, target.target.host, target.target.store_id, emulator=True, wait=wait)
        return
    with live_client(settings, needs_store=needs_store) as client:
        host = urlsplit(settings.api_url).hostname or ""
        yield ByHand(client, host, settings.store_id or "", emulator=False, wait=wait)
