"""Calls against real sockets on loopback: what is sent, and what of an answer is believed."""

from __future__ import annotations

import base64

import orjson
import pytest

from importer.errors import (
    ApiError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
)
from importer.memory_api.answers import ErrorDetail, error_detail, retry_after_s
from importer.memory_api.client import MemoryClient
from tests.support.client import BODY, NOW, SECRET, STORE, VALUE
from tests.support.loopback import LoopbackServer, Reply


def test_a_body_is_sent_as_it_is_and_its_202_believed(server: LoopbackServer, client: MemoryClient) -> None:
    """Path, credentials, content type and bytes are right; request ID, operation and status path come back."""
    answer = {"message": "ok", "operationId": "op1", "statusUrl": f"{server.url}/v1/ControlPlane/Operations/op1"}
    server.replies = [Reply(202, orjson.dumps(answer), {"twilio-request-id": "RQ1"})]
    accepted = client.put_bulk(BODY)
    assert (accepted.request_id, accepted.operation_id) == ("RQ1", "op1")
    assert accepted.status_url == "/v1/ControlPlane/Operations/op1"
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.body) == ("PUT", f"/v1/Stores/{STORE}/Profiles/Bulk", BODY)
    assert seen.headers["authorization"] == "Basic " + base64.b64encode(f"SK1:{SECRET}".encode()).decode()
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["content-length"] == str(len(BODY))
    assert "cookie" not in seen.headers


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/v1/ControlPlane/Operations/op1",
        "/v1/ControlPlane/Operations/op1?sig=abc",
        "/v1/../secrets",
        "ftp://127.0.0.1/v1/x",
        "http://[::1/v1/x",
        "http://127.0.0.1:port/v1/x",
        "/v1/jane doe",
        "/v1/jane.doe@example.com",
        "/v1/x\nPUT /v1/y",
        "/v1/" + "x" * 2000,
        "",
    ],
)
def test_a_status_url_elsewhere_is_not_kept(server: LoopbackServer, client: MemoryClient, url: str) -> None:
    """Only a plain path of the API host is worth polling or writing down; the body was accepted all the same."""
    server.replies = [Reply(202, orjson.dumps({"message": "ok", "statusUrl": url}))]
    assert client.put_bulk(BODY).status_url is None


@pytest.mark.parametrize("name", [7, "", "two words", VALUE, "x" * 513, "a/b"])
def test_what_cannot_be_an_id_is_not_kept(server: LoopbackServer, client: MemoryClient, name: object) -> None:
    """IDs end up in ledger, outcomes and URLs, so text that may be anything else is none."""
    server.replies = [
        Reply(202, orjson.dumps({"message": "ok", "operationId": name})),
        Reply(201, orjson.dumps({"importId": name, "url": "https://b.s3.amazonaws.com/x"})),
        Reply(200, orjson.dumps({"profiles": [name]})),
    ]
    assert client.put_bulk(BODY).operation_id is None
    with pytest.raises(ProtocolError):
        client.create_import("f", 9, [])
    with pytest.raises(ProtocolError) as caught:
        client.lookup("email", VALUE)
    assert VALUE not in str(caught.value)


