"""Imports, and the bucket their files go to."""

from __future__ import annotations

import io
from typing import Any

import httpx
import orjson
import pytest

from importer.errors import (
    ApiError,
    ProtocolError,
    RejectedRequestError,
    RetryableApiError,
)
from importer.memory_api.client import ClientOptions, MemoryClient
from importer.ports import ColumnMapping
from tests.support.client import STORE
from tests.support.loopback import LoopbackServer, Reply


def test_an_import_is_created_and_read(server: LoopbackServer, client: MemoryClient) -> None:
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
    server: LoopbackServer, client: MemoryClient, answer: bytes
) -> None:
    """A 201 without ID or URL, or a list of other things, is not believed."""
    server.replies = [Reply(201, answer), Reply(200, answer)]
    with pytest.raises(ProtocolError):
        client.create_import("f", 9, [])
    if b"imports" in answer:
        with pytest.raises(ProtocolError):
            client.list_imports()


def test_a_file_is_uploaded_bare_with_its_length(server: LoopbackServer, client: MemoryClient, tmp_path: Any) -> None:
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
        "HTTP://b.s3.amazonaws.com/x",
        "https://amazonaws.com/x",
        "https://amazonaws.com.evil.example/x",
        "https://EVIL.AMAZONAWS.COM.EXAMPLE/x",
        "https://evilamazonaws.com/x",
        "https://evil.example/.s3.amazonaws.com/x",
        "https://evil.example?.s3.amazonaws.com/x",
        "https://evil.example#.s3.amazonaws.com/x",
        "https://evil.example\\.s3.amazonaws.com/x",
        "https://evil.example%2f.s3.amazonaws.com/x",
        "https://b.s3.amazonaws.com@evil.example/x",
        "https://b.s3.amazonaws.com:8443/x",
        "https://b.s3.amazonaws.com:0/x",
        "https://b.s3.amazonaws.com:99999/x",
        "https://b.s3.amazonaws.com:4 43/x",
        "https://b.s3.amazonaws.com:/x",
        "https://b.s3.amazonaws.com./x",
        "https://b\u3002s3.amazonaws.com/x",
        "https://b.s3.\uff41mazonaws.com/x",
        "https://bücket.s3.amazonaws.com/x",
        "https://user:pass@b.s3.amazonaws.com/x",
        "https://user@b.s3.amazonaws.com/x",
        "https://@b.s3.amazonaws.com/x",
        "https://b.s3.amazonaws.com",
        "https://b.s3.amazonaws.com?x=1",
        "https://b.s3.amazonaws.com/a/../x",
        "https://b.s3.amazonaws.com/x y",
        "https://b.s3.amazonaws.com/x#part",
        "https://b.s3.amazonaws.com/x\r\nauthorization: x",
        " https://b.s3.amazonaws.com/x",
        "//b.s3.amazonaws.com/x",
        "http://user:pass@127.0.0.1:9/x",
        "http://127.0.0.1.example/x",
        "http://127.0.0.2:9/x",
        "http://0.0.0.0:9/x",
        "http://2130706433/x",
        "http://0x7f.1/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://[::1/x",
        "http://10.0.0.1/x",
        "https://10.0.0.1/x",
        "http://192.168.0.1/x",
        "http://[fe80::1]/x",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://b.s3.amazonaws.com/x",
        "",
    ],
)
def test_a_file_goes_to_allowed_hosts_alone(client: MemoryClient, url: str) -> None:
    """A foreign, private or plain place is refused before the first byte, and the URL is in no message."""
    content = io.BytesIO(b"x")
    with pytest.raises(RejectedRequestError) as caught:
        client.upload(url, content, 1)
    assert caught.value.status is None
    assert (content.tell(), "not allowed" in str(caught.value)) == (0, True)
    assert not url or url not in str(caught.value)


def test_loopback_buckets_are_for_a_loopback_api(server: LoopbackServer) -> None:
    """An API elsewhere cannot point an upload at this machine."""
    with MemoryClient("https://memory.example.com", STORE, ("a", "b")) as client:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(RejectedRequestError):
                client.upload(f"http://{host}:{server.port}/x", io.BytesIO(b"x"), 1)
    assert server.connections == 0


class _Taken(httpx.BaseTransport):
    """Takes what would have left, and says so."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Keep the URL."""
        self.urls.append(str(request.url))
        return httpx.Response(200, stream=httpx.ByteStream(b""))


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (("*.amazonaws.com",), "https://b.s3.amazonaws.com/x"),
        (("*.amazonaws.com",), "https://b.s3.eu-west-1.amazonaws.com:443/x?X-Amz-Signature=1"),
        (("*.amazonaws.com",), "https://B.S3.AMAZONAWS.COM/x"),
        (("*.AmazonAWS.com",), "https://b.s3.amazonaws.com/x"),
        (("files.example.com", "minio.example.com:9000"), "https://minio.example.com:9000/x"),
    ],
)
def test_a_file_goes_where_it_may(hosts: tuple[str, ...], url: str) -> None:
    """Hosts are read without regard to case; another port than 443 must be in the list."""
    taken = _Taken()
    options = ClientOptions(bucket_hosts=hosts, bucket_transport=taken)
    with MemoryClient("https://memory.example.com", STORE, ("a", "b"), options) as client:
        client.upload(url, io.BytesIO(b"x"), 1)
    assert len(taken.urls) == 1


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
    server: LoopbackServer, client: MemoryClient, status: int, body: bytes, kind: type[ApiError]
) -> None:
    """Only a refused signature is final; a redirect is not followed."""
    server.replies = [Reply(status, body, {"location": f"{server.url}/other"})]
    with pytest.raises(kind):
        client.upload(f"{server.url}/x?X-Amz-Signature=canary", io.BytesIO(b"x" * 10), 10)
    assert len(server.seen) == 1
