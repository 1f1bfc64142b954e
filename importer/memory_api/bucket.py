"""Puts an import file to its presigned URL, by a client that has no credentials and follows nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import httpx

from importer.errors import ApiError, RejectedRequestError, RetryableApiError
from importer.memory_api.answers import ErrorDetail, bucket_code, bucket_says_expired
from importer.memory_api.exchange import exchange
from importer.memory_api.translate import protocol_error
from importer.settings import is_loopback

_ENDPOINT: Final = "PUT (import file)"


class Bucket:
    """The place import files go to.

    Args:
        client: Bare: no auth, no cookies, no redirects.
        hosts: Host patterns a URL may point at.
        allow_loopback: Whether plain http on loopback is fine: when the API itself is there.
        now: Wall clock, for dates in answers.
        base_s: Seconds any upload may take, beside its size.
    """

    def __init__(
        self,
        client: httpx.Client,
        hosts: Sequence[str],
        *,
        allow_loopback: bool,
        now: Callable[[], datetime],
        base_s: float,
    ) -> None:
        self._client = client
        self._hosts = tuple(host.lower() for host in hosts)
        self._allow_loopback = allow_loopback
        self._now = now
        self._base_s = base_s

    def put(self, url: str, content: BinaryIO, size_bytes: int) -> None:
        """Upload a file of exactly `size_bytes`.

        Raises:
            RejectedRequestError: the URL is not allowed, before the first byte; or its signature was refused.
            RetryableApiError: expired, or the bucket is not well; the import itself says what arrived.
        """
        self._check(url)
        headers = {"content-length": str(size_bytes), "accept-encoding": "identity"}
        # A length beside a file object keeps httpx from chunking, which the bucket refuses.
        timeout = self._client.timeout.as_dict()
        request = httpx.Request("PUT", url, headers=headers, content=content, extensions={"timeout": timeout})
        reply = exchange(self._client, request, _ENDPOINT, size_bytes, self._base_s)
        if reply.status in (200, 201, 204):
            return
        if 200 <= reply.status < 400:
            raise protocol_error(_ENDPOINT, f"answered {reply.status}", reply.status)
        raise self._refusal(reply.status, reply.body, reply.error(self._now, ErrorDetail()))

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if parts.username is None and parts.password is None:
            if parts.scheme == "https" and any(fnmatchcase(host, pattern) for pattern in self._hosts):
                return
            if parts.scheme == "http" and self._allow_loopback and is_loopback(url):
                return
        error = RejectedRequestError("the service named an upload host that is not allowed", endpoint=_ENDPOINT)
        error.hint = "if that host is really the service's, add it to MEMORY_BUCKET_HOSTS"
        raise error

    @staticmethod
    def _refusal(status: int, body: bytes, error: ApiError) -> ApiError:
        """Tell a refused signature, which ends the run, from what another import may mend."""
        code = bucket_code(body)
        is_signature = code in ("SignatureDoesNotMatch", "InvalidAccessKeyId") and not bucket_says_expired(body)
        if status == 403 and is_signature:
            return error
        return RetryableApiError(
            f"{_ENDPOINT} answered {status}" + (f" ({code})" if code else ""), endpoint=_ENDPOINT, status=status
        )
