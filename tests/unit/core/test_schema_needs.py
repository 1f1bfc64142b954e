"""What a mapping needs and a store lacks."""

from __future__ import annotations

from typing import Any

from importer.core.mapping import MappingFile
from importer.core.mapping_drift import DriftKind
from importer.core.mapping_seed import seeded_schema
from importer.core.schema import StoreSchema
from importer.core.schema_needs import find_difference, group_changes

STORE = "mem_store_00000000000000000000000000"
MAPPING: dict[str, Any] = {
    "version": 1,
    "columns": {
        "mail": "Contact.email",
        "points": {"to": "Loyalty.points", "type": "number"},
        "crm": {"to": "Account.id", "identifier": "user_id"},
    },
    "constants": {"Account.origin": "crm"},
}


def _mapping(**changes: Any) -> MappingFile:
    return MappingFile.model_validate({**MAPPING, **changes})


def _store(groups: dict[str, dict[str, Any]], *id_types: str) -> StoreSchema:
    """Return a store with these traits: a type, or a whole definition."""
    listed = [
        {
            "displayName": name,
            "version": 1,
            "traits": {t: d if isinstance(d, dict) else {"dataType": d} for t, d in traits.items()},
        }
        for name, traits in groups.items()
    ]
    identity = {"identifierConfigs": [{"idType": name} for name in id_types], "matchingRules": list(id_types)}
    return StoreSchema.from_api({"id": STORE, "displayName": "shop"}, listed, identity)


CONTACT = {"Contact": {"email": {"dataType": "STRING", "idTypePromotion": "email"}}}


def test_a_store_made_for_a_mapping_fits_it() -> None:
    """What seeding creates is what the comparison asks for, no more and no less."""
    difference = find_difference(_mapping(), seeded_schema(_mapping()))
    assert difference.fits
    assert not difference.lacks


def test_what_is_lacking_is_told_with_type_identifier_and_line() -> None:
    """Groups, traits and identifier types that the store lacks are listed in the order of the mapping."""
    difference = find_difference(_mapping(), _store(CONTACT, "email"))
    assert difference.groups == ("Loyalty", "Account")
    assert [(trait.ref, trait.data_type.value, trait.id_type) for trait in difference.traits] == [
        ("Loyalty.points", "NUMBER", None),
        ("Account.id", "STRING", "user_id"),
        ("Account.origin", "STRING", None),
    ]
    assert difference.id_types == ("user_id",)
    assert difference.differs == ()


def test_changes_are_one_a_group_and_keep_what_a_trait_has() -> None:
    """A trait that becomes an identifier is sent with its description and rule, beside those its group lacks."""
    kept = {"dataType": "STRING", "description": "who", "validationRule": {"ruleType": "STRING", "minLength": 2}}
    schema = _store({**CONTACT, "Account": {"id": {**kept, "idTypePromotion": None}}}, "email", "user_id")
    difference = find_difference(_mapping(), schema)
    assert [trait.ref for trait in difference.promotions] == ["Account.id"]
    loyalty, account = group_changes(difference, schema)
    assert (loyalty.group, loyalty.is_new, loyalty.traits) == ("Loyalty", True, {"points": {"dataType": "NUMBER"}})
    assert (account.group, account.is_new) == ("Account", False)
    assert account.traits == {"origin": {"dataType": "STRING"}, "id": {**kept, "idTypePromotion": "user_id"}}


def test_a_type_that_is_not_stated_is_the_stores_own() -> None:
    """A trait without `type` lacks nothing whatever its type; a stated one that differs is for a person."""
    columns = {"mail": "Contact.email", "points": "Loyalty.points"}
    schema = _store({**CONTACT, "Loyalty": {"points": "STRING"}}, "email")
    assert find_difference(_mapping(columns=columns, constants={}), schema).fits
    stated = {"mail": "Contact.email", "points": {"to": "Loyalty.points", "type": "number"}}
    difference = find_difference(_mapping(columns=stated, constants={}), schema)
    assert (difference.lacks, difference.fits) == (False, False)
    assert "is STRING in the store" in difference.differs[0].message


def test_another_store_than_the_mappings_own_differs() -> None:
    """A mapping pinned to one store is not applied to another, whatever that one lacks."""
    pinned = _mapping(store="mem_store_11111111111111111111111111")
    difference = find_difference(pinned, _store(CONTACT, "email"))
    assert "the mapping is for mem_store_1" in difference.differs[0].message


def test_limits_are_counted_with_what_the_store_has() -> None:
    """50 groups and 95 traits a group are fine, one more of either is not; so is a name of 65 characters."""
    full = {**CONTACT, **{f"G{number}": {} for number in range(48)}}
    columns = {"mail": "Contact.email", "a": "New.a"}
    assert find_difference(_mapping(columns=columns, constants={}), _store(full, "email")).limits == ()
    columns["b"] = "Newer.b"
    (limit,) = find_difference(_mapping(columns=columns, constants={}), _store(full, "email")).limits
    assert "51 trait groups" in limit
    wide = {"Contact": {**CONTACT["Contact"], **{f"t{number}": "STRING" for number in range(93)}}}
    columns = {"mail": "Contact.email", "a": "Contact.a"}
    assert find_difference(_mapping(columns=columns, constants={}), _store(wide, "email")).limits == ()
    columns["b"] = f"Contact.{'b' * 65}"
    broken = find_difference(_mapping(columns=columns, constants={}), _store(wide, "email")).limits
    assert ["96 traits" in broken[0], "at most 64 characters" in broken[1]] == [True, True]


def test_doubts_are_told_before_a_trait_is_created() -> None:
    """A name that differs from one of the store's by its spelling alone, or is no lowerCamelCase, is pointed out."""
    columns = {"mail": "Contact.email", "a": "Contact.E_mail", "b": "Contact.nick_name"}
    doubts = find_difference(_mapping(columns=columns, constants={}), _store(CONTACT, "email")).doubts
    assert "`Contact.E_mail` is almost `Contact.email`" in doubts[0]
    assert "`Contact.nick_name`" in doubts[1]
    assert "lowerCamelCase" in doubts[1]


def test_identity_settings_that_change_who_a_row_is_are_warned_about() -> None:
    """An identifier type that the store has, and does not match by, is a warning and no lack."""
    schema = _store(CONTACT, "email", "phone")
    unmatched = StoreSchema.from_api(
        schema.raw["store"],
        schema.raw["traitGroups"],
        {"identifierConfigs": [{"idType": "email", "normalization": "email"}], "matchingRules": ["phone"]},
    )
    columns = {"mail": "Contact.email", "name": "Contact.email2"}
    difference = find_difference(_mapping(columns=columns, constants={}), unmatched)
    assert [drift.kind for drift in difference.drift] == [DriftKind.NOT_MATCHED]
    assert difference.id_types == ()
