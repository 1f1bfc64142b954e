"""What leaves this machine, byte for byte, in a whole run by every route."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from importer.core.report import Report
from importer.memory_api.client import MemoryClient
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.sending import run_import
from tests.support.interposed import Interposed, interposed
from tests.support.loopback import Reply, Seen
from tests.support.runs import QUICK, Workbench, workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "note": {"to": "Account.note", "on_missing": "remove"},
        "tags": {"to": "Account.tags", "split": "|", "type": "array"},
    },
    "routing": {"import_min_rows": 30, "part_rows": 20},
}
COOKIES: Final = {"set-cookie": "session=canary; Path=/; HttpOnly"}


@dataclass
class Sent:
    """A run, what the API and the bucket had of it, and the presigned URLs that were answered."""

    bench: Workbench
    between: Interposed
    report: Report
    urls: list[str]


def sent_by(bench: Workbench, between: Interposed) -> Report:
    """Deliver rows of which some are looked up, patched or go by a file."""
    lines = [f"{n},p{n}@example.com,{'' if n < 5 else f'note {n}'},{'a|b' if n < 15 else ''}" for n in range(60)]
    source = bench.folder / "source.csv"
    source.write_text("\n".join(["id,email,note,tags", *lines, ""]), encoding="utf-8")
    settings = bench.settings.model_copy(update={"api_url": between.api.url})
    return run_import(RunRequest((str(source),), bench.mapping, settings), Hooks(), QUICK)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """Run it once, by a service that sets cookies with every answer."""
    urls: list[str] = []

    def rewrite(seen: Seen, reply: Reply) -> Reply:
        if seen.method == "POST" and seen.path.endswith("/Imports"):
            urls.append(orjson.loads(reply.body)["url"])
        return replace(reply, headers=reply.headers | COOKIES)

    with workbench(tmp_path_factory.mktemp("wire"), MAPPING) as bench:
        bench.put([{"Contact": {"email": f"p{n}@example.com"}, "Account": {"note": "old"}} for n in range(3)])
        with interposed(bench.emulator, rewrite=rewrite) as between:
            report = sent_by(bench, between)
            assert report.exit_code == 0, report.error
            yield Sent(bench, between, report, urls)


def test_every_kind_of_request_was_seen(sent: Sent) -> None:
    """Otherwise the tests below say less than they seem to."""
    assert {"bulk", "patch", "lookup", "create-import", "upload", "get-import", "get-operation"} <= {
        name for name, count in sent.report.requests.items() if count
    }


def test_the_bucket_gets_the_file_and_nothing_else(sent: Sent) -> None:
    """Three headers, none of them about us; the exact length, never chunked; no cookie it set before."""
    assert len(sent.between.bucket.seen) == len(sent.urls) == 3
    for seen in sent.between.bucket.seen:
        names = [line.split(b":")[0].lower() for line in seen.head.split(b"\r\n")[1:] if line]
        assert sorted(names) == [b"accept-encoding", b"content-length", b"host"]
        assert seen.headers["accept-encoding"] == "identity"
        assert seen.headers["host"] == f"127.0.0.1:{sent.between.bucket.port}"
        assert seen.headers["content-length"] == str(len(seen.body))
        assert seen.body.startswith(b"c001,")


def test_the_bucket_is_asked_for_the_url_as_it_is(sent: Sent) -> None:
    """Path and query are signed, so not one character may change; and the size is the one that was announced."""
    asked = [seen.head.split(b"\r\n")[0] for seen in sent.between.bucket.seen]
    targets = {f"PUT {url.removeprefix(sent.between.bucket.url)} HTTP/1.1".encode() for url in sent.urls}
    assert set(asked) == targets
    announced = sorted(orjson.loads(seen.body)["fileSize"] for seen in sent.between.of("POST", "/Imports"))
    assert sorted(len(seen.body) for seen in sent.between.bucket.seen) == announced


def test_the_api_gets_credentials_and_no_cookie(sent: Sent) -> None:
    """Every request has them, none is chunked or asks for compression, and none is about the bucket."""
    credentials = "Basic " + base64.b64encode(b"key:secret").decode()
    assert len(sent.between.api.seen) > 20
    for seen in sent.between.api.seen:
        assert seen.headers["authorization"] == credentials
        assert not {"cookie", "transfer-encoding", "expect", "proxy-authorization"} & set(seen.headers)
        assert seen.headers["accept-encoding"] == "identity"
        assert int(seen.headers.get("content-length", "0")) == len(seen.body)
        assert seen.path.startswith("/v1/")
        assert b"X-Amz" not in seen.head + seen.body


def test_api_and_bucket_share_no_connection(sent: Sent) -> None:
    """Connections are kept and used again, each for one of the two alone."""
    assert 0 < sent.between.bucket.connections <= 3
    assert sent.between.api.connections < len(sent.between.api.seen)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 3_000_000])
def test_a_file_of_any_size_keeps_its_length(sent: Sent, tmp_path: Path, size: int) -> None:
    """Below, at and above what is read at once: one length, no chunks."""
    path = tmp_path / "part.csv"
    path.write_bytes(bytes(n % 251 for n in range(size)))
    between = sent.between
    before = len(between.bucket.seen)
    between.script = lambda seen: Reply(200, b"") if seen.path.startswith("/any") else None
    with (
        MemoryClient(between.api.url, sent.bench.emulator.store_id, ("key", "secret")) as client,
        path.open("rb") as content,
    ):
        client.upload(f"{between.bucket.url}/any/thing%2Fat%20all?a=b+c&d=%7E", content, size)
    (seen,) = between.bucket.seen[before:]
    assert (seen.path, seen.body) == ("/any/thing%2Fat%20all?a=b+c&d=%7E", path.read_bytes())
    assert (seen.headers["content-length"], "transfer-encoding" in seen.headers) == (str(size), False)
