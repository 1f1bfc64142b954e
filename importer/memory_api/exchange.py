"""One request and its answer, with every limit applied: total time, size of the answer, no compression.

Requests go to a transport, not to an `httpx.Client`: a transport has no cookies, no credentials, no redirects and no
say of the environment, so none of these can travel with a request that does not carry them itself.
"""

from __future__ import annotations

import time
from typing import Final

import httpx

from importer.errors import ApiError
from importer.memory_api.deadline import Times, seconds_for, within
from importer.memory_api.quiet import quiet
from importer.memory_api.reply import Reply
from importer.memory_api.request_log import log_request
from importer.memory_api.translate import protocol_error, translated

ERROR_CAP_BYTES: Final = 64 * 1024
ANSWER_CAP_BYTES: Final = 8 * 1024 * 1024


def exchange(
    transport: httpx.BaseTransport, request: httpx.Request, endpoint: str, size_bytes: int, times: Times
) -> Reply:
    """Send a request and read its answer; follows nothing.

    Args:
        transport: Keeps connections.
        request: What to send, credentials included where it has any.
        endpoint: Method and path template, for messages and logs.
        size_bytes: Of the body, for the deadline.
        times: How long it may take.

    Raises:
        ApiError: no answer came, or it is compressed or too large.
    """
    began_s = time.monotonic()  # noqa: TID251 - sockets keep real time
    reply: Reply | None = None
    failure: ApiError | None = None
    try:
        reply = _exchange(transport, request, endpoint, size_bytes, times)
    except ApiError as error:
        failure = error
        raise
    finally:
        log_request(request.method, endpoint, size_bytes, began_s, reply=reply, failure=failure)
    return reply


def _exchange(
    transport: httpx.BaseTransport, request: httpx.Request, endpoint: str, size_bytes: int, times: Times
) -> Reply:
    request.extensions["timeout"] = times.of_one_operation()
    with translated(endpoint, request.url), within(seconds_for(size_bytes, times.base_s)), quiet():
        response = transport.handle_request(request)
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
