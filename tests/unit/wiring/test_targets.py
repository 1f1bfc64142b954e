"""Opening a store that is busy."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from importer.settings import Settings
from importer.wiring.by_hand import open_by_hand
from importer.wiring.targets import open_live
from tests.support.client import STORE
from tests.support.loopback import LoopbackServer, Reply

BUSY = Reply(429, b"", {"retry-after": "3"})
SCHEMA = [
    Reply(200, orjson.dumps({"id": STORE, "displayName": "s", "status": "ACTIVE"})),
    Reply(200, orjson.dumps({"traitGroups": [{"displayName": "A", "version": 1, "traits": {}}]})),
    Reply(200, orjson.dumps({"identifierConfigs": [{"idType": "email"}], "matchingRules": ["email"]})),
]


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """Run a service that is busy twice before each answer."""
    with LoopbackServer() as made:
        made.replies = [reply for answer in SCHEMA for reply in (BUSY, BUSY, answer)]
        yield made


def _settings(server: LoopbackServer) -> Settings:
    environ = {"TWILIO_API_KEY": "k", "TWILIO_API_SECRET": "s", "MEMORY_API_URL": server.url, "MEMORY_STORE_ID": STORE}
    return Settings.from_env(environ)


def test_a_busy_store_is_opened_request_by_request(server: LoopbackServer) -> None:
    """Every request waits for itself and none is made twice: a bucket of two tokens lets no three through at once."""
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return False

    with open_live(_settings(server), wait=wait) as store:
        assert set(store.schema.groups) == {"A"}
    assert len(server.seen) == 9
    assert len(waits) == 6
    assert min(waits) >= 3.0


def test_a_busy_store_is_read_by_hand_request_by_request(server: LoopbackServer) -> None:
    """Commands by hand wait in the same way."""
    with open_by_hand(_settings(server), emulator=False, wait=lambda _: False) as store:
        assert set(store.schema().groups) == {"A"}
    assert len(server.seen) == 9
