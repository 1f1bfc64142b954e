"""The vendor's own client against the emulator: what it asks is understood, what it is answered it understands.

Where the client and the documented API differ, the API counts; the tests with "differs" in their names hold where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioRestException, TwilioServiceException

from importer.emulator import Emulator, EmulatorSettings, contract
from tests.support.official_client import BODIES, LoopbackHttpClient, connect_official

ANN = {"Contact": {"email": "Ann@Example.com", "firstName": "Ann", "lastName": "Lee"}}
FILE = b"mail,first\nimported@example.com,Imp\n"
COLUMNS = [
    {"columnName": "mail", "traitGroup": "Contact", "traitName": "email"},
    {"columnName": "first", "traitGroup": "Contact", "traitName": "firstName"},
]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A new store for each test."""
    with Emulator(":memory:") as emulator:
        yield emulator


def drive_profiles(emulator: Emulator, memory: Any) -> str:
    """Create, fetch, patch, list; return the profile's ID."""
    store, profiles = emulator.store_id, memory.profiles(emulator.store_id)
    created = profiles.create(BODIES.profile({"traits": ANN}))
    assert created.message == "Profile resolved and accepted for processing."
    emulator.wait_idle()
    fetched = profiles(created.id).fetch()
    assert (fetched.id, fetched.traits) == (created.id, ANN)
    assert isinstance(fetched.created_at, datetime)
    assert profiles(created.id).fetch(trait_groups="Contact").traits == ANN
    patched = profiles(created.id).patch(BODIES.patch({"traits": {"Contact": {"lastName": "Bo"}}}))
    assert patched.message == "Trait modifications accepted for processing."
    emulator.wait_idle()
    traits = {trait.name: trait.value for trait in memory.traits(store, created.id).list()}
    assert traits == ANN["Contact"] | {"lastName": "Bo"}
    people = [{"traits": {"Contact": {"email": f"u{n}@example.com", "firstName": "U"}}} for n in range(7)]
    bulk = memory.bulk(store).update(BODIES.bulk({"profiles": people}))
    assert bulk.message == "Profile batch accepted for processing."
    assert isinstance(bulk.created_at, datetime)
    emulator.wait_idle()
    operation = memory.operations(bulk.operation_id).fetch()
    assert (operation.status, operation.status_url) == ("COMPLETED", bulk.status_url)
    ids = profiles.list(page_size=3)
    assert len(ids) == 8, "three pages, joined by the client"
    assert ids == profiles.list(order_by="ASC", limit=8)[::-1]
    assert profiles.list(limit=2) == ids[:2]
    found = memory.lookup(store).create(BODIES.lookup({"idType": "email", "value": " ANN@example.com"}))
    assert (found.normalized_value, found.profiles) == ("ann@example.com", [created.id])
    return str(created.id)


def drive_identifiers(emulator: Emulator, memory: Any, profile: str) -> None:
    """Add, list, fetch, replace, remove."""
    identifiers = memory.identifiers(emulator.store_id, profile)
    added = identifiers.create(BODIES.identifier({"idType": "email", "value": "Second@Example.com"}))
    assert added.message == "Identifier accepted for processing."
    emulator.wait_idle()
    (kind,) = identifiers.list()
    assert (kind.id_type, kind.values) == ("email", ["ann@example.com", "second@example.com"])
    change = {"idType": "email", "oldValue": "second@example.com", "newValue": "third@example.com"}
    identifiers("email").patch(BODIES.identifier_update(change))
    emulator.wait_idle()
    assert identifiers("email").fetch().values == ["ann@example.com", "third@example.com"]
    with pytest.raises(TwilioRestException, match="removeAll"):
        identifiers("email").delete()
    identifiers("email").delete(remove_all=True)
    emulator.wait_idle()
    assert identifiers.list() == []


def drive_imports(emulator: Emulator, memory: Any) -> None:
    """Create, upload by the URL alone, fetch, list."""
    imports = memory.imports(emulator.store_id)
    made = imports.create(
        BODIES.new_import({"filename": "people.csv", "fileSize": len(FILE), "columnMappings": COLUMNS})
    )
    assert imports(made.import_id).fetch().status == "PENDING"
    assert requests.put(made.url, data=FILE, timeout=10).status_code == 200
    emulator.wait_idle()
    done = imports(made.import_id).fetch()
    assert (done.status, done.file_size, done.column_mappings) == ("COMPLETED", len(FILE), COLUMNS)
    assert done.summary == {"errors": 0, "warnings": 0}
    assert isinstance(done.updated_at, datetime)
    assert imports.list() == [made.import_id]


def drive_control_plane(emulator: Emulator, memory: Any) -> None:
    """Stores, trait groups, identity settings, operations."""
    store = emulator.store_id
    assert memory.stores.list() == [store]
    assert memory.stores(store).fetch().status == "ACTIVE"
    groups = memory.trait_groups(store)
    made = groups.create(BODIES.trait_group({"displayName": "Loyalty", "traits": {"tier": {"dataType": "STRING"}}}))
    emulator.wait_idle()
    assert memory.operations(made.status_url.rpartition("/")[2]).fetch().status == "COMPLETED"
    more = {"description": "points", "traits": {"points": {"dataType": "NUMBER"}}}
    groups("Loyalty").patch(BODIES.trait_group_patch(more), if_match='"1"')
    emulator.wait_idle()
    group = groups("Loyalty").fetch(include_traits=True).trait_group
    types = {name: trait["dataType"] for name, trait in group["traits"].items()}
    assert types == {"tier": "STRING", "points": "NUMBER"}
    with pytest.raises(TwilioRestException) as refused:
        groups("Loyalty").patch(BODIES.trait_group_patch({"description": "late"}), if_match='"1"')
    assert (refused.value.status, refused.value.code) == (412, 20412)
    assert [entry.display_name for entry in groups.list(include_traits=True)] == ["Loyalty", "Contact"]
    settings = memory.identity_resolution_settings(store).fetch()
    assert settings.matching_rules == ["phone", "email", "whatsapp", "chat"]
    assert settings.version == 1


