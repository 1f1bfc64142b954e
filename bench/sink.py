"""Take every PUT and forget it: `python bench/sink.py DELAY_MS` prints its URL and serves until its input ends.

A Bulk body is answered with 202, anything else with 200, so many milliseconds after its last byte. Bodies are read into
one buffer and not looked at: it costs next to nothing, so that senders are compared and not receivers. It knows
`Content-Length` alone, and one request after the other.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Final

_MESSAGE: Final = b'{"message":"Profile batch accepted for processing."}'
ACCEPTED: Final = (
    b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ntwilio-request-id: RQ0123456789abcdef0123456789abcdef"
    b"\r\ncontent-length: %d\r\n\r\n%s" % (len(_MESSAGE), _MESSAGE)
)
TAKEN: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_EXPECTS: Final = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
_BUFFER_BYTES: Final = 1 << 20


class Sink(asyncio.BufferedProtocol):
    """One connection.

    Args:
        delay_s: Between the end of a request and its answer.
    """

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._head = b""
        self._answer = TAKEN
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Have everything read into the same place."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count bytes off a body, or find out from a head how many come."""
        if self._left:
            self._take(nbytes)
            return
        self._head += bytes(self._buffer[:nbytes])
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = b""
        self._answer = ACCEPTED if b"/Profiles/Bulk " in head else TAKEN
        length = _LENGTH.search(head)
        self._left = int(length.group(1)) if length is not None else 0
        if _EXPECTS.search(head) and not rest:
            self._write(GO_ON)
        self._take(len(rest))

    def _take(self, nbytes: int) -> None:
        self._left -= nbytes
        if self._left > 0:
            return
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._write, self._answer)
        else:
            self._write(self._answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def serve(delay_s: float) -> None:
    """Serve on a free port of this machine until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(delay_s), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
