"""The emulator against the contract file: every operation is served, every answer has the documented shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from importer.emulator import Emulator, EmulatorSettings, app, contract


def denull(node: Any) -> Any:
    """OpenAPI 3.0 writes a nullable type as a flag; JSON Schema as one more type."""
    if isinstance(node, list):
        return [denull(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    changed = {key: denull(value) for key, value in node.items()}
    if changed.pop("nullable", False):
        changed["type"] = [changed["type"], "null"]
    return changed


def allow_null_definitions(document: dict[str, Any]) -> dict[str, Any]:
    """Members of a trait definition may be null in answers, which the file says in words only."""
    definition = document["components"]["schemas"]["TraitDefinition"]["properties"]
    definition["idTypePromotion"] = {"anyOf": [definition["idTypePromotion"], {"type": "null"}]}
    definition["validationRule"] = {"anyOf": [definition["validationRule"], {"type": "null"}]}
    return document


DOCUMENT: dict[str, Any] = allow_null_definitions(denull(contract.load_document()))


def find_schema(response: httpx.Response) -> dict[str, Any]:
    """Return the documented schema of an answer; the operation and the status must be documented."""
    path = response.request.url.path
    for template, item in sorted(DOCUMENT["paths"].items(), key=lambda entry: str(entry[0]).replace("{", "~")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            responses = item[response.request.method.lower()]["responses"]
            entry = responses[str(response.status_code)]
            while "$ref" in entry:
                entry = DOCUMENT["components"]["responses"][entry["$ref"].rpartition("/")[2]]
            schema: dict[str, Any] = entry["content"]["application/json"]["schema"]
            return schema
    raise AssertionError(f"{path} is not in the contract")


def check(response: httpx.Response) -> None:
    """Raise when an answer is not what the contract says."""
    response.read()
    if "/ControlPlane/Operations/" not in response.request.url.path or response.status_code != 200:
        assert response.headers["twilio-request-id"]
    rooted = {"allOf": [find_schema(response)], "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft4Validator(rooted)
    errors = [error.message for error in validator.iter_errors(response.json())]
    assert not errors, (response.request.method, response.request.url.path, errors)


@pytest.fixture
def api() -> Iterator[httpx.Client]:
    """A client that checks every answer, of an emulator with a merged profile."""
    with (
        Emulator(":memory:", EmulatorSettings(store_name="conformity")) as emulator,
        httpx.Client(base_url=emulator.api_url, auth=("a", "b"), event_hooks={"response": [check]}) as client,
    ):
        client.headers["X-Store"] = emulator.store_id
        root = f"/v1/Stores/{emulator.store_id}/Profiles"
        for traits in (
            {"email": "a@b.c", "firstName": "Ann"},
            {"phone": "+13175551234", "firstName": "Ann"},
            {"email": "a@b.c", "phone": "+13175551234"},
        ):
            client.put(f"{root}/Bulk", json={"profiles": [{"traits": {"Contact": traits}}]})
            emulator.wait_idle(10)
        yield client


def test_every_operation_of_the_contract_is_served() -> None:
    """The table of endpoints and the file name the same operations."""
    assert app.ENDPOINTS.keys() == {operation.operation_id for operation in contract.load_operations()}


def test_answers_have_the_documented_shape(api: httpx.Client) -> None:
    """Successes, redirects and refusals of each operation pass the contract's schemas."""
    store = api.headers["X-Store"]
    data, control = f"/v1/Stores/{store}", f"/v1/ControlPlane/Stores/{store}"
    profile = api.get(f"{data}/Profiles").json()["profiles"][0]
    alias = profile[:-1] + chr(ord(profile[-1]) + 1)
    mappings = [{"columnName": t, "traitGroup": "Contact", "traitName": t} for t in ("email", "firstName")]
    imported = api.post(
        f"{data}/Profiles/Imports", json={"filename": "f", "fileSize": 5, "columnMappings": mappings}
    ).json()
    group = {"displayName": "Crm", "traits": {"x": {"dataType": "ARRAY"}}}
    requests: list[tuple[str, str, Any, int]] = [
        ("GET", "/v1/ControlPlane/Stores", None, 200),
        ("GET", control, None, 200),
        ("GET", f"{control}/TraitGroups?includeTraits=true", None, 200),
        ("GET", f"{control}/TraitGroups/Contact", None, 200),
        ("GET", f"{control}/TraitGroups/Nowhere", None, 404),
        ("POST", f"{control}/TraitGroups", group, 202),
        ("PATCH", f"{control}/TraitGroups/Contact", {"description": "d"}, 202),
        ("GET", f"{control}/IdentityResolutionSettings", None, 200),
        ("GET", f"/v1/ControlPlane/Operations/{imported['operationId']}", None, 200),
        ("GET", f"{data}/Profiles/{profile}", None, 200),
        ("GET", f"{data}/Profiles/{alias}", None, 301),
        ("PATCH", f"{data}/Profiles/{alias}", {"traits": {}}, 308),
        ("PATCH", f"{data}/Profiles/{profile}", {"traits": {"Contact": {"lastName": None}}}, 202),
        ("PATCH", f"{data}/Profiles/{profile}", {"traits": {"Contact": {"lastName": 5}}}, 400),
        ("GET", f"{data}/Profiles/{profile}/Traits", None, 200),
        ("GET", f"{data}/Profiles/{profile}/Identifiers", None, 200),
        ("GET", f"{data}/Profiles/{profile}/Identifiers/email", None, 200),
        ("GET", f"{data}/Profiles/{profile}/Identifiers/chat", None, 404),
        ("POST", f"{data}/Profiles/{profile}/Identifiers", {"idType": "chat", "value": "c"}, 202),
        ("POST", f"{data}/Profiles/Lookup", {"idType": "email", "value": "a@b.c"}, 200),
        ("POST", f"{data}/Profiles/Lookup", {"idType": "email"}, 400),
        ("POST", f"{data}/Profiles", {"traits": {"Contact": {"email": "new@b.c"}}}, 202),
        ("PUT", f"{data}/Profiles/Bulk", {"profiles": []}, 400),
        ("GET", f"{data}/Profiles/Imports", None, 200),
        ("GET", f"{data}/Profiles/Imports/{imported['importId']}", None, 200),
        ("DELETE", f"{data}/Profiles/{profile}/Identifiers/email", None, 202),
        ("DELETE", f"{data}/Profiles/{profile}", None, 202),
    ]
    for method, path, body, status in requests:
        assert api.request(method, path, json=body).status_code == status, (method, path)


