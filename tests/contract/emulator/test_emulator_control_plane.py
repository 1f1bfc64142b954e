"""The store's schema over HTTP and by seed; lists and their pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from importer.emulator import Emulator, EmulatorSettings

GROUPS = {
    "traitGroups": [{"displayName": f"G{number}", "traits": {"a": {"dataType": "STRING"}}} for number in range(6)]
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """A store with seven trait groups."""
    with Emulator(":memory:", schema=GROUPS) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def api(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client at the root of the API."""
    with httpx.Client(base_url=emulator.api_url, auth=("key", "secret")) as client:
        yield client


def read_pages(client: httpx.Client, path: str, name: str, **query: Any) -> list[list[Any]]:
    """Follow a list to its end; return its pages."""
    pages: list[list[Any]] = []
    token: dict[str, str] = {}
    while True:
        answer = client.get(path, params={**query, **token})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["meta"]["key"] == name
        pages.append(body[name])
        if "nextToken" not in body["meta"]:
            return pages
        token = {"pageToken": body["meta"]["nextToken"]}


def test_the_account_has_one_active_store(emulator: Emulator, api: httpx.Client) -> None:
    """Listed by ID, described by the store's page; what it does not have is null."""
    assert api.get("/v1/ControlPlane/Stores").json()["stores"] == [emulator.store_id]
    store = api.get(f"/v1/ControlPlane/Stores/{emulator.store_id}").json()
    assert (store["id"], store["status"], store["displayName"]) == (emulator.store_id, "ACTIVE", "emulator")
    assert store["intelligenceServiceId"].startswith("emulator-")


def test_a_new_store_has_contact_and_four_identifiers(emulator: Emulator, api: httpx.Client) -> None:
    """The documented default, with matching rules in order of priority."""
    root = f"/v1/ControlPlane/Stores/{emulator.store_id}"
    group = api.get(f"{root}/TraitGroups/Contact").json()["traitGroup"]
    assert {name: trait["idTypePromotion"] for name, trait in group["traits"].items()} == {
        "email": "email",
        "phone": "phone",
        "firstName": None,
        "lastName": None,
    }
    identity = api.get(f"{root}/IdentityResolutionSettings").json()
    assert identity["matchingRules"] == ["phone", "email", "whatsapp", "chat"]
    assert {c["idType"]: c["normalization"] for c in identity["identifierConfigs"]} == {
        "phone": "phone",
        "email": "email",
        "whatsapp": "phone",
        "chat": "trim",
    }


@pytest.mark.parametrize(("order", "names"), [("ASC", ["Contact", "G0", "G1"]), ("DESC", ["G5", "G4", "G3"])])
def test_small_pages_are_honoured(emulator: Emulator, api: httpx.Client, order: str, names: list[str]) -> None:
    """Three groups a page: each group once, in order, the last page without a token."""
    path = f"/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups"
    pages = read_pages(api, path, "traitGroups", pageSize=3, orderBy=order)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [group["displayName"] for group in pages[0]] == names
    assert len({group["displayName"] for page in pages for group in page}) == 7
    assert all("traits" not in group for page in pages for group in page)


