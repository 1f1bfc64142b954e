"""Fingerprints of payloads: the same as long as the payload says the same, in every version."""

from __future__ import annotations

import random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.fingerprint import FINGERPRINT_VERSION, payload_fingerprints
from importer.core.schema import DataType
from importer.core.wire import WireTrait

NAME = WireTrait("Contact.name", "Contact", "name", DataType.STRING, removable=True)
POINTS = WireTrait("Account.points", "Account", "points", DataType.NUMBER)
KIND = WireTrait("Account.kind", "Account", "kind", DataType.STRING)
PHONE = WireTrait("Contact.phone", "Contact", "phone", DataType.STRING, "phone")
SECOND = WireTrait("Contact.phone+2", "Contact", "phone", DataType.STRING, "phone", further=True)
THIRD = WireTrait("Contact.phone+3", "Contact", "phone", DataType.STRING, "phone", further=True)
TRAITS = (NAME, POINTS, KIND, PHONE, SECOND, THIRD)
SCHEMA = {
    **{trait.ref: pl.String for trait in TRAITS},
    "Account.points": pl.Int64,
    "remove:Contact.name": pl.Boolean,
}


def prints(*rows: dict[str, object], traits: tuple[WireTrait, ...] = TRAITS) -> list[str]:
    """Return the fingerprints of rows, as hexadecimal digits."""
    frame = pl.DataFrame([dict.fromkeys(SCHEMA) | row for row in rows], schema=SCHEMA)
    return payload_fingerprints(traits, frame.to_arrow()).bin.encode("hex").to_list()


def test_the_bytes_are_those_of_the_first_version() -> None:
    """Snapshots of years ago are compared: whoever changes this changes `FINGERPRINT_VERSION`."""
    assert FINGERPRINT_VERSION == 1
    assert prints(
        {"Contact.name": "Ada", "Account.points": 7}, {"remove:Contact.name": True, "Contact.phone": "+1"}
    ) == [
        "ba89f8e3606394b3ef307afad3611ed3",
        "e21121e1a94e45ef3eba053825a4a390",
    ]


def test_what_differs_in_meaning_differs() -> None:
    """No value, an empty one, a removal, the same text elsewhere, and a further value."""
    rows: list[dict[str, object]] = [
        {"Account.points": 1},
        {"Account.points": 1, "Contact.name": ""},
        {"Account.points": 1, "remove:Contact.name": True},
        {"Account.points": 1, "Contact.name": "x"},
        {"Account.points": 1, "Account.kind": "x"},
        {"Account.points": 1, "Contact.phone": "x"},
        {"Account.points": 1, "Contact.phone+2": "x"},
        {"Account.points": 10},
    ]
    assert len(set(prints(*rows))) == len(rows)


def test_further_values_are_a_set() -> None:
    """Which of two columns has which says nothing."""
    assert (
        len(
            set(
                prints(
                    {"Contact.phone+2": "a", "Contact.phone+3": "b"}, {"Contact.phone+3": "a", "Contact.phone+2": "b"}
                )
            )
        )
        == 1
    )


@settings(deadline=None)
@given(st.integers(), st.lists(st.text(max_size=5) | st.none(), min_size=3, max_size=3))
def test_neither_order_nor_traits_without_values_count(seed: int, texts: list[str | None]) -> None:
    """A mapping may be written in another order, and name a trait that no row has."""
    traits = list(TRAITS[:4])
    random.Random(seed).shuffle(traits)
    row: dict[str, object] = {"Contact.name": texts[0], "Account.kind": texts[1], "Contact.phone": texts[2]}
    assert prints(row, traits=tuple(traits)) == prints(row) == prints(row, traits=(NAME, KIND, PHONE))
