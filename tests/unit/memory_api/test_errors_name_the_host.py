"""Connections that fail name the host, and nothing else of the address."""

from __future__ import annotations

import io

import pytest

from importer.errors import AmbiguousRequestError, ApiError, RetryableApiError
from importer.memory_api.client import MemoryClient
from tests.support.client import BODY, STORE
from tests.support.loopback import LoopbackServer, Reply, unused_port

SECRET_PATH = "/bucket-path-canary?X-Amz-Signature=signature-canary"


def without_secrets(error: ApiError) -> str:
    """Return all that an error says, none of which is a part of an address beside its host."""
    said = f"{error.message} {error.hint} {error.context}"
    assert "canary" not in said
    return said


def test_no_connection_says_to_which_host() -> None:
    """A wrong name or a port where nobody listens is seen at once."""
    with (
        unused_port() as port,
        MemoryClient(f"http://127.0.0.1:{port}", STORE, ("key", "secret")) as client,
        pytest.raises(RetryableApiError) as caught,
    ):
        client.put_bulk(BODY)
    assert f"no connection to 127.0.0.1:{port} " in without_secrets(caught.value)


def test_a_request_that_is_not_answered_says_by_whom(server: LoopbackServer, client: MemoryClient) -> None:
    """The host that the body was sent to, not what was asked of it."""
    server.replies = [Reply(drop=True)]
    with pytest.raises(AmbiguousRequestError) as caught:
        client.put_bulk(BODY)
    assert f"not answered by {server.url.removeprefix('http://')} " in without_secrets(caught.value)


def test_of_a_presigned_url_only_the_host_is_said(server: LoopbackServer) -> None:
    """Path and signature would let anybody write to the bucket."""
    with (
        unused_port() as port,
        MemoryClient(server.url, STORE, ("key", "secret")) as client,
        pytest.raises(ApiError) as caught,
    ):
        client.upload(f"http://127.0.0.1:{port}{SECRET_PATH}", io.BytesIO(b"12345"), 5)
    assert f"127.0.0.1:{port}" in without_secrets(caught.value)
