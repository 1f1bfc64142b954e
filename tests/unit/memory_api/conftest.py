"""A server on loopback and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from importer.memory_api.client import ClientOptions, MemoryClient
from tests.support.client import NOW, SECRET, STORE
from tests.support.loopback import LoopbackServer


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """Run a server for a test."""
    with LoopbackServer() as made:
        yield made


@pytest.fixture
def client(server: LoopbackServer) -> Iterator[MemoryClient]:
    """Return a client of the server."""
    with MemoryClient(server.url, STORE, ("SK1", SECRET), ClientOptions(base_s=5.0), now=lambda: NOW) as made:
        yield made
