"""What is logged of requests: a line of templates and numbers each, and nothing by the libraries underneath."""

from __future__ import annotations

import io
import logging
import threading
from typing import Any, Final

import httpx
import pytest

from importer.errors import AmbiguousRequestError, ApiError
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.ports.request_context import RequestContext, in_context
from tests.support.client import BODY, SECRET, STORE, VALUE, place, profile
from tests.support.loopback import LoopbackServer, Reply

NAME: Final = "memory_importer"
SIGNATURE: Final = "signature-canary"
ACCEPTED: Final = Reply(202, b'{"message":"ok"}', {"twilio-request-id": "RQ1", "set-cookie": f"session={SECRET}"})


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of an event, without the time it took."""
    assert isinstance(record.args, dict)
    return {name: value for name, value in record.args.items() if name != "ms"}


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what this package logged."""
    return [record for record in caplog.records if record.name == NAME]


def test_a_request_is_one_event_with_its_fields(
    server: LoopbackServer, client: MemoryClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Method, template, status, sizes, request ID, and what it was sent for."""
    server.replies = [ACCEPTED]
    with caplog.at_level(logging.DEBUG, NAME), in_context(RequestContext(3, 17)):
        client.put_bulk(BODY)
    (record,) = ours(caplog)
    assert (record.__dict__["event"], record.levelno) == ("request", logging.DEBUG)
    assert fields_of(record) == {
        "method": "PUT",
        "path": "/Profiles/Bulk",
        "status": 202,
        "error": None,
        "bytes": len(BODY),
        "answer_bytes": len(ACCEPTED.body),
        "request_id": "RQ1",
        "batch": 17,
        "attempt": 3,
    }
    assert "PUT /Profiles/Bulk status=202" in record.getMessage()


def test_a_request_without_an_answer_is_one_too(
    server: LoopbackServer, client: MemoryClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what kind of failure it was; each move of a profile is a request of its own."""
    server.replies = [Reply(308, b"{}", {"location": place(2)}), Reply(drop=True)]
    with caplog.at_level(logging.DEBUG, NAME), pytest.raises(AmbiguousRequestError):
        client.patch_profile(profile(1), b"{}")
    shown = [(fields["path"], fields["status"], fields["error"]) for fields in map(fields_of, ours(caplog))]
    path = "/Profiles/{profileId}"
    assert shown == [(path, 308, None), (path, None, "AmbiguousRequestError")]


def test_nothing_is_made_where_nobody_listens(client: MemoryClient, caplog: pytest.LogCaptureFixture) -> None:
    """At the usual level a request leaves no record."""
    with caplog.at_level(logging.INFO), pytest.raises(ApiError):
        client.put_bulk(BODY)
    assert ours(caplog) == []


def test_no_record_of_any_logger_holds_a_url_a_header_or_a_value(
    server: LoopbackServer, client: MemoryClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where the program around us logs everything: presigned URLs, cookies, identifiers, credentials."""
    echo = f'{{"message":"{VALUE}","detail":"{VALUE}"}}'.encode()
    server.replies = [
        ACCEPTED,
        Reply(400, echo, {"x-echo": VALUE}),
        Reply(308, echo, {"location": place(7)}),
        Reply(200, b"", {"set-cookie": f"session={SECRET}"}),
        Reply(307, echo, {"location": f"https://elsewhere.example/?{SIGNATURE}"}),
        Reply(drop=True),
    ]
    with caplog.at_level(logging.DEBUG):
        client.put_bulk(BODY)
        for call in (
            lambda: client.lookup("email", VALUE),
            lambda: client.patch_profile(profile(1), b"{}"),
            lambda: client.upload(f"{server.url}/bucket/x?X-Amz-Signature={SIGNATURE}", io.BytesIO(b"x"), 1),
            lambda: client.upload(f"https://elsewhere.example/?{SIGNATURE}", io.BytesIO(b"x"), 1),
        ):
            with pytest.raises(ApiError):
                call()
        client.close()
    assert {record.name for record in caplog.records} == {NAME}
    text = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for canary in (VALUE, SECRET, SIGNATURE, profile(1), profile(7), STORE, "127.0.0.1", "elsewhere"):
        assert canary not in text


def test_what_others_ask_of_httpx_is_logged_as_they_wish(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Only records of our own requests are dropped, also while one of them is under way on another thread."""
    asked, answered = threading.Event(), threading.Event()

    def answer(seen: Any) -> Reply:
        if seen.method == "PUT":
            asked.set()
            answered.wait(10)
        return ACCEPTED

    with (
        LoopbackServer(answer) as slow,
        MemoryClient(slow.url, STORE, ("a", "b"), ClientOptions(base_s=10.0)) as ours_too,
        caplog.at_level(logging.DEBUG),
    ):
        thread = threading.Thread(target=ours_too.put_bulk, args=(BODY,))
        thread.start()
        assert asked.wait(10)
        with httpx.Client(trust_env=False) as theirs:
            theirs.get(f"{server.url}/theirs")
        answered.set()
        thread.join()
    said = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert len(said) == 1
    assert "/theirs" in said[0]
    assert any(record.name.startswith("httpcore.") for record in caplog.records)
    assert not any("Bulk" in record.getMessage() for record in caplog.records if record.name != NAME)
