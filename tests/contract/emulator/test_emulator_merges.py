"""Identity over HTTP: the three readings of a clash, merged profiles, single-profile writes, identifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from importer.emulator import Clash, Emulator, EmulatorSettings

BY_PHONE = {"Contact": {"phone": "+13175551234", "firstName": "Ann"}}
BY_EMAIL = {"Contact": {"email": "ann@example.com", "lastName": "Lee"}}
BY_BOTH = {"Contact": {"phone": "+13175551234", "email": "ann@example.com", "firstName": "Anna"}}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A new store for each test."""
    with Emulator(":memory:") as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client of that store."""
    with connect(emulator) as client:
        yield client


def connect(emulator: Emulator) -> httpx.Client:
    """Return a client with credentials, at the root of the store."""
    return httpx.Client(base_url=f"{emulator.api_url}/v1/Stores/{emulator.store_id}", auth=("key", "secret"))


def write(emulator: Emulator, client: httpx.Client, *bodies: Mapping[str, Any]) -> httpx.Response:
    """Send each profile in a batch of its own and wait until all are applied; return the last answer."""
    for traits in bodies:
        answer = client.put("/Profiles/Bulk", json={"profiles": [{"traits": traits}]})
        assert answer.status_code == 202
    emulator.wait_idle(10)
    return answer


def test_a_clash_merges_into_the_earliest_profile(emulator: Emulator, client: httpx.Client) -> None:
    """Union of traits, newest write per trait, all identifiers at one profile."""
    write(emulator, client, BY_EMAIL, BY_PHONE)
    first, second = (profile["id"] for profile in emulator.profiles())
    write(emulator, client, BY_BOTH)
    (merged,) = emulator.profiles()
    assert merged["id"] == first
    assert merged["traits"]["Contact"] == {**BY_BOTH["Contact"], "lastName": "Lee"}
    assert merged["identifiers"] == {"email": ["ann@example.com"], "phone": ["+13175551234"]}
    assert client.get("/Profiles").json()["profiles"] == [first]
    assert client.get(f"/Profiles/{second}").status_code == 301


def test_merged_profiles_answer_301_and_308(emulator: Emulator, client: httpx.Client) -> None:
    """Reads and writes of an absorbed profile name the canonical one; following them works."""
    write(emulator, client, BY_EMAIL, BY_PHONE)
    first, second = (profile["id"] for profile in emulator.profiles())
    write(emulator, client, BY_BOTH)
    value = {"idType": "email", "value": "new@example.com"}
    asked = {
        301: [("GET", ""), ("GET", "/Traits"), ("GET", "/Identifiers"), ("GET", "/Identifiers/email")],
        308: [("PATCH", ""), ("DELETE", ""), ("POST", "/Identifiers"), ("DELETE", "/Identifiers/email")],
    }
    bodies: dict[tuple[str, str], dict[str, Any]] = {("PATCH", ""): {"traits": {}}, ("POST", "/Identifiers"): value}
    for status, requests in asked.items():
        for method, suffix in requests:
            answer = client.request(method, f"/Profiles/{second}{suffix}", json=bodies.get((method, suffix)))
            assert answer.status_code == status
            assert answer.headers["Canonical-Profile-Id"] == first
            assert answer.headers["Location"].endswith(f"/Profiles/{first}{suffix}")
            assert answer.json()["uri"] == answer.headers["Location"]
    followed = client.get(f"/Profiles/{second}", follow_redirects=True)
    assert followed.json()["id"] == first


def test_chains_of_merges_lead_to_one_profile(emulator: Emulator, client: httpx.Client) -> None:
    """An alias of an alias answers with the last canonical profile, in one step."""
    write(emulator, client, {"Contact": {"email": "a@b.c", "firstName": "A"}})
    write(emulator, client, BY_EMAIL, BY_PHONE)
    first, _, third = (profile["id"] for profile in emulator.profiles())
    write(emulator, client, BY_BOTH)
    write(emulator, client, {"Contact": {"email": "a@b.c", "phone": "+13175551234"}})
    assert [profile["id"] for profile in emulator.profiles()] == [first]
    assert client.get(f"/Profiles/{third}").headers["Canonical-Profile-Id"] == first


@pytest.mark.parametrize(
    ("clash", "email_trait", "warnings"), [(Clash.FIRST_MATCH, "ann@example.com", 0), (Clash.SKIP, None, 1)]
)
def test_a_clash_without_merging_keeps_both_profiles(clash: Clash, email_trait: str | None, warnings: int) -> None:
    """The phone is the stronger match; the e-mail stays at its owner, and SKIP says so with 520034."""
    with Emulator(":memory:", EmulatorSettings(clash=clash)) as emulator, connect(emulator) as client:
        answer = write(emulator, client, BY_EMAIL, BY_PHONE, BY_BOTH)
        by_email, by_phone = emulator.profiles()
        operation = httpx.get(answer.json()["statusUrl"], auth=("a", "b")).json()
        events = emulator.events()
    assert by_email["traits"] == BY_EMAIL
    assert by_email["identifiers"] == {"email": ["ann@example.com"]}
    assert by_phone["identifiers"] == {"phone": ["+13175551234"]}
    assert by_phone["traits"]["Contact"]["firstName"] == "Anna"
    assert by_phone["traits"]["Contact"].get("email") == email_trait
    assert operation["result"] == {"errors": 0, "warnings": warnings}
    assert [(event["errorCode"], event["subject"]) for event in events] == [(520034, by_phone["id"])] * warnings


def test_shared_values_link_only_in_twos() -> None:
    """Types without enforceUnique: one common value makes no match, two do."""
    seed = {
        "traitGroups": [
            {
                "displayName": "Home",
                "traits": {name: {"dataType": "STRING", "idTypePromotion": name} for name in ("household", "device")},
            }
        ],
        "identifierConfigs": [{"idType": name, "enforceUnique": False} for name in ("household", "device")],
    }
    with Emulator(":memory:", schema=seed) as emulator, connect(emulator) as client:
        write(
            emulator, client, {"Home": {"household": "h", "device": "d1"}}, {"Home": {"household": "h", "device": "d2"}}
        )
        assert len(emulator.profiles()) == 2
        found = client.post("/Profiles/Lookup", json={"idType": "household", "value": " h "}).json()
        assert found["profiles"] == [profile["id"] for profile in emulator.profiles()]
        write(emulator, client, {"Home": {"household": "h", "device": "d2"}, "Contact": {"firstName": "Bo"}})
        assert [len(profile["traits"]) for profile in emulator.profiles()] == [1, 2]


def test_values_beyond_the_limit_are_evicted() -> None:
    """Two e-mails at most: the oldest goes, and no longer finds the profile."""
    seed = {
        "traitGroups": [
            {"displayName": "Crm", "traits": {"key": {"dataType": "STRING", "idTypePromotion": "crm"},
                                              "old": {"dataType": "STRING", "idTypePromotion": "legacy"}}}
        ],
        "identifierConfigs": [{"idType": "crm"}, {"idType": "legacy", "limit": 2}],
    }  # fmt: skip
    with Emulator(":memory:", schema=seed) as emulator, connect(emulator) as client:
        write(emulator, client, *({"Crm": {"key": "k", "old": value}} for value in ("v1", "v2", "v3")))
        (profile,) = emulator.profiles()
        assert profile["identifiers"]["legacy"] == ["v2", "v3"]
        assert client.post("/Profiles/Lookup", json={"idType": "legacy", "value": "v1"}).json()["profiles"] == []


def test_create_profile_answers_the_canonical_id(emulator: Emulator, client: httpx.Client) -> None:
    """The only write that tells whom it reached; the same identifier finds the same profile."""
    first = client.post("/Profiles", json={"traits": {"Contact": {"email": "ANN@example.com"}}})
    second = client.post("/Profiles", json={"traits": BY_EMAIL})
    emulator.wait_idle(10)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"] == emulator.profiles()[0]["id"]
    assert emulator.profiles()[0]["traits"] == BY_EMAIL


@pytest.mark.parametrize(
    "traits",
    [
        {},
        {"Contact": {"firstName": "Ann"}},
        {"Contact": {"email": "a@b.c", "firstName": None}},
        {"Contact": {"x": "y"}},
    ],
)
def test_create_profile_refuses_what_has_no_identity(client: httpx.Client, traits: dict[str, Any]) -> None:
    """No identifier, a null, an unknown trait."""
    answer = client.post("/Profiles", json={"traits": traits})
    assert (answer.status_code, answer.json()["code"]) == (400, 520046)


def test_patch_sets_and_removes(emulator: Emulator, client: httpx.Client) -> None:
    """Null removes a trait, an absent one stays; the identifier of a removed trait stays."""
    write(emulator, client, BY_BOTH)
    name = emulator.profiles()[0]["id"]
    traits = {"Contact": {"firstName": None, "lastName": "Lee", "email": None}}
    assert client.patch(f"/Profiles/{name}", json={"traits": traits}).status_code == 202
    emulator.wait_idle(10)
    (profile,) = emulator.profiles()
    assert profile["traits"] == {"Contact": {"lastName": "Lee", "phone": "+13175551234"}}
    assert profile["identifiers"]["email"] == ["ann@example.com"]


def test_patch_is_validated(emulator: Emulator, client: httpx.Client) -> None:
    """Types, unknown traits, unknown groups and unknown profiles."""
    write(emulator, client, BY_BOTH)
    name = emulator.profiles()[0]["id"]
    bodies = [
        {"Contact": {"firstName": 5}},
        {"Contact": {"shoe": "x"}},
        {"Nowhere": {"x": "y"}},
        {"Contact": {"phone": "x"}},
    ]
    answers = [client.patch(f"/Profiles/{name}", json={"traits": traits}) for traits in bodies]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [
        (400, 520046), (400, 520046), (400, 520047), (400, 520046)
    ]  # fmt: skip
    unknown = client.patch("/Profiles/mem_profile_7zzzzzzzzzzzzzzzzzzzzzzzzz", json={"traits": {}})
    assert (unknown.status_code, unknown.json()["code"]) == (404, 20404)
    assert client.patch("/Profiles/nonsense", json={"traits": {}}).status_code == 400


def test_a_patched_identifier_may_merge(emulator: Emulator, client: httpx.Client) -> None:
    """Adding a value that another profile holds merges both into the earlier one."""
    write(emulator, client, BY_EMAIL, BY_PHONE)
    first, second = (profile["id"] for profile in emulator.profiles())
    client.patch(f"/Profiles/{second}", json={"traits": {"Contact": {"email": "ann@example.com"}}})
    emulator.wait_idle(10)
    assert [profile["id"] for profile in emulator.profiles()] == [first]


def test_deleted_profiles_are_gone(emulator: Emulator, client: httpx.Client) -> None:
    """404 afterwards; the identifier is free for a new profile with a later ID."""
    write(emulator, client, BY_BOTH)
    name = emulator.profiles()[0]["id"]
    assert client.delete(f"/Profiles/{name}").status_code == 202
    emulator.wait_idle(10)
    assert client.get(f"/Profiles/{name}").status_code == 404
    write(emulator, client, BY_BOTH)
    assert emulator.profiles()[0]["id"] > name


def test_work_on_a_profile_that_went_away_is_logged() -> None:
    """A 202 promises nothing: the profile may be deleted before the next write has its turn."""
    with Emulator(":memory:", EmulatorSettings(apply_delay_s=0.1)) as emulator, connect(emulator) as client:
        name = client.post("/Profiles", json={"traits": BY_BOTH}).json()["id"]
        identifier = {"idType": "chat", "value": "c"}
        answers = [
            client.delete(f"/Profiles/{name}"),
            client.patch(f"/Profiles/{name}", json={"traits": {}}),
            client.delete(f"/Profiles/{name}"),
            client.post(f"/Profiles/{name}/Identifiers", json=identifier),
        ]
        emulator.wait_idle(10)
        events = emulator.events()
    assert [answer.status_code for answer in answers] == [202] * 4
    assert [event["errorCode"] for event in events] == [20404] * 3


def test_writers_at_once_leave_one_profile_for_each_identity(emulator: Emulator) -> None:
    """Batches and synchronous creates from eight threads, all about the same forty people."""

    def send(thread: int) -> list[int]:
        with connect(emulator) as client:
            statuses = []
            for round_number in range(6):
                people = [
                    {"traits": {"Contact": {"email": f"p{n}@b.c", "firstName": f"{thread}.{round_number}"}}}
                    for n in range(40)
                ]
                statuses.append(client.put("/Profiles/Bulk", json={"profiles": people}).status_code)
                statuses.append(client.post("/Profiles", json=people[(thread + round_number) % 40]).status_code)
            return statuses

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for found in pool.map(send, range(8)) for status in found]
    emulator.wait_idle(20)
    assert set(statuses) == {202}
    profiles = emulator.profiles()
    assert sorted(profile["identifiers"]["email"][0] for profile in profiles) == sorted(f"p{n}@b.c" for n in range(40))


def test_lookup_normalises_and_names_every_holder(emulator: Emulator, client: httpx.Client) -> None:
    """The answer repeats the value that was searched."""
    write(emulator, client, BY_BOTH)
    name = emulator.profiles()[0]["id"]
    found = client.post("/Profiles/Lookup", json={"idType": "phone", "value": "317-555-1234"})
    assert found.json() == {"normalizedValue": "+13175551234", "profiles": [name]}
    nobody = client.post("/Profiles/Lookup", json={"idType": "email", "value": "nobody@example.com"})
    assert nobody.json()["profiles"] == []
    for body in ({"idType": "nothing", "value": "x"}, {"idType": "phone", "value": "x"}, {"idType": "phone"}):
        assert client.post("/Profiles/Lookup", json=body).status_code == 400


def test_identifiers_can_be_read_and_changed(emulator: Emulator, client: httpx.Client) -> None:
    """List, one type, add, replace, remove: each write is applied later."""
    write(emulator, client, BY_BOTH)
    root = f"/Profiles/{emulator.profiles()[0]['id']}/Identifiers"
    listed = client.get(root).json()["identifiers"]
    assert listed == [
        {"idType": "email", "values": ["ann@example.com"]},
        {"idType": "phone", "values": ["+13175551234"]},
    ]
    steps: list[tuple[str, str, dict[str, str] | None, list[str]]] = [
        ("POST", root, {"idType": "email", "value": "Two@Example.com"}, ["ann@example.com", "two@example.com"]),
        ("PATCH", f"{root}/email", {"idType": "email", "oldValue": "ann@example.com", "newValue": "three@example.com"},
         ["two@example.com", "three@example.com"]),
        ("DELETE", f"{root}/email?removeAll=true", None, []),
    ]  # fmt: skip
    for method, path, body, expected in steps:
        assert client.request(method, path, json=body).status_code == 202
        emulator.wait_idle(10)
        assert client.get(f"{root}/email").json().get("values", []) == expected
    assert client.get(f"{root}/email").status_code == 404


def test_identifier_writes_are_validated(emulator: Emulator, client: httpx.Client) -> None:
    """Unknown types, values that cannot be, values not held, values of others, several values at once."""
    write(emulator, client, BY_EMAIL, BY_PHONE)
    root = f"/Profiles/{emulator.profiles()[0]['id']}/Identifiers"
    client.post(root, json={"idType": "email", "value": "two@example.com"})
    client.post(f"/Profiles/{emulator.profiles()[1]['id']}/Identifiers", json={"idType": "email", "value": "b@b.b"})
    emulator.wait_idle(10)
    change = {"idType": "email", "oldValue": "two@example.com", "newValue": "b@b.b"}
    asked: list[tuple[str, str, dict[str, str] | None, int]] = [
        ("POST", root, {"idType": "nothing", "value": "x"}, 400),
        ("POST", root, {"idType": "phone", "value": "x"}, 400),
        ("PATCH", f"{root}/phone", change, 400),
        ("PATCH", f"{root}/email", {**change, "oldValue": "nobody@example.com"}, 404),
        ("PATCH", f"{root}/email", change, 409),
        ("DELETE", f"{root}/email", None, 400),
        ("DELETE", f"{root}/email?removeAll=perhaps", None, 400),
        ("DELETE", f"{root}/phone", None, 404),
    ]
    for method, path, body, status in asked:
        assert client.request(method, path, json=body).status_code == status, (method, path)
