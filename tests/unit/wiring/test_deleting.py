"""One outcome for each profile that was to be deleted, whatever the service says, or does not say."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from importer.errors import ProtocolError, RejectedRequestError, RetryableApiError
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.pipeline.patience import READ_ATTEMPTS
from importer.wiring.by_hand import ByHand
from importer.wiring.deleting import Deletion, Outcome, delete_profiles
from tests.support.client import STORE, place, profile

Answer = Callable[[httpx.Request], httpx.Response]


def said(status: int, body: bytes = b'{"message":"x"}', **headers: str) -> Answer:
    """Answer so."""
    return lambda _: httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


def lost(_request: httpx.Request) -> httpx.Response:
    """Take a request and never answer."""
    raise httpx.ReadTimeout("x")


def away(_request: httpx.Request) -> httpx.Response:
    """Not be there."""
    raise httpx.ConnectError("x")


def deleted(
    *answers: Answer, count: int = 3, stop_after: int | None = None, stops_waiting: bool = False
) -> tuple[list[Deletion], object]:
    """Delete profiles while the service answers so, the last of it for ever; return outcomes and what ended it."""
    waiting = list(answers)
    told: list[Deletion] = []
    stopped: list[bool] = []

    def answer(request: httpx.Request) -> httpx.Response:
        return (waiting.pop(0) if len(waiting) > 1 else waiting[0])(request)

    def is_stopped() -> bool:
        return bool(stopped) or (stop_after is not None and len(told) >= stop_after)

    def wait(_seconds: float) -> bool:
        if stops_waiting:
            stopped.append(True)
        return stops_waiting

    options = ClientOptions(transport=httpx.MockTransport(answer))
    with MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), options) as client:
        hand = ByHand(client, "127.0.0.1", STORE, emulator=False, wait=wait)
        ids = [profile(number) for number in range(count)]
        done = delete_profiles(hand, ids, told.append, follow_merged=False, is_stopped=is_stopped)
    assert [each.profile_id for each in told] == ids
    assert sum(done.counts.values()) == count
    return told, done.error


def outcomes(told: list[Deletion]) -> list[str]:
    """Return what became of each."""
    return [each.outcome.value for each in told]


@pytest.mark.parametrize(
    ("answer", "times", "outcome"),
    [
        (said(202), 1, Outcome.ACCEPTED),
        (said(404, b'{"code":20404}'), 1, Outcome.NOT_FOUND),
        (said(308, location=place(9)), 1, Outcome.MERGED),
        (said(400, b'{"code":520046}'), 1, Outcome.FAILED),
        (said(409, b'{"code":20409}'), READ_ATTEMPTS, Outcome.FAILED),
    ],
)
def test_what_is_about_one_profile_ends_nothing(answer: Answer, times: int, outcome: Outcome) -> None:
    """The next ones are deleted all the same."""
    told, error = deleted(*[answer] * times, said(202))
    assert told[0].outcome is outcome
    assert told[-1].outcome is Outcome.ACCEPTED
    assert error is None


@pytest.mark.parametrize(
    ("answer", "outcome", "kind"),
    [
        (said(401), "failed", RejectedRequestError),
        (said(403), "failed", RejectedRequestError),
        (said(404, b'{"code":520041}'), "failed", RejectedRequestError),
        (said(429), "not_sent", RetryableApiError),
        (said(503), "not_sent", RetryableApiError),
        (away, "not_sent", RetryableApiError),
        (said(500), "unknown", RetryableApiError),
        (said(200), "unknown", ProtocolError),
        (said(302), "unknown", ProtocolError),
    ],
)
def test_what_is_about_all_ends_it(answer: Answer, outcome: str, kind: type[Exception]) -> None:
    """What was not sent is not said to have failed, and what nobody knows is said to be unknown."""
    told, error = deleted(said(202), answer)
    assert outcomes(told) == ["accepted", outcome, "not_sent"]
    assert isinstance(error, kind)


def test_a_request_without_an_answer_is_sent_again() -> None:
    """Deleting twice is deleting once; what is gone by then is not found."""
    told, error = deleted(lost, said(404), said(202))
    assert outcomes(told) == ["not_found", "accepted", "accepted"]
    assert error is None
    assert outcomes(deleted(said(202), lost)[0]) == ["accepted", "unknown", "not_sent"]


def test_a_stop_leaves_the_rest_alone() -> None:
    """Between two requests, and while it waits to send one again."""
    assert outcomes(deleted(said(202), stop_after=1)[0]) == ["accepted", "not_sent", "not_sent"]
    assert outcomes(deleted(said(202), said(500), stops_waiting=True)[0]) == ["accepted", "unknown", "not_sent"]
