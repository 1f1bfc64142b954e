"""The client against real sockets on loopback: what it sends, what it believes, and what it refuses."""

from __future__ import annotations

import base64
import gzip
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import orjson
import pytest

from importer.errors import (
    AmbiguousRequestError,
    ApiError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
    SettingsError,
)
from importer.memory_api.answers import error_detail, retry_after_s
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.ports import ColumnMapping

STORE = "mem_store_00000000000000000000000000"
PROFILE = "mem_profile_0000000000000000000000000"
SECRET = "s3cr3t-canary"
VALUE = "jane.doe+canary@example.com"
BODY = orjson.dumps({"profiles": [{"traits": {"Contact": {"email": VALUE}}}]})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def profile(number: int) -> str:
    """Return a profile ID."""
    return f"mem_profile_{number:026d}"


@dataclass
class Seen:
    """One request as the server had it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What the server answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    drop: bool = False


class Server:
    """A loopback server that answers what `replies` says, in order, and then the last of them."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.replies: list[Reply] = [Reply()]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

            def handle_any(self) -> None:
                """Answer any method."""
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.seen.append(Seen(self.command, self.path, headers, self.rfile.read(length)))
                reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                if reply.drop:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(reply.status)
                for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                pieces = [reply.body] if not reply.pause_s else [bytes([byte]) for byte in reply.body]
                for piece in pieces:
                    try:
                        self.wfile.write(piece)
                    except OSError:
                        return
                    if reply.pause_s:
                        time.sleep(reply.pause_s)

            do_GET = do_PUT = do_POST = do_PATCH = handle_any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server for a test."""
    made = Server()
    yield made
    made.close()


@pytest.fixture
def client(server: Server) -> Iterator[MemoryClient]:
    """Return a client of the server."""
    with MemoryClient(server.url, STORE, ("SK1", SECRET), ClientOptions(base_s=5.0), now=lambda: NOW) as made:
        yield made


def test_a_body_is_sent_as_it_is_and_its_202_believed(server: Server, client: MemoryClient) -> None:
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
    ],
)
def test_a_status_url_elsewhere_is_not_kept(server: Server, client: MemoryClient, url: str) -> None:
    """Only a plain path of the API host is worth polling or writing down."""
    server.replies = [Reply(202, orjson.dumps({"message": "ok", "statusUrl": url}))]
    assert client.put_bulk(BODY).status_url is None


def test_an_operation_is_read_by_path_or_id_and_nowhere_else(server: Server, client: MemoryClient) -> None:
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
    server: Server, client: MemoryClient, status: int, kind: type[ApiError]
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
    assert (detail.code, detail.rows) == (code, rows)


def test_rows_named_by_an_answer_travel_with_the_error(server: Server, client: MemoryClient) -> None:
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
        ("-1", 0.0),
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


def test_retry_after_travels_with_the_error(server: Server, client: MemoryClient) -> None:
    """A 429 says how long to wait."""
    server.replies = [Reply(429, b"{}", {"retry-after": "12"})]
    with pytest.raises(RetryableApiError) as caught:
        client.put_bulk(BODY)
    assert caught.value.retry_after_s == 12.0


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b"[]", b"null", b'"ok"'])
def test_a_202_that_is_not_the_service_is_not_believed(server: Server, client: MemoryClient, body: bytes) -> None:
    """Status alone is not an acceptance."""
    server.replies = [Reply(202, body)]
    with pytest.raises(ProtocolError):
        client.put_bulk(BODY)


def test_a_compressed_answer_is_not_opened(server: Server, client: MemoryClient) -> None:
    """A bomb is refused by its header; of an error only the status counts."""
    bomb = gzip.compress(b"0" * 10_000_000)
    server.replies = [Reply(202, bomb, {"content-encoding": "gzip"}), Reply(503, bomb, {"content-encoding": "gzip"})]
    with pytest.raises(ProtocolError, match="compressed"):
        client.put_bulk(BODY)
    with pytest.raises(RetryableApiError):
        client.put_bulk(BODY)


def test_answers_are_capped(server: Server, client: MemoryClient) -> None:
    """A huge error is its status; a huge success is not believed."""
    server.replies = [Reply(400, b"x" * 70_000), Reply(202, b" " * (8 * 1024 * 1024 + 1))]
    with pytest.raises(RejectedRequestError):
        client.put_bulk(BODY)
    with pytest.raises(ProtocolError, match="larger"):
        client.put_bulk(BODY)


def test_a_lost_answer_is_ambiguous(server: Server, client: MemoryClient) -> None:
    """A connection closed after the body left says nothing about the body."""
    server.replies = [Reply(drop=True)]
    with pytest.raises(AmbiguousRequestError) as caught:
        client.put_bulk(BODY)
    assert caught.value.status is None


def test_a_truncated_success_is_ambiguous_and_a_truncated_error_its_status(
    server: Server, client: MemoryClient
) -> None:
    """Half an answer is no answer, unless its status already says no."""
    cut = {"content-length": "500", "connection": "close"}
    server.replies = [Reply(202, b"{", cut), Reply(400, b"{", cut)]
    with pytest.raises(AmbiguousRequestError):
        client.put_bulk(BODY)
    with pytest.raises(RejectedRequestError):
        client.put_bulk(BODY)


def test_no_connection_is_retryable() -> None:
    """Nothing listens: nothing was sent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with MemoryClient(f"http://127.0.0.1:{port}", STORE, ("a", "b")) as client, pytest.raises(RetryableApiError):
        client.put_bulk(BODY)


