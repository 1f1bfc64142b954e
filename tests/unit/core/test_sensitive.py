"""Traits that hold what the service is not for are warned about, and what only resembles it is not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import polars as pl
import pytest

from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seeded_schema
from importer.core.mapping_yaml import parse_mapping
from importer.core.sensitive import SENSITIVE_NOTE, sensitive_notes
from importer.core.transform import TransformPlan
from tests.support.work import queries_of


def plan_of(column: str, ref: str) -> TransformPlan:
    """Return the plan of a mapping with an e-mail address and one more column."""
    text = f'version: 1\ncolumns: {{mail: Contact.email, "{column}": "{ref}"}}\n'
    mapping = parse_mapping(text.encode(), "m.yaml")
    return resolve_mapping(mapping, ["mail", column], seeded_schema(mapping))


def notes(values: Sequence[str], column: str = "x", ref: str = "Account.extra") -> tuple[str, ...]:
    """Judge one column."""
    return sensitive_notes(plan_of(column, ref), {ref: pl.Series(values, dtype=pl.String)})


def with_check_digit(digits: str) -> str:
    """Append the digit that payment cards end with."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def digits(count: int, seed: int, first: str = "") -> str:
    """Return digits that begin with `first`."""
    return first + "".join(random.Random(seed).choices("0123456789", k=count - len(first)))


CARDS = [with_check_digit(digits(15, seed, "4")) for seed in range(40)]
CONTENT = {
    "cards": (CARDS, "payment card numbers"),
    "cards in groups": ([f"{c[:4]} {c[4:8]} {c[8:12]} {c[12:]}" for c in CARDS], "payment card numbers"),
    "amex": ([with_check_digit(digits(14, seed, "37")) for seed in range(9)], "payment card numbers"),
    "ssn": ([f"{100 + n}-{10 + n}-{1000 + n}" for n in range(40)], "written like US social security numbers"),
    "nino": ([f"QQ12345{n}C".replace("QQ", "AB") for n in range(10)], "written like British national insurance"),
    "icd": ([f"J{10 + n}.{n % 9}" for n in range(20)], "health data"),
}


@pytest.mark.parametrize("case", CONTENT)
def test_what_values_show_is_named_with_its_reason(case: str) -> None:
    """Column, trait and why stand in the note, and what the service is not; no value does."""
    values, said = CONTENT[case]
    (note,) = notes(values)
    assert note.startswith(f"{SENSITIVE_NOTE}column `x` -> Account.extra looks like")
    assert said in note
    assert "the service is not HIPAA eligible or PCI compliant" in note
    assert not [value for value in values if value in note]


FINE = {
    "phones": [f"+1317555{n:04d}" for n in range(60)],
    "phones with dashes": [f"317-555-{n:04d}" for n in range(60)],
    "phones without plus": [digits(13, n, "49151") for n in range(60)],
    "order numbers, a tenth of them right by chance": [digits(16, n, "4") for n in range(400)],
    "order numbers of 16 digits": [str(4_000_000_000_000_000 + n) for n in range(400)],
    "one number that is right by chance": [CARDS[0]] * 50,
    "postal codes": [f"{n:05d}" for n in range(501, 560)],
    "ZIP+4": [f"{n:05d}-{1000 + n}" for n in range(501, 560)],
    "social security numbers that were never given out": [f"9{n:02d}-12-3456" for n in range(40)],
    "dates": [f"2024-01-{n:02d}" for n in range(1, 29)],
    "IBANs": [f"DE{digits(20, n)}" for n in range(40)],
    "product codes": [f"A{10 + n}" for n in range(40)],
    "e-mail addresses": [f"u{n}@example.com" for n in range(40)],
    "nothing": [],
}


@pytest.mark.parametrize("case", FINE)
def test_what_only_resembles_it_stays_silent(case: str) -> None:
    """A warning that is wrong is one that nobody reads the next time."""
    assert notes(FINE[case]) == ()


@pytest.mark.parametrize(
    ("column", "ref"),
    [
        ("SSN", "Account.extra"),
        ("x", "Contact.taxId"),
        ("credit_card_number", "Account.extra"),
        ("x", "Account.diagnosis"),
        ("Sozialversicherungsnummer", "Account.extra"),
    ],
)
def test_a_name_is_enough(column: str, ref: str) -> None:
    """Of the column or of the trait, also where no value was seen; the reason is the name."""
    (note,) = notes([], column, ref)
    assert f"column `{column}` -> {ref} looks like" in note
    assert "(named so)" in note


@pytest.mark.parametrize(
    ("column", "ref"),
    [
        ("loyalty_card_number", "Account.cardNumber"),
        ("card_no", "Loyalty.cardNumber"),
        ("Gift card no", "Account.extra"),
        ("Account health score", "Account.health"),
        ("treatment_group", "Account.treatment"),
        ("passenger", "Account.assnCode"),
    ],
)
def test_other_names_say_nothing(column: str, ref: str) -> None:
    """Cards to collect points with, the health of an account, groups of a test."""
    assert notes([], column, ref) == ()


def test_many_are_counted_and_traits_without_a_column_are_named() -> None:
    """One note, whatever their number."""
    text = "version: 1\ncolumns: {mail: Contact.email, %s}\ncomputed: {Account.passport: mail}\n"
    names = [f"ssn{n}" for n in range(9)]
    columns = ", ".join(f"{name}: Account.nationalId{n}" for n, name in enumerate(names))
    mapping = parse_mapping((text % columns).encode(), "m.yaml")
    plan = resolve_mapping(mapping, ["mail", *names], seeded_schema(mapping))
    samples = {f"Account.nationalId{n}": pl.Series(CONTENT["ssn"][0]) for n in range(9)}
    (note,) = sensitive_notes(plan, samples)
    assert note.count("looks like") == 5
    assert "and 5 more" in note
    mapping = parse_mapping(
        b"version: 1\ncolumns: {mail: Contact.email, b: Account.b}\ncomputed: {Account.passport: mail}", "m.yaml"
    )
    (note,) = sensitive_notes(resolve_mapping(mapping, ["mail", "b"], seeded_schema(mapping)), {})
    assert "the trait Account.passport looks like national identity numbers" in note


def test_many_columns_take_as_few_queries_as_one() -> None:
    """A query has a price of its own, and most columns have nothing to tell."""
    names = [f"x{n}" for n in range(20)]
    columns = ", ".join(f"{name}: Account.{name}" for name in names)
    mapping = parse_mapping(f"version: 1\ncolumns: {{mail: Contact.email, {columns}}}".encode(), "m.yaml")
    plan = resolve_mapping(mapping, ["mail", *names], seeded_schema(mapping))
    numbers = pl.Series(["12345", "23456", "34567"])
    one = queries_of(lambda: sensitive_notes(plan_of("x", "Account.x"), {"Account.x": numbers}))
    assert 0 < queries_of(lambda: sensitive_notes(plan, {f"Account.{name}": numbers for name in names})) <= one
