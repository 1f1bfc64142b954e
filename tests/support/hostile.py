"""A service that says back whatever it is told: in error bodies, in answers, in headers, in presigned URLs."""

from __future__ import annotations

import threading
from base64 import b64decode
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from importer.core.mapping_seed import seed_for
from importer.core.mapping_yaml import parse_mapping
from importer.emulator import Emulator, EmulatorSettings
from tests.support.canaries import LONGEST_NOTE, MAPPING
from tests.support.interposed import without_rules
from tests.support.loopback import Reply, Seen

SAID: Final = "zqsaidbytheserviceqz"
"""In everything it says."""

PRESIGNED: Final = "zqpresignedqz"
MARKER: Final = f"x-canary={PRESIGNED}"
"""In the query of presigned URLs."""

HEADERS: Final = {
    "set-cookie": f"session={SAID}; Path=/",
    "server": SAID,
    "x-echo": SAID,
    "www-authenticate": f'Basic realm="{SAID}"',
}
_MOST: Final = 20_000


@dataclass
class Hostile:
    """Fails once at each kind of request, and says back what it was sent; else it does its work.

    Attributes:
        user: The only one it lets in; None lets in anybody.
        polls: Whether polls fail once as well; each costs a client some seconds.
    """

    user: str | None = None
    polls: bool = False
    _seen: set[str] = field(default_factory=set)
    _uploaded: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def script(self, seen: Seen) -> Reply | None:
        """Fail, the first time."""
        if self.user is not None and "authorization" in seen.headers and not _is_user(seen, self.user):
            return Reply(401, _problem(20003, seen))
        kind = _kind(seen)
        failing = _failure(kind, seen)
        if failing is None or (seen.method == "GET" and not self.polls):
            return None
        with self._lock:
            # What is said of an import in between must not keep its file from being sent again.
            if kind in self._seen or (kind == "import" and _name(seen) not in self._uploaded):
                self._uploaded.add(_name(seen) if kind == "upload" else "")
                return None
            self._seen.add(kind)
        return failing

    def rewrite(self, seen: Seen, reply: Reply) -> Reply:
        """Say back what was sent, in every answer."""
        reply = without_rules(seen, reply)
        body = reply.body
        if body.startswith(b"{"):
            answer = orjson.loads(body)
            told: dict[str, object] = {
                "message": _echo(seen),
                "detail": _echo(seen),
                "echo": {"traits": _echo(seen), "said": SAID},
            }
            if reply.status >= 400:
                told["errors"] = [{"detail": _echo(seen), "message": SAID, "context": {"value": _echo(seen)}}]
            body = orjson.dumps(answer | told)
        return replace(reply, body=body, headers=reply.headers | HEADERS)


def hostile_store(**settings: object) -> Emulator:
    """Return a service for the canaries' mapping, with a rule that it keeps to itself."""
    seed = seed_for(parse_mapping(orjson.dumps(MAPPING), "mapping.yaml"))
    (account,) = (group for group in seed["traitGroups"] if group["displayName"] == "Account")
    account["traits"]["note"]["validationRule"] = {"ruleType": "STRING", "maxLength": LONGEST_NOTE}
    return Emulator(":memory:", EmulatorSettings(**settings), seed)  # type: ignore[arg-type]  # the settings' own names


def _kind(seen: Seen) -> str:
    path = seen.path.partition("?")[0]
    if path.endswith(".csv"):
        return "upload"
    if "/Operations/" in path:
        return "operation"
    if "/Imports/" in path:
        return "import"
    return f"{seen.method} {path.rsplit('/', 1)[1][:12]}"


def _name(seen: Seen) -> str:
    """Return the import that a poll or an upload is about."""
    return seen.path.partition("?")[0].rsplit("/", 1)[1].removesuffix(".csv")


def _failure(kind: str, seen: Seen) -> Reply | None:
    match kind:
        case "PUT Bulk":
            page = f"<html><title>502</title><body>{SAID} {_echo(seen)}</body></html>"
            return Reply(502, page.encode(), {"content-type": "text/html"})
        case "POST Imports":
            return Reply(503, _problem(20503, seen))
        case "POST Lookup":
            return Reply(429, _problem(20429, seen), {"retry-after": "0"})
        case "PATCH mem_profile_":
            return Reply(503, _problem(20503, seen))
        case "upload":
            text = f"<Message>{_echo(seen)}</Message><Resource>{seen.path}</Resource>"
            return Reply(500, f"<Error><Code>InternalError</Code>{text}</Error>".encode())
        case "import":
            return Reply(200, orjson.dumps({"status": SAID, "filename": SAID, "summary": SAID, "fileSize": SAID}))
        case "operation":
            return Reply(200, orjson.dumps({"status": SAID, "error": {"detail": SAID}, "result": SAID}))
        case _:
            return None


def _is_user(seen: Seen, user: str) -> bool:
    return b64decode(seen.headers["authorization"].split()[1]).decode() == user


def _problem(code: int, seen: Seen) -> bytes:
    echo = _echo(seen)
    return orjson.dumps(
        {"code": code, "message": f"{SAID} {echo}", "more_info": SAID, "errors": [{"detail": echo, "pointer": echo}]}
    )


def _echo(seen: Seen) -> str:
    credentials = seen.headers.get("authorization", "")
    return f"{credentials} {seen.path} {seen.body[:_MOST].decode('latin-1')}"