def test_a_slow_answer_ends_at_the_total_deadline(server: Server) -> None:
    """A server that sends a byte now and then is late all the same."""
    server.replies = [Reply(202, b" " * 1000, pause_s=0.05)]
    with MemoryClient(server.url, STORE, ("a", "b"), ClientOptions(base_s=0.4)) as client:
        began = time.monotonic()
        with pytest.raises(AmbiguousRequestError):
            client.put_bulk(BODY)
        assert time.monotonic() - began < 2


def test_slow_headers_end_at_the_total_deadline() -> None:
    """So does one that trickles its status line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                for byte in b"HTTP/1.1 202 Accepted" + b" " * 100:
                    if ended.wait(0.05):
                        return
                    connection.send(bytes([byte]))

        thread = threading.Thread(target=trickle)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with MemoryClient(url, STORE, ("a", "b"), ClientOptions(base_s=0.4)) as client:
            with pytest.raises(AmbiguousRequestError):
                client.put_bulk(BODY)
            ended.set()
        thread.join()


def test_the_environment_is_not_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither proxies nor .netrc of the environment have a say."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.replies = [Reply(202, b'{"message":"ok"}')]
    with MemoryClient(server.url, STORE, ("a", "b")) as client:
        client.put_bulk(BODY)
    assert len(server.seen) == 1


def test_a_proxy_that_is_given_is_used(server: Server) -> None:
    """`--proxy` takes the requests."""
    server.replies = [Reply(202, b'{"message":"ok"}')]
    with MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), ClientOptions(proxy=server.url)) as client:
        client.put_bulk(BODY)
    assert server.seen[0].path.startswith("http://127.0.0.1:9/")


@pytest.mark.parametrize("url", ["http://memory.example.com", "ftp://127.0.0.1", "https://"])
def test_credentials_never_travel_in_the_clear(url: str) -> None:
    """Plain http is for loopback."""
    with pytest.raises(SettingsError):
        MemoryClient(url, STORE, ("a", "b"))


# --- moves -----------------------------------------------------------------------------------------------------------


def moved(to: str) -> Reply:
    """Return a 308 to a place."""
    return Reply(308, b'{"message":"m","uri":"u"}', {"location": to})


def place(number: int) -> str:
    """Return the path of a profile."""
    return f"/v1/Stores/{STORE}/Profiles/{profile(number)}"


def test_a_patch_follows_a_merged_profile(server: Server, client: MemoryClient) -> None:
    """Up to three moves within host and store are followed, body and all."""
    server.replies = [moved(place(2)), moved(server.url + place(3)), moved(place(4)), Reply(202, b'{"message":"ok"}')]
    client.patch_profile(profile(1), b'{"traits":{}}')
    assert [request.path for request in server.seen] == [place(n) for n in (1, 2, 3, 4)]
    assert all(request.body == b'{"traits":{}}' and request.method == "PATCH" for request in server.seen)


@pytest.mark.parametrize(
    "to",
    [
        "https://elsewhere.example" + place(2),
        "//elsewhere.example" + place(2),
        place(2).replace(STORE, STORE.replace("0", "1")),
        f"/v1/Stores/{STORE}/Profiles/not-a-profile",
        f"/v1/Stores/{STORE}/Profiles/../../x",
        "",
        place(1),
    ],
)
def test_a_patch_is_not_sent_elsewhere(server: Server, client: MemoryClient, to: str) -> None:
    """Another host, another store, no profile, or the same one again: one request, then an error."""
    server.replies = [moved(to)]
    with pytest.raises(ProtocolError):
        client.patch_profile(profile(1), b"{}")
    assert len(server.seen) == 1


def test_moves_are_counted(server: Server, client: MemoryClient) -> None:
    """A fourth move is one too many."""
    server.replies = [moved(place(n)) for n in range(2, 10)]
    with pytest.raises(ProtocolError):
        client.patch_profile(profile(1), b"{}")
    assert len(server.seen) == 4


# --- imports and the bucket ------------------------------------------------------------------------------------------


def test_an_import_is_created_and_read(server: Server, client: MemoryClient) -> None:
    """The request names file, size and columns; the URL is in no `repr`."""
    url = "https://b.s3.amazonaws.com/x?X-Amz-Signature=canary"
    server.replies = [
        Reply(201, orjson.dumps({"importId": "imp", "url": url}), {"twilio-request-id": "RQ"}),
        Reply(200, orjson.dumps({"status": "PENDING", "filename": "f", "createdAt": "x", "fileSize": 9})),
        Reply(200, orjson.dumps({"status": "COMPLETED", "filename": "f", "summary": {"errors": 0, "warnings": 2}})),
        Reply(200, orjson.dumps({"imports": ["a", "b"], "meta": {"nextToken": "t"}})),
        Reply(200, orjson.dumps({"imports": ["c"]})),
    ]
    created = client.create_import("f", 9, [ColumnMapping("c001", "Contact", "email")])
    assert (created.import_id, created.url) == ("imp", url)
    assert "canary" not in repr(created)
    assert orjson.loads(server.seen[0].body) == {
        "filename": "f",
        "fileSize": 9,
        "columnMappings": [{"columnName": "c001", "traitGroup": "Contact", "traitName": "email"}],
    }
    assert client.get_import("imp").errors is None
    done = client.get_import("imp")
    assert (done.status, done.errors, done.warnings) == ("COMPLETED", 0, 2)
    assert client.list_imports() == (("a", "b"), "t")
    assert client.list_imports("t") == (("c",), None)
    assert "pageToken=t" in server.seen[4].path


@pytest.mark.parametrize("answer", [b'{"importId":"x"}', b'{"importId":1,"url":"u"}', b'{"imports":[1]}'])
def test_an_answer_without_what_is_needed_breaks_the_contract(
    server: Server, client: MemoryClient, answer: bytes
) -> None:
    """A 201 without ID or URL, or a list of other things, is not believed."""
    server.replies = [Reply(201, answer), Reply(200, answer)]
    with pytest.raises(ProtocolError):
        client.create_import("f", 9, [])
    if b"imports" in answer:
        with pytest.raises(ProtocolError):
            client.list_imports()


def test_a_file_is_uploaded_bare_with_its_length(server: Server, client: MemoryClient, tmp_path: Any) -> None:
    """No credentials, no cookies, exact length, never chunked, whole content."""
    content = bytes(range(256)) * 5000
    path = tmp_path / "part.csv"
    path.write_bytes(content)
    server.replies = [Reply(200, b"", {"set-cookie": "session=1; Path=/"})]
    for _ in range(2):
        with path.open("rb") as stream:
            client.upload(f"{server.url}/bucket/key?X-Amz-Signature=abc", stream, len(content))
    for seen in server.seen:
        assert seen.body == content
        assert seen.headers["content-length"] == str(len(content))
        assert not {"authorization", "cookie", "transfer-encoding"} & set(seen.headers)


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/x",
        "http://b.s3.amazonaws.com/x",
        "https://amazonaws.com.evil.example/x",
        "https://evilamazonaws.com/x",
        "https://user:pass@b.s3.amazonaws.com/x",
        "http://user:pass@127.0.0.1:9/x",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_file_goes_to_allowed_hosts_alone(client: MemoryClient, url: str) -> None:
    """A foreign, private or plain place is refused before the first byte, and the URL is in no message."""
    with pytest.raises(RejectedRequestError) as caught:
        client.upload(url, io.BytesIO(b"x"), 1)
    assert caught.value.status is None
    assert not url or url not in str(caught.value)


def test_loopback_buckets_are_for_a_loopback_api() -> None:
    """An API elsewhere cannot point an upload at this machine."""
    with MemoryClient("https://memory.example.com", STORE, ("a", "b")) as client, pytest.raises(RejectedRequestError):
        client.upload("http://127.0.0.1:9/x", io.BytesIO(b"x"), 1)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", RetryableApiError),
        (403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>", RejectedRequestError),
        (500, b"<Error><Code>InternalError</Code></Error>", RetryableApiError),
        (503, b"slow down", RetryableApiError),
        (501, b"<Error><Code>NotImplemented</Code></Error>", RetryableApiError),
        (307, b"", ProtocolError),
        (202, b"", ProtocolError),
    ],
)
def test_what_a_bucket_says(
    server: Server, client: MemoryClient, status: int, body: bytes, kind: type[ApiError]
) -> None:
    """Only a refused signature is final; a redirect is not followed."""
    server.replies = [Reply(status, body, {"location": f"{server.url}/other"})]
    with pytest.raises(kind):
        client.upload(f"{server.url}/x?X-Amz-Signature=canary", io.BytesIO(b"x" * 10), 10)
    assert len(server.seen) == 1


# --- reads -----------------------------------------------------------------------------------------------------------

IDENTITY = {
    "identifierConfigs": [{"idType": "email", "normalization": "email"}],
    "matchingRules": ["email"],
    "version": 3,
}
ACTIVE = {"id": STORE, "displayName": "s", "status": "ACTIVE", "version": 1, "intelligenceServiceId": None}


def group(name: str, **traits: dict[str, Any]) -> dict[str, Any]:
    """Return a trait group."""
    return {"displayName": name, "version": 1, "traits": traits}


def test_the_schema_is_read_page_by_page(server: Server, client: MemoryClient) -> None:
    """Trait groups of all pages, identity settings, nulls where there is nothing."""
    email = {"dataType": "STRING", "idTypePromotion": "email", "validationRule": None, "description": None}
    server.replies = [
        Reply(200, orjson.dumps(ACTIVE)),
        Reply(200, orjson.dumps({"traitGroups": [group("Contact", email=email)], "meta": {"nextToken": "t1"}})),
        Reply(200, orjson.dumps({"traitGroups": [group("Loyalty", points={"dataType": "NUMBER"})], "meta": None})),
        Reply(200, orjson.dumps(IDENTITY)),
    ]
    schema = client.fetch_schema()
    assert set(schema.traits) == {"Contact.email", "Loyalty.points"}
    assert schema.traits["Contact.email"].id_type == "email"
    assert "includeTraits=true" in server.seen[1].path
    assert "pageToken=t1" in server.seen[2].path


def _schema_replies(**changed: Any) -> list[Reply]:
    return [
        Reply(200, orjson.dumps(changed.get("store", ACTIVE))),
        *[Reply(200, orjson.dumps(page)) for page in changed.get("pages", [{"traitGroups": []}])],
        Reply(200, orjson.dumps(changed.get("identity", IDENTITY))),
    ]


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        (_schema_replies(store=ACTIVE | {"status": "PROVISIONING"}), RetryableApiError),
        (_schema_replies(store=ACTIVE | {"status": "FAILED"}), RejectedRequestError),
        (_schema_replies(pages=[{"meta": {"nextToken": "a"}}, {"meta": {"nextToken": "a"}}]), ProtocolError),
        (_schema_replies(pages=[{"traitGroups": {"a": 1}}]), ProtocolError),
        (_schema_replies(pages=[{"traitGroups": [group("A", b={"dataType": "MONEY"})]}]), ProtocolError),
        (_schema_replies(identity={"matchingRules": []}), ProtocolError),
        (_schema_replies(identity={"identifierConfigs": 5, "matchingRules": []}), ProtocolError),
    ],
)
def test_a_schema_that_cannot_be_used_is_said(
    server: Server, client: MemoryClient, replies: list[Reply], kind: type[ApiError]
) -> None:
    """A store that is not active, a page that comes again, a type unknown to us: an error, not a guess."""
    server.replies = replies
    with pytest.raises(kind):
        client.fetch_schema()


def test_a_lookup_sends_one_value_and_never_says_it(server: Server, client: MemoryClient) -> None:
    """Profiles come back; an error names neither value nor path."""
    server.replies = [Reply(200, orjson.dumps({"normalizedValue": VALUE, "profiles": [profile(1)]})), Reply(200, b"{}")]
    assert client.lookup("email", VALUE) == (profile(1),)
    assert orjson.loads(server.seen[0].body) == {"idType": "email", "value": VALUE}
    assert client.lookup("email", VALUE) == ()
    server.replies = [Reply(404, orjson.dumps({"message": VALUE}))]
    with pytest.raises(RejectedRequestError) as caught:
        client.lookup("email", VALUE)
    assert VALUE not in str(caught.value)


def _raising(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    return handle


def _untrusted() -> httpx.ConnectError:
    error = httpx.ConnectError("x")
    error.__cause__ = ssl.SSLCertVerificationError("x")
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_untrusted(), RejectedRequestError),
        (httpx.ConnectTimeout("x"), RetryableApiError),
        (httpx.PoolTimeout("x"), RetryableApiError),
        (httpx.ReadTimeout("x"), AmbiguousRequestError),
        (httpx.WriteError("x"), AmbiguousRequestError),
        (httpx.RemoteProtocolError("x"), AmbiguousRequestError),
        (httpx.LocalProtocolError("x"), ProtocolError),
        (httpx.UnsupportedProtocol("x"), ProtocolError),
    ],
)
def test_what_httpx_raises_is_translated(error: Exception, kind: type[ApiError]) -> None:
    """Not sent is retryable, sent and lost is ambiguous."""
    options = ClientOptions(transport=httpx.MockTransport(_raising(error)))
    with MemoryClient("http://127.0.0.1:9", STORE, ("a", "b"), options) as client, pytest.raises(kind):
        client.put_bulk(BODY)
