"""Faults on the way, on real sockets: lost, cut, slow, huge and compressed answers, and no answer at all."""

from __future__ import annotations

import gzip
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from importer.errors import (
    AmbiguousRequestError,
    ApiError,
    PackageChangedError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
)
from importer.memory_api.client import ClientOptions, MemoryClient
from tests.support.client import BODY, STORE
from tests.support.loopback import LoopbackServer, Reply, unused_port


def test_a_compressed_answer_is_not_opened(server: LoopbackServer, client: MemoryClient) -> None:
    """A bomb is refused by its header; of an error only the status counts."""
    bomb = gzip.compress(b"0" * 10_000_000)
    server.replies = [Reply(202, bomb, {"content-encoding": "gzip"}), Reply(503, bomb, {"content-encoding": "gzip"})]
    with pytest.raises(ProtocolError, match="compressed"):
        client.put_bulk(BODY)
    with pytest.raises(RetryableApiError):
        client.put_bulk(BODY)


def test_answers_are_capped(server: LoopbackServer, client: MemoryClient) -> None:
    """A huge error is its status; a huge success is not believed."""
    server.replies = [Reply(400, b"x" * 70_000), Reply(202, b" " * (8 * 1024 * 1024 + 1))]
    with pytest.raises(RejectedRequestError):
        client.put_bulk(BODY)
    with pytest.raises(ProtocolError, match="larger"):
        client.put_bulk(BODY)


def test_a_lost_answer_is_ambiguous(server: LoopbackServer, client: MemoryClient) -> None:
    """A connection closed after the body left says nothing about the body."""
    server.replies = [Reply(drop=True)]
    with pytest.raises(AmbiguousRequestError) as caught:
        client.put_bulk(BODY)
    assert caught.value.status is None


def test_a_truncated_success_is_ambiguous_and_a_truncated_error_its_status(
    server: LoopbackServer, client: MemoryClient
) -> None:
    """Half an answer is no answer, unless its status already says no."""
    cut = {"content-length": "500", "connection": "close"}
    server.replies = [Reply(202, b"{", cut), Reply(400, b"{", cut)]
    with pytest.raises(AmbiguousRequestError):
        client.put_bulk(BODY)
    with pytest.raises(RejectedRequestError):
        client.put_bulk(BODY)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 202 x\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{",
        b"HTTP/1.1 202 x\r\ncontent-length: -5\r\n\r\n{}",
        b"HTTP/1.1 202 x\r\nx: " + b"y" * 200_000 + b"\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 202 x\r\n",
    ],
)
def test_what_is_no_answer_at_all_is_ambiguous(server: LoopbackServer, client: MemoryClient, raw: bytes) -> None:
    """Cut chunks, endless headers, another protocol: the body may have arrived, so the batch is sent again."""
    server.replies = [Reply(raw=raw)]
    with pytest.raises(AmbiguousRequestError):
        client.put_bulk(BODY)


