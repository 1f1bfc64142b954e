"""One request and its answer, with every limit applied: total time, size of the answer, no compression."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx
import orjson

from importer.errors import ApiError
from importer.memory_api.answers import ErrorDetail, error_detail, retry_after_s
from importer.memory_api.deadline import seconds_for, within
from importer.memory_api.translate import protocol_error, status_error, translated

ERROR_CAP_BYTES: Final = 64 * 1024
ANSWER_CAP_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole or up to its cap."""

    endpoint: str
    status: int
    headers: httpx.Headers
    body: bytes
    is_whole: bool

    @property
    def request_id(self) -> str | None:
        """``twilio-request-id``, if it looks like one."""
        found = self.headers.get("twilio-request-id")
        return found if found and len(found) <= 128 and found.isascii() and found.isprintable() else None

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            ProtocolError: it is not one.
        """
        try:
            parsed = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict):
            raise protocol_error(self.endpoint, "the answer is not a JSON object", self.status, self.request_id)
        return parsed

    def error(self, now: Callable[[], datetime], detail: ErrorDetail | None = None) -> ApiError:
        """Return the error this answer means."""
        wait_s = retry_after_s(self.headers.get("retry-after"), now())
        return status_error(self.endpoint, self.status, detail or error_detail(self.body), self.request_id, wait_s)


def exchange(
    client: httpx.Client,
    request: httpx.Request,
    endpoint: str,
    size_bytes: int,
    base_s: float,
    auth: httpx.Auth | None = None,
) -> Reply:
    """Send a request and read its answer.

    Args:
        client: Keeps connections; follows nothing.
        request: What to send.
        endpoint: Method and path template, for messages.
        size_bytes: Of the body, for the deadline.
        base_s: Seconds any request may take.
        auth: Credentials of this request; the client has none.

    Raises:
        ApiError: no answer came, or it is compressed or too large.
    """
    with translated(endpoint), within(seconds_for(size_bytes, base_s)):
        response = client.send(request, stream=True, follow_redirects=False, auth=auth)
        try:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                # The status still decides what an error means; a compressed body is never opened.
                if response.is_success:
                    raise protocol_error(endpoint, "the answer is compressed", response.status_code)
                return Reply(endpoint, response.status_code, response.headers, b"", is_whole=False)
            cap = ANSWER_CAP_BYTES if response.is_success else ERROR_CAP_BYTES
            body, is_whole = _read(response, cap)
        finally:
            response.close()
    if not is_whole and response.is_success:
        raise protocol_error(endpoint, f"the answer is larger than {cap} bytes", response.status_code)
    return Reply(endpoint, response.status_code, response.headers, body, is_whole)


def _read(response: httpx.Response, cap: int) -> tuple[bytes, bool]:
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in response.iter_raw():
            size += len(piece)
            if size > cap:
                return b"", False
            pieces.append(piece)
    except httpx.HTTPError:
        # The status of an error decides; a success must be whole.
        if response.is_success:
            raise
        return b"", False
    return b"".join(pieces), True


def ssl_context(*, is_loopback: bool) -> ssl.SSLContext:
    """Return the TLS settings: the usual ones, or for plain http on loopback ones that trust nobody (made faster)."""
    if is_loopback:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context(trust_env=False)
