"""The way to the API host: builds requests from paths, adds the credentials, follows moves within the store."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from importer.core.ids import PROFILE_ID_PATTERN
from importer.memory_api.deadline import Times
from importer.memory_api.exchange import exchange
from importer.memory_api.reply import Reply
from importer.memory_api.translate import merged_error, protocol_error

MAX_HOPS: Final = 3
_MOVED: Final = (301, 308)
_JSON: Final = {"content-type": "application/json"}
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "memory-importer"}
_PLAIN_PATH: Final = re.compile(r"/v1/[A-Za-z0-9_.:~/%-]{1,1024}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API host.

    Attributes:
        method: HTTP method.
        path: Path, quoted.
        endpoint: Method and path template, for messages.
        expected: The one status that means success.
        body: JSON, encoded.
        query: Query parameters.
        if_match: Version that what is changed must have.
    """

    method: str
    path: str
    endpoint: str
    expected: int = 200
    body: bytes | None = None
    query: Mapping[str, str] | None = None
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileCall:
    """One request about one profile, to wherever that was merged.

    Attributes:
        method: HTTP method.
        profile_id: Where it starts.
        below: What of the profile, such as ``/Identifiers``; empty for the profile itself. Quoted.
        template: The same, for messages: ``/Identifiers/{idType}``.
        expected: The one status that means success.
        body: JSON, encoded.
        query: Query parameters.
        follows: Whether it goes on to the profile that this one was merged into; deleting asks first.
    """

    method: str
    profile_id: str
    below: str = ""
    template: str = ""
    expected: int = 200
    body: bytes | None = None
    query: Mapping[str, str] | None = None
    follows: bool = True

    @property
    def endpoint(self) -> str:
        """Method and path template."""
        return f"{self.method} /Profiles/{{profileId}}{self.template}"


class Connection:
    """Sends calls to one API host, with credentials that go nowhere else.

    Args:
        transport: Keeps connections; has no credentials of its own and follows nothing.
        api_url: Base URL.
        store_id: The store.
        credentials: User and password of Basic auth.
        now: Wall clock, for dates in ``Retry-After``.
        times: How long a request may take.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        api_url: str,
        store_id: str,
        credentials: tuple[str, str],
        *,
        now: Callable[[], datetime],
        times: Times,
    ) -> None:
        self._transport = transport
        self._base = api_url.rstrip("/")
        self._netloc = urlsplit(api_url).netloc.lower()
        self._authorization = f"Basic {b64encode(':'.join(credentials).encode()).decode()}"
        self.now = now
        self._times = times
        self.store_path = f"/v1/Stores/{quote(store_id, safe='')}"
        self.control_path = f"/v1/ControlPlane/Stores/{quote(store_id, safe='')}"
        profiles = f"{urlsplit(self._base).path}{self.store_path}/Profiles/"
        self._profile_path = re.compile(re.escape(profiles) + r"([^/?#]+)$")

    def call(self, call: Call) -> Reply:
        """Send a call; answer only what it expects.

        Raises:
            ApiError: anything else came, or nothing.
        """
        return self._expected(call, self._once(call))

    def call_profile(self, call: ProfileCall) -> tuple[Reply, str]:
        """Send a call about a profile, following it to the profile it was merged into: same host, same store.

        Returns:
            The answer, and the ID of the profile that it is about: the canonical one.

        Raises:
            MergedProfileError: it was merged and the call does not follow.
            ApiError: as `call`; a move elsewhere, in a circle or too often is a ProtocolError.
        """
        seen = [call.profile_id]
        while True:
            path = f"{self.store_path}/Profiles/{quote(seen[-1], safe='')}{call.below}"
            sent = Call(call.method, path, call.endpoint, call.expected, call.body, call.query)
            reply = self._once(sent)
            if reply.status not in _MOVED:
                return self._expected(sent, reply), seen[-1]
            following = self._moved_to(reply, call.below)
            if following is None or following in seen or len(seen) > MAX_HOPS:
                raise protocol_error(call.endpoint, "was sent elsewhere", reply.status, reply.request_id)
            if not call.follows:
                raise merged_error(call.endpoint, reply.status, reply.request_id, following)
            seen.append(following)

    def _expected(self, call: Call, reply: Reply) -> Reply:
        if reply.status == call.expected:
            return reply
        if 200 <= reply.status < 300:
            what = f"answered {reply.status} where {call.expected} is documented"
            raise protocol_error(call.endpoint, what, reply.status, reply.request_id)
        raise reply.error(self.now)

    def path_of(self, url: str) -> str | None:
        """Return the path of a URL of the API host, relative to its base; None if it is elsewhere or has a query."""
        parts = self._here(url)
        if parts is None or parts.query or parts.fragment:
            return None
        path = parts.path.removeprefix(urlsplit(self._base).path) if parts.netloc else parts.path
        return path if _PLAIN_PATH.fullmatch(path) and ".." not in path else None

    def _here(self, url: str) -> SplitResult | None:
        """Return the parts of a URL if it is on the API host; None if it is elsewhere, or no URL."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        if parts.netloc and parts.netloc.lower() != self._netloc:
            return None
        if parts.scheme and parts.scheme != urlsplit(self._base).scheme:
            return None
        return parts

    def _moved_to(self, reply: Reply, below: str) -> str | None:
        """Return the profile that an answer leads to; None where it leads elsewhere.

        ``Location`` decides, with or without what was asked for below the profile; ``Canonical-Profile-Id`` only
        where there is no ``Location``.
        """
        named = reply.headers.get("location")
        if named is None:
            following = reply.headers.get("canonical-profile-id", "")
        else:
            location = self._here(named)
            path = location.path.removesuffix(below) if location is not None else ""
            found = self._profile_path.match(path)
            following = found.group(1) if found else ""
        return following if PROFILE_ID_PATTERN.fullmatch(following) else None

    def _once(self, call: Call) -> Reply:
        request = httpx.Request(
            call.method,
            f"{self._base}{call.path}",
            params=dict(call.query) if call.query else None,
            headers={
                **_HEADERS,
                **(_JSON if call.body is not None else {}),
                **({"if-match": call.if_match} if call.if_match is not None else {}),
                "authorization": self._authorization,
            },
            content=call.body,
        )
        return exchange(self._transport, request, call.endpoint, len(call.body or b""), self._times)
