"""A client of the Memory API: one method, one request; every failure is one of this package's errors.

Credentials go to the API host alone: requests are made from paths, never from URLs the service names, and the bucket
has a client of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from importer.core.schema import StoreSchema
from importer.errors import RejectedRequestError
from importer.memory_api.bucket import Bucket
from importer.memory_api.connection import Connection
from importer.memory_api.deadline import BASE_S, Times, transport
from importer.memory_api.identifiers import Identifiers
from importer.memory_api.imports import Imports
from importer.memory_api.operations import Operations
from importer.memory_api.paging import MOST_OTHERS, PageRequest
from importer.memory_api.profiles import Profiles
from importer.memory_api.quiet import install, quiet
from importer.memory_api.store import fetch_schema
from importer.memory_api.stores import Stores
from importer.memory_api.tls import ssl_context
from importer.memory_api.trait_groups import TraitGroups
from importer.memory_api.translate import NO_STORE
from importer.ports import Accepted, ColumnMapping, CreatedImport, ImportStatus, OperationStatus, StoredProfile
from importer.ports.schema import EachRequest, at_once
from importer.settings import check_api_url, is_loopback


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to reach the service.

    Attributes:
        bucket_hosts: Host patterns a presigned URL may point at.
        proxy: Proxy URL; the environment's proxies are not read.
        ca_bundle: PEM file of certificate authorities that are trusted beside the usual ones.
        connections: Connections kept at most.
        connect_s: Longest wait for a connection.
        base_s: Longest a request may take in all; a body adds to it by its size.
        transport: Used instead of the network, for tests.
        bucket_transport: The same for the bucket.
    """

    bucket_hosts: Sequence[str] = ("*.amazonaws.com",)
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    connections: int = 16
    connect_s: float = 10.0
    base_s: float = BASE_S
    transport: httpx.BaseTransport | None = None
    bucket_transport: httpx.BaseTransport | None = None


class MemoryClient:
    """Reads and writes one store; implements `importer.ports.ProfileWriter`. Safe to use from several threads.

    Every operation of the service is a method of `profiles`, `identifiers`, `imports`, `stores`, `trait_groups` or
    `operations`; the methods of the client itself are those that runs need.

    Args:
        api_url: Base URL; https, except on loopback.
        store_id: The store; empty for what belongs to none (`stores.list`, `operations`).
        credentials: User and password of Basic auth.
        options: How to reach the service.
        now: Wall clock, for dates in ``Retry-After``.

    Raises:
        SettingsError: the URL would send credentials in the clear; proxy or certificates cannot be used.
    """

    def __init__(
        self,
        api_url: str,
        store_id: str,
        credentials: tuple[str, str],
        options: ClientOptions | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),  # noqa: TID251 - wall clock, for HTTP dates alone
    ) -> None:
        check_api_url(api_url)
        options = options or ClientOptions()
        loopback = is_loopback(api_url)
        install()
        context = ssl_context(is_plain=loopback and api_url.startswith("http:"), ca_bundle=options.ca_bundle)
        # Two of them: no connection, and nothing that is kept beside one, is shared by API and bucket.
        api, bare = self._transports = tuple(
            given or transport(context, options.proxy, options.connections)
            for given in (options.transport, options.bucket_transport)
        )
        times = Times(options.connect_s, options.base_s)
        self._connection = Connection(api, api_url, store_id, credentials, now=now, times=times)
        self.profiles = Profiles(self._connection)
        self.identifiers = Identifiers(self._connection)
        self.imports = Imports(self._connection)
        self.stores = Stores(self._connection)
        self.trait_groups = TraitGroups(self._connection)
        self.operations = Operations(self._connection)
        self._bucket = Bucket(bare, options.bucket_hosts, allow_loopback=loopback, now=now, times=times)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        with quiet():
            for each in self._transports:
                each.close()

    # --- what runs need, as the ports have it ---

    def fetch_schema(self, each: EachRequest = at_once) -> StoreSchema:
        """Read trait groups and identity settings, all pages; see `importer.memory_api.store.fetch_schema`."""
        return fetch_schema(self._connection, each)

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return the canonical profile IDs that hold an identifier value. Billable."""
        return self.profiles.lookup(id_type, value).profile_ids

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """Read a profile with all its traits, following a merge to the canonical profile; None if there is none.

        A 404 that names the store is an error as any other.
        """
        try:
            return self.profiles.get(profile_id)
        except RejectedRequestError as error:
            if error.status == 404 and error.code not in NO_STORE:
                return None
            raise

    def identifiers_of(self, profile_id: str) -> dict[str, tuple[str, ...]]:
        """Return the values of a profile by idType, following a merge to the canonical profile."""
        return {each.id_type: each.values for each in self.identifiers.list(profile_id)}

    def delete_profile(self, profile_id: str) -> Accepted:
        """Delete a profile; one that was merged into another is not."""
        return self.profiles.delete(profile_id)

    def get_import(self, import_id: str) -> ImportStatus:
        """Read the state of an import task."""
        return self.imports.get(import_id)

    def list_imports(self, page_token: str | None = None) -> tuple[tuple[str, ...], str | None]:
        """Return one page of import IDs, newest first, and the next page's token."""
        page = self.imports.list(PageRequest(page_token, MOST_OTHERS))
        return page.items, page.next_token

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        """Read the state of an operation; a URL must be on the API host."""
        return self.operations.get(status_url_or_id)

    def put_bulk(self, body: bytes) -> Accepted:
        """Send one Bulk body."""
        return self.profiles.put_bulk(body)

    def patch_profile(self, profile_id: str, body: bytes) -> Accepted:
        """Patch the traits of one profile, following a merge to the canonical profile."""
        return self.profiles.patch(profile_id, body)

    def add_identifier(self, profile_id: str, id_type: str, value: str) -> Accepted:
        """Add a value of an identifier type to a profile, following a merge to the canonical profile."""
        return self.identifiers.add(profile_id, id_type, value)

    def create_import(self, filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        """Create an import task."""
        return self.imports.create(filename, size_bytes, columns)

    def upload(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Put an import file to its presigned URL: another client, no credentials, exact length."""
        self._bucket.put(url, content, size_bytes)
