"""A client of the Memory API: one method, one request; every failure is one of this package's errors.

Credentials go to the API host alone: requests are made from paths, never from URLs the service names, and the bucket
has a client of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, BinaryIO, Final, Self
from urllib.parse import quote

import httpx
import orjson

from importer.core.schema import StoreSchema
from importer.errors import RejectedRequestError
from importer.memory_api.answers import count_of
from importer.memory_api.bucket import Bucket
from importer.memory_api.connection import Call, Connection
from importer.memory_api.deadline import BASE_S, Times, transport
from importer.memory_api.quiet import install, quiet
from importer.memory_api.reply import Reply
from importer.memory_api.store import fetch_schema, next_token
from importer.memory_api.tls import ssl_context
from importer.memory_api.translate import protocol_error
from importer.ports import Accepted, ColumnMapping, CreatedImport, ImportStatus, OperationStatus, StoredProfile
from importer.settings import check_api_url, is_loopback

_ID: Final = re.compile(r"[A-Za-z0-9_.:~-]{1,512}")
"""IDs are written down and shown, so what could be anything else is none."""

_GET_OPERATION: Final = "GET /Operations/{operationId}"
_NO_STORE: Final = frozenset({520041, 520049})
"""Codes of a 404 that speaks of the store."""


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

    Args:
        api_url: Base URL; https, except on loopback.
        store_id: The store.
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

    # --- reads ---

    def fetch_schema(self) -> StoreSchema:
        """Read trait groups and identity settings, all pages; see `importer.memory_api.store.fetch_schema`."""
        return fetch_schema(self._connection)

    def lookup(self, id_type: str, value: str) -> tuple[str, ...]:
        """Return the canonical profile IDs that hold an identifier value. Billable."""
        body = orjson.dumps({"idType": id_type, "value": value})
        path = f"{self._connection.store_path}/Profiles/Lookup"
        reply = self._connection.call(Call("POST", path, "POST /Profiles/Lookup", body=body))
        profiles = reply.json().get("profiles") or []
        return tuple(_ids(reply, profiles))

    def get_profile(self, profile_id: str) -> StoredProfile | None:
        """Read a profile with all its traits, following a merge to the canonical profile; None if there is none.

        A 404 that names the store is an error as any other.
        """
        path = f"{self._connection.store_path}/Profiles/{quote(profile_id, safe='')}"
        try:
            reply = self._connection.call_profile(Call("GET", path, "GET /Profiles/{profileId}"), profile_id)
        except RejectedRequestError as error:
            if error.status == 404 and error.code not in _NO_STORE:
                return None
            raise
        answer = reply.json()
        traits = answer.get("traits") or {}
        if not isinstance(traits, dict) or not all(isinstance(group, dict) for group in traits.values()):
            what = "the answer's traits are not in groups"
            raise protocol_error(reply.endpoint, what, reply.status, reply.request_id)
        (canonical,) = _ids(reply, [_text(reply, answer, "id")])
        return StoredProfile(canonical, traits)

    def get_import(self, import_id: str) -> ImportStatus:
        """Read the state of an import task."""
        path = f"{self._connection.store_path}/Profiles/Imports/{quote(import_id, safe='')}"
        reply = self._connection.call(Call("GET", path, "GET /Profiles/Imports/{importId}"))
        answer = reply.json()
        size = answer.get("fileSize")
        return ImportStatus(
            status=_text(reply, answer, "status"),
            filename=_text(reply, answer, "filename"),
            file_size_bytes=size if isinstance(size, int) else None,
            errors=count_of(answer.get("summary"), "errors"),
            warnings=count_of(answer.get("summary"), "warnings"),
            request_id=reply.request_id,
        )

    def list_imports(self, page_token: str | None = None) -> tuple[tuple[str, ...], str | None]:
        """Return one page of import IDs, newest first, and the next page's token."""
        path = f"{self._connection.store_path}/Profiles/Imports"
        query = {"pageSize": "100", **({"pageToken": page_token} if page_token else {})}
        reply = self._connection.call(Call("GET", path, "GET /Profiles/Imports", query=query))
        answer = reply.json()
        return tuple(_ids(reply, answer.get("imports") or [])), next_token(answer)

    def get_operation(self, status_url_or_id: str) -> OperationStatus:
        """Read the state of an operation; a URL must be on the API host."""
        path = self._connection.path_of(status_url_or_id)
        if path is None and _is_id(status_url_or_id):
            path = f"/v1/ControlPlane/Operations/{status_url_or_id}"
        if path is None:
            raise RejectedRequestError("a status URL is not on the API host", endpoint=_GET_OPERATION, status=404)
        reply = self._connection.call(Call("GET", path, _GET_OPERATION))
        answer = reply.json()
        result = answer.get("result")
        counts = result if isinstance(result, dict) and "errors" in result else answer.get("summary")
        return OperationStatus(
            status=_text(reply, answer, "status"),
            errors=count_of(counts, "errors"),
            warnings=count_of(counts, "warnings"),
            request_id=reply.request_id,
            retry_after_s=reply.wait_s(self._connection.now),
        )

    # --- writes ---

    def put_bulk(self, body: bytes) -> Accepted:
        """Send one Bulk body."""
        path = f"{self._connection.store_path}/Profiles/Bulk"
        reply = self._connection.call(Call("PUT", path, "PUT /Profiles/Bulk", expected=202, body=body))
        return self._accepted(reply)

    def patch_profile(self, profile_id: str, body: bytes) -> Accepted:
        """Patch the traits of one profile, following a merge to the canonical profile."""
        path = f"{self._connection.store_path}/Profiles/{quote(profile_id, safe='')}"
        call = Call("PATCH", path, "PATCH /Profiles/{profileId}", expected=202, body=body)
        return self._accepted(self._connection.call_profile(call, profile_id))

    def create_import(self, filename: str, size_bytes: int, columns: Sequence[ColumnMapping]) -> CreatedImport:
        """Create an import task."""
        mappings = [
            {"columnName": c.column_name, "traitGroup": c.trait_group, "traitName": c.trait_name} for c in columns
        ]
        body = orjson.dumps({"filename": filename, "fileSize": size_bytes, "columnMappings": mappings})
        path = f"{self._connection.store_path}/Profiles/Imports"
        reply = self._connection.call(Call("POST", path, "POST /Profiles/Imports", expected=201, body=body))
        answer = reply.json()
        (import_id,) = _ids(reply, [_text(reply, answer, "importId")])
        return CreatedImport(import_id, _text(reply, answer, "url"), reply.request_id)

    def upload(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Put an import file to its presigned URL: another client, no credentials, exact length."""
        self._bucket.put(url, content, size_bytes)

    def _accepted(self, reply: Reply) -> Accepted:
        answer = reply.json()
        operation_id = answer.get("operationId")
        status_url = answer.get("statusUrl")
        return Accepted(
            request_id=reply.request_id,
            operation_id=operation_id if _is_id(operation_id) else None,
            # Kept as a path: nothing that is stored can point at another host or carry a signature.
            status_url=self._connection.path_of(status_url) if isinstance(status_url, str) else None,
        )


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _text(reply: Reply, answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if isinstance(value, str) and value:
        return value
    raise protocol_error(reply.endpoint, f"the answer has no {name}", reply.status, reply.request_id)


def _ids(reply: Reply, values: object) -> list[str]:
    if isinstance(values, list) and all(map(_is_id, values)):
        return values
    raise protocol_error(reply.endpoint, "the answer has something else for an ID", reply.status, reply.request_id)
