"""How a port of the emulator ends: when it is asked, whenever that is."""

from __future__ import annotations

import asyncio
import socket
import threading

import httpx
import pytest
from starlette.applications import Starlette

from importer.emulator import Emulator
from importer.emulator.http_server import HttpServer


def test_a_port_that_is_asked_to_end_before_it_listens_ends() -> None:
    """A start that failed half way leaves no thread that serves for ever."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(Starlette(), threading.Semaphore(0))
    server.ask_to_end()
    asyncio.run(server.serve(sockets=[bound]))
    server.ask_to_end()  # once more, after its loop is closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        bound.getsockname()


def test_a_connection_that_stays_open_does_not_keep_the_emulator() -> None:
    """A client between two requests is let go, and finds nobody afterwards."""
    emulator = Emulator(":memory:")
    emulator.start()
    api_url = emulator.api_url
    with httpx.Client(base_url=api_url) as client:
        assert client.get("/v1/ControlPlane/Stores").status_code == 401
        emulator.stop()
        with pytest.raises(httpx.TransportError):
            client.get("/v1/ControlPlane/Stores")


@pytest.mark.parametrize("has_client", [False, True])
def test_a_port_that_nobody_is_connected_to_any_more_ends_without_a_pause(has_client: bool) -> None:
    """Nothing is slept through where nobody has to be waited for: the loop's timers are the date's alone."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(Starlette(), threading.Semaphore(0))
    pauses: list[float] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        later = loop.call_at

        def noted(when: float, *given: object, **named: object) -> asyncio.TimerHandle:
            pauses.append(when - loop.time())
            return later(when, *given, **named)  # type: ignore[arg-type]  # whatever asyncio gave

        loop.call_at = noted  # type: ignore[method-assign]  # of asyncio, to see what is waited for
        serving = loop.create_task(server.serve(sockets=[bound]))
        while not server.started:
            await asyncio.sleep(0)
        if has_client:
            with socket.create_connection(bound.getsockname()):
                while not server.server_state.connections:
                    await asyncio.sleep(0)
        server.ask_to_end()
        await serving

    asyncio.run(serve())
    assert all(pause > 0.5 for pause in pauses)
