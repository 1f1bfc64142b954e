"""Every operation of the client against the local service: what comes back is typed, and what was asked is done."""

from __future__ import annotations

import io
from collections.abc import Iterator

import orjson
import pytest

from importer.core.schema import DataType, Normalization
from importer.emulator import Emulator
from importer.errors import MergedProfileError, RejectedRequestError
from importer.memory_api.client import MemoryClient
from importer.memory_api.identifiers import IdentifierSet
from importer.memory_api.paging import PageRequest, all_items
from importer.ports import ColumnMapping
from tests.support.client import VALUE
from tests.support.operations import CALLS, FOLLOWING, Ids, cases, split

ANN = {"Contact": {"email": "Ann@example.com", "firstName": "Ann"}}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Run an empty store."""
    with Emulator(":memory:") as made:
        yield made


@pytest.fixture
def client(emulator: Emulator) -> Iterator[MemoryClient]:
    """Return its client."""
    with MemoryClient(emulator.api_url, emulator.store_id, ("key", "secret")) as made:
        yield made


def put(client: MemoryClient, emulator: Emulator, count: int) -> list[str]:
    """Create profiles one after the other, and return their IDs, oldest first."""
    made = [client.profiles.create({"Contact": {"email": f"p{n}@example.com"}}).profile_id for n in range(count)]
    emulator.wait_idle()
    return made


def test_a_profile_is_created_read_and_changed(emulator: Emulator, client: MemoryClient) -> None:
    """Its ID comes back at once; null removes a trait, what is not named stays; reading can be limited to groups."""
    made = client.profiles.create(ANN)
    assert made.request_id is not None
    again = client.profiles.create({"Contact": {"email": "ann@example.com"}})
    assert again.profile_id == made.profile_id
    emulator.wait_idle()
    body = orjson.dumps({"traits": {"Contact": {"firstName": None, "lastName": "Smith"}}})
    taken = client.profiles.patch(made.profile_id, body)
    assert (taken.profile_id, taken.request_id is not None) == (made.profile_id, True)
    emulator.wait_idle()
    found = client.profiles.get(made.profile_id, ["Contact"])
    assert found.traits == {"Contact": {"email": "ann@example.com", "lastName": "Smith"}}
    assert found.created_at is not None
    assert "Smith" not in repr(found)


def test_a_profile_is_deleted(emulator: Emulator, client: MemoryClient) -> None:
    """It is gone a little later; deleting it again says that there is none."""
    (profile_id,) = put(client, emulator, 1)
    assert client.profiles.delete(profile_id).profile_id == profile_id
    emulator.wait_idle()
    assert client.get_profile(profile_id) is None
    with pytest.raises(RejectedRequestError):
        client.profiles.delete(profile_id)


def test_profiles_are_listed_page_by_page(emulator: Emulator, client: MemoryClient) -> None:
    """In either order; every one comes once."""
    made = put(client, emulator, 7)
    page = client.profiles.list(PageRequest(size=3))
    assert page.items == tuple(made[:3:-1])
    assert page.next_token is not None
    listed = all_items(lambda token: client.profiles.list(PageRequest(token, 3, "ASC")))
    assert list(listed) == made


def test_many_profiles_are_put_at_once(emulator: Emulator, client: MemoryClient) -> None:
    """The answer names the operation that tells what became of them."""
    profiles = [{"traits": {"Contact": {"email": f"p{n}@example.com", "firstName": "P"}}} for n in range(3)]
    taken = client.profiles.put_bulk(orjson.dumps({"profiles": profiles}))
    emulator.wait_idle()
    assert taken.operation_id is not None
    done = client.operations.get(taken.operation_id)
    assert (done.status, done.errors, done.operation_id) == ("COMPLETED", 0, taken.operation_id)
    assert done.created_at is not None
    assert done.completed_at is not None
    assert done.error_code is None
    assert len(emulator.profiles()) == 3


def test_a_lookup_tells_how_the_store_read_the_value(emulator: Emulator, client: MemoryClient) -> None:
    """IDs and the normalised value, which no `repr` shows."""
    made = client.profiles.create(ANN)
    emulator.wait_idle()
    found = client.profiles.lookup("email", " ANN@EXAMPLE.COM")
    assert found.profile_ids == (made.profile_id,)
    assert found.normalized == "ann@example.com"
    assert "ann" not in repr(found)


def test_traits_are_listed_with_their_times(emulator: Emulator, client: MemoryClient) -> None:
    """Page by page; values are in no `repr`."""
    made = client.profiles.create(ANN)
    emulator.wait_idle()
    entries = list(all_items(lambda token: client.profiles.traits(made.profile_id, PageRequest(token, 1, "ASC"))))
    assert [(entry.group, entry.name, entry.value) for entry in entries] == [
        ("Contact", "email", "Ann@example.com"),
        ("Contact", "firstName", "Ann"),
    ]
    assert all(entry.changed_at is not None for entry in entries)
    assert "Ann" not in repr(entries)


def test_identifiers_are_added_listed_replaced_and_removed(emulator: Emulator, client: MemoryClient) -> None:
    """Values come back normalised, in the order of the store; several go only where all are meant."""
    (profile_id,) = put(client, emulator, 1)
    for number in ("(317) 555-6789", "+13175550000"):
        assert client.identifiers.add(profile_id, "phone", number).profile_id == profile_id
        emulator.wait_idle()
    assert client.identifiers.list(profile_id) == (
        IdentifierSet("email", ("p0@example.com",)),
        IdentifierSet("phone", ("+13175556789", "+13175550000")),
    )
    client.identifiers.replace(profile_id, "phone", "+13175556789", "+13175551111")
    emulator.wait_idle()
    held = client.identifiers.get(profile_id, "phone")
    assert set(held.values) == {"+13175550000", "+13175551111"}
    assert "+1317" not in repr(held)
    with pytest.raises(RejectedRequestError) as caught:
        client.identifiers.remove(profile_id, "phone")
    assert caught.value.status == 400
    client.identifiers.remove(profile_id, "phone", remove_all=True)
    emulator.wait_idle()
    assert [each.id_type for each in client.identifiers.list(profile_id)] == ["email"]


def test_an_import_is_created_listed_and_read(emulator: Emulator, client: MemoryClient) -> None:
    """With its columns, times and counts; lists come with and without `meta`."""
    content = b"mail,name\nann@example.com,Ann\n"
    columns = (ColumnMapping("mail", "Contact", "email"), ColumnMapping("name", "Contact", "firstName"))
    made = client.imports.create("f.csv", len(content), columns)
    assert client.imports.get(made.import_id).status == "PENDING"
    client.upload(made.url, io.BytesIO(content), len(content))
    emulator.wait_idle()
    seen = client.imports.get(made.import_id)
    assert (seen.status, seen.errors, seen.filename, seen.file_size_bytes) == ("COMPLETED", 0, "f.csv", len(content))
    assert seen.columns == columns
    assert seen.created_at is not None
    more = [client.imports.create("g.csv", 9, columns).import_id for _ in range(2)]
    listed = list(all_items(lambda token: client.imports.list(PageRequest(token, 1))))
    assert listed == [*reversed(more), made.import_id]


def test_stores_are_listed_and_read(emulator: Emulator, client: MemoryClient) -> None:
    """Listing needs no store; the one that is named wins over the client's own."""
    with MemoryClient(emulator.api_url, "", ("key", "secret")) as account:
        assert account.stores.list().items == (emulator.store_id,)
        named = account.stores.get(emulator.store_id)
    assert (named.store_id, named.name, named.status) == (emulator.store_id, "emulator", "ACTIVE")
    assert client.stores.get() == named