def find_operation(method: str, path: str) -> str:
    """Return the operation of the contract that a request is."""
    for operation in contract.load_operations():
        if operation.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", operation.path), path):
            return operation.operation_id
    raise AssertionError(f"{method} {path} is not in the contract")


def test_the_client_drives_every_operation(emulator: Emulator) -> None:
    """Each operation of the contract is called by the client, and does what the client's names promise."""
    memory, http = connect_official(emulator)
    profile = drive_profiles(emulator, memory)
    drive_identifiers(emulator, memory, profile)
    drive_imports(emulator, memory)
    drive_control_plane(emulator, memory)
    memory.profiles(emulator.store_id, profile).delete()
    emulator.wait_idle()
    with pytest.raises(TwilioRestException) as gone:
        memory.profiles(emulator.store_id, profile).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)
    assert {find_operation(*asked) for asked in http.asked} == {
        operation.operation_id for operation in contract.load_operations()
    }


def test_the_client_understands_refusals(emulator: Emulator) -> None:
    """Status, code and message arrive in the client's exception; with pointers on, as a problem of RFC 9457."""
    memory, _ = connect_official(emulator)
    bad = BODIES.bulk({"profiles": [{"traits": {"Contact": {"email": "x@y.z", "firstName": 5}}}]})
    with pytest.raises(TwilioRestException) as refused:
        memory.bulk(emulator.store_id).update(bad)
    assert (refused.value.status, refused.value.code) == (400, 520010)
    with Emulator(":memory:", EmulatorSettings(error_pointers=True)) as pointing:
        memory, _ = connect_official(pointing)
        with pytest.raises(TwilioServiceException) as named:
            memory.bulk(pointing.store_id).update(bad)
    assert named.value.code == 520010
    assert named.value.errors[0]["pointer"] == "#/profiles/0/traits/Contact/firstName"


def test_the_client_meets_the_limit_of_the_rate() -> None:
    """A 429 is the client's exception with the service's code."""
    with Emulator(":memory:", EmulatorSettings(max_requests_per_s=0.001)) as emulator:
        memory, _ = connect_official(emulator)
        memory.stores(emulator.store_id).fetch()
        with pytest.raises(TwilioRestException) as refused:
            memory.stores(emulator.store_id).fetch()
    assert (refused.value.status, refused.value.code) == (429, 20429)


def test_the_client_differs_it_leaves_nulls_out(emulator: Emulator) -> None:
    """The documented way to remove a trait is null, which the client never sends: its patch then changes nothing."""
    memory, http = connect_official(emulator)
    profiles = memory.profiles(emulator.store_id)
    name = profiles.create(BODIES.profile({"traits": ANN})).id
    profiles(name).patch(BODIES.patch({"traits": {"Contact": {"lastName": None}}}))
    emulator.wait_idle()
    assert profiles(name).fetch().traits == ANN
    _patch_by_hand(http, emulator, name)
    emulator.wait_idle()
    assert "lastName" not in profiles(name).fetch().traits["Contact"]


def _patch_by_hand(http: LoopbackHttpClient, emulator: Emulator, profile: str) -> None:
    url = f"https://memory.twilio.com/v1/Stores/{emulator.store_id}/Profiles/{profile}"
    headers = {"Content-Type": "application/json"}
    body = {"traits": {"Contact": {"lastName": None}}}
    assert http.request("PATCH", url, data=body, headers=headers, auth=("key", "secret")).status_code == 202


def test_the_client_differs_it_takes_a_redirect_for_the_answer(emulator: Emulator) -> None:
    """A merged profile answers 301 with the canonical ID in its headers; the client shows a profile without any."""
    memory, _ = connect_official(emulator)
    profiles = memory.profiles(emulator.store_id)
    phone = {"Contact": {"phone": "+13175551234", "firstName": "Ann"}}
    first = profiles.create(BODIES.profile({"traits": ANN})).id
    second = profiles.create(BODIES.profile({"traits": phone})).id
    both = {"Contact": {"phone": "+13175551234", "email": "ann@example.com"}}
    assert profiles.create(BODIES.profile({"traits": both})).id == first
    emulator.wait_idle()
    answer = profiles(second).fetch_with_http_info()
    assert (answer.status_code, answer.headers["canonical-profile-id"]) == (301, first)
    assert (answer.data.id, answer.data.traits) == (None, None)
    with pytest.raises(TwilioRestException) as moved:
        profiles(second).patch(BODIES.patch({"traits": ANN}))
    assert moved.value.status == 308


def test_the_client_differs_it_has_operations_that_the_contract_lacks(emulator: Emulator) -> None:
    """Writing identity settings and deleting trait groups are no part of what is emulated: 405, not a false success."""
    memory, _ = connect_official(emulator)
    configs = {"identifierConfigs": [{"idType": "email"}], "matchingRules": ["email"]}
    with pytest.raises(TwilioRestException) as settings:
        memory.identity_resolution_settings(emulator.store_id).update(BODIES.identity(configs))
    with pytest.raises(TwilioRestException) as group:
        memory.trait_groups(emulator.store_id, "Contact").delete()
    assert [settings.value.status, group.value.status] == [405, 405]
