"""What holds for every test: no settings from outside, no network beyond this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.postgres import Postgres, running

LOOPBACK: Final = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}  # noqa: S104 - compared, never bound
OUTSIDE: Final = ("TWILIO_", "MEMORY_")
ALSO_OUTSIDE: Final = {
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "PYTHONWARNINGS"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
}


def is_outside(name: str) -> bool:
    """Tell whether an environment variable could change what a test sees."""
    return name.startswith(OUTSIDE) or name in ALSO_OUTSIDE


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Take settings, credentials, proxies and colours of whoever runs the tests away."""
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(is_outside, list(os.environ)):
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run one PostgreSQL for all tests of this process; each test makes tables of its own."""
    with running() as server:
        yield server


def _refuse_the_network(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path: a socket of this machine
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in LOOPBACK:
        raise PermissionError(f"a test tried to reach {name}; tests stay on this machine")


# An audit hook sees every socket of the process, whoever opens it.
sys.addaudithook(_refuse_the_network)
