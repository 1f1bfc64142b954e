"""Single operations: what is sent again and what is not, how long somebody waits, how much of a list is read."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import orjson
import pytest

from importer.errors import AmbiguousRequestError, ApiError, ProtocolError, RejectedRequestError, RetryableApiError
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.pipeline.patience import READ_ATTEMPTS
from importer.wiring.by_hand import ByHand, is_running
from tests.support.client import STORE, profile

Answer = Callable[[httpx.Request], httpx.Response]


def said(status: int, body: object = None, **headers: str) -> Answer:
    """Answer so."""
    content = orjson.dumps({"message": "x"} if body is None else body)
    return lambda _: httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def failing(error: Exception) -> Answer:
    """Do not answer."""

    def fail(_request: httpx.Request) -> httpx.Response:
        raise error

    return fail


class Service:
    """Answers in order, and then the last for ever; keeps what it was asked, and how long somebody waited.

    Args:
        answers: What it says.
    """

    def __init__(self, *answers: Answer) -> None:
        self.waits: list[float] = []
        self.asked: list[httpx.URL] = []
        self._answers = list(answers)
        options = ClientOptions(transport=httpx.MockTransport(self._answer))
        client = MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), options)
        self.hand = ByHand(client, "127.0.0.1", STORE, emulator=False, wait=self._wait)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        return (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(request)

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return False

    def patch(self) -> object:
        """Write something."""
        return self.hand.write(lambda: self.hand.client.profiles.patch(profile(1), b"{}"))


@pytest.mark.parametrize("answer", [said(429, **{"retry-after": "2"}), said(503), failing(httpx.ConnectError("x"))])
def test_a_write_is_sent_again_where_nothing_was_done(answer: Answer) -> None:
    """After a wait; as often as a read."""
    service = Service(answer, said(202))
    service.patch()
    assert (len(service.asked), len(service.waits)) == (2, 1)
    service = Service(answer)
    with pytest.raises(RetryableApiError) as caught:
        service.patch()
    assert len(service.asked) == READ_ATTEMPTS
    assert "look before" not in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (said(500), RetryableApiError),
        (said(200), ProtocolError),
        (failing(httpx.ReadTimeout("x")), AmbiguousRequestError),
    ],
)
def test_a_write_in_doubt_is_not_sent_again(answer: Answer, kind: type[ApiError]) -> None:
    """The hint says to look first."""
    service = Service(answer, said(202))
    with pytest.raises(kind) as caught:
        service.patch()
    assert len(service.asked) == 1
    assert "look before you do it again" in caught.value.hint


@pytest.mark.parametrize(("status", "kind"), [(409, RetryableApiError), (412, RejectedRequestError)])
def test_a_clash_is_for_a_person_to_decide(status: int, kind: type[ApiError]) -> None:
    """It is not sent again as it is."""
    service = Service(said(status))
    with pytest.raises(kind) as caught:
        service.patch()
    assert len(service.asked) == 1
    assert "decide anew" in caught.value.hint


def test_a_read_is_repeated_whatever_happened() -> None:
    """It changes nothing."""
    service = Service(said(500), failing(httpx.ReadTimeout("x")), said(200, {"stores": []}))
    assert service.hand.read(service.hand.client.stores.list).items == ()
    assert len(service.asked) == 3


def operation(status: str, **headers: str) -> Answer:
    """Return how an operation stands."""
    return said(200, {"operationId": "op", "status": status}, **headers)


def test_waiting_ends_when_it_is_done_or_takes_too_long() -> None:
    """The service's own wait is kept, and never more than there is time for."""
    service = Service(operation("PENDING", **{"retry-after": "3"}), operation("RUNNING"), operation("COMPLETED"))

    def look(timeout_s: float) -> str:
        seen = service.hand.finished(lambda: service.hand.client.operations.get("op"), lambda op: op.status, timeout_s)
        return seen.status

    assert look(100.0) == "COMPLETED"
    assert service.waits[0] == 3.0
    service = Service(operation("RUNNING"))
    assert is_running(look(10.0))
    assert sum(service.waits) == pytest.approx(10.0)
    service = Service(operation("RUNNING"))
    assert is_running(look(0.0))
    assert (service.waits, len(service.asked)) == ([], 1)


def test_no_more_of_a_list_is_read_than_is_asked_for() -> None:
    """Pages are as small as the limit allows, and the next one is read only when it is needed."""
    pages = [said(200, {"profiles": [profile(n)], "meta": {"nextToken": f"t{n}"}}) for n in range(5)]
    service = Service(*pages)
    found = service.hand.listed(service.hand.client.profiles.list, limit=2, most=1000, order="ASC")
    assert list(found) == [profile(0), profile(1)]
    assert [dict(url.params) for url in service.asked] == [
        {"pageSize": "2", "orderBy": "ASC"},
        {"pageSize": "2", "orderBy": "ASC", "pageToken": "t0"},
    ]
    service = Service(said(200, {"profiles": [], "meta": {"nextToken": "same"}}))
    with pytest.raises(ProtocolError):
        list(service.hand.listed(service.hand.client.profiles.list, limit=None, most=1000))
    assert len(service.asked) == 2
