"""Bulk upserts over HTTP: what is accepted, what is refused and how, what becomes of it afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from importer.emulator import BadProfile, Emulator, EmulatorSettings

SEED = {
    "traitGroups": [
        {
            "displayName": "Loyalty",
            "traits": {
                "points": {"dataType": "NUMBER", "validationRule": {"ruleType": "NUMBER", "min": 0, "max": 100}},
                "isSubscribed": {"dataType": "BOOLEAN"},
                "colors": {"dataType": "ARRAY", "validationRule": {"ruleType": "ARRAY", "minItems": 1}},
                "tier": {"dataType": "STRING", "validationRule": {"ruleType": "STRING", "pattern": "^[a-z]+$"}},
                "big": {"dataType": "NUMBER"},
            },
        }
    ]
}
ANN = {"Contact": {"email": "ann@example.com", "firstName": "Ann"}}
SECRET = "s3cret-cell-value"


def connect(emulator: Emulator) -> httpx.Client:
    """Return a client with credentials, at the root of the store."""
    return httpx.Client(base_url=f"{emulator.api_url}/v1/Stores/{emulator.store_id}", auth=("key", "secret"))


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    """One emulator for the tests that only look at answers."""
    with Emulator(":memory:", schema=SEED) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def api(shared: Emulator) -> Iterator[httpx.Client]:
    """A client of the shared emulator."""
    with connect(shared) as client:
        yield client


def put(client: httpx.Client, *traits: Any) -> httpx.Response:
    """Send one Bulk body."""
    return client.put("/Profiles/Bulk", json={"profiles": [{"traits": entry} for entry in traits]})


def test_accepted_profiles_are_applied_and_normalised() -> None:
    """202 first, then the profile with its normalised identifiers; the traits keep what was sent."""
    with Emulator(":memory:", schema=SEED) as emulator, connect(emulator) as client:
        traits = {"Contact": {"email": "Ann@Example.com", "phone": "(317) 555-1234"}, "Loyalty": {"colors": ["red", 3]}}
        answer = put(client, traits)
        emulator.wait_idle(10)
        (profile,) = emulator.profiles()
        operation = httpx.get(answer.json()["statusUrl"], auth=("key", "secret")).json()
    assert answer.status_code == 202
    assert profile["traits"] == traits
    assert profile["identifiers"] == {"email": ["ann@example.com"], "phone": ["+13175551234"]}
    assert operation["status"] == "COMPLETED"
    assert operation["result"] == {"errors": 0, "warnings": 0}
    assert operation["operationId"] == answer.json()["operationId"]


def test_absent_traits_stay_and_given_ones_change() -> None:
    """A second write of the same identity leaves alone what it does not name."""
    with Emulator(":memory:") as emulator, connect(emulator) as client:
        put(client, {"Contact": {"email": "ann@example.com", "firstName": "Ann", "lastName": "Lee"}})
        put(client, {"Contact": {"email": "ANN@example.com", "firstName": ""}})
        emulator.wait_idle(10)
        (profile,) = emulator.profiles()
    assert profile["traits"]["Contact"] == {"email": "ANN@example.com", "firstName": "", "lastName": "Lee"}


def test_work_is_applied_in_order_of_acceptance() -> None:
    """The last accepted write of an identity wins."""
    with Emulator(":memory:", EmulatorSettings(apply_delay_s=0.05)) as emulator, connect(emulator) as client:
        for number in range(20):
            assert put(client, {"Contact": {"email": "a@b.c", "firstName": str(number)}}).status_code == 202
        emulator.wait_idle(10)
        (profile,) = emulator.profiles()
    assert profile["traits"]["Contact"]["firstName"] == "19"


def test_an_operation_is_pending_until_its_turn() -> None:
    """With a delay the work is accepted, visible as PENDING, and not applied."""
    with Emulator(":memory:", EmulatorSettings(apply_delay_s=60)) as emulator, connect(emulator) as client:
        answer = put(client, ANN)
        operation = httpx.get(answer.json()["statusUrl"], auth=("key", "secret")).json()
        assert operation["status"] == "PENDING"
        assert emulator.profiles() == []
        with pytest.raises(TimeoutError):
            emulator.wait_idle(0.01)


def test_without_status_url_the_answer_is_a_message_alone() -> None:
    """The older form of the 202 carries no operation."""
    with Emulator(":memory:", EmulatorSettings(status_url=False)) as emulator, connect(emulator) as client:
        assert put(client, ANN).json().keys() == {"message"}


BAD_PROFILES: dict[str, Any] = {
    "one value": {"Contact": {"email": "a@b.c"}},
    "no identifier": {"Contact": {"firstName": "Ann", "lastName": "Lee"}},
    "empty identifier": {"Contact": {"email": "", "firstName": "Ann"}},
    "no phone number": {"Contact": {"phone": SECRET, "firstName": "Ann"}},
    "null": {"Contact": {"email": "a@b.c", "firstName": "Ann", "lastName": None}},
    "type": {"Contact": {"email": "a@b.c", "firstName": 5}},
    "too long": {"Contact": {"email": "a@b.c", "firstName": SECRET + "x" * 1024}},
    "not an integer": {"Contact": {"email": "a@b.c"}, "Loyalty": {"big": 1.5}},
    "integer as float": {"Contact": {"email": "a@b.c"}, "Loyalty": {"big": 1.0}},
    "33 bits": {"Contact": {"email": "a@b.c"}, "Loyalty": {"big": 2**31}},
    "rule max": {"Contact": {"email": "a@b.c"}, "Loyalty": {"points": 101}},
    "rule pattern": {"Contact": {"email": "a@b.c"}, "Loyalty": {"tier": SECRET}},
    "rule minItems": {"Contact": {"email": "a@b.c"}, "Loyalty": {"colors": []}},
    "nested array": {"Contact": {"email": "a@b.c"}, "Loyalty": {"colors": [["red"]]}},
    "array of floats": {"Contact": {"email": "a@b.c"}, "Loyalty": {"colors": [1.5]}},
    "long array": {"Contact": {"email": "a@b.c"}, "Loyalty": {"colors": [1] * 101}},
    "boolean as text": {"Contact": {"email": "a@b.c"}, "Loyalty": {"isSubscribed": "true"}},
    "unknown trait": {"Contact": {"email": "a@b.c", "shoeSize": 44}},
}


@pytest.mark.parametrize("traits", BAD_PROFILES.values(), ids=BAD_PROFILES.keys())
def test_one_bad_profile_refuses_the_batch(api: httpx.Client, shared: Emulator, traits: dict[str, Any]) -> None:
    """400 with 520010 for the whole body; the error names no value, and nothing is applied."""
    before = shared.profiles()
    answer = put(api, {"Contact": {"email": "good@example.com", "firstName": "Good"}}, traits)
    assert answer.status_code == 400
    assert answer.json()["code"] == 520010
    assert answer.json().keys() == {"code", "message", "more_info", "status"}
    assert SECRET not in answer.text
    shared.wait_idle(10)
    assert shared.profiles() == before


def test_an_unknown_group_has_a_code_of_its_own(api: httpx.Client) -> None:
    """520047: no other batch would fare better."""
    answer = put(api, {"Contact": {"email": "a@b.c", "firstName": "Ann"}, "Nowhere": {"x": 1}})
    assert (answer.status_code, answer.json()["code"]) == (400, 520047)


def test_two_profiles_with_one_identifier_are_duplicate_keys(api: httpx.Client) -> None:
    """Compared after normalisation, within one body."""
    answer = put(
        api,
        {"Contact": {"phone": "317 555 1234", "firstName": "Ann"}},
        {"Contact": {"phone": "+13175551234", "firstName": "Bob"}},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 520010)
    assert "duplicate keys" in answer.json()["message"]


def test_pointers_name_every_bad_profile() -> None:
    """With error pointers the 400 has the RFC 9457 shape and one entry for each fault."""
    settings = EmulatorSettings(error_pointers=True)
    with Emulator(":memory:", settings, SEED) as emulator, connect(emulator) as client:
        answer = put(
            client, ANN, BAD_PROFILES["type"], {"Contact": {"email": "x@y.z", "n/a": 1}}, BAD_PROFILES["one value"]
        )
    body = answer.json()
    assert body["status"] == 400
    assert body["code"] == 520010
    assert [error["pointer"] for error in body["errors"]] == [
        "#/profiles/1/traits/Contact/firstName",
        "#/profiles/2/traits/Contact/n~1a",
        "#/profiles/3/traits",
    ]
    assert all(error["detail"] for error in body["errors"])


def test_bad_profiles_may_be_dropped_behind_a_202() -> None:
    """Accept-then-drop applies the others, counts the dropped ones and logs 520010 without a value."""
    settings = EmulatorSettings(bad_profile=BadProfile.ACCEPT_THEN_DROP)
    with Emulator(":memory:", settings, SEED) as emulator, connect(emulator) as client:
        answer = put(client, ANN, *BAD_PROFILES.values())
        emulator.wait_idle(10)
        operation = httpx.get(answer.json()["statusUrl"], auth=("key", "secret")).json()
        names = [profile["identifiers"]["email"] for profile in emulator.profiles()]
        events = emulator.events()
    assert answer.status_code == 202
    assert operation["result"] == {"errors": len(BAD_PROFILES), "warnings": 0}
    assert names == [["ann@example.com"]]
    assert {event["errorCode"] for event in events} == {520010}
    assert events[0]["places"] == ["/profiles/1"]
    assert {event["requestId"] for event in events} == {answer.headers["twilio-request-id"]}
    assert SECRET not in json.dumps(events)


def test_profiles_may_be_lost_without_a_word() -> None:
    """Every third of all that were accepted, whatever body they came in; the operations say that all is well."""
    profiles = [{"Contact": {"email": f"p{number}@example.com", "firstName": "P"}} for number in range(1, 8)]
    with Emulator(":memory:", EmulatorSettings(drop_every=3), SEED) as emulator, connect(emulator) as client:
        answers = [put(client, *profiles[:2]), put(client, *profiles[2:])]
        emulator.wait_idle(10)
        operations = [httpx.get(answer.json()["statusUrl"], auth=("key", "secret")).json() for answer in answers]
        names = [profile["identifiers"]["email"] for profile in emulator.profiles()]
        events = emulator.events()
    assert sorted(names) == [[f"p{number}@example.com"] for number in (1, 2, 4, 5, 7)]
    assert [operation["result"] for operation in operations] == [{"errors": 0, "warnings": 0}] * 2
    assert events == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b'{"profiles": []}', "application/json"),
        (b'{"profiles": {}}', "application/json"),
        (b"{}", "application/json"),
        (b'{"profiles": [{"traits": {}}], "more": 1}', "application/json"),
        (b'{"profiles": [{"trait": {}}]}', "application/json"),
        (b'{"profiles": [{"traits": {"Contact": null}}]}', "application/json"),
        (b'{"profiles": [{"traits": {"Contact": {"email": NaN}}}]}', "application/json"),
        (b'{"profiles": [{"traits": {"Contact": {"email": "a@b.c", "firstName": "A"}}}]}', "text/plain"),
        (b"", "application/json"),
    ],
)
def test_a_body_outside_the_contract_is_refused(api: httpx.Client, content: bytes, content_type: str) -> None:
    """400 with 520046: wrong shape, wrong type of content, no JSON."""
    answer = api.put("/Profiles/Bulk", content=content, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (400, 520046)


def test_batches_hold_1000_profiles_and_no_more(api: httpx.Client) -> None:
    """The limit of the contract, from both sides."""
    profiles = [{"Contact": {"email": f"n{number}@limit.example", "firstName": "N"}} for number in range(1001)]
    assert put(api, *profiles[:1000]).status_code == 202
    assert put(api, *profiles).status_code == 400


def test_a_body_above_the_limit_answers_413() -> None:
    """The limit counts bytes of a Bulk body; other requests are not concerned."""
    with Emulator(":memory:", EmulatorSettings(max_body_bytes=300)) as emulator, connect(emulator) as client:
        small = put(client, ANN)
        large = put(client, *[{"Contact": {"email": f"{n}@b.c", "firstName": "x"}} for n in range(20)])
        journal = emulator.journal()
    assert (small.status_code, large.status_code) == (202, 413)
    assert [entry["status"] for entry in journal] == [202, 413]


def test_too_many_requests_answer_429_with_retry_after() -> None:
    """Above the configured rate the service refuses without looking at the request."""
    with Emulator(":memory:", EmulatorSettings(max_requests_per_s=0.001)) as emulator, connect(emulator) as client:
        assert put(client, ANN).status_code == 202
        answer = put(client, ANN)
    assert (answer.status_code, answer.json()["code"]) == (429, 20429)
    assert answer.headers["Retry-After"].isdecimal()


@pytest.mark.parametrize("header", [None, "Bearer x", "Basic !", "Basic", "Basic bm9jb2xvbg=="])
def test_requests_without_basic_credentials_are_unauthorised(shared: Emulator, header: str | None) -> None:
    """Any user and password will do by default, but there must be some."""
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{shared.api_url}/v1/ControlPlane/Stores", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_configured_credentials_are_compared() -> None:
    """With a key and a secret set, only these are accepted."""
    settings = EmulatorSettings(api_key="SK1", api_secret="right")
    with Emulator(":memory:", settings) as emulator:
        url = f"{emulator.api_url}/v1/ControlPlane/Stores"
        codes = [
            httpx.get(url, auth=auth).status_code for auth in (("SK1", "right"), ("SK1", "wrong"), ("SK2", "right"))
        ]
    assert codes == [200, 401, 401]
    assert "right" not in repr(settings)


def test_store_ids_are_checked(shared: Emulator) -> None:
    """A malformed ID is 400 with 520049, another store 404 with 520041."""
    body = {"profiles": [{"traits": ANN}]}
    answers = [
        httpx.put(f"{shared.api_url}/v1/Stores/{store}/Profiles/Bulk", json=body, auth=("a", "b"))
        for store in ("nonsense", "mem_store_" + "7" * 26)
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, 520049), (404, 520041)]


def test_every_answer_has_its_own_request_id(api: httpx.Client, shared: Emulator) -> None:
    """Refusals and unknown routes included."""
    answers = [
        put(api, ANN),
        put(api, {}),
        api.get("/Nothing"),
        api.post("/Profiles/Bulk"),
        httpx.get(f"{shared.api_url}/v1/ControlPlane/Stores"),
    ]
    assert [answer.status_code for answer in answers] == [202, 400, 404, 405, 401]
    assert len({answer.headers["twilio-request-id"] for answer in answers}) == len(answers)
    assert all(answer.headers["content-type"] == "application/json" for answer in answers)


def test_the_journal_names_every_request() -> None:
    """Method, path, status, sizes and order; no query string and no body."""
    with Emulator(":memory:") as emulator, connect(emulator) as client:
        sent = put(client, ANN, {"Contact": {"email": "bob@example.com", "firstName": "Bob"}})
        client.get("/Profiles", params={"pageSize": 5})
        journal = emulator.journal()
    root = f"/v1/Stores/{emulator.store_id}/Profiles"
    assert [(e["sequence"], e["method"], e["path"], e["status"], e["profile_count"]) for e in journal] == [
        (1, "PUT", f"{root}/Bulk", 202, 2),
        (2, "GET", root, 200, 0),
    ]
    assert journal[0]["size_bytes"] == len(sent.request.content)
