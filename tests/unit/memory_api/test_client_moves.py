"""Profiles that were merged into others: followed within host and store, and nowhere else."""

from __future__ import annotations

import pytest

from importer.errors import (
    ProtocolError,
)
from importer.memory_api.client import MemoryClient
from tests.support.client import STORE, place, profile
from tests.support.loopback import LoopbackServer, Reply


def moved(to: str) -> Reply:
    """Return a 308 to a place."""
    return Reply(308, b'{"message":"m","uri":"u"}', {"location": to})


def test_a_patch_follows_a_merged_profile(server: LoopbackServer, client: MemoryClient) -> None:
    """Up to three moves within host and store are followed, body and all."""
    server.replies = [moved(place(2)), moved(server.url + place(3)), moved(place(4)), Reply(202, b'{"message":"ok"}')]
    client.patch_profile(profile(1), b'{"traits":{}}')
    assert [request.path for request in server.seen] == [place(n) for n in (1, 2, 3, 4)]
    assert all(request.body == b'{"traits":{}}' and request.method == "PATCH" for request in server.seen)


@pytest.mark.parametrize(
    "to",
    [
        "https://elsewhere.example" + place(2),
        "//elsewhere.example" + place(2),
        place(2).replace(STORE, STORE.replace("0", "1")),
        f"/v1/Stores/{STORE}/Profiles/not-a-profile",
        f"/v1/Stores/{STORE}/Profiles/../../x",
        "",
        place(1),
        "http://[::1",
        "http://127.0.0.1:port/",
    ],
)
def test_a_patch_is_not_sent_elsewhere(server: LoopbackServer, client: MemoryClient, to: str) -> None:
    """Another host, another store, no profile, or the same one again: one request, then an error."""
    server.replies = [moved(to)]
    with pytest.raises(ProtocolError):
        client.patch_profile(profile(1), b"{}")
    assert len(server.seen) == 1


def test_moves_are_counted(server: LoopbackServer, client: MemoryClient) -> None:
    """A fourth move is one too many."""
    server.replies = [moved(place(n)) for n in range(2, 10)]
    with pytest.raises(ProtocolError):
        client.patch_profile(profile(1), b"{}")
    assert len(server.seen) == 4
