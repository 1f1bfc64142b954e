"""Puts an import file to its presigned URL: nothing but the file, to an allowed host alone, following nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from os import SEEK_END
from typing import BinaryIO, Final

import httpx

from importer.errors import ApiError, PackageChangedError, RejectedRequestError, RetryableApiError
from importer.memory_api.answers import ErrorDetail, bucket_code, bucket_says_expired
from importer.memory_api.deadline import Times
from importer.memory_api.exchange import exchange
from importer.memory_api.translate import protocol_error

_ENDPOINT: Final = "PUT (import file)"

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<target>/[!-\"$-~]*)"
)
"""Written out, so that no two readers of one URL can differ: no user, no fragment, nothing that must be encoded."""

_PIECE_BYTES: Final = 1024 * 1024
"""Read and sent at a time; of a file object httpx takes a sixteenth of it."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HTTPS_PORT: Final = "443"


class Bucket:
    """The place import files go to.

    Args:
        transport: Keeps connections; has no credentials, and follows nothing.
        hosts: Patterns of hosts a URL may point at by https; ``host:port`` where the port is not 443.
        allow_loopback: Whether this machine is fine, also by plain http: when the API itself is there.
        now: Wall clock, for dates in answers.
        times: How long an upload may take.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        hosts: Sequence[str],
        *,
        allow_loopback: bool,
        now: Callable[[], datetime],
        times: Times,
    ) -> None:
        self._transport = transport
        self._hosts = tuple(host.lower() for host in hosts)
        self._allow_loopback = allow_loopback
        self._now = now
        self._times = times

    def put(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Upload a file of exactly `size_bytes`.

        Raises:
            RejectedRequestError: the URL is not allowed, before the first byte; or its signature was refused.
            RetryableApiError: expired, or the bucket is not well; the import itself says what arrived.
            PackageChangedError: the file is not as long as was said; nothing was sent.
        """
        if content.seek(0, SEEK_END) != size_bytes:
            raise PackageChangedError(
                "an import file is not as long as it was when it was written",
                hint="the run folder was changed or damaged; resume the run to write the file anew",
            )
        content.seek(0)
        headers = {"content-length": str(size_bytes), "accept-encoding": "identity"}
        # A length beside what is read bit by bit keeps httpx from chunking, which the bucket refuses.
        request = httpx.Request("PUT", self._checked(url), headers=headers, content=_pieces(content))
        reply = exchange(self._transport, request, _ENDPOINT, size_bytes, self._times)
        if reply.status in (200, 201, 204):
            return
        if 200 <= reply.status < 400:
            raise protocol_error(_ENDPOINT, f"answered {reply.status}", reply.status)
        raise self._refusal(reply.status, reply.body, reply.error(self._now, ErrorDetail()))

    def _checked(self, url: str) -> httpx.URL:
        found = _URL.fullmatch(url)
        if found is not None and self._is_allowed(found["scheme"], found["host"].lower(), found["port"]):
            checked = httpx.URL(url)
            # The signature is over the path and the query as they are.
            if checked.raw_path == found["target"].encode():
                return checked
        error = RejectedRequestError("the service named an upload host that is not allowed", endpoint=_ENDPOINT)
        error.hint = "if that host is really the service's, add it to MEMORY_BUCKET_HOSTS"
        raise error

    def _is_allowed(self, scheme: str, host: str, port: str | None) -> bool:
        if self._allow_loopback and host in _LOOPBACK:
            return True
        place = host if port in (None, _HTTPS_PORT) else f"{host}:{port}"
        return scheme == "https" and any(fnmatchcase(place, pattern) for pattern in self._hosts)

    @staticmethod
    def _refusal(status: int, body: bytes, error: ApiError) -> ApiError:
        """Tell a refused signature, which ends the run, from what another import may mend."""
        code = bucket_code(body)
        is_signature = code in ("SignatureDoesNotMatch", "InvalidAccessKeyId") and not bucket_says_expired(body)
        if status == 403 and is_signature:
            return error
        return RetryableApiError(
            f"{_ENDPOINT} answered {status}" + (f" ({code})" if code else ""),
            endpoint=_ENDPOINT,
            status=status,
            retry_after_s=error.retry_after_s,
        )


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    while piece := content.read(_PIECE_BYTES):
        yield piece
