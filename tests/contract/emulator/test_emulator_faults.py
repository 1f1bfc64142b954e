"""Faults as a client meets them: on the wire, at the bucket, in imports and behind a 202."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import pytest

from importer.emulator import Emulator, EmulatorSettings

FAULTS: Final = "/_emulator/faults"
ANN: Final = {"Contact": {"email": "ann@example.com", "firstName": "Ann"}}
BULK: Final = ["UpdateProfilesBulk"]
FILE: Final = b"mail,first\n" + b"".join(b"p%d@example.com,P\n" % number for number in range(5))
COLUMNS: Final = [
    {"columnName": "mail", "traitGroup": "Contact", "traitName": "email"},
    {"columnName": "first", "traitGroup": "Contact", "traitName": "firstName"},
]
LIMIT_S: Final = 20


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A new store for each test."""
    with Emulator(":memory:") as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client of that store."""
    root = f"{emulator.api_url}/v1/Stores/{emulator.store_id}"
    with httpx.Client(base_url=root, auth=("key", "secret"), timeout=LIMIT_S) as client:
        yield client


def put(client: httpx.Client, *people: Any) -> httpx.Response:
    """Send profiles, or Ann, as one batch."""
    return client.put("/Profiles/Bulk", json={"profiles": [{"traits": traits} for traits in people or (ANN,)]})


def upload(client: httpx.Client) -> tuple[str, httpx.Response]:
    """Ask for an import and send its file."""
    task = {"filename": "people.csv", "fileSize": len(FILE), "columnMappings": COLUMNS}
    made = client.post("/Profiles/Imports", json=task).json()
    return made["importId"], httpx.put(made["url"], content=FILE, timeout=LIMIT_S)


def fetch(emulator: Emulator, client: httpx.Client, import_id: str) -> dict[str, Any]:
    """Return an import's state once all work is done."""
    emulator.wait_idle()
    found: dict[str, Any] = client.get(f"/Profiles/Imports/{import_id}").json()
    return found


def test_faults_are_switched_by_an_endpoint_of_their_own(emulator: Emulator, client: httpx.Client) -> None:
    """Added, listed with what they hit, removed; no credentials, JSON only; a wrong one is refused with its place."""
    with httpx.Client(base_url=emulator.api_url) as admin:
        added = admin.post(FAULTS, json={"fault": "503", "operations": BULK, "count": 1})
        other = admin.post(FAULTS, json={"fault": "drop", "every": 9})
        statuses = [put(client).status_code for _ in range(2)]
        emulator.wait_idle(LIMIT_S)  # what is accepted is seen by the second switch when it is applied
        shown = admin.get(FAULTS).json()["faults"]
        assert (added.status_code, added.json()["hits"]) == (201, 0)
        assert statuses == [503, 202]
        assert [(entry["fault"], entry["hits"]) for entry in shown] == [("503", 1), ("drop", 0)]
        assert shown == emulator.faults()
        wrong = admin.post(FAULTS, json={"fault": "503", "count": "two"})
        assert (wrong.status_code, "count" in wrong.json()["message"]) == (400, True)
        assert admin.post(FAULTS, content=b"{").status_code == 400
        assert admin.post(FAULTS, json=[]).status_code == 400
        assert admin.delete(f"{FAULTS}/{added.json()['id']}").status_code == 200
        assert admin.delete(f"{FAULTS}/{added.json()['id']}").status_code == 404
        assert [entry["id"] for entry in admin.get(FAULTS).json()["faults"]] == [other.json()["id"]]
        assert admin.delete(FAULTS).json() == {"faults": []}


