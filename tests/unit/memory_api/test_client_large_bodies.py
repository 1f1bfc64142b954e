"""Bodies larger than what is written at a time: whole, in order, and only where they belong."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, cast

import httpx
import pytest

from importer.memory_api.client import ClientOptions, MemoryClient
from importer.memory_api.deadline import transport, within
from tests.support.client import STORE
from tests.support.loopback import LoopbackServer, Reply

TLS: Final = Path(__file__).parents[2] / "data" / "tls"
LARGE: Final = bytes(range(256)) * 4096 * 3
ACCEPTED: Final = Reply(202, b'{"message":"ok"}')


def of_a_server() -> ssl.SSLContext:
    """Return TLS settings of a server that the test authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    return context


def trusting() -> ssl.SSLContext:
    """Return TLS settings that trust the test authority."""
    return ssl.create_default_context(cafile=str(TLS / "ca.pem"))


def accepted(listener: socket.socket, *, tls: bool) -> socket.socket:
    """Take a connection, plainly or by TLS."""
    connection, _ = listener.accept()
    return of_a_server().wrap_socket(connection, server_side=True) if tls else connection


@pytest.mark.parametrize("tls", [False, True])
def test_a_large_body_arrives_whole(tls: bool) -> None:
    """Plainly and by TLS, on a connection that is used again."""
    with LoopbackServer(tls=of_a_server() if tls else None) as server:
        server.replies = [ACCEPTED]
        with MemoryClient(server.url, STORE, ("a", "b"), ClientOptions(ca_bundle=str(TLS / "ca.pem"))) as client:
            for _ in range(2):
                client.put_bulk(LARGE)
        assert [seen.body for seen in server.seen] == [LARGE, LARGE]
        assert server.connections == 1


class Counted(io.BytesIO):
    """A file that remembers how much was read of it at a time."""

    most: int = 0

    def read(self, size: int | None = -1) -> bytes:
        """Read, and remember."""
        piece = super().read(size)
        self.most = max(self.most, len(piece))
        return piece


def test_a_file_is_read_while_it_is_sent(server: LoopbackServer, client: MemoryClient) -> None:
    """However large it is, a piece of it is in memory."""
    content = Counted(LARGE)
    server.replies = [Reply(200)]
    client.upload(f"{server.url}/bucket/key", content, len(LARGE))
    assert server.seen[0].body == LARGE
    assert content.most < len(LARGE) / 2


@pytest.mark.parametrize(("tls", "deadline_s"), [(False, 0.4), (True, 0.6)])
def test_a_body_that_is_taken_slowly_ends_at_the_total_deadline(tls: bool, deadline_s: float) -> None:
    """A peer that reads a little now and then is late, and what it takes does not put that off."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ended = threading.Event()

        def take_a_little() -> None:
            with suppress(OSError), accepted(listener, tls=tls) as connection:
                while not ended.wait(0.02) and connection.recv(2**14):
                    pass

        thread = threading.Thread(target=take_a_little)
        thread.start()
        with transport(trusting(), None, 1) as sender:
            url = f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}/"
            request = httpx.Request("PUT", url, content=b"x" * 2**26, extensions={"timeout": {"write": 60.0}})
            began = time.monotonic()
            with within(deadline_s), pytest.raises(httpx.WriteTimeout):
                sender.handle_request(request)
            assert time.monotonic() - began < 5 * deadline_s
        ended.set()
        thread.join()


@contextmanager
def proxy_by_tls() -> Iterator[tuple[str, bytearray]]:
    """Run a proxy that is spoken to by TLS, for one tunnel; yield its URL and what it could read of that."""
    passed = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError), accepted(listener, tls=True) as inner:
                host, _, port = inner.recv(65536).split(b" ")[1].decode().partition(":")
                inner.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                with socket.create_connection((host, int(port))) as outer:
                    back = threading.Thread(target=pump, args=(outer, inner, bytearray()))
                    back.start()
                    pump(inner, outer, passed)
                    outer.shutdown(socket.SHUT_RDWR)
                    back.join()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", passed
        thread.join()


def pump(source: socket.socket, sink: socket.socket, passed: bytearray) -> None:
    """Copy what comes from one socket to another until it ends."""
    with suppress(OSError):
        while piece := source.recv(65536):
            passed += piece
            sink.sendall(piece)


def test_a_proxy_that_speaks_tls_cannot_read_what_goes_through_it() -> None:
    """The body is within the TLS of the service, which is within that of the proxy."""
    marker = LARGE[:256]
    with LoopbackServer(tls=of_a_server()) as server, proxy_by_tls() as (url, passed):
        server.replies = [ACCEPTED]
        # Only the type says that it is a URL: whom the proxy's own certificate is trusted for is no setting.
        proxy = cast("str", httpx.Proxy(url, ssl_context=trusting()))
        with transport(trusting(), proxy, 1) as sender:
            request = httpx.Request("PUT", f"{server.url}/x", content=LARGE)
            sender.handle_request(request).close()
        assert server.seen[0].body == LARGE
    assert len(passed) > len(LARGE)
    assert marker not in passed
