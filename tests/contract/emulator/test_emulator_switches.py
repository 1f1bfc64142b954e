"""The rules of faults and of the rate: what is hit, how often, and what is no fault at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from importer.emulator import Emulator, EmulatorSettings, parse_fault
from importer.emulator.misbehaviour import show_retry_after
from importer.emulator.problems import RefusedError
from importer.emulator.switches import REQUESTS, UPLOAD, Effect, Switchboard, read_switch
from importer.emulator.throttle import Throttle


def hits(specification: dict[str, Any], operations: list[str]) -> list[int]:
    """Return the positions of the requests that a switch hits."""
    board = Switchboard()
    board.add(specification)
    return [at for at, operation in enumerate(operations) if board.take(REQUESTS, operation) is not None]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"count": 2}, [0, 1]),
        ({"skip": 5}, [5, 6, 7]),
        ({"every": 3}, [2, 5]),
        ({"skip": 1, "every": 2, "count": 2}, [2, 4]),
        ({"probability": 0}, []),
    ],
)
def test_a_switch_counts_what_passes(members: dict[str, Any], expected: list[int]) -> None:
    """Some pass first, then each so many-th is hit, until the count is reached."""
    assert hits({"fault": "503", **members}, ["ListStores"] * 8) == expected


def test_a_probability_is_drawn_from_the_seed() -> None:
    """The same seed hits the same requests, another seed others; the share is about right."""
    first = hits({"fault": "reset", "probability": 0.3, "seed": 1}, ["ListStores"] * 1000)
    assert first == hits({"fault": "reset", "probability": 0.3, "seed": 1}, ["ListStores"] * 1000)
    assert first != hits({"fault": "reset", "probability": 0.3, "seed": 2}, ["ListStores"] * 1000)
    assert 250 < len(first) < 350


def test_a_switch_keeps_to_its_operations() -> None:
    """Only what is named is hit and counted; an upload is hit only where it is named."""
    asked = ["ListStores", "FetchStore", UPLOAD, "FetchStore"]
    assert hits({"fault": "500"}, asked) == [0, 1, 3]
    assert hits({"fault": "500", "operations": [UPLOAD]}, asked) == [2]
    assert hits({"fault": "500", "operations": ["FetchStore"], "skip": 1}, asked) == [3]


def test_the_first_switch_that_hits_takes_the_request() -> None:
    """Those set later do not even count it; removing one leaves the others."""
    board = Switchboard()
    board.add({"fault": "429", "count": 1})
    second = board.add({"fault": "503"})
    statuses = [switch.status if (switch := board.take(REQUESTS, "ListStores")) else 0 for _ in range(3)]
    assert statuses == [429, 503, 503]
    assert [(shown["seen"], shown["hits"]) for shown in board.show()] == [(3, 1), (2, 2)]
    assert board.remove(second["id"])
    assert not board.remove(second["id"])
    assert board.take(REQUESTS, "ListStores") is None
    assert board.take({Effect.DROP}, "ListStores") is None


@pytest.mark.parametrize(
    ("specification", "place"),
    [
        ({}, "fault"),
        ({"fault": "tsunami"}, "fault"),
        ({"fault": "status"}, "fault"),
        ({"fault": "418"}, "fault"),
        ({"fault": "429", "cuont": 1}, "cuont"),
        ({"fault": "429", "count": 0}, "count"),
        ({"fault": "429", "probability": 1.5}, "probability"),
        ({"fault": "429", "operations": ["ListNothing"]}, "operations"),
        ({"fault": "429", "retry_after": "1\r\nx: y"}, "retry_after"),
        ({"fault": "429", "status": 500}, "status"),
        ({"fault": "429", "after": True}, "after"),
        ({"fault": "drop", "after": True}, "after"),
        ({"fault": "import-errors", "errors": 100}, "errors"),
        ([], "object"),
    ],
)
def test_what_is_no_fault_is_refused(specification: Any, place: str) -> None:
    """Unknown names and values, and members that do not go together; the message says which."""
    with pytest.raises(ValueError, match=place):
        read_switch(specification)


def test_faults_from_the_start_are_checked_at_the_start() -> None:
    """A wrong one keeps the emulator from starting."""
    settings = EmulatorSettings(faults=({"fault": "tsunami"},))
    with pytest.raises(ValueError, match="fault"):
        Emulator(":memory:", settings).start()


def test_a_fault_is_written_in_one_word_on_the_command_line() -> None:
    """Name first, then pairs; numbers and booleans are such, operations are joined by a plus."""
    text = "reset, operations=UpdateProfilesBulk+Upload, after=true, every=5, probability=0.5"
    assert parse_fault(text) == {
        "fault": "reset",
        "operations": ["UpdateProfilesBulk", "Upload"],
        "after": True,
        "every": 5,
        "probability": 0.5,
    }
    assert parse_fault("429,retry_after=2")["retry_after"] == "2"
    assert read_switch(parse_fault("429,retry_after=")).retry_after == ""
    for wrong, place in (("429,count", "count"), ("429,count=x", "count"), ("nonsense", "fault"), ("", "fault")):
        with pytest.raises(ValueError, match=place):
            parse_fault(wrong)


def test_retry_after_is_sent_as_it_is_given_but_for_dates() -> None:
    """A date is made from seconds, of the past too; everything else is sent, sense or not."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert show_retry_after("date:90", now) == "Thu, 01 Jan 2026 00:01:30 GMT"
    assert show_retry_after("date:-1", now) == "Wed, 31 Dec 2025 23:59:59 GMT"
    for text in ("5", "-1", "1.5", "999999999", "soon", "date:soon"):
        assert show_retry_after(text, now) == text


def test_tokens_come_at_the_rate_up_to_the_burst() -> None:
    """So many at once, then one whenever a token is there; who finds none is told the whole seconds to wait."""
    now = 0.0
    throttle = Throttle(0.5, 3, lambda: now)

    def refused() -> str | None:
        try:
            throttle.check()
        except RefusedError as refusal:
            return refusal.headers["Retry-After"]
        return None

    assert [refused() for _ in range(5)] == [None, None, None, "2", "2"]
    now = 1.5
    assert refused() == "1"
    now = 2.0
    assert [refused(), refused()] == [None, "2"]
    now = 1000.0
    assert [refused() for _ in range(4)] == [None, None, None, "2"]


def test_without_a_limit_nothing_is_counted() -> None:
    """None never refuses; a limit without a burst allows a second's worth at once."""
    for _ in range(100):
        Throttle(None, None, lambda: 0.0).check()
    throttle = Throttle(5, None, lambda: 0.0)
    for _ in range(5):
        throttle.check()
    with pytest.raises(RefusedError):
        throttle.check()
