"""What is told of a mapping and a store that have drifted apart."""

from __future__ import annotations

from typing import Any

import pytest

from importer.core.mapping_drift import (
    DriftKind,
    find_drift,
    identifier_text,
    named_columns,
    problems_beside,
    rule_text,
)
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import StoreSchema, ValidationRule

MAPPING = b"""version: 1
source:
  key: [nr]
  where: "state <> 'x'"
columns:
  mail: Contact.email
  tel: {to: Contact.phone, region_from: land}
computed:
  Contact.name: "first || last"
rules:
  - {name: r, check: "age > 1"}
"""


def schema(**settings: Any) -> StoreSchema:
    """Return a store; settings replace those of its identifier type email."""
    email = {"idType": "email", "normalization": "email", "enforceUnique": True, "limit": 3} | settings
    traits = {
        "email": {"dataType": "STRING", "idTypePromotion": "email"},
        "phone": {"dataType": "STRING", "idTypePromotion": "phone"},
        "whatsapp": {"dataType": "STRING", "idTypePromotion": "whatsapp"},
        "name": {"dataType": "STRING"},
        "age": {"dataType": "NUMBER"},
    }
    phone = {"idType": "phone", "normalization": "phone"}
    return StoreSchema.from_api(
        {"id": "mem_store_01234567890123456789012345", "displayName": "S"},
        [{"displayName": "Contact", "version": 1, "traits": traits}],
        {"identifierConfigs": [email, phone], "matchingRules": ["email"]},
    )


def test_every_column_that_is_named_anywhere_is_needed() -> None:
    """Keys, regions and expressions name columns as well as the column list does."""
    named = named_columns(parse_mapping(MAPPING, "m"))
    assert named == ("nr", "mail", "tel", "land", "state", "first", "last", "age")


def test_drift_tells_warnings_first_and_what_nothing_fills() -> None:
    """An identifier type without a matching rule comes with its line, then identifiers, then traits that stay empty."""
    drift = find_drift(parse_mapping(MAPPING, "m"), schema())
    assert [(item.kind, item.about, item.line) for item in drift] == [
        (DriftKind.NOT_MATCHED, "phone", 7),
        (DriftKind.UNFILLED_IDENTIFIER, "Contact.whatsapp", None),
        (DriftKind.UNFILLED, "Contact.age", None),
    ]
    assert [item.is_warning for item in drift] == [True, False, False]


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"enforceUnique": False}, DriftKind.NOT_UNIQUE),
        ({"normalization": "none"}, DriftKind.NORMALIZATION),
        ({"limit": 1}, DriftKind.FEW_VALUES),
    ],
)
def test_settings_that_change_who_a_row_is_are_told(settings: dict[str, Any], kind: DriftKind) -> None:
    """Uniqueness, normalisation and limit of the identifiers that are filled, on the line that fills them."""
    told = {(item.kind, item.about, item.line) for item in find_drift(parse_mapping(MAPPING, "m"), schema(**settings))}
    before = {(item.kind, item.about, item.line) for item in find_drift(parse_mapping(MAPPING, "m"), schema())}
    assert told - before == {(kind, "email", 6)}


def test_a_refused_file_is_compared_as_far_as_it_can_be_read() -> None:
    """Traits the store lacks are named beside the faults of the file; what is no trait's name is left to the file."""
    text = (
        b"version: 1\ncolums: 1\ncolumns:\n  a: Contact.emial\n  b: [Contact.age, {to: Nope.x}]\n  c: 7\n  d: rubbish\n"
    )
    problems = problems_beside(text, schema())
    assert [(problem.line, problem.message) for problem in problems] == [
        (4, "the store has no trait `Contact.emial`"),
        (5, "the store has no trait group `Nope`"),
    ]
    assert problems_beside(b"a: [", schema()) == problems_beside(b"- x", schema()) == []


def test_rules_and_settings_are_said_in_words() -> None:
    """What a store asks of values is readable without its documentation."""
    assert rule_text(ValidationRule(max_length=1500, pattern="x")) == "at most 1,500 characters, a pattern"
    assert rule_text(None) == ""
    assert identifier_text("email", schema()) == "priority 1, normalised as email, unique, limit 3 fifo"
    assert identifier_text("phone", schema()).startswith("not matched by")