def test_an_operation_is_read_by_path_or_id_and_nowhere_else(server: LoopbackServer, client: MemoryClient) -> None:
    """Status, counts and the wait come back; a foreign URL is refused before a request."""
    result = {"operationId": "o", "status": "COMPLETED", "result": {"errors": 1, "warnings": 0}}
    server.replies = [Reply(200, orjson.dumps(result), {"retry-after": "7"})]
    for name in ("op1", "/v1/ControlPlane/Operations/op1", f"{server.url}/v1/ControlPlane/Operations/op1"):
        seen = client.get_operation(name)
        assert (seen.status, seen.errors, seen.warnings, seen.retry_after_s) == ("COMPLETED", 1, 0, 7.0)
    assert {request.path for request in server.seen} == {"/v1/ControlPlane/Operations/op1"}
    with pytest.raises(RejectedRequestError):
        client.get_operation("https://elsewhere.example/v1/x")
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RejectedRequestError),
        (401, RejectedRequestError),
        (403, RejectedRequestError),
        (404, RejectedRequestError),
        (413, RejectedRequestError),
        (422, RejectedRequestError),
        (408, RetryableApiError),
        (409, RetryableApiError),
        (429, RetryableApiError),
        (500, RetryableApiError),
        (502, RetryableApiError),
        (503, RetryableApiError),
        (200, ProtocolError),
        (204, ProtocolError),
        (302, ProtocolError),
        (304, ProtocolError),
    ],
)
def test_a_status_means_what_may_be_done_next(
    server: LoopbackServer, client: MemoryClient, status: int, kind: type[ApiError]
) -> None:
    """Each status is one kind of error, with status, code and request ID and nothing of the body."""
    body = (
        orjson.dumps({"code": 20404, "message": f"no {VALUE}", "status": status}) if status not in (204, 304) else b""
    )
    server.replies = [Reply(status, body, {"twilio-request-id": "RQ9", "location": "http://127.0.0.1:9/"})]
    with pytest.raises(kind) as caught:
        client.put_bulk(BODY)
    assert (caught.value.status, caught.value.request_id) == (status, "RQ9")
    assert VALUE not in repr((caught.value, caught.value.hint, caught.value.context))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("body", "code", "rows"),
    [
        (b'{"code": 520010, "message": "m", "more_info": "u", "status": 400}', 520010, ()),
        (b'{"type":"t","title":"t","status":400,"code":520046,"errors":[{"pointer":"/profiles/17/traits/A"},'
         b'{"pointer":"/profiles/3"},{"pointer":"#/profiles/17/traits/B"},{"detail":"x"}]}', 520046, (3, 17)),
        (b'{"code": "520046", "httpStatusCode": 400, "message": "m", "userError": true, "params": {}}', 520046, ()),
        (b'{"errors":[{"code":20001,"message":"m","infoUrl":"u","context":{}}]}', 20001, ()),
        (b'{"errors":[{"source":{"pointer":"/profiles/5/traits"},"code":1}]}', 1, (5,)),
        (b'{"errors":"many"}', None, ()),
        (b'{"errors":[1,null,{"pointer":7},{"pointer":"/profiles/x"},{"pointer":"/profiles/99999999/a"}]}', None, ()),
        (b'{"code": true}', None, ()),
        (b'{"code": 1.5}', None, ()),
        (b'{"code": "12 drop"}', None, ()),
        (b"[1]", None, ()),
        (b"null", None, ()),
        (b"<html>no</html>", None, ()),
        (b"\xff\xfe", None, ()),
        (b"", None, ()),
        (b"[" * 100_000, None, ()),
    ],
)  # fmt: skip
def test_every_error_shape_is_read_and_none_raises(body: bytes, code: int | None, rows: tuple[int, ...]) -> None:
    """Codes and row indices are found in the documented shapes; anything else says nothing."""
    detail = error_detail(body)
    assert (detail.code, detail.rows, detail.mappings) == (code, rows, ())


def test_columns_of_an_import_are_named_by_their_pointers_alone() -> None:
    """Words of the contract and numbers; a pointer that says anything else may hold what somebody wrote in a cell."""
    pointers = [
        *("#/columnMappings/3/traitName", "/columnMappings/0", "columnMappings[12].columnName", "#/columnMappings"),
        *("#/columnMappings/3/traitName", "/columnMappings/0/jane", "/columnMappings/jane", "/columnMappingsjane"),
    ]
    body = orjson.dumps({"code": 20001, "errors": [{"pointer": pointer} for pointer in pointers]})
    named = ("columnMappings/3/traitName", "columnMappings/0", "columnMappings/12/columnName", "columnMappings")
    assert error_detail(body) == ErrorDetail(20001, (), named)


def test_rows_named_by_an_answer_travel_with_the_error(server: LoopbackServer, client: MemoryClient) -> None:
    """The indices are in the error's context, for the engine."""
    server.replies = [Reply(400, b'{"errors":[{"pointer":"/profiles/17/traits/Contact/email"}]}')]
    with pytest.raises(RejectedRequestError) as caught:
        client.put_bulk(BODY)
    assert caught.value.context["rows"] == (17,)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (" 0 ", 0.0),
        ("-1", None),
        ("-0.5", None),
        ("+3", None),
        ("\u0663", None),
        ("86400", 86_400.0),
        ("1.5", 1.5),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2015 00:00:30 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:00:30", 30.0),
        ("abc", None),
        ("", None),
        ("9" * 400, None),
        ("Thu, 99 Jan 2026 00:00:30 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str | None, seconds: float | None) -> None:
    """Whole seconds and dates are read, what is absurd is nothing, what is past is now."""
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize(
    ("answered", "seconds"),
    [
        ("Thu, 01 Jan 2026 08:00:00 GMT", 30.0),
        ("Wed, 31 Dec 2025 12:00:10 GMT", 72_020.0),
        ("yesterday", 28_830.0),
        (None, 28_830.0),
    ],
)
def test_a_date_is_read_by_the_clock_it_was_taken_from(answered: str | None, seconds: float) -> None:
    """That of the answer, where it says when it was made: this machine's clock may be hours off."""
    assert retry_after_s("Thu, 01 Jan 2026 08:00:30 GMT", NOW, answered) == seconds


def test_retry_after_travels_with_the_error(server: LoopbackServer, client: MemoryClient) -> None:
    """A 429 says how long to wait."""
    server.replies = [Reply(429, b"{}", {"retry-after": "12"})]
    with pytest.raises(RetryableApiError) as caught:
        client.put_bulk(BODY)
    assert caught.value.retry_after_s == 12.0


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b"[]", b"null", b'"ok"'])
def test_a_202_that_is_not_the_service_is_not_believed(
    server: LoopbackServer, client: MemoryClient, body: bytes
) -> None:
    """Status alone is not an acceptance."""
    server.replies = [Reply(202, body)]
    with pytest.raises(ProtocolError):
        client.put_bulk(BODY)
