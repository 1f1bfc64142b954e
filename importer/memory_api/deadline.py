"""A total deadline for a request.

httpx times single reads and writes, so a server that sends a byte now and then is never late. Here every socket
operation of a request also ends at the request's own deadline. A request runs on one thread from start to end, which is
what lets the deadline travel beside the call.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpcore
import httpx

from importer.errors import SettingsError

BASE_S: Final = 60.0
"""Seconds any request may take."""

BYTES_PER_S: Final = 128 * 1024
"""A body may add a second for each of these."""

_SLICE_BYTES: Final = 256 * 1024
"""Written within the limit of one socket operation: half a dozen calls of Python for a large body, not hundreds."""

_RECORD_BYTES: Final = 16 * 1024
"""What a record of TLS holds."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long a request may take.

    Attributes:
        connect_s: Longest wait for a connection.
        base_s: Longest it may take in all; a body adds to it by its size.
    """

    connect_s: float = 10.0
    base_s: float = BASE_S

    def of_one_operation(self) -> dict[str, float | None]:
        """Return the limits of single socket operations, as httpx takes them."""
        return {"connect": self.connect_s, "read": self.base_s, "write": self.base_s, "pool": self.base_s}


class _Remaining(threading.local):
    until_s: float = float("inf")


_remaining = _Remaining()


def seconds_for(size_bytes: int, base_s: float = BASE_S) -> float:
    """Return how long a request with a body of this size may take in all."""
    return base_s + size_bytes / BYTES_PER_S


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let every socket operation of this thread's block end `seconds` from now."""
    _remaining.until_s = time.monotonic() + seconds  # noqa: TID251 - sockets keep real time
    try:
        yield
    finally:
        _remaining.until_s = float("inf")


def _left(timeout: float | None) -> float | None:
    left = _remaining.until_s - time.monotonic()  # noqa: TID251 - sockets keep real time
    if left == float("inf"):
        return timeout
    # Never 0, which would mean "do not block" to a socket.
    return max(min(left, timeout if timeout is not None else left), 0.001)


def _check(error: type[Exception]) -> None:
    if time.monotonic() >= _remaining.until_s:  # noqa: TID251 - sockets keep real time
        raise error


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, sock: socket.socket | None) -> None:
        self._inner = inner
        self._sock = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        _check(httpcore.ReadTimeout)
        return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In slices: httpcore goes on writing for as long as the other side takes a little of it now and then.
        size = _SLICE_BYTES if self._sock is not None else _RECORD_BYTES
        for start in range(0, len(buffer), size):
            _check(httpcore.WriteTimeout)
            piece = memoryview(buffer)[start : start + size]
            if self._sock is None:
                self._inner.write(bytes(piece), _left(timeout))
            else:
                _send(self._sock, piece, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, _left(timeout))
        # TLS within that of a proxy goes through objects in memory: to its socket nothing may be written past them.
        is_within = self._sock is None or isinstance(self._sock, ssl.SSLSocket)
        return _Stream(stream, None if is_within else stream.get_extra_info("socket"))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _send(sock: socket.socket, piece: memoryview, timeout: float | None) -> None:
    """Write all of a piece: its time is that of the whole, not of each little bit that the other side takes."""
    try:
        sock.settimeout(timeout)
        sock.sendall(piece)
    except TimeoutError as exc:
        raise httpcore.WriteTimeout(str(exc)) from exc
    except OSError as exc:
        raise httpcore.WriteError(str(exc)) from exc


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, _left(timeout), local_address, socket_options)
        return _Stream(stream, stream.get_extra_info("socket"))


def transport(verify: ssl.SSLContext, proxy: str | None, connections: int) -> httpx.HTTPTransport:
    """Return a transport whose requests keep the deadline of `within`.

    Raises:
        SettingsError: the proxy URL cannot be used.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    try:
        made = httpx.HTTPTransport(verify=verify, proxy=proxy, limits=limits, trust_env=False)
    except (ValueError, httpx.InvalidURL, ImportError):
        # Their text holds the URL, and with it the proxy's password.
        raise SettingsError(
            "the proxy URL cannot be used", hint="it looks like http://proxy.example.com:3128"
        ) from None
    # httpx has no argument for httpcore's (public) network backends.
    made._pool._network_backend = _Backend()  # noqa: SLF001
    return made
