"""One line of log a request, for whoever asked for it: what was asked for, what came back, how long it took.

Never a URL, a header, a body or an identifier: paths are templates.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from importer.ports.request_context import request_context

if TYPE_CHECKING:
    from importer.errors import ApiError
    from importer.memory_api.reply import Reply

_LOG: Final = logging.getLogger("memory_importer")
_LINE: Final = (
    "%(method)s %(path)s status=%(status)s error=%(error)s ms=%(ms)d bytes=%(bytes)d answer_bytes=%(answer_bytes)d "
    "request_id=%(request_id)s batch=%(batch)s attempt=%(attempt)d"
)


def log_request(
    method: str,
    endpoint: str,
    size_bytes: int,
    began_s: float,
    *,
    reply: Reply | None,
    failure: ApiError | None,
) -> None:
    """Log a request that is over.

    Args:
        method: HTTP method.
        endpoint: Method and path template.
        size_bytes: Of the body that was sent.
        began_s: Monotonic time at which it began.
        reply: Its answer, None where none came or it could not be taken.
        failure: Why there is no reply.
    """
    if not _LOG.isEnabledFor(logging.DEBUG):
        return
    about = request_context()
    fields = {
        "method": method,
        "path": endpoint.removeprefix(f"{method} "),
        "status": reply.status if reply is not None else failure and failure.status,
        "error": type(failure).__name__ if failure is not None else None,
        "ms": round((time.monotonic() - began_s) * 1000),  # noqa: TID251 - sockets keep real time
        "bytes": size_bytes,
        "answer_bytes": len(reply.body) if reply is not None else 0,
        "request_id": reply.request_id if reply is not None else failure and failure.request_id,
        "batch": about.batch_id,
        "attempt": about.attempt,
    }
    _LOG.debug(_LINE, fields, extra={"event": "request"})
