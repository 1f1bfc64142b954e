"""Imports over HTTP: the task, the signed upload, S3's refusals, the rules of the file."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from importer.emulator import Clash, Emulator, EmulatorSettings

SEED = {
    "traitGroups": [
        {
            "displayName": "Loyalty",
            "traits": {
                "points": {"dataType": "NUMBER"},
                "isSubscribed": {"dataType": "BOOLEAN"},
                "colors": {"dataType": "ARRAY"},
                "tier": {"dataType": "STRING", "validationRule": {"ruleType": "STRING", "maxLength": 4}},
            },
        }
    ]
}
COLUMNS = {
    "c1": ("Contact", "email"),
    "c2": ("Contact", "firstName"),
    "c3": ("Loyalty", "points"),
    "c4": ("Loyalty", "isSubscribed"),
}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A new store for each test."""
    with Emulator(":memory:", schema=SEED) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client of that store."""
    with connect(emulator) as client:
        yield client


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    """One store for the tests that need no empty one."""
    with Emulator(":memory:", schema=SEED) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def api(shared: Emulator) -> Iterator[httpx.Client]:
    """A client of the shared store."""
    with connect(shared) as client:
        yield client


def connect(emulator: Emulator) -> httpx.Client:
    """Return a client with credentials, at the root of the store."""
    return httpx.Client(base_url=f"{emulator.api_url}/v1/Stores/{emulator.store_id}", auth=("key", "secret"))


def create(client: httpx.Client, size: int, columns: Mapping[str, tuple[str, str]] = COLUMNS) -> httpx.Response:
    """Ask for an import of a file of this size."""
    mappings = [{"columnName": c, "traitGroup": group, "traitName": trait} for c, (group, trait) in columns.items()]
    return client.post("/Profiles/Imports", json={"filename": "f.csv", "fileSize": size, "columnMappings": mappings})


def run(
    emulator: Emulator, client: httpx.Client, text: str | bytes, columns: Mapping[str, tuple[str, str]] = COLUMNS
) -> dict[str, Any]:
    """Import one file to its end; return its last state."""
    content = text.encode() if isinstance(text, str) else text
    created = create(client, len(content), columns)
    assert created.status_code == 201
    assert httpx.put(created.json()["url"], content=content).status_code == 200
    emulator.wait_idle(30)
    state: dict[str, Any] = client.get(f"/Profiles/Imports/{created.json()['importId']}").json()
    return state


def test_a_file_is_imported(emulator: Emulator, client: httpx.Client) -> None:
    """PENDING, then COMPLETED with counts; typed values and normalised identifiers; the operation agrees."""
    content = "c1,c2,c3,c4,other\nAnn@Example.com,Ann,-5,true,#\nbob@example.com,Bob Ray,7,false,#\n"
    created = create(client, len(content)).json()
    path = f"/Profiles/Imports/{created['importId']}"
    assert client.get(path).json()["status"] == "PENDING"
    assert urlsplit(created["url"]).netloc == urlsplit(emulator.bucket_url).netloc
    assert httpx.put(created["url"], content=content).status_code == 200
    emulator.wait_idle(10)
    state = client.get(path).json()
    assert (state["status"], state["summary"]) == ("COMPLETED", {"errors": 0, "warnings": 0})
    assert state["filename"] == "f.csv"
    ann, bob = emulator.profiles()
    assert ann["traits"] == {
        "Contact": {"email": "Ann@Example.com", "firstName": "Ann"},
        "Loyalty": {"points": -5, "isSubscribed": True},
    }
    assert ann["identifiers"] == {"email": ["ann@example.com"]}
    assert bob["traits"]["Loyalty"]["isSubscribed"] is False
    operation = httpx.get(created["statusUrl"], auth=("a", "b")).json()
    assert (operation["status"], operation["result"]) == ("COMPLETED", {"errors": 0, "warnings": 0})
    assert client.get("/Profiles/Imports").json()["imports"] == [created["importId"]]


def test_an_empty_cell_overwrites_and_a_removal_removes(emulator: Emulator, client: httpx.Client) -> None:
    r"""Empty (also quoted) is an empty string, `\N` is no trait; neither is an identifier."""
    columns = {"c1": ("Contact", "email"), "c2": ("Contact", "firstName"), "c3": ("Contact", "phone")}
    run(emulator, client, "c1,c2,c3\na@b.c,Ann,+13175551234\n", columns)
    run(emulator, client, 'c1,c2,c3\na@b.c,"",\\N\n', columns)
    (profile,) = emulator.profiles()
    assert profile["traits"] == {"Contact": {"email": "a@b.c", "firstName": ""}}
    assert profile["identifiers"] == {"email": ["a@b.c"], "phone": ["+13175551234"]}
    run(emulator, client, "c1,c2,c3\n\\N,\\N,+13175551234\n,Anna,+13175551234\n", columns)
    (profile,) = emulator.profiles()
    assert profile["traits"] == {"Contact": {"email": "", "firstName": "Anna", "phone": "+13175551234"}}


BAD_ROWS = {
    "empty number": "a@b.c,Ann,,true",
    "text for a number": "a@b.c,Ann,five,true",
    "decimal": "a@b.c,Ann,5.0,true",
    "33 bits": "a@b.c,Ann,2147483648,true",
    "empty boolean": "a@b.c,Ann,5,",
    "boolean in capitals": "a@b.c,Ann,5,TRUE",
    "leading space": "a@b.c, Ann,5,true",
    "trailing space": "a@b.c,Ann ,5,true",
    "repeated space": "a@b.c,Ann  Lee,5,true",
    "comma": 'a@b.c,"Lee, Ann",5,true',
    "apostrophe": "a@b.c,O'Brien,5,true",
    "quote": 'a@b.c,"Ann ""A"" Lee",5,true',
    "line break": 'a@b.c,"Ann\nLee",5,true',
    "n with tilde": "a@b.c,Nu\u00f1ez,5,true",
    "emoji": "a@b.c,\U0001f600,5,true",
    "no identifier": ",Ann,5,true",
    "removed identifier": "\\N,Ann,5,true",
    "too few cells": "a@b.c,Ann,5",
    "too many cells": "a@b.c,Ann,5,true,6",
    "too long": f"a@b.c,{'x' * 1025},5,true",
}


@pytest.mark.parametrize("row", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_counted_and_the_rest_applied(shared: Emulator, api: httpx.Client, row: str) -> None:
    """One error in the summary; which row it was is not said, and the good ones are in."""
    names = [f"Good{len(shared.journal())}", f"Fine{len(shared.journal())}"]
    good, fine = (f"{name}@example.com,{name},1,true" for name in names)
    before = len(shared.profiles())
    state = run(shared, api, f"c1,c2,c3,c4\n{good}\n{row}\n{fine}\n")
    assert (state["status"], state["summary"]["errors"]) == ("COMPLETED", 1)
    assert [profile["traits"]["Contact"]["firstName"] for profile in shared.profiles()[before:]] == names


def test_good_rows_hold_all_allowed_characters(emulator: Emulator, client: httpx.Client) -> None:
    """Letters of the list in both cases, digits, signs, single spaces inside, blank lines, no final line break."""
    text = "\u00e0\u00c0 \u1e93\u1e92 \u0142 !@#$%^&*()_+-=[]{}:\\|.`~<>/? Az09"
    state = run(emulator, client, f"c1,c2,c3,c4\n\na@b.c,{text},\\N,true")
    assert state["summary"]["errors"] == 0
    assert emulator.profiles()[0]["traits"]["Contact"]["firstName"] == text
    assert "points" not in emulator.profiles()[0]["traits"]["Loyalty"]


def test_invalid_bytes_fail_their_row_only(emulator: Emulator, client: httpx.Client) -> None:
    """A latin-1 letter is no UTF-8."""
    state = run(emulator, client, b"c1,c2,c3,c4\na@b.c,M\xfcller,1,true\nd@e.f,Ann,1,true\n")
    assert state["summary"]["errors"] == 1
    assert len(emulator.profiles()) == 1


def test_arrays_and_rules_apply_to_rows(emulator: Emulator, client: httpx.Client) -> None:
    """How an array is written is not documented, so it fails; a validation rule counts as in Bulk."""
    columns = {"c1": ("Contact", "email"), "c2": ("Loyalty", "colors")}
    assert run(emulator, client, "c1,c2\na@b.c,red\n", columns)["summary"]["errors"] == 1
    columns = {"c1": ("Contact", "email"), "c2": ("Loyalty", "tier")}
    state = run(emulator, client, "c1,c2\na@b.c,golden\nd@e.f,gold\ng@h.i,\\N\n", columns)
    assert state["summary"]["errors"] == 2
    assert [profile["traits"]["Loyalty"]["tier"] for profile in emulator.profiles()] == ["gold"]


@pytest.mark.parametrize(("bad", "status"), [(99, "COMPLETED"), (100, "FAILED"), (101, "FAILED")])
def test_a_hundred_failed_rows_fail_the_import(emulator: Emulator, client: httpx.Client, bad: int, status: str) -> None:
    """Fewer than 100 still count as COMPLETED; in both cases the good rows are applied."""
    rows = ["x,Bad,none,true"] * bad + [f"g{n}@example.com,Good,{n},true" for n in range(5)]
    state = run(emulator, client, "c1,c2,c3,c4\n" + "\n".join(rows))
    assert (state["status"], state["summary"]["errors"]) == (status, bad)
    assert len(emulator.profiles()) == 5


@pytest.mark.parametrize(
    "header",
    ["c1,c2,c3", "c1,c2,c3,c4,c4", "c1,c2,c3,c4,", "c1,c2,c3,c4,a;b", "\ufeffc1,c2,c3,c4", "c1,c2,c3,c4," + "x" * 65,
     ",".join(["c1,c2,c3,c4", *(f"x{n}" for n in range(97))])],
)  # fmt: skip
def test_a_bad_header_fails_the_import(shared: Emulator, api: httpx.Client, header: str) -> None:
    """Missing, repeated, empty, strange, too long or too many columns: nothing is applied."""
    before = shared.profiles()
    state = run(shared, api, f"{header}\na@b.c,Ann,5,true\n")
    assert (state["status"], state["summary"]["errors"]) == ("FAILED", 1)
    assert shared.profiles() == before


def test_broken_quotes_fail_the_import(emulator: Emulator, client: httpx.Client) -> None:
    """A file that is no CSV ends FAILED, and its operation with an error."""
    content = 'c1,c2,c3,c4\na@b.c,"Ann,5,true\n'
    created = create(client, len(content)).json()
    httpx.put(created["url"], content=content)
    emulator.wait_idle(10)
    operation = httpx.get(created["statusUrl"], auth=("a", "b")).json()
    assert operation["status"] == "FAILED"
    assert operation["error"]["code"] == 520010


def test_more_than_a_million_rows_fail_the_import(emulator: Emulator, client: httpx.Client) -> None:
    """The limit is checked before any row is applied."""
    columns = {"c1": ("Contact", "email"), "c2": ("Contact", "firstName")}
    state = run(emulator, client, b"c1,c2\n" + b"a@b.c,A\n" * 1_000_001, columns)
    assert state["status"] == "FAILED"
    assert emulator.profiles() == []


def test_rows_of_one_identity_are_applied_in_order(emulator: Emulator, client: httpx.Client) -> None:
    """Unlike a Bulk body a file may repeat an identifier: the last row wins."""
    columns = {"c1": ("Contact", "email"), "c2": ("Contact", "firstName")}
    rows = "\n".join(f"a@b.c,n{number}" for number in range(2500))
    assert run(emulator, client, f"c1,c2\n{rows}\n", columns)["summary"]["errors"] == 0
    assert [profile["traits"]["Contact"]["firstName"] for profile in emulator.profiles()] == ["n2499"]


def test_skipped_identifiers_are_warnings() -> None:
    """SKIP counts a clashing identifier as a warning of the import."""
    columns = {"c1": ("Contact", "email"), "c2": ("Contact", "phone")}
    settings = EmulatorSettings(clash=Clash.SKIP)
    with Emulator(":memory:", settings) as emulator, connect(emulator) as client:
        text = "c1,c2\na@b.c,+13175550001\nd@e.f,+13175550002\na@b.c,+13175550002\n"
        assert run(emulator, client, text, columns)["summary"] == {"errors": 0, "warnings": 1}


@pytest.mark.parametrize(
    "columns",
    [
        {"c1": ("Contact", "email")},
        {"c1": ("Contact", "firstName"), "c2": ("Contact", "lastName")},
        {"c1": ("Contact", "email"), "c2": ("Contact", "nothing")},
        {"c1": ("Contact", "email"), "c2": ("Nowhere", "firstName")},
        {"c1": ("Contact", "email"), "c2": ("Contact", "email")},
    ],
)
def test_bad_mappings_are_refused(api: httpx.Client, columns: dict[str, tuple[str, str]]) -> None:
    """Two existing traits at least, one an identifier, none twice."""
    answer = create(api, 100, columns)
    assert (answer.status_code, answer.json()["code"]) == (400, 520046)


def test_bad_import_requests_are_refused(api: httpx.Client) -> None:
    """File size limits, repeated column names, unknown import."""
    assert create(api, 0).status_code == 400
    assert create(api, 104857601).status_code == 400
    assert create(api, 104857600).status_code == 201
    mappings = [{"columnName": "c", "traitGroup": "Contact", "traitName": name} for name in ("email", "firstName")]
    body = {"filename": "f.csv", "fileSize": 5, "columnMappings": mappings}
    assert api.post("/Profiles/Imports", json=body).status_code == 400
    assert api.get("/Profiles/Imports/mem_import_" + "0" * 26).status_code == 404
    assert api.get("/Profiles/Imports/nonsense").status_code == 400


CONTENT = b"c1,c2,c3,c4\na@b.c,Ann,5,true\n"


def upload_url(client: httpx.Client) -> str:
    """Return the signed URL of a new import of CONTENT."""
    url: str = create(client, len(CONTENT)).json()["url"]
    return url


def test_the_url_is_signed_as_s3_does(api: httpx.Client) -> None:
    """Query-signed with the host as the only signed header, for half an hour."""
    query = httpx.URL(upload_url(api)).params
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-SignedHeaders"] == "host"
    assert query["X-Amz-Expires"] == "1800"
    assert query["X-Amz-Credential"].endswith("/s3/aws4_request")
    assert len(query["X-Amz-Signature"]) == 64


def test_a_url_works_once(api: httpx.Client) -> None:
    """The second upload is refused, even of the same bytes."""
    url = upload_url(api)
    first, second = httpx.put(url, content=CONTENT), httpx.put(url, content=CONTENT)
    assert (first.status_code, second.status_code) == (200, 409)
    assert first.headers["ETag"]


@pytest.mark.parametrize("change", ["path", "signature", "expiry", "missing", "host"])
def test_a_changed_url_is_refused(shared: Emulator, api: httpx.Client, change: str) -> None:
    """The signature covers path, query and host; the import stays pending."""
    url = httpx.URL(upload_url(api))
    headers = {"Host": "elsewhere.example"} if change == "host" else {}
    if change == "path":
        url = url.copy_with(path="/memory-imports/other.csv")
    elif change == "signature":
        url = url.copy_set_param("X-Amz-Signature", "0" * 64)
    elif change == "expiry":
        url = url.copy_set_param("X-Amz-Expires", "999999")
    elif change == "missing":
        url = url.copy_remove_param("X-Amz-Signature")
    answer = httpx.put(url, content=CONTENT, headers=headers)
    code = "AccessDenied" if change == "missing" else "SignatureDoesNotMatch"
    assert answer.status_code == 403
    assert f"<Code>{code}</Code>" in answer.text
    assert answer.headers["content-type"] == "application/xml"


def test_an_expired_url_is_refused() -> None:
    """403 with S3's words for it."""
    with Emulator(":memory:", EmulatorSettings(upload_ttl_s=0), SEED) as emulator, connect(emulator) as client:
        answer = httpx.put(upload_url(client), content=CONTENT)
    assert answer.status_code == 403
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in answer.text


