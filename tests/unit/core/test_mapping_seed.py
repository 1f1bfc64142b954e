"""What a store needs for a mapping, and the JSON Schema for editors."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from importer.core.mapping import MappingFile
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import mapping_json_schema, seed_for
from importer.core.schema import StoreSchema

FULL = {
    "version": 1,
    "columns": {
        "mail": "Contact.email",
        "mobile": {"to": "Contact.phone", "region": "US"},
        "wa": {"to": "Contact.wa", "identifier": "whatsapp"},
        "crm": {"to": "Account.id", "identifier": "user_id"},
        "points": {"to": "Loyalty.points", "type": "number"},
        "colours": [{"to": "Loyalty.colours", "type": "array", "split": "|"}, "Loyalty.text"],
    },
    "computed": {"Contact.name": "mail || 'x'", "Loyalty.flag": {"expr": "mail = 'x'", "type": "boolean"}},
    "constants": {"Account.origin": "crm", "Account.year": 2026, "Account.live": True, "Account.tags": ["a"]},
}


def test_seed_has_every_trait_and_identifier() -> None:
    """Types and identifiers come from the mapping; without them STRING, and only e-mail and phone are promoted."""
    seed = seed_for(MappingFile.model_validate(FULL))
    groups = {group["displayName"]: group["traits"] for group in seed["traitGroups"]}
    assert groups == {
        "Contact": {
            "email": {"dataType": "STRING", "idTypePromotion": "email"},
            "phone": {"dataType": "STRING", "idTypePromotion": "phone"},
            "wa": {"dataType": "STRING", "idTypePromotion": "whatsapp"},
            "name": {"dataType": "STRING"},
        },
        "Account": {
            "id": {"dataType": "STRING", "idTypePromotion": "user_id"},
            "origin": {"dataType": "STRING"},
            "year": {"dataType": "NUMBER"},
            "live": {"dataType": "BOOLEAN"},
            "tags": {"dataType": "ARRAY"},
        },
        "Loyalty": {
            "points": {"dataType": "NUMBER"},
            "colours": {"dataType": "ARRAY"},
            "text": {"dataType": "STRING"},
            "flag": {"dataType": "BOOLEAN"},
        },
    }
    assert seed["identifierConfigs"] == [
        {"idType": "email", "normalization": "email"},
        {"idType": "phone", "normalization": "phone"},
        {"idType": "whatsapp", "normalization": "phone"},
        {"idType": "user_id", "normalization": "trim"},
    ]
    assert seed["matchingRules"] == ["email", "phone", "whatsapp", "user_id"]


def test_mapping_fits_a_store_made_from_its_seed() -> None:
    """What the seed creates is what the mapping needs."""
    mapping = MappingFile.model_validate(FULL)
    seed = seed_for(mapping)
    schema = StoreSchema.from_api(
        {"id": "mem_store_00000000000000000000000000", "displayName": "seeded"},
        [{**group, "version": 1} for group in seed["traitGroups"]],
        {"identifierConfigs": seed["identifierConfigs"], "matchingRules": seed["matchingRules"]},
    )
    plan = resolve_mapping(mapping, ["mail", "mobile", "wa", "crm", "points", "colours"], schema)
    assert len(plan.traits) == 13
    assert len(plan.identifiers) == 4


def test_schema_takes_what_the_program_takes() -> None:
    """An editor accepts shorthand, long form and lists, and every key has a description."""
    schema = mapping_json_schema()
    validator = jsonschema_rs.validator_for(json.loads(json.dumps(schema)))
    assert validator.is_valid(FULL)
    assert schema["properties"]["columns"]["description"]
    for definition in [schema, *schema["$defs"].values()]:
        for name, entry in definition.get("properties", {}).items():
            assert entry.get("description"), name


@pytest.mark.parametrize(
    "broken",
    [
        {"version": 2, "columns": {"a": "A.b"}},
        {"version": 1, "columns": {}},
        {"version": 1, "columns": {"a": {"to": "A.b", "lowr": True}}},
        {"version": 1, "columns": {"a": {"type": "number"}}},
        {"version": 1, "columns": {"a": "A.b"}, "defaults": {"on_missing": "kep"}},
        {"version": 1, "columns": {"a": "A.b"}, "colums": {}},
    ],
)
def test_schema_refuses_what_the_program_refuses(broken: dict[str, object]) -> None:
    """An editor underlines unknown keys, missing keys and unknown words."""
    assert not jsonschema_rs.validator_for(mapping_json_schema()).is_valid(broken)
