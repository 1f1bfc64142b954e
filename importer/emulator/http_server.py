"""One loopback port: uvicorn, told when to end instead of looking ten times a second whether it should."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from importer.emulator.misbehaviour import LINE, Line

GRACE_S = 3
_DATE_S = 1
_PARTING_TURNS = 10
"""Turns of the loop in which a connection that its client has closed is found closed and taken off; it takes three."""


class HttpServer(uvicorn.Server):
    """A uvicorn server that says when it listens, and lets its application reset a connection.

    Args:
        app: What it serves.
        listening: Released once it listens.
    """

    def __init__(self, app: Starlette, listening: threading.Semaphore) -> None:
        async def with_line(scope: Scope, receive: Receive, send: Send) -> None:
            scope[LINE] = Line(scope.get("client"), self._connections, lambda: self.should_exit)
            await app(scope, receive, send)

        super().__init__(
            uvicorn.Config(
                with_line,
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                ws="none",
                loop="asyncio",
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=30,
            )
        )
        self._listening = listening
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()

    def _connections(self) -> list[Any]:
        return list(self.server_state.connections)

    def ask_to_end(self) -> None:
        """Have it end in good order; may be called from any thread, and before it listens."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: it ended by itself
                self._loop.call_soon_threadsafe(self._asked.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._listening.release()

    async def main_loop(self) -> None:
        """Keep the date of the answers until it is to end."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_DATE_S):
                    await self._asked.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in good order; where nobody is connected any more there is nobody to give a tenth of a second."""
        for server in self.servers:
            server.close()
        for _ in range(_PARTING_TURNS):
            if not self.server_state.connections and not self.server_state.tasks:
                return
            await asyncio.sleep(0)
        await super().shutdown(sockets)
