"""Reading one profile: what is believed of an answer, how far a merge is followed, what means that there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from importer.errors import ProtocolError, RejectedRequestError, RetryableApiError
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.ports import StoredProfile

API = "http://127.0.0.1:9"
STORE = "mem_store_00000000000000000000000000"
VALUE = "jane.doe+canary@example.com"


def profile(number: int) -> str:
    """Return a profile ID."""
    return f"mem_profile_{number:026d}"


def path(number: int) -> str:
    """Return the path of a profile."""
    return f"/v1/Stores/{STORE}/Profiles/{profile(number)}"


def client(answer: Callable[[httpx.Request], httpx.Response]) -> MemoryClient:
    """Return a client whose requests are answered here."""
    return MemoryClient(API, STORE, ("key", "secret"), ClientOptions(transport=httpx.MockTransport(answer)))


def said(status: int, body: Any = None, **headers: str) -> httpx.Response:
    """Return an answer as it comes from a socket: not yet read."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(orjson.dumps({} if body is None else body)))


def answering(status: int, body: Any = None, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    """Answer every request alike."""
    return lambda _: said(status, body, **headers)


def test_a_profile_is_read_with_all_its_traits() -> None:
    """One request, without a choice of groups, and its values are not shown by accident."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return said(200, {"id": profile(1), "createdAt": "x", "traits": {"Contact": {"email": VALUE}}})

    found = client(answer).get_profile(profile(1))
    assert found == StoredProfile(profile(1), {"Contact": {"email": VALUE}})
    assert VALUE not in repr(found)
    assert [(request.method, request.url.raw_path.decode()) for request in seen] == [("GET", path(1))]


def test_a_profile_without_traits_has_none() -> None:
    """The service may leave the member out."""
    assert client(answering(200, {"id": profile(1)})).get_profile(profile(1)) == StoredProfile(profile(1), {})


def test_a_merge_is_followed_to_the_canonical_profile() -> None:
    """Whose ID is the answer's."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == path(2):
            return said(301, {"message": "moved", "uri": path(1)}, Location=path(1))
        return said(200, {"id": profile(1), "traits": {}})

    found = client(answer).get_profile(profile(2))
    assert found is not None
    assert found.profile_id == profile(1)


@pytest.mark.parametrize(
    "to", ["http://evil.example/v1/Stores/x", f"/v1/Stores/mem_store_1{'0' * 25}/Profiles/{profile(1)}", path(2)]
)
def test_a_move_out_of_the_store_or_in_a_circle_is_not_followed(to: str) -> None:
    """It is no answer of the service."""
    with pytest.raises(ProtocolError):
        client(answering(301, {}, Location=to)).get_profile(profile(2))


def test_moves_are_counted() -> None:
    """Three are followed, a fourth is not."""

    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.path[-2:])
        if number == 0:
            return said(200, {"id": profile(0)})
        return said(301, Location=path(number - 1))

    assert client(answer).get_profile(profile(3)) == StoredProfile(profile(0), {})
    with pytest.raises(ProtocolError):
        client(answer).get_profile(profile(4))


def test_a_404_means_none_unless_it_speaks_of_the_store() -> None:
    """A store that is gone has not lost one profile."""
    assert client(answering(404, {"code": 20404})).get_profile(profile(1)) is None
    with pytest.raises(RejectedRequestError):
        client(answering(404, {"code": 520041})).get_profile(profile(1))


@pytest.mark.parametrize(
    ("status", "error"), [(401, RejectedRequestError), (429, RetryableApiError), (202, ProtocolError)]
)
def test_other_answers_are_errors(status: int, error: type[Exception]) -> None:
    """By what may be done next."""
    with pytest.raises(error):
        client(answering(status, {})).get_profile(profile(1))


@pytest.mark.parametrize(
    "body", [{}, [], {"id": 7}, {"id": profile(1), "traits": [VALUE]}, {"id": profile(1), "traits": {"C": VALUE}}]
)
def test_an_answer_that_is_no_profile_is_not_believed(body: Any) -> None:
    """And nothing of it is quoted."""
    with pytest.raises(ProtocolError) as caught:
        client(answering(200, body)).get_profile(profile(1))
    assert VALUE not in str(caught.value)