def test_the_documented_examples_are_answered_as_documented() -> None:
    """The reference pages' own profile and lookup: the same normalised value."""
    traits = {
        "email": "Alyssa.Mock@example.com",
        "phone": "+13175551234",
        "lastName": "Mock",
        "firstName": "Alyssa",
        "street": "123 Main St",
        "city": "San Francisco",
        "state": "CA",
        "postalCode": "94107",
        "country": "US",
    }
    seed = {"traitGroups": [{"displayName": "Contact", "traits": {name: {"dataType": "STRING"} for name in traits}}]}
    with Emulator(":memory:", schema=seed) as emulator, httpx.Client(base_url=emulator.api_url, auth=("a", "b")) as api:
        root = f"/v1/Stores/{emulator.store_id}/Profiles"
        created = api.post(root, json={"traits": {"Contact": traits}}).json()
        assert created["message"] == "Profile resolved and accepted for processing."
        emulator.wait_idle(10)
        found = api.post(f"{root}/Lookup", json={"idType": "phone", "value": "1-317-555-1234"}).json()
        assert found == {"normalizedValue": "+13175551234", "profiles": [created["id"]]}
        assert api.get(f"{root}/{created['id']}").json()["traits"] == {"Contact": traits}


@pytest.mark.parametrize("fault", ["400", "401", "403", "404", "429", "500", "503"])
def test_faults_that_are_switched_on_have_the_documented_shape(api: httpx.Client, fault: str) -> None:
    """Errors that only a fault brings about pass the contract's schemas too."""
    switched = {"fault": fault, "operations": ["UpdateProfilesBulk"]}
    httpx.post(api.base_url.join("/_emulator/faults"), json=switched).raise_for_status()
    answer = api.put(f"/v1/Stores/{api.headers['X-Store']}/Profiles/Bulk", json={"profiles": [{"traits": {}}]})
    assert answer.status_code == int(fault)
