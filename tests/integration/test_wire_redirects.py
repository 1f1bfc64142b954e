"""Redirects: to another host, port or scheme nothing follows, whatever was asked for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from importer.errors import ApiError
from importer.memory_api.client import MemoryClient
from tests.support import operations
from tests.support.client import STORE, place, profile
from tests.support.loopback import LoopbackServer, Reply
from tests.support.operations import FOLLOWING, Call, Ids, cases, split

Send = Callable[[MemoryClient, str], object]


def _asking(call: Call) -> Send:
    return lambda client, _: call(client, Ids())


CALLS: Final[dict[str, Send]] = {
    **{name: _asking(FOLLOWING.get(name, call)) for name, call in operations.CALLS.items()},
    "schema": lambda client, _: client.fetch_schema(),
    "upload": lambda client, url: client.upload(f"{url}/bucket/x?X-Amz-Signature=1", io.BytesIO(b"x"), 1),
}
"""Every operation of the contract, and what runs need beside them."""

MOVING: Final = tuple(dict.fromkeys(split(case)[0] for case in cases(301, 308)))
"""Operations on a profile, which may have been merged."""

STATUSES: Final = (300, 301, 302, 303, 307, 308)


@dataclass
class Two:
    """The API, and somebody else on this machine."""

    api: LoopbackServer
    other: LoopbackServer

    def places(self) -> dict[str, str]:
        """Return ways to somebody else, each with a path that would be right here."""
        path, port = place(2), self.other.port
        return {
            "port": f"http://127.0.0.1:{port}{path}",
            "name": f"http://localhost:{port}{path}",
            "our port by another name": f"http://localhost:{self.api.port}{path}",
            "without scheme": f"//127.0.0.1:{port}{path}",
            "scheme": f"https://127.0.0.1:{self.api.port}{path}",
            "scheme and port": f"https://127.0.0.1:{port}{path}",
            "user": f"http://127.0.0.1:{self.api.port}@127.0.0.1:{port}{path}",
            "user of ours": f"http://me@127.0.0.1:{self.api.port}{path}",
            "backslash": f"http:\\\\127.0.0.1:{port}{path}",
            "nothing": "",
        }


@pytest.fixture
def two() -> Iterator[Two]:
    """Run both."""
    with LoopbackServer() as api, LoopbackServer() as other:
        yield Two(api, other)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_sent_elsewhere(two: Two, name: str, status: int) -> None:
    """One request, one error; nobody else sees even a connection."""
    with MemoryClient(two.api.url, STORE, ("key", "secret")) as client:
        for number, location in enumerate(two.places().values(), 1):
            two.api.replies = [Reply(status, b"{}", {"location": location})]
            with pytest.raises(ApiError) as caught:
                CALLS[name](client, two.api.url)
            assert caught.value.status == status
            assert len(two.api.seen) == number, location
    assert two.other.connections == 0


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", sorted(CALLS.keys() - set(MOVING)))
def test_only_profiles_move_here(two: Two, name: str, status: int) -> None:
    """What is no profile is not followed on the API's own host either."""
    two.api.replies = [Reply(status, b"{}", {"location": place(2)})]
    with MemoryClient(two.api.url, STORE, ("key", "secret")) as client, pytest.raises(ApiError):
        CALLS[name](client, two.api.url)
    assert len(two.api.seen) == 1


@pytest.mark.parametrize("name", ["PatchProfileTraits", "FetchProfile"])
@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_profiles_that_were_merged_are_followed_three_times(two: Two, name: str, hops: int) -> None:
    """With the credentials, on the API's host alone; a fourth move is one too many."""
    moves = [Reply(308, b"{}", {"location": two.api.url + place(n + 2)}) for n in range(hops)]
    status = 202 if name == "PatchProfileTraits" else 200
    end = Reply(status, f'{{"id":"{profile(hops + 1)}","traits":{{}}}}'.encode())
    two.api.replies = [*moves, end]
    with MemoryClient(two.api.url, STORE, ("key", "secret")) as client:
        if hops > 3:
            with pytest.raises(ApiError):
                CALLS[name](client, two.api.url)
        else:
            CALLS[name](client, two.api.url)
    assert [seen.path for seen in two.api.seen] == [place(n + 1) for n in range(min(hops, 3) + 1)]
    assert len({seen.headers["authorization"] for seen in two.api.seen}) == 1


def test_cookies_are_not_kept(two: Two) -> None:
    """Not from an answer, not from a move, not for the bucket."""
    cookie = {"set-cookie": "session=canary; Path=/"}
    moved = Reply(308, b"{}", cookie | {"location": place(2)})
    taken = Reply(202, b"{}", cookie)
    two.api.replies = [taken, moved, taken, Reply(200, b"", cookie), taken]
    with MemoryClient(two.api.url, STORE, ("key", "secret")) as client:
        for name in ("UpdateProfilesBulk", "PatchProfileTraits", "upload", "UpdateProfilesBulk"):
            CALLS[name](client, two.api.url)
    assert len(two.api.seen) == 5
    assert not any(b"cookie" in seen.head.lower() for seen in two.api.seen)