def test_what_comes_before_an_answer_is_passed_over(server: LoopbackServer, client: MemoryClient) -> None:
    """Informational answers are none; a change of protocol nobody asked for is no answer either."""
    server.replies = [
        Reply(
            raw=b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\n\r\n"
            + Reply(202, b'{"message":"ok"}').head()
            + b'{"message":"ok"}'
        ),
        Reply(raw=b"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
    ]
    assert client.put_bulk(BODY).request_id is None
    with pytest.raises(AmbiguousRequestError):
        client.put_bulk(BODY)


def test_a_kept_connection_that_the_server_closed_is_made_anew(server: LoopbackServer, client: MemoryClient) -> None:
    """Servers end connections that were idle; the next request does not fail for it."""
    server.replies = [Reply(raw=Reply(202, b'{"message":"ok"}').head() + b'{"message":"ok"}')]
    for number in (1, 2, 3):
        client.put_bulk(BODY)
        server.wait_closed(number)
    assert server.connections == 3


def test_an_answer_that_comes_before_the_body_has_left_counts() -> None:
    """Servers refuse by size as soon as they see the length: 413 is believed, not the reset that follows."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                while stream.readline() != b"\r\n":
                    pass
                connection.sendall(Reply(413, b"").head())
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with MemoryClient(url, STORE, ("a", "b")) as client, pytest.raises(RejectedRequestError) as caught:
            client.put_bulk(b"x" * 8_000_000)
        assert caught.value.status == 413
        thread.join()


@pytest.mark.parametrize("size", [4, 6])
def test_a_file_that_is_not_as_long_as_was_said_is_not_believed_to_have_arrived(
    server: LoopbackServer, client: MemoryClient, size: int
) -> None:
    """Too few bytes or too many: it was changed on this side, and nothing of it leaves."""
    with pytest.raises(PackageChangedError):
        client.upload(f"{server.url}/x", io.BytesIO(b"12345"), size)
    assert server.connections == 0


def test_no_connection_is_retryable() -> None:
    """Nothing listens: nothing was sent."""
    with unused_port() as port:
        client = MemoryClient(f"http://127.0.0.1:{port}", STORE, ("a", "b"))
        with client, pytest.raises(RetryableApiError):
            client.put_bulk(BODY)


def test_a_name_that_is_not_found_is_retryable() -> None:
    """A name server that is away comes back; in tests it is, because they find no name but this machine's."""
    with MemoryClient("https://memory.invalid", STORE, ("a", "b")) as client, pytest.raises(RetryableApiError):
        client.put_bulk(BODY)


@pytest.mark.parametrize("host", ["x" * 64 + ".example.com", "memory..example.com"])
def test_a_name_that_cannot_be_one_is_refused(host: str) -> None:
    """Sending it again is pointless."""
    with MemoryClient(f"https://{host}", STORE, ("a", "b")) as client, pytest.raises(RejectedRequestError):
        client.put_bulk(BODY)


def test_tls_to_a_server_without_is_retryable(server: LoopbackServer) -> None:
    """No certificate was seen, so nothing says that it will not be better later."""
    url = server.url.replace("http:", "https:")
    options = ClientOptions(connect_s=0.3)
    with MemoryClient(url, STORE, ("a", "b"), options) as client, pytest.raises(RetryableApiError):
        client.put_bulk(BODY)


def test_a_captive_portal_is_not_the_service(server: LoopbackServer, client: MemoryClient) -> None:
    """A 200 with a page, or a way to one, is no schema and no acceptance; the hint says what it may be."""
    page = Reply(200, b"<html>Please log in</html>", {"content-type": "text/html"})
    server.replies = [page, page, Reply(302, b"", {"location": f"{server.url}/login"})]
    for call in (client.fetch_schema, lambda: client.put_bulk(BODY), lambda: client.put_bulk(BODY)):
        with pytest.raises(ProtocolError) as caught:
            call()
        assert "captive portal" in caught.value.hint
    assert "/login" not in [seen.path for seen in server.seen]


def test_a_slow_answer_ends_at_the_total_deadline(server: LoopbackServer) -> None:
    """A server that sends a byte now and then is late all the same."""
    server.replies = [Reply(202, b" " * 1000, pause_s=0.05)]
    with MemoryClient(server.url, STORE, ("a", "b"), ClientOptions(base_s=0.4)) as client:
        began = time.monotonic()
        with pytest.raises(AmbiguousRequestError):
            client.put_bulk(BODY)
        assert time.monotonic() - began < 2


def test_slow_headers_end_at_the_total_deadline() -> None:
    """So does one that trickles its status line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                for byte in b"HTTP/1.1 202 Accepted" + b" " * 100:
                    if ended.wait(0.05):
                        return
                    connection.send(bytes([byte]))

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with MemoryClient(url, STORE, ("a", "b"), ClientOptions(base_s=0.4)) as client:
            with pytest.raises(AmbiguousRequestError):
                client.put_bulk(BODY)
            ended.set()
        thread.join()


def _raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    return handle


def _untrusted() -> httpx.ConnectError:
    error = httpx.ConnectError("x")
    error.__cause__ = ssl.SSLCertVerificationError("x")
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_untrusted(), RejectedRequestError),
        (httpx.ConnectTimeout("x"), RetryableApiError),
        (httpx.PoolTimeout("x"), RetryableApiError),
        (httpx.ReadTimeout("x"), AmbiguousRequestError),
        (httpx.WriteError("x"), AmbiguousRequestError),
        (httpx.RemoteProtocolError("x"), AmbiguousRequestError),
        (httpx.LocalProtocolError("x"), ProtocolError),
        (httpx.UnsupportedProtocol("x"), ProtocolError),
    ],
)
def test_what_httpx_raises_is_translated(error: Exception, kind: type[ApiError]) -> None:
    """Not sent is retryable, sent and lost is ambiguous."""
    options = ClientOptions(transport=httpx.MockTransport(_raising(error)))
    with MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), options) as client, pytest.raises(kind):
        client.put_bulk(BODY)
