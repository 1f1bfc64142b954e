"""Turns statuses and httpx's errors into this package's errors, by what may be done next. The only place that does.

| what happened                              | error                   |
|--------------------------------------------|-------------------------|
| 429, 503, 408, 409, 423, 425, any other 5xx| RetryableApiError       |
| no connection was made, pool exhausted     | RetryableApiError       |
| certificate or host name not valid         | RejectedRequestError    |
| URL not allowed                            | RejectedRequestError    |
| any other 4xx                              | RejectedRequestError    |
| a merged profile where merges are not followed | MergedProfileError  |
| lost after the request began to leave      | AmbiguousRequestError   |
| 1xx, 3xx, another 2xx, an unreadable 2xx   | ProtocolError           |
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from importer.errors import (
    AmbiguousRequestError,
    ApiError,
    MergedProfileError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
)
from importer.memory_api.answers import ErrorDetail

_RETRYABLE: Final = frozenset({408, 409, 423, 425, 429})

_HINTS: Final = {
    401: "check TWILIO_API_KEY and TWILIO_API_SECRET, then run the command again",
    403: "the key has no permission for this store: see to it that it has, then run the command again",
    404: "check the store ID (--store or MEMORY_STORE_ID) and the API URL",
    409: "it clashes with what is there now: look at that, and decide anew",
    412: "it was changed meanwhile: read it again, and decide anew",
}
NO_STORE: Final = frozenset({520041, 520049})
"""Codes of a 404 that speaks of the store."""
_ABOUT_ONE: Final = re.compile(r"\{(?!storeId)[a-zA-Z]+\}")
_NONE_SUCH: Final = "there is none by that ID or name; check it, and the store ID (--store or MEMORY_STORE_ID)"

_MOST_MAPPINGS: Final = 5
"""Columns that a message names."""

_BETWEEN: Final = "is the API URL right, and does nothing stand between (a proxy, a captive portal)?"

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_LOST: Final = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)


def status_error(
    endpoint: str, status: int, detail: ErrorDetail, request_id: str | None, retry_after_s: float | None
) -> ApiError:
    """Return the error an answer means."""
    kind: type[ApiError]
    if status in _RETRYABLE or 500 <= status < 600:
        kind = RetryableApiError
    elif 400 <= status < 500:
        kind = RejectedRequestError
    else:
        kind = ProtocolError
    code = f" (code {detail.code})" if detail.code is not None else ""
    place = f" about {', '.join(detail.mappings[:_MOST_MAPPINGS])}" if detail.mappings else ""
    error = kind(
        f"{endpoint} answered {status}{code}{place}",
        endpoint=endpoint,
        status=status,
        code=detail.code,
        request_id=request_id,
        retry_after_s=retry_after_s,
    )
    error.hint = _HINTS.get(status, _BETWEEN if kind is ProtocolError else "")
    if status == 404 and detail.code not in NO_STORE and _ABOUT_ONE.search(endpoint):
        error.hint = _NONE_SUCH
    if detail.rows:
        error.context["rows"] = detail.rows
    if detail.mappings:
        error.context["mappings"] = detail.mappings[:_MOST_MAPPINGS]
    return error


def protocol_error(endpoint: str, what: str, status: int | None, request_id: str | None = None) -> ProtocolError:
    """Return the error of an answer that is not what the service documents."""
    error = ProtocolError(f"{endpoint}: {what}", endpoint=endpoint, status=status, request_id=request_id)
    error.hint = _BETWEEN
    return error


def merged_error(endpoint: str, status: int, request_id: str | None, canonical_id: str) -> MergedProfileError:
    """Return the error of a call that does not follow a profile to the one it was merged into."""
    error = MergedProfileError(
        f"{endpoint}: the profile was merged into {canonical_id}",
        endpoint=endpoint,
        status=status,
        request_id=request_id,
        canonical_id=canonical_id,
    )
    error.hint = "nothing was changed; look at that profile first, and give --follow-merged if it is the one you mean"
    return error


@contextmanager
def translated(endpoint: str, url: httpx.URL) -> Iterator[None]:
    """Turn what httpx raises in a block into this package's errors.

    The messages of httpx are dropped: they may hold URLs. Of these the host alone is said, and its port.

    Args:
        endpoint: Method and path template.
        url: Where the request goes.
    """
    try:
        yield
    except _NOT_SENT as exc:
        raise _not_connected(endpoint, url, exc) from exc
    except _LOST as exc:
        raise AmbiguousRequestError(
            f"{endpoint} was sent and not answered by {_host(url)} ({type(exc).__name__})", endpoint=endpoint
        ) from exc
    except UnicodeError as exc:
        # Raised where a host name is looked up that cannot be one: a label too long, or an empty one.
        error = RejectedRequestError(f"{endpoint}: that is no host name", endpoint=endpoint)
        error.hint = "check the API URL"
        raise error from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise protocol_error(endpoint, f"not understood ({type(exc).__name__})", None) from exc


def _host(url: httpx.URL) -> str:
    """Return host and port: never a path or a query, which may be secret."""
    return url.host if url.port is None else f"{url.host}:{url.port}"


def _not_connected(endpoint: str, url: httpx.URL, exc: httpx.HTTPError) -> ApiError:
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            error = RejectedRequestError(
                f"{endpoint}: the server's certificate is not valid: {_host(url)}", endpoint=endpoint
            )
            error.hint = (
                "check the API URL and this machine's clock; "
                "if a proxy of your company opens TLS, name its certificate authority in MEMORY_CA_BUNDLE (a PEM file)"
            )
            return error
        cause = cause.__cause__ or cause.__context__
    lost = RetryableApiError(f"{endpoint}: no connection to {_host(url)} ({type(exc).__name__})", endpoint=endpoint)
    lost.hint = "check --proxy and its credentials" if isinstance(exc, httpx.ProxyError) else ""
    return lost