def test_traits_come_only_when_asked(emulator: Emulator, api: httpx.Client) -> None:
    """`includeTraits` has another default for the list than for one group."""
    path = f"/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups"
    groups = api.get(path, params={"includeTraits": "true"}).json()["traitGroups"]
    assert all("traits" in group for group in groups)
    assert "traits" not in api.get(f"{path}/G1", params={"includeTraits": "false"}).json()["traitGroup"]
    missing = api.get(f"{path}/Nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, 520047)


@pytest.mark.parametrize(
    "query",
    [
        "pageSize=0",
        "pageSize=101",
        "pageSize=ten",
        "pageSize=5&pageSize=6",
        "orderBy=UP",
        "includeTraits=maybe",
        "pageToken=nonsense",
        "pageToken=%ff",
        "page=2",
    ],
)
def test_bad_query_parameters_are_refused(emulator: Emulator, api: httpx.Client, query: str) -> None:
    """Out of range, wrong type, repeated, unknown, a token that nobody gave."""
    answer = api.get(f"/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, 520046)


def test_a_token_belongs_to_its_list_and_order(emulator: Emulator, api: httpx.Client) -> None:
    """The token of another order is refused."""
    path = f"/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups"
    token = api.get(path, params={"pageSize": 2}).json()["meta"]["nextToken"]
    assert api.get(path, params={"pageSize": 4, "pageToken": token}).status_code == 200
    assert api.get(path, params={"pageToken": token, "orderBy": "ASC"}).status_code == 400
    assert api.get(f"/v1/Stores/{emulator.store_id}/Profiles", params={"pageToken": token}).status_code == 400


def test_profiles_imports_and_traits_are_paged() -> None:
    """Every list of a store can be read in pages of two, in both orders."""
    with Emulator(":memory:") as emulator, httpx.Client(base_url=emulator.api_url, auth=("a", "b")) as api:
        root = f"/v1/Stores/{emulator.store_id}/Profiles"
        for number in range(5):
            traits = {"Contact": {"email": f"u{number}@b.c", "firstName": "A", "lastName": "B"}}
            api.put(f"{root}/Bulk", json={"profiles": [{"traits": traits}]})
            mappings = [
                {"columnName": f"c{n}", "traitGroup": "Contact", "traitName": name}
                for n, name in enumerate(("email", "firstName"))
            ]
            api.post(f"{root}/Imports", json={"filename": "f", "fileSize": 9, "columnMappings": mappings})
        emulator.wait_idle(10)
        ids = [profile["id"] for profile in emulator.profiles()]
        assert read_pages(api, root, "profiles", pageSize=2) == [ids[:2:-1], ids[2:0:-1], ids[:1]]
        assert read_pages(api, root, "profiles", pageSize=2, orderBy="ASC") == [ids[:2], ids[2:4], ids[4:]]
        assert [len(page) for page in read_pages(api, f"{root}/Imports", "imports", pageSize=2)] == [2, 2, 1]
        traits_pages = read_pages(api, f"{root}/{ids[0]}/Traits", "traits", pageSize=2, orderBy="ASC")
        assert [[trait["name"] for trait in page] for page in traits_pages] == [["email", "firstName"], ["lastName"]]


def test_one_profile_shows_some_groups() -> None:
    """`traitGroups` picks groups by name; an unknown one is refused."""
    with (
        Emulator(":memory:", schema=GROUPS) as emulator,
        httpx.Client(base_url=emulator.api_url, auth=("a", "b")) as api,
    ):
        root = f"/v1/Stores/{emulator.store_id}/Profiles"
        traits = {"Contact": {"email": "a@b.c"}, "G0": {"a": "x"}, "G1": {"a": "y"}}
        name = api.post(root, json={"traits": traits}).json()["id"]
        emulator.wait_idle(10)
        assert api.get(f"{root}/{name}").json()["traits"] == traits
        assert api.get(f"{root}/{name}?traitGroups=G1,Contact").json()["traits"].keys() == {"Contact", "G1"}
        assert api.get(f"{root}/{name}?traitGroups=Nowhere").json()["code"] == 520047


def wait_for(api: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """Poll an accepted control-plane write to its end, a bounded number of times."""
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"].endswith(answer.headers["Operation-Id"])
    assert answer.headers["Retry-After"].isdecimal()
    for _ in range(2000):
        operation: dict[str, Any] = api.get(answer.headers["Location"]).json()
        if operation["status"] not in {"PENDING", "RUNNING"}:
            return operation
    raise AssertionError("the operation did not end")


def test_trait_groups_are_created_and_changed() -> None:
    """202 with an operation; afterwards the traits can be written; the ETag guards changes."""
    with Emulator(":memory:") as emulator, httpx.Client(base_url=emulator.api_url, auth=("a", "b")) as api:
        path = f"/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups"
        body = {"displayName": "Crm", "traits": {"key": {"dataType": "STRING", "idTypePromotion": "chat"}}}
        assert wait_for(api, api.post(path, json=body))["status"] == "COMPLETED"
        shown = api.get(f"{path}/Crm")
        assert shown.headers["ETag"] == '"1"'
        change = {"traits": {"key": {"dataType": ""}, "level": {"dataType": "NUMBER"}}, "description": "d"}
        answer = api.patch(f"{path}/Crm", json=change, headers={"If-Match": shown.headers["ETag"]})
        assert wait_for(api, answer)["status"] == "COMPLETED"
        group = api.get(f"{path}/Crm").json()["traitGroup"]
        assert (list(group["traits"]), group["version"], group["description"]) == (["level"], 2, "d")
        late = api.patch(f"{path}/Crm", json=change, headers={"If-Match": '"1"'})
        assert (late.status_code, late.json()["code"]) == (412, 20412)
        profile = {"traits": {"Contact": {"email": "a@b.c"}, "Crm": {"level": 3}}}
        bulk = f"/v1/Stores/{emulator.store_id}/Profiles/Bulk"
        assert api.put(bulk, json={"profiles": [profile]}).status_code == 202
        assert api.post(path, json=body).json()["code"] == 20409
        assert api.patch(f"{path}/Nowhere", json=change).status_code == 404
        assert api.get("/v1/ControlPlane/Operations/unknown").status_code == 404


def test_trait_definitions_are_validated() -> None:
    """Unknown promotions, rules of another type, bad patterns, too many groups and traits."""
    with (
        Emulator(":memory:", schema=GROUPS) as emulator,
        httpx.Client(base_url=emulator.api_url, auth=("a", "b")) as api,
    ):
        path = f"/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups"
        bad: list[dict[str, Any]] = [
            {"dataType": "STRING", "idTypePromotion": "nothing"},
            {"dataType": "STRING", "validationRule": {"ruleType": "NUMBER", "min": 1}},
            {"dataType": "STRING", "validationRule": {"ruleType": "STRING", "pattern": "(?<=a)b"}},
            {"dataType": "STRING", "validationRule": {"ruleType": "STRING", "pattern": "("}},
            {"dataType": "DATE"},
            {"dataType": ""},
        ]
        for definition in bad:
            answer = api.post(path, json={"displayName": "X", "traits": {"t": definition}})
            assert (answer.status_code, answer.json()["code"]) == (400, 520046), definition
        many = {f"t{number}": {"dataType": "STRING"} for number in range(95)}
        answer = api.patch(f"{path}/G0", json={"traits": many})
        assert (answer.status_code, answer.json()["code"]) == (400, 520054)
        emulator.seed({"traitGroups": [{"displayName": f"N{number}"} for number in range(43)]})
        answer = api.post(path, json={"displayName": "Last"})
        assert (answer.status_code, answer.json()["code"]) == (400, 520053)


def test_nulls_of_definitions_can_be_left_out() -> None:
    """Without sparse nulls a trait shows only what it has."""
    with Emulator(":memory:", EmulatorSettings(sparse_nulls=False)) as emulator:
        url = f"{emulator.api_url}/v1/ControlPlane/Stores/{emulator.store_id}/TraitGroups/Contact"
        group = httpx.get(url, auth=("a", "b")).json()["traitGroup"]
    assert group["traits"]["firstName"] == {"dataType": "STRING"}


def test_a_seed_adds_what_is_missing_and_leaves_the_rest() -> None:
    """Words say what was added; the second time there is nothing to say."""
    seed = {
        "traitGroups": [
            {"displayName": "Contact", "traits": {"email": {"dataType": "NUMBER"}, "city": {"dataType": "STRING"}}},
            {"displayName": "Crm", "traits": {"key": {"dataType": "STRING", "idTypePromotion": "user_id",
                                                      "validationRule": None}}},
        ],
        "identifierConfigs": [{"idType": "loyalty", "normalization": "none"}],
        "matchingRules": ["loyalty"],
    }  # fmt: skip
    with Emulator(":memory:") as emulator, httpx.Client(base_url=emulator.api_url, auth=("a", "b")) as api:
        assert emulator.seed(seed) == [
            "identifier loyalty (none)",
            "identifier user_id (trim)",
            "matching rule loyalty",
            "matching rule user_id",
            "trait Contact.city (STRING)",
            "trait group Crm",
            "trait Crm.key (STRING)",
        ]
        assert emulator.seed(seed) == []
        root = f"/v1/ControlPlane/Stores/{emulator.store_id}"
        traits = api.get(f"{root}/TraitGroups/Contact").json()["traitGroup"]["traits"]
        assert traits["email"]["dataType"] == "STRING"
        rules = api.get(f"{root}/IdentityResolutionSettings").json()
        assert rules["matchingRules"][-2:] == ["loyalty", "user_id"]
        assert rules["version"] == 2


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ({"groups": []}, "no member"),
        ({"traitGroups": [{"displayName": "a b"}]}, "trait group"),
        ({"traitGroups": [{"displayName": "A", "traits": {"t": {"dataType": ""}}}]}, "A.t"),
        ({"identifierConfigs": [{"idType": "x"}]}, "identifier config"),
        ({"identifierConfigs": [{"idType": f"id{n}"} for n in range(12)]}, "at most 15"),
        ({"matchingRules": ["nothing"]}, "matching rule"),
        ({"traitGroups": [{"displayName": "Contact", "traits": {f"t{n}": {"dataType": "STRING"} for n in range(92)}}]},
         "more than 95"),
    ],
)  # fmt: skip
def test_a_seed_outside_the_contract_is_refused(seed: dict[str, Any], words: str) -> None:
    """One ValueError that says where; nothing of the seed is kept."""
    with Emulator(":memory:") as emulator:
        with pytest.raises(ValueError, match=re.escape(words)):
            emulator.seed(seed)
        assert emulator.seed({"identifierConfigs": [{"idType": "fresh"}]})[0] == "identifier fresh (trim)"
