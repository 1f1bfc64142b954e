"""A gate before the local service: it lets requests through, holds them, or answers in the service's place."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

import httpx

HELD_S: Final = 60.0
_PASSED_ON: Final = ("authorization", "content-type", "accept")
_PASSED_BACK: Final = ("content-type", "retry-after", "twilio-request-id", "etag")


@dataclass(frozen=True)
class Answer:
    """An answer in the service's place."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@dataclass
class Gate:
    """What stands before one address of the service.

    Attributes:
        behind: Address of the service.
        url: Address of the gate.
        seen: Method and path of every request, in order of arrival.
        also: Addresses that answers may hold, and what is written for them.
    """

    behind: str
    url: str = ""
    seen: list[str] = field(default_factory=list)
    also: dict[str, str] = field(default_factory=dict)
    _held: re.Pattern[str] | None = None
    _open: threading.Event = field(default_factory=threading.Event)
    _answers: list[tuple[re.Pattern[str], Answer]] = field(default_factory=list)

    def hold(self, pattern: str) -> None:
        """Keep requests waiting whose method and path match."""
        self._open.clear()
        self._held = re.compile(pattern)

    def answer(self, pattern: str, answer: Answer) -> None:
        """Answer requests whose method and path match, until `let_through`."""
        self._answers.append((re.compile(pattern), answer))

    def let_through(self) -> None:
        """Let everything through, also what is held."""
        self._held = None
        self._answers.clear()
        self._open.set()

    def count(self, pattern: str) -> int:
        """Count the requests that arrived and match."""
        return sum(re.search(pattern, line) is not None for line in self.seen)

    def take(self, line: str) -> Answer | None:
        """Take note of a request; return the answer that is given in the service's place, None for its own."""
        self.seen.append(line)
        answer = next((answer for pattern, answer in self._answers if pattern.search(line)), None)
        if answer is None and self._held is not None and self._held.search(line):
            self._open.wait(HELD_S)
        return answer

    def shown(self, body: bytes) -> bytes:
        """Return an answer's body with the gate's address in the place of the service's."""
        for address, gate in ({self.behind: self.url} | self.also).items():
            body = body.replace(address.encode(), gate.encode())
        return body


def _handler(gate: Gate, client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            own = gate.take(f"{self.command} {urlsplit(self.path).path}")
            if own is not None:
                self._answer(own.status, own.headers, own.body)
                return
            headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            # A presigned URL is signed for its host.
            headers["host"] = urlsplit(gate.behind).netloc
            answer = client.request(self.command, gate.behind + self.path, content=body, headers=headers)
            kept = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
            self._answer(answer.status_code, kept, gate.shown(answer.content))

        do_GET = do_PUT = do_POST = do_PATCH = _serve  # noqa: N815 - names of the base class

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            try:
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:  # whoever asked is gone
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def gate_before(behind: str) -> Iterator[Gate]:
    """Open a gate before an address."""
    gate = Gate(behind)
    client = httpx.Client(trust_env=False, timeout=HELD_S)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gate, client))
    server.daemon_threads = True
    gate.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        gate.let_through()
        server.shutdown()
        server.server_close()
        thread.join()
        client.close()


def arrived(gate: Gate, pattern: str, count: int = 1) -> Callable[[], bool]:
    """Return a condition: so many requests that match arrived."""
    return lambda: gate.count(pattern) >= count
