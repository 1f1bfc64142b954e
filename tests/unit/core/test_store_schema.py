"""The store schema as a value."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from importer.core.ids import is_store_id
from importer.core.schema import DataType, IdentifierConfig, Normalization, StoreSchema, ValidationRule

STORE: dict[str, Any] = {"id": "mem_store_00000000000000000000000001", "displayName": "shop", "status": "ACTIVE"}
GROUPS: list[dict[str, Any]] = [
    {
        "displayName": "Contact",
        "version": 2,
        "traits": {
            "email": {"dataType": "STRING", "idTypePromotion": "email", "validationRule": None},
            "points": {"dataType": "NUMBER", "validationRule": {"ruleType": "NUMBER", "min": 0, "max": 9.5}},
            "tags": {"dataType": "ARRAY", "idTypePromotion": None},
        },
    },
    {"displayName": "Empty", "version": 1, "traits": None},
    {"displayName": "Bare", "version": 1},
]
IDENTITY: dict[str, Any] = {
    "identifierConfigs": [
        {"idType": "email", "normalization": "email", "enforceUnique": False, "limit": 5, "limitPolicy": "lifo"},
        {"idType": "crm", "normalization": None, "enforceUnique": None, "limit": None, "matchingAlgo": "fuzzy"},
    ],
    "matchingRules": ["email", "crm"],
    "version": 3,
}


def test_the_answers_of_the_service_become_a_schema() -> None:
    """Groups, traits, rules and identity settings are read; null and absent fields mean none or the default."""
    schema = StoreSchema.from_api(STORE, GROUPS, IDENTITY)
    assert (schema.store_id, schema.store_name, schema.identity_version) == (STORE["id"], "shop", 3)
    assert schema.groups == {"Contact": 2, "Empty": 1, "Bare": 1}
    assert list(schema.traits) == ["Contact.email", "Contact.points", "Contact.tags"]
    email, points, tags = schema.traits.values()
    assert (email.data_type, email.id_type, email.rule) == (DataType.STRING, "email", None)
    assert points.rule == ValidationRule(min=0, max=9.5)
    assert (tags.ref, tags.id_type) == ("Contact.tags", None)
    assert schema.identifiers["email"] == IdentifierConfig(
        "email", Normalization.EMAIL, enforce_unique=False, limit=5, limit_policy="lifo"
    )
    assert schema.identifiers["crm"] == IdentifierConfig("crm", matching_algo="fuzzy")
    assert schema.matching_rules == ("email", "crm")


def test_a_schema_file_gives_the_same_schema() -> None:
    """What is written is read back, to the same fingerprint and the same bytes."""
    schema = StoreSchema.from_api(STORE, GROUPS, IDENTITY)
    again = StoreSchema.from_file(schema.to_file())
    assert again == schema
    assert again.fingerprint == schema.fingerprint
    assert again.to_file() == schema.to_file()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"1", b'{"store": {}}', b'{"store": 1, "traitGroups": 2, "identity": 3}', b"\xff\xfe", b"null"],
)
def test_other_files_are_refused(content: bytes) -> None:
    """A file that is no schema file is a ValueError, whatever it holds."""
    with pytest.raises(ValueError, match=r".+"):
        StoreSchema.from_file(content)


def test_an_unknown_data_type_is_refused() -> None:
    """A data type or normalisation this version does not know is an error, not a guess."""
    groups = copy.deepcopy(GROUPS)
    groups[0]["traits"]["tags"]["dataType"] = "MAP"
    with pytest.raises(ValueError, match="MAP"):
        StoreSchema.from_api(STORE, groups, IDENTITY)


def test_the_fingerprint_moves_with_what_decides_and_with_nothing_else() -> None:
    """Types, rules, promotions and identity move it; descriptions, versions and the order of answers do not."""
    fingerprint = StoreSchema.from_api(STORE, GROUPS, IDENTITY).fingerprint

    def changed(**more: object) -> str:
        groups, identity = copy.deepcopy(GROUPS), copy.deepcopy(IDENTITY)
        groups[0]["traits"]["points"] |= more
        return StoreSchema.from_api(STORE, groups, identity).fingerprint

    assert changed(description="loyalty points") == fingerprint
    assert changed(dataType="STRING") != fingerprint
    assert changed(idTypePromotion="crm") != fingerprint
    assert changed(validationRule={"ruleType": "NUMBER", "min": 1, "max": 9.5}) != fingerprint
    other_rules = {**IDENTITY, "matchingRules": ["crm"]}
    assert StoreSchema.from_api(STORE, GROUPS, other_rules).fingerprint != fingerprint
    unused = {**IDENTITY, "matchingRules": ["crm", "email"]}
    assert StoreSchema.from_api(STORE, GROUPS, unused).fingerprint == fingerprint, "no trait is promoted to crm"
    renamed = {**STORE, "displayName": "renamed", "description": "x"}
    assert StoreSchema.from_api(renamed, [{**group, "version": 9} for group in GROUPS[::-1]], IDENTITY).fingerprint == (
        fingerprint
    )


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("mem_store_00000000000000000000000001", True),
        ("mem_service_7zzzzzzzzzzzzzzzzzzzzzzzzz", True),
        ("mem_store_8zzzzzzzzzzzzzzzzzzzzzzzzz", False),
        ("mem_store_0000000000000000000000001", False),
        ("mem_store_00000000000000000000000001\n", False),
        ("", False),
    ],
)
def test_store_ids_have_one_form(text: str, good: bool) -> None:
    """A store ID is a prefix and 26 characters, and nothing after them."""
    assert is_store_id(text) is good