def test_a_page_of_another_site_cannot_switch_faults(emulator: Emulator) -> None:
    """A browser sends what a form may send without asking; that type is refused, and nothing is switched."""
    forged = httpx.post(
        emulator.api_url + FAULTS, content=b'{"fault": "503"}', headers={"Content-Type": "text/plain"}, timeout=LIMIT_S
    )
    assert (forged.status_code, emulator.faults()) == (400, [])


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("400", 520046),
        ("401", 20003),
        ("403", 20403),
        ("404", 20404),
        ("413", 20413),
        ("429", 20429),
        ("500", 20500),
        ("503", 20503),
    ],
)
def test_a_status_is_answered_in_the_documented_shape(
    emulator: Emulator, client: httpx.Client, fault: str, code: int
) -> None:
    """With its code and a request ID, before anything is done; another code can be asked for."""
    emulator.switch_on({"fault": fault, "count": 1})
    emulator.switch_on({"fault": fault, "count": 1, "code": 520050})
    answers = [put(client) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [int(fault)] * 2
    assert [answer.json()["code"] for answer in answers] == [code, 520050]
    assert all(answer.headers["twilio-request-id"] for answer in answers)
    emulator.wait_idle()
    assert emulator.profiles() == []


def test_retry_after_comes_in_every_form(emulator: Emulator, client: httpx.Client) -> None:
    """Seconds by default; a date, nonsense or nothing where asked for."""
    for member in ({}, {"retry_after": "date:60"}, {"retry_after": "soon"}, {"retry_after": ""}):
        emulator.switch_on({"fault": "429", "count": 1, **member})
    seconds, date, nonsense, nothing = (put(client).headers.get("Retry-After") for _ in range(4))
    assert (seconds, nonsense, nothing) == ("1", "soon", None)
    assert date is not None
    assert parsedate_to_datetime(date).tzinfo is not None


def test_credentials_may_stop_being_good(emulator: Emulator, client: httpx.Client) -> None:
    """So many requests pass, and from then on every one is unauthorised."""
    emulator.switch_on({"fault": "401", "skip": 3})
    assert [client.get("/Profiles").status_code for _ in range(5)] == [200, 200, 200, 401, 401]


@pytest.mark.parametrize("fault", ["reset", "hang"])
@pytest.mark.parametrize("after", [False, True])
def test_a_lost_answer_says_nothing_of_what_was_done(
    emulator: Emulator, client: httpx.Client, fault: str, after: bool
) -> None:
    """The connection is reset, at once or after silence; the profile is there exactly if the fault comes after."""
    emulator.switch_on({"fault": fault, "after": after, "count": 1, "operations": BULK, "delay_s": 0.1})
    with pytest.raises(httpx.ReadError):
        put(client)
    emulator.wait_idle()
    assert len(emulator.profiles()) == after
    assert put(client).status_code == 202


def test_a_failure_may_be_answered_after_the_work_was_done(emulator: Emulator, client: httpx.Client) -> None:
    """The 500 is a lie: the batch was accepted and is applied."""
    emulator.switch_on({"fault": "500", "after": True, "count": 1})
    assert put(client).status_code == 500
    emulator.wait_idle()
    assert len(emulator.profiles()) == 1


def test_half_of_an_answer_ends_the_connection(emulator: Emulator, client: httpx.Client) -> None:
    """The length that was promised never comes; the work is done."""
    emulator.switch_on({"fault": "truncated", "count": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        put(client)
    emulator.wait_idle()
    assert len(emulator.profiles()) == 1


def test_a_slow_answer_comes_whole(emulator: Emulator, client: httpx.Client) -> None:
    """Byte by byte: a short limit of the read gives up, a patient client gets the same answer as ever."""
    emulator.switch_on({"fault": "slow", "count": 1, "delay_s": 30})
    emulator.switch_on({"fault": "slow", "count": 1, "delay_s": 0.1})
    with pytest.raises(httpx.ReadTimeout):
        client.get("/Profiles", timeout=0.2)
    assert client.get("/Profiles").json()["profiles"] == []


@pytest.mark.parametrize("status", [200, 502])
def test_a_proxy_answers_with_a_page(emulator: Emulator, client: httpx.Client, status: int) -> None:
    """HTML where JSON is due, even with a good status."""
    emulator.switch_on({"fault": "html", "status": status, "count": 1, "retry_after": "7"})
    answer = put(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
    assert answer.headers["content-type"].startswith("text/html")
    assert "twilio-request-id" not in answer.headers


def test_an_upload_may_be_reset_and_sent_again(emulator: Emulator, client: httpx.Client) -> None:
    """A body that was cut short leaves the import pending, and the URL good."""
    emulator.switch_on({"fault": "reset", "operations": ["Upload"], "count": 1})
    task = {"filename": "people.csv", "fileSize": len(FILE), "columnMappings": COLUMNS}
    made = client.post("/Profiles/Imports", json=task).json()
    with pytest.raises((httpx.ReadError, httpx.WriteError)):
        httpx.put(made["url"], content=FILE)
    assert fetch(emulator, client, made["importId"])["status"] == "PENDING"
    assert httpx.put(made["url"], content=FILE).status_code == 200
    assert fetch(emulator, client, made["importId"])["status"] == "COMPLETED"


def test_an_upload_may_be_kept_without_a_word(emulator: Emulator, client: httpx.Client) -> None:
    """Reset after the file was stored: the import goes on all the same."""
    emulator.switch_on({"fault": "reset", "operations": ["Upload"], "count": 1, "after": True})
    with pytest.raises(httpx.ReadError):
        upload(client)
    emulator.wait_idle()
    assert len(emulator.profiles()) == 5


def test_the_bucket_fails_in_its_own_words(emulator: Emulator, client: httpx.Client) -> None:
    """S3's error document, and no word of the API's; other hosts are not concerned."""
    emulator.switch_on({"fault": "503", "operations": ["Upload"], "count": 1})
    _, answer = upload(client)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/xml")
    assert b"<Code>SlowDown</Code>" in answer.content


def test_an_upload_url_may_have_expired(emulator: Emulator, client: httpx.Client) -> None:
    """It is signed and right, but of too long ago; the next one is good."""
    emulator.switch_on({"fault": "expired-url", "count": 1})
    _, answer = upload(client)
    assert (answer.status_code, b"Request has expired" in answer.content) == (403, True)
    assert upload(client)[1].status_code == 200


@pytest.mark.parametrize(
    ("specification", "status", "summary", "stored"),
    [
        ({"fault": "import-stuck"}, "PROCESSING", None, 0),
        ({"fault": "import-stuck", "after": True}, "PROCESSING", None, 5),
        ({"fault": "import-failed"}, "FAILED", {"errors": 100, "warnings": 0}, 0),
        ({"fault": "import-failed", "after": True, "errors": 2}, "FAILED", {"errors": 2, "warnings": 0}, 5),
        ({"fault": "import-errors", "errors": 2, "warnings": 1}, "COMPLETED", {"errors": 2, "warnings": 1}, 3),
    ],
)
def test_an_import_may_end_badly_or_not_at_all(
    emulator: Emulator, client: httpx.Client, specification: dict[str, Any], status: str, summary: Any, stored: int
) -> None:
    """What it tells, and what it did: the two need not agree. The next import is as ever."""
    emulator.switch_on({**specification, "count": 1})
    import_id, _ = upload(client)
    state = fetch(emulator, client, import_id)
    assert (state["status"], state.get("summary")) == (status, summary)
    assert len(emulator.profiles()) == stored
    assert fetch(emulator, client, upload(client)[0])["status"] == "COMPLETED"


def test_a_stuck_import_is_a_running_operation(emulator: Emulator, client: httpx.Client) -> None:
    """The operation that goes with it never ends either."""
    emulator.switch_on({"fault": "import-stuck"})
    task = {"filename": "people.csv", "fileSize": len(FILE), "columnMappings": COLUMNS}
    made = client.post("/Profiles/Imports", json=task).json()
    httpx.put(made["url"], content=FILE)
    emulator.wait_idle()
    assert httpx.get(made["statusUrl"], auth=("a", "b")).json()["status"] == "RUNNING"


def test_accepted_profiles_may_be_refused_late(emulator: Emulator, client: httpx.Client) -> None:
    """202, and then an event with the code that was asked for, and one error in the operation's counts."""
    people = [{"Contact": {"email": f"p{number}@example.com", "firstName": "P"}} for number in range(4)]
    emulator.switch_on({"fault": "late-refusal", "skip": 1, "count": 1, "code": 520050})
    answer = put(client, *people)
    emulator.wait_idle()
    operation = httpx.get(answer.json()["statusUrl"], auth=("a", "b")).json()
    stored = [profile["identifiers"]["email"][0] for profile in emulator.profiles()]
    assert (answer.status_code, operation["result"]) == (202, {"errors": 1, "warnings": 0})
    assert stored == ["p0@example.com", "p2@example.com", "p3@example.com"]
    assert [(event["errorCode"], event["places"]) for event in emulator.events()] == [(520050, ["/profiles/1"])]


def test_a_hanging_request_does_not_hold_up_the_end(client: httpx.Client) -> None:
    """The emulator stops while a fault would hang for a day."""
    with Emulator(":memory:", EmulatorSettings(faults=({"fault": "hang"},))) as emulator:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{emulator.api_url}/v1/ControlPlane/Stores", auth=("a", "b"), timeout=0.2)
        assert emulator.faults()[0]["hits"] == 1
