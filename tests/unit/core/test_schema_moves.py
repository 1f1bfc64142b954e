"""What moved between two schemas of a store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from importer.core.schema import (
    DataType,
    IdentifierConfig,
    Normalization,
    StoreSchema,
    TraitDefinition,
    ValidationRule,
)
from importer.core.schema_moves import schema_moves

EMAIL = TraitDefinition("Contact", "email", DataType.STRING, "email")
NICK = TraitDefinition("Contact", "nick", DataType.STRING)
PHONE = TraitDefinition("Contact", "phone", DataType.STRING, "phone")
BEFORE = StoreSchema(
    store_id="mem_store_1",
    store_name="store",
    traits={trait.ref: trait for trait in (EMAIL, NICK, PHONE)},
    groups={"Contact": 1},
    identifiers={"email": IdentifierConfig("email", Normalization.EMAIL), "phone": IdentifierConfig("phone")},
    matching_rules=("phone", "email"),
)
REFS = tuple(BEFORE.traits)


def changed(trait: TraitDefinition, **fields: object) -> StoreSchema:
    """Return the schema with another definition of a trait."""
    return replace(BEFORE, traits=dict(BEFORE.traits) | {trait.ref: replace(trait, **fields)})  # type: ignore[arg-type]


def configured(**fields: object) -> StoreSchema:
    """Return the schema with other settings of emails."""
    config = replace(BEFORE.identifiers["email"], **fields)  # type: ignore[arg-type]
    return replace(BEFORE, identifiers=dict(BEFORE.identifiers) | {"email": config})


@pytest.mark.parametrize(
    ("now", "move"),
    [
        (changed(NICK, data_type=DataType.NUMBER), "Contact.nick was STRING and is NUMBER"),
        (changed(NICK, id_type="nick"), "Contact.nick was no identifier and is nick"),
        (changed(PHONE, id_type=None), "Contact.phone was phone and is no identifier"),
        (
            changed(NICK, rule=ValidationRule(pattern="^a", max_length=3)),
            "the rule of Contact.nick changed: none before, pattern=^a max_length=3 now",
        ),
        (replace(BEFORE, traits={EMAIL.ref: EMAIL, PHONE.ref: PHONE}), "Contact.nick is gone"),
        (configured(limit=1), "limit of identifier type email was 100 and is 1"),
        (configured(normalization=Normalization.TRIM), "normalization of identifier type email was email and is trim"),
        (
            replace(BEFORE, identifiers={"phone": BEFORE.identifiers["phone"]}),
            "identifier type email is gone",
        ),
        (
            replace(BEFORE, matching_rules=("email", "phone")),
            "identifiers are matched in another order: phone, email before, email, phone now",
        ),
        (
            replace(BEFORE, store_id="mem_store_2"),
            "it is another store: mem_store_1 before, mem_store_2 now",
        ),
    ],
)
def test_each_change_is_named_once(now: StoreSchema, move: str) -> None:
    """What changes the fingerprint is said in words, and nothing else is."""
    assert now.fingerprint_of(REFS) != BEFORE.fingerprint_of(REFS)
    assert schema_moves(BEFORE, now, REFS) == (move,)


def test_what_is_not_used_does_not_count() -> None:
    """Traits that the rows do not have may change; nothing is said of them."""
    now = changed(NICK, data_type=DataType.NUMBER)
    assert schema_moves(BEFORE, now, [EMAIL.ref]) == ()
    assert now.fingerprint_of([EMAIL.ref]) == BEFORE.fingerprint_of([EMAIL.ref])


def test_a_new_trait_is_named() -> None:
    """A trait that the store did not have is new."""
    before = replace(BEFORE, traits={EMAIL.ref: EMAIL})
    assert "Contact.nick is new" in schema_moves(before, BEFORE, REFS)