def test_credentials_do_not_belong_here(api: httpx.Client) -> None:
    """S3 refuses two ways of signing in one request."""
    answer = httpx.put(upload_url(api), content=CONTENT, auth=("key", "secret"))
    assert answer.status_code == 400
    assert "Only one auth mechanism allowed" in answer.text


def test_other_methods_are_refused(api: httpx.Client) -> None:
    """The URL allows one PUT and nothing else."""
    url = upload_url(api)
    assert httpx.get(url).status_code == 405
    assert httpx.post(url, content=CONTENT).status_code == 405


def test_the_length_must_be_known_and_right(api: httpx.Client) -> None:
    """Chunked is 501, no length 411, another length 400; the right one still works afterwards."""
    url = upload_url(api)
    chunked = httpx.put(url, content=iter([CONTENT]))
    assert chunked.status_code == 501
    assert "<Code>NotImplemented</Code>" in chunked.text
    assert httpx.put(url, content=CONTENT + b"\n").status_code == 400
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"MissingContentLength" in answer.read()) == (411, True)
    connection.close()
    assert httpx.put(url, content=CONTENT).status_code == 200


def test_an_interrupted_upload_leaves_the_import_pending(shared: Emulator, api: httpx.Client) -> None:
    """Half a body and a closed connection store nothing; the URL can be used again."""
    created = create(api, len(CONTENT)).json()
    parts = urlsplit(created["url"])
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as half:
        head = (
            f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
        )
        half.sendall(head.encode() + CONTENT[:10])
    assert api.get(f"/Profiles/Imports/{created['importId']}").json()["status"] == "PENDING"
    assert httpx.put(created["url"], content=CONTENT).status_code == 200
    shared.wait_idle(10)
    assert api.get(f"/Profiles/Imports/{created['importId']}").json()["status"] == "COMPLETED"


def test_the_journal_holds_no_signature(shared: Emulator, api: httpx.Client) -> None:
    """Uploads are in the journal with their path, never with their query."""
    httpx.put(upload_url(api), content=CONTENT)
    last = shared.journal()[-1]
    assert (last["method"], last["status"], last["size_bytes"]) == ("PUT", 200, len(CONTENT))
    assert "X-Amz" not in str(shared.journal())
