"""The way between client and service, in virtual time: what is lost, late, refused, garbled, or told to wait.

The client is the real one; this is the transport under it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Final

import httpx

from tests.simulation.fate import Service as Nature
from tests.simulation.http import Asked, Reply, refusal
from tests.simulation.rows import CANARY
from tests.simulation.service import OPERATIONS_PATH, Api
from tests.simulation.trace import EPOCH, Trace, VirtualClock, must

TIMEOUT_S: Final = 60.0
DEAF_S: Final = 200.0
"""Until when the lookups of some rows are not answered."""

FAULTS: Final = (
    *("connect", "reset", "timeout", "applied", "applied", "applied-late", "429", "429", "503", "500", "500-applied"),
    *(
        "502",
        "503-applied",
        "504-applied",
        "gateway",
        "408",
        "408-applied",
        "409",
        "html",
        "html-accepted",
        "cut",
        "garbled",
        "zipped",
        "moved",
    ),
)
UPLOAD_FAULTS: Final = ("connect", "reset", "timeout", "applied", "applied-late", "500", "503", "cut", "moved")
ENDERS: Final = ("401", "403", "no-store", "tomorrow", "bug")
"""Faults that end a process, if not a run."""

RETRY_AFTERS: Final = ("0", "1", "3", "30", "date", "", "", "abc", "-1", " 2 ")
_DONE: Final = ("408-applied", "500-applied", "503-applied", "504-applied")
SENT_ON: Final = frozenset({"applied", "applied-late", *_DONE, "cut", "garbled", "zipped", "bug"})
"""Faults of which the service knows nothing: it did what it was asked."""


class SimulatedBugError(Exception):
    """Something in this program that nobody foresaw, after a request had left."""


class _Stream(httpx.SyncByteStream):
    def __init__(self, body: bytes, *, is_cut: bool) -> None:
        self._body = body
        self._is_cut = is_cut

    def __iter__(self) -> Iterator[bytes]:
        yield self._body[: len(self._body) // 2] if self._is_cut else self._body
        if self._is_cut:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


@dataclass
class Network(httpx.BaseTransport):
    """The transport of API and bucket.

    Attributes:
        before: Called with each request before it leaves.
        position: Of the row a lookup or patch is about.
        not_before_s: Nobody may send before this; the client was told.
        sent: Requests so far.
        is_open: Requests may be sent at all.
        is_calm: Nothing goes wrong any more.
        enders: How many answers may still be such that they end a run.
    """

    api: Api
    nature: Nature
    clock: VirtualClock
    rng: random.Random
    trace: Trace
    before: Callable[[Asked], None] = lambda _: None
    position: int = -1
    not_before_s: float = 0.0
    sent: int = 0
    is_open: bool = False
    is_calm: bool = False
    enders: int = 0
    _took_s: float = 0.0
    _told: list[float | str] = field(default_factory=list)

    def __post_init__(self) -> None:
        poison = self.nature.poison
        self._poison = f'"{CANARY}-{poison}"'.encode() if poison is not None else b"nothing"

    def begin(self, position: int) -> None:
        """Forget the last request."""
        self.position, self._took_s, self._told = position, 0.0, []

    def taken(self) -> tuple[float, float]:
        """Return how long the last request took, and until when it told everybody to wait."""
        arrived_s = self.clock.now_s + self._took_s
        until_s = [wait if isinstance(wait, float) else arrived_s + float(wait) for wait in self._told]
        return self._took_s, max(until_s, default=0.0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request there, and its answer back."""
        asked = Asked(
            method=request.method,
            host=request.url.host,
            path=request.url.path,
            query=dict(request.url.params),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.read(),
            position=self.position,
        )
        self.sent += 1
        must(self.is_open, "I8", f"{asked.method} {asked.path} before anything was to be sent")
        must(
            self.clock.now_s >= self.not_before_s, "pacing", f"{asked.method} {asked.path} before Retry-After was over"
        )
        self.before(asked)
        self._took_s += self.rng.uniform(0.02, 0.4)
        fault = self._fault(asked)
        kind = "upload" if asked.is_upload else asked.method
        self.trace.met[f"{kind} {fault or 'fine'}"] += 1
        reply = self._answer(asked, fault)
        self.trace.note("answer", asked.method, asked.path, reply.status, fault)
        if not fault and asked.path.startswith(OPERATIONS_PATH):
            at_s = self.clock.now_s + self._took_s
            self.api.operations.heard(asked.path.removeprefix(OPERATIONS_PATH), at_s, reply)
        self.trace.met[f"answer {reply.status}"] += 1
        headers = {"twilio-request-id": f"RQ{self.sent}", **reply.headers}
        if fault == "zipped":
            headers["content-encoding"] = "gzip"
        return httpx.Response(reply.status, headers=headers, stream=_Stream(reply.body, is_cut=fault == "cut"))

    def _fault(self, asked: Asked) -> str:
        if self.is_calm:
            return ""
        now_s = self.clock.now_s
        for is_down, fault in ((self.nature.down, "down"), (self.nature.bucket_down, "503")):
            if is_down[0] <= now_s < is_down[1] and (fault == "down" or asked.is_upload):
                return fault
        if self.nature.locked[0] <= now_s < self.nature.locked[1] and not asked.is_upload:
            return "locked"
        if self._is_never_answered(asked):
            return "reset"
        if self.rng.random() >= self.nature.fault_share:
            return ""
        if self.enders > 0 and self.rng.random() < 0.1:
            self.enders -= 1
            return "signature" if asked.is_upload else self.rng.choice(ENDERS)
        return self.rng.choice(UPLOAD_FAULTS if asked.is_upload else FAULTS)

    def _is_never_answered(self, asked: Asked) -> bool:
        """Tell whether a request is about a row of which the service never hears."""
        if asked.path.endswith("/Bulk"):
            return self._poison in asked.body
        is_deaf = asked.path.endswith("/Lookup") and self.clock.now_s < DEAF_S
        return is_deaf and self.api.row_of[self.position] in self.nature.deaf

    def _answer(self, asked: Asked, fault: str) -> Reply:
        self._lose(asked, fault)
        if fault in ("", *SENT_ON):
            reply = self.api.answer(asked)
            match fault:
                case "bug":
                    self._noted(asked, fault)
                    raise SimulatedBugError
                case "applied":
                    self._noted(asked, fault)
                    raise httpx.ReadError("reset")
                case "applied-late":
                    self._took_s += TIMEOUT_S
                    self._noted(asked, fault)
                    raise httpx.ReadTimeout("late")
                case _ if fault in _DONE:
                    return refusal(int(fault[:3]), 20500, self.rng)
                case "garbled":
                    return Reply(reply.status, b'{"message": "' + CANARY.encode(), reply.headers)
            return reply
        return self._refused(fault)

    def _lose(self, asked: Asked, fault: str) -> None:
        if fault in ("connect", "reset", "timeout"):
            self._noted(asked, fault)
        if fault == "connect":
            raise httpx.ConnectError("refused")
        if fault == "reset":
            raise httpx.WriteError("reset")
        if fault == "timeout":
            self._took_s += TIMEOUT_S
            raise httpx.ReadTimeout("no answer")

    def _noted(self, asked: Asked, fault: str) -> None:
        self.trace.note("lost", asked.method, asked.path, fault)

    def _refused(self, fault: str) -> Reply:
        page = f"<html><title>Log in, {CANARY}</title></html>".encode()
        html = {"content-type": "text/html"}
        match fault:
            case "429" | "503" | "down":
                status = 503 if fault == "down" else int(fault)
                code = 20429 if status == 429 else 20503
                return Reply(status, {"code": code, "message": CANARY, "status": status}, self._retry_after(fault))
            case "html" | "html-accepted" | "502" | "gateway":
                return Reply({"html": 200, "html-accepted": 202, "502": 502}.get(fault, 503), page, html)
            case "tomorrow":
                return Reply(429, b"", {"retry-after": "86400"})
            case "signature":
                return Reply(403, f"<Error><Code>SignatureDoesNotMatch</Code>{CANARY}</Error>".encode())
            case "moved":
                return Reply(302, b"", {"location": f"https://elsewhere.example.com/{CANARY}"})
        refused = {"locked": (401, 20003), "401": (401, 20003), "403": (403, 20403), "no-store": (404, 520041)}
        return refusal(*refused.get(fault) or (int(fault), 20500), self.rng)

    def _retry_after(self, fault: str) -> dict[str, str]:
        """Ask for a wait in one of the forms there are; what cannot be read asks for none."""
        form = self.rng.choice(RETRY_AFTERS if fault != "down" else ("", "5"))
        self.trace.met[f"Retry-After {form!r}"] += 1
        if not form:
            return {}
        if form != "date":
            if form.strip().isdigit():
                self._told.append(form.strip())
            return {"retry-after": form}
        at_s = float(int(self.clock.now_s) + self.rng.choice([0, 2, 20]))
        self._told.append(at_s)
        return {"retry-after": format_datetime(EPOCH + timedelta(seconds=at_s), usegmt=True)}
