"""Keeps what httpx and httpcore log about our requests out of every log.

They log whole URLs, a presigned one included, and headers of answers, at levels that a program which embeds this
package may well have switched on. What they log on a thread that is not in one of our requests is left alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LOGGERS: Final = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
"""Every logger the two have; a filter counts for the very logger it is on, not for those below it."""


class _Here(threading.local):
    depth: int = 0


_here = _Here()


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of the logging module
        return _here.depth == 0


_NOT_OURS: Final = _NotOurs()


def install() -> None:
    """Put the filter on their loggers; to do it again does nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_NOT_OURS)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what they log on this thread during a block; `install` comes first."""
    _here.depth += 1
    try:
        yield
    finally:
        _here.depth -= 1
