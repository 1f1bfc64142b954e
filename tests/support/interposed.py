"""A man in the middle: passes requests on to the local service, keeps their bytes, and may answer for it."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import urlsplit

import orjson

from importer.emulator import Emulator
from tests.support.loopback import LoopbackServer, Reply, Seen

Script = Callable[[Seen], Reply | None]
"""Answers a request instead of the service; None lets it through."""

Rewrite = Callable[[Seen, Reply], Reply]
"""Changes what the service answered."""


@dataclass
class Interposed:
    """Two servers that stand for the API and the bucket of a local service.

    Attributes:
        emulator: The service.
        script: Asked first; `seen` has the request already.
        rewrite: Asked last.
        marker: A parameter that presigned URLs get in front of theirs; it is taken off again on the way.
    """

    emulator: Emulator
    script: Script = lambda _seen: None
    rewrite: Rewrite = lambda _seen, reply: reply
    marker: str = ""
    api: LoopbackServer = field(init=False)
    bucket: LoopbackServer = field(init=False)

    def __post_init__(self) -> None:
        self.api = LoopbackServer(lambda seen: self._answer(self.emulator.api_url, seen))
        self.bucket = LoopbackServer(lambda seen: self._answer(self.emulator.bucket_url, seen))

    def close(self) -> None:
        """Stop both servers."""
        self.api.close()
        self.bucket.close()

    def of(self, method: str, ending: str) -> list[Seen]:
        """Return the requests to the API with this method and end of their path, oldest first."""
        return [seen for seen in self.api.seen if seen.method == method and seen.path.endswith(ending)]

    def _answer(self, url: str, seen: Seen) -> Reply:
        scripted = self.script(seen)
        return self.rewrite(seen, self._pass_on(url, seen) if scripted is None else scripted)

    def _pass_on(self, url: str, seen: Seen) -> Reply:
        kept = {name: value for name, value in seen.headers.items() if name not in ("host", "connection")}
        # A proxy is asked for whole URLs.
        path = seen.path if seen.path.startswith("/") else "/" + seen.path.split("/", 3)[3]
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        try:
            connection.request(seen.method, path.replace(f"?{self.marker}&", "?"), seen.body or None, kept)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        own = (self.emulator.api_url.encode(), self.api.url.encode())
        files = (self.emulator.bucket_url.encode(), self.bucket.url.encode())
        body = body.replace(*own).replace(*files)
        if self.marker:
            body = body.replace(b".csv?X-Amz", f".csv?{self.marker}&X-Amz".encode())
        headers = {name.lower(): value for name, value in answer.getheaders() if name.lower() in _KEPT}
        return Reply(answer.status, body, headers)


_KEPT = frozenset({"twilio-request-id", "retry-after", "location", "content-type", "canonical-profile-id"})


def without_rules(seen: Seen, reply: Reply) -> Reply:
    """Keep the rules of traits from the client, so that the service refuses what the client let through."""
    if "/TraitGroups" not in seen.path or reply.status != HTTPStatus.OK:
        return reply
    answer = orjson.loads(reply.body)
    for group in answer["traitGroups"]:
        for trait in group["traits"].values():
            trait["validationRule"] = None
    return replace(reply, body=orjson.dumps(answer))


@contextmanager
def interposed(
    emulator: Emulator, script: Script | None = None, rewrite: Rewrite | None = None
) -> Iterator[Interposed]:
    """Stand between a local service and whoever takes it for the live one."""
    made = Interposed(emulator)
    made.script, made.rewrite = script or made.script, rewrite or made.rewrite
    try:
        yield made
    finally:
        made.close()
