"""Every failure that the contract documents, of every operation, in every documented shape of its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx
import orjson
import pytest

from importer.errors import ApiError, MergedProfileError, ProtocolError, RejectedRequestError, RetryableApiError
from importer.memory_api.client import ClientOptions, MemoryClient
from tests.support.client import NOW, STORE, VALUE, place, profile
from tests.support.operations import CALLS, FOLLOWING, Ids, cases, split

KINDS: Final[dict[int, type[ApiError]]] = {
    400: RejectedRequestError,
    401: RejectedRequestError,
    403: RejectedRequestError,
    404: RejectedRequestError,
    409: RetryableApiError,
    412: RejectedRequestError,
    429: RetryableApiError,
    500: RetryableApiError,
    503: RetryableApiError,
}
"""What may be done next: nothing as it is, or the same again later."""

SUCCESS: Final = orjson.dumps({"id": profile(2), "message": "ok", "idType": "email", "values": [VALUE]})


def bodies(status: int) -> dict[str, tuple[bytes, int | None]]:
    """Return every shape of an error's body, each with the code that is in it; all of them quote somebody's address."""
    code = 20000 + status
    shapes: dict[str, object] = {
        "legacy": {"code": code, "message": f"no {VALUE}", "more_info": "u", "status": status},
        "RFC 9457": {
            "type": "about:blank",
            "title": VALUE,
            "status": status,
            "code": code,
            "detail": VALUE,
            "errors": [{"detail": VALUE, "pointer": f"#/{VALUE}"}],
        },
        "userError": {
            "code": code,
            "httpStatusCode": status,
            "message": VALUE,
            "userError": True,
            "params": {"v": VALUE},
        },
        "errors": {"errors": [{"code": code, "message": VALUE, "infoUrl": "u", "context": {"value": VALUE}}]},
    }
    texts = {"text": VALUE.encode(), "HTML": f"<html>{VALUE}</html>".encode(), "none": b""}
    return {name: (orjson.dumps(shape), code) for name, shape in shapes.items()} | {
        name: (text, None) for name, text in texts.items()
    }


def client_of(*answers: httpx.Response) -> tuple[MemoryClient, list[httpx.Request]]:
    """Return a client that gets these answers, and the requests it makes."""
    seen: list[httpx.Request] = []
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return waiting.pop(0)

    options = ClientOptions(transport=httpx.MockTransport(answer))
    return MemoryClient("http://127.0.0.1:9", STORE, ("key", "secret"), options, now=lambda: NOW), seen


def said(status: int, body: bytes = b"{}", headers: Mapping[str, str] | None = None, **more: str) -> httpx.Response:
    """Return an answer as it comes from a socket: not yet read."""
    headers = {**(headers or {}), **more}
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


@pytest.mark.parametrize("case", cases())
def test_a_documented_failure_is_what_may_be_done_next(case: str) -> None:
    """One class a status, with status, code, request ID and the wait; nothing of what the body quotes."""
    operation, status = split(case)
    for shape, (body, code) in bodies(status).items():
        wait = {"retry-after": "7"} if status == 429 else {}
        client, seen = client_of(said(status, body, {"twilio-request-id": "RQ1", **wait}))
        with client, pytest.raises(KINDS[status]) as caught:
            CALLS[operation](client, Ids())
        error = caught.value
        assert type(error) is KINDS[status], shape
        assert (error.status, error.code, error.request_id) == (status, code, "RQ1"), shape
        assert error.retry_after_s == (7.0 if wait else None)
        assert len(seen) == 1
        assert VALUE not in repr((error, error.message, error.hint, error.context, error.endpoint))


@pytest.mark.parametrize("case", cases(301, 308))
def test_a_merged_profile_is_followed_where_the_contract_says_so(case: str) -> None:
    """With method, body and what is below the profile; the canonical ID comes back. Deleting waits to be told."""
    operation, status = split(case)
    below = {"Traits": "/Traits", "Identifiers": "/Identifiers", "Identifier": "/Identifiers/email"}
    tail = next((path for name, path in below.items() if operation.endswith(name)), "")
    if operation == "CreateProfileIdentifier":
        tail = "/Identifiers"
    if operation == "PatchProfileTraits":
        tail = ""
    expected = 200 if operation.startswith(("Fetch", "List")) else 202
    for location in (place(2) + tail, place(2)):
        moved = said(status, b"{}", location=location, headers={"canonical-profile-id": profile(2)})
        client, seen = client_of(moved, said(expected, SUCCESS))
        if operation in FOLLOWING:
            with client, pytest.raises(MergedProfileError) as caught:
                CALLS[operation](client, Ids())
            assert caught.value.canonical_id == profile(2)
            assert len(seen) == 1
            client, seen = client_of(said(status, location=location), said(expected, SUCCESS))
        with client:
            found = FOLLOWING.get(operation, CALLS[operation])(client, Ids())
        assert [request.url.path for request in seen] == [place(1) + tail, place(2) + tail]
        assert len({(request.method, request.content, request.url.query) for request in seen}) == 1
        assert getattr(found, "profile_id", profile(2)) == profile(2)


@pytest.mark.parametrize("case", cases(301, 308))
def test_a_merge_is_not_followed_out_of_host_and_store(case: str) -> None:
    """Nor in a circle, nor to what is no profile, nor a fourth time."""
    operation, status = split(case)
    call = FOLLOWING.get(operation, CALLS[operation])
    elsewhere = ("https://evil.example" + place(2), place(2).replace(STORE, STORE.replace("0", "1")), place(1), "/v1/x")
    for location in elsewhere:
        client, seen = client_of(said(status, location=location))
        with client, pytest.raises(ProtocolError):
            call(client, Ids())
        assert len(seen) == 1
    client, seen = client_of(*(said(status, location=place(n)) for n in range(2, 6)))
    with client, pytest.raises(ProtocolError):
        call(client, Ids())
    assert len(seen) == 4


def test_a_move_that_names_only_the_canonical_profile_is_followed() -> None:
    """`Canonical-Profile-Id` stands in where there is no `Location`, and only there."""
    client, seen = client_of(said(308, headers={"canonical-profile-id": profile(2)}), said(202))
    with client:
        assert client.profiles.patch(profile(1), b"{}").profile_id == profile(2)
    client, seen = client_of(said(308, location="https://evil.example/", headers={"canonical-profile-id": profile(2)}))
    with client, pytest.raises(ProtocolError):
        client.profiles.patch(profile(1), b"{}")
    assert len(seen) == 1


def test_a_404_about_one_thing_is_told_from_one_about_the_store() -> None:
    """The hint of the one is to check the ID, that of the other to check the store."""
    for code, word in ((20404, "by that ID"), (520041, "check the store ID")):
        client, _ = client_of(said(404, orjson.dumps({"code": code})))
        with client, pytest.raises(RejectedRequestError) as caught:
            client.profiles.get(profile(1))
        assert word in caught.value.hint
