"""A loopback server on bare sockets: what a client sends is kept byte for byte, what it is answered is scripted."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO, Final

_LONGEST_WAIT_S: Final = 10.0


@dataclass(frozen=True)
class Seen:
    """One request as the server had it.

    Attributes:
        method: From the request line.
        path: Target of the request line, as it came.
        headers: By lower-case name; the last of each.
        body: As it came; with its chunk sizes where it was chunked.
        head: Request line and headers, byte for byte.
        at_s: Monotonic time at which it was there as a whole.
        connection: Number of the connection it came by, from 0.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    head: bytes
    at_s: float
    connection: int


@dataclass
class Reply:
    """What the server answers.

    Attributes:
        status: Of the answer.
        body: Of the answer.
        headers: Beside or instead of ``content-length``.
        pause_s: Pause before each byte of the body.
        drop: Close the connection without a word.
        raw: Sent as it is, instead of all that; the connection is closed after it.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    drop: bool = False
    raw: bytes | None = None

    def head(self) -> bytes:
        """Return status line and headers."""
        headers = {"content-length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class LoopbackServer:
    """Answers what `replies` says, in order, and then the last of them; or what `answer` returns.

    Args:
        answer: Called for each request, from the thread of its connection.
        tls: Speak TLS.
        host: Loopback address.
    """

    def __init__(
        self,
        answer: Callable[[Seen], Reply] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.seen: list[Seen] = []
        self.replies: list[Reply] = [Reply()]
        self.connections = 0
        self.closed = 0
        self._answer = answer or self._scripted
        self._tls = tls
        self._lock = threading.Condition()
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end all connections."""
        self._ended.set()
        with self._lock:
            still_open = [self._listener, *self._open]
        for each in still_open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_LONGEST_WAIT_S)
        self._listener.close()

    def wait_closed(self, count: int) -> None:
        """Wait until so many connections are closed."""
        with self._lock:
            assert self._lock.wait_for(lambda: self.closed >= count, _LONGEST_WAIT_S)

    def _scripted(self, _seen: Seen) -> Reply:
        with self._lock:
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                number, self.connections = self.connections, self.connections + 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        spoken = connection
        # A client that hangs up, or does not believe the certificate, is part of what is tested.
        with suppress(OSError, ValueError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                spoken = self._tls.wrap_socket(connection, server_side=True)
            with spoken.makefile("rb") as stream:
                while self._exchange(spoken, stream, number):
                    pass
        spoken.close()
        connection.close()
        with self._lock:
            self._open.discard(connection)
            self.closed += 1
            self._lock.notify_all()

    def _exchange(self, connection: socket.socket, stream: BinaryIO, number: int) -> bool:
        """Take one request and answer it; tell whether another one may follow."""
        seen = read_request(stream, number)
        if seen is None:
            return False
        with self._lock:
            self.seen.append(seen)
        reply = self._answer(seen)
        if reply.drop:
            return False
        if reply.raw is not None:
            connection.sendall(reply.raw)
            return False
        connection.sendall(reply.head())
        pieces = [reply.body] if not reply.pause_s else [bytes([byte]) for byte in reply.body]
        for piece in pieces:
            if reply.pause_s and self._ended.wait(reply.pause_s):
                return False
            connection.sendall(piece)
        return reply.headers.get("connection") != "close"


def read_request(stream: BinaryIO, number: int) -> Seen | None:
    """Read one request, None where the connection ended."""
    lines: list[bytes] = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line)
    if not lines:
        return None
    method, path, _ = lines[0].decode("latin-1").split(" ", 2)
    pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b"".join(_chunks(stream))
    else:
        body = stream.read(int(headers.get("content-length", "0")))
    return Seen(method, path, headers, body, b"".join(lines), time.monotonic(), number)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        size = stream.readline()
        yield size
        yield stream.read(int(size.split(b";")[0], 16) + 2)
        if int(size.split(b";")[0], 16) == 0:
            return


@contextmanager
def unused_port() -> Iterator[int]:
    """Return a port of loopback at which nobody listens, for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]