def test_identity_settings_are_read(client: MemoryClient) -> None:
    """Per idType, and which is tried first."""
    settings = client.stores.identity()
    assert settings.matching_rules[0] == "phone"
    (email,) = (config for config in settings.identifiers if config.id_type == "email")
    assert (email.normalization, email.enforce_unique, email.limit) == (Normalization.EMAIL, True, 100)
    assert settings.version == 1


def test_trait_groups_are_created_listed_read_and_patched(emulator: Emulator, client: MemoryClient) -> None:
    """Each change names an operation; an ETag that is out of date is refused, an empty type removes a trait."""
    rule = {"ruleType": "NUMBER", "max": 9}
    traits = {
        "points": {"dataType": "NUMBER", "validationRule": rule, "description": "d"},
        "tier": {"dataType": "STRING"},
    }
    taken = client.trait_groups.create({"displayName": "Loyalty", "description": "cards", "traits": traits})
    assert taken.operation_id is not None
    assert taken.status_url == f"/v1/ControlPlane/Operations/{taken.operation_id}"
    assert taken.retry_after_s == 1.0
    emulator.wait_idle()
    assert client.operations.get(taken.status_url).status == "COMPLETED"
    group = client.trait_groups.get("Loyalty")
    assert (group.name, group.description, group.version) == ("Loyalty", "cards", 1)
    points, tier = group.traits or ()
    assert (points.data_type, points.rule and points.rule.max, points.description) == (DataType.NUMBER, 9, "d")
    assert tier.ref == "Loyalty.tier"
    client.trait_groups.patch("Loyalty", {"traits": {"tier": {"dataType": ""}}}, if_match=group.etag)
    emulator.wait_idle()
    with pytest.raises(RejectedRequestError) as caught:
        client.trait_groups.patch("Loyalty", {"description": "x"}, if_match=group.etag)
    assert (caught.value.status, "read it again" in caught.value.hint) == (412, True)
    listed = list(all_items(lambda token: client.trait_groups.list(PageRequest(token, 1, "ASC"), traits=True)))
    assert [(each.name, len(each.traits or ())) for each in listed] == [("Contact", 4), ("Loyalty", 1)]
    assert client.trait_groups.list().items[0].traits is None


def merged(client: MemoryClient, emulator: Emulator) -> tuple[str, str]:
    """Return a canonical profile, and one that was merged into it."""
    first = client.profiles.create({"Contact": {"email": VALUE}}).profile_id
    second = client.profiles.create({"Contact": {"phone": "+13175556789"}}).profile_id
    emulator.wait_idle()
    client.identifiers.add(second, "email", VALUE)
    emulator.wait_idle()
    assert len(emulator.profiles()) == 1
    return first, second


@pytest.mark.parametrize("case", cases(301, 308))
def test_what_was_merged_leads_to_the_canonical_profile(emulator: Emulator, client: MemoryClient, case: str) -> None:
    """Every operation on a profile is done to the canonical one, deleting only if told so."""
    operation, _ = split(case)
    canonical, gone = merged(client, emulator)
    if operation in FOLLOWING:
        with pytest.raises(MergedProfileError) as caught:
            CALLS[operation](client, Ids(gone))
        assert caught.value.canonical_id == canonical
        assert "--follow-merged" in caught.value.hint
    found = FOLLOWING.get(operation, CALLS[operation])(client, Ids(gone))
    assert getattr(found, "profile_id", canonical) == canonical
