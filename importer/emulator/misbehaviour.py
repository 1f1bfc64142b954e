"""What a client meets on the wire where a fault is switched on: lost, late, broken and foreign answers."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from importer.emulator.switches import Effect, Switch

LINE = "emulator.line"
"""Where the server puts a request's connection in its scope."""
PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>proxy</body></html>\n"
_LOOK_S = 0.05
_DATE = "date:"
# On, and no seconds to linger: closing the socket sends a reset and drops what is unsent.
_NO_LINGER = struct.pack("ii", 1, 0)


class _Connection(Protocol):
    """What uvicorn's protocols have."""

    client: tuple[str, int] | None
    transport: asyncio.Transport


class Line:
    """The connection a request came by."""

    def __init__(self, client: Any, connections: Callable[[], Iterable[Any]], is_closing: Callable[[], bool]) -> None:
        self._client = client
        self._connections = connections
        self.is_closing = is_closing

    async def reset(self) -> None:
        """Reset the connection; nothing sent afterwards arrives."""
        found: Iterable[_Connection] = self._connections()
        for transport in [each.transport for each in found if each.client == tuple(self._client or ())]:
            bare = transport.get_extra_info("socket")
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()
        # The protocol is told in the next turn of the loop, and then drops what the application still says.
        await asyncio.sleep(_LOOK_S)

    async def wait(self, delay_s: float) -> None:
        """Wait, but not longer than the server runs."""
        ends_at = time.monotonic() + delay_s
        while not self.is_closing() and (left_s := ends_at - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, _LOOK_S))


async def misbehave(
    request: Request,
    switch: Switch,
    serve: Callable[[], Awaitable[Response]],
    refuse: Callable[[Switch], Response],
) -> Response:
    """Answer one request as a switch says.

    Args:
        request: The request; it is read to its end unless the connection is reset first.
        switch: The fault.
        serve: Does the work and returns its answer.
        refuse: Makes the answer of the switch's status, in the words of the host.

    Raises:
        ClientDisconnect: There is no answer.
    """
    line: Line = request.scope[LINE]
    if switch.effect in (Effect.SLOW, Effect.TRUNCATED):
        answer = await serve()
        broken = _Truncated if switch.effect is Effect.TRUNCATED else _Slow
        return broken(answer, line, switch.delay_s)
    if switch.after:
        await serve()
    elif switch.effect is Effect.RESET:
        await anext(request.stream(), b"")
    else:
        async for _ in request.stream():
            pass
    if switch.effect is Effect.HANG:
        await line.wait(switch.delay_s)
    if switch.effect in (Effect.HANG, Effect.RESET):
        await line.reset()
        raise ClientDisconnect
    answer = refuse(switch) if switch.effect is Effect.STATUS else _page(switch.status)
    if switch.retry_after:
        answer.headers["Retry-After"] = show_retry_after(switch.retry_after, datetime.now(UTC))
    return answer


def show_retry_after(text: str, now: datetime) -> str:
    """Return the header's value; `date:N` becomes the date in N seconds."""
    seconds = text.removeprefix(_DATE)
    if seconds == text or not seconds.removeprefix("-").isdecimal():
        return text
    return format_datetime(now + timedelta(seconds=int(seconds)), usegmt=True)


def _page(status: int) -> Response:
    return Response(PAGE.format(f"{status} from a proxy"), status, media_type="text/html")


class _Broken(Response):
    """Another answer, sent in another way."""

    def __init__(self, answer: Response, line: Line, delay_s: float) -> None:
        super().__init__(answer.body, answer.status_code)
        self.raw_headers = answer.raw_headers
        self._line = line
        self._delay_s = delay_s


class _Truncated(_Broken):
    """Half of the body; the server closes the connection of an answer that is not complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


class _Slow(_Broken):
    """Byte by byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await self._line.wait(self._delay_s / 2)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for byte in bytes(self.body):
            await self._line.wait(self._delay_s / 2 / len(self.body))
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
