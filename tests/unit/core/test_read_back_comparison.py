"""Rows beside their profiles: what counts as the same, what differs, and which row of a group answers for a trait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.cast import TYPED
from importer.core.comparison import Found, compare, only_last_words, sent_frame, stored_frame, stored_text
from importer.core.filled import FilledSet
from importer.core.read_back import READ_BACK_SCHEMA, IdentifierTrait
from importer.core.schema import DataType, Normalization
from importer.core.wire import WireTrait, removal_column

EMAIL: Final = WireTrait("Contact.email", "Contact", "email", DataType.STRING, id_type="email")
NAME: Final = WireTrait("Contact.name", "Contact", "name", DataType.STRING, clears=True)
POINTS: Final = WireTrait("Loyalty.points", "Loyalty", "points", DataType.NUMBER, removable=True)
VIP: Final = WireTrait("Loyalty.vip", "Loyalty", "vip", DataType.BOOLEAN)
COLOURS: Final = WireTrait("Loyalty.colours", "Loyalty", "colours", DataType.ARRAY)
TRAITS: Final = (EMAIL, NAME, POINTS, VIP, COLOURS)
IDENTIFIERS: Final = (IdentifierTrait(EMAIL.ref, "email", Normalization.EMAIL),)

JANE: Final = {"Contact.email": "jane@example.com", "Contact.name": "Jane", "Loyalty.points": 7, "Loyalty.vip": True}

Row = Mapping[str, Any]
Traits = Mapping[str, Mapping[str, object]]


def packaged(*rows: Row, groups: Sequence[int] = ()) -> pl.DataFrame:
    """Make rows as the package has them; ``remove:`` names what a row removes."""
    columns: dict[str, Any] = {trait.ref: TYPED[trait.data_type] for trait in TRAITS}
    columns |= {removal_column(trait.ref): pl.Boolean() for trait in TRAITS if trait.removable}
    frame = pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema=columns)
    return frame.with_columns(
        position=pl.int_range(pl.len(), dtype=pl.Int64),
        group=pl.Series(groups or [-1] * len(rows), dtype=pl.Int64),
    )


def stored(row: Row) -> dict[str, dict[str, object]]:
    """Return a row's values as a profile that took them."""
    traits: dict[str, dict[str, object]] = {}
    for ref, value in row.items():
        group, name = ref.split(".")
        traits.setdefault(group, {})[name] = value
    return traits


def judged(rows: pl.DataFrame, *profiles: tuple[int, Traits]) -> list[dict[str, Any]]:
    """Compare rows with the profiles found for them, (position, traits) each."""
    found = [Found(position, f"profile{number}", traits) for number, (position, traits) in enumerate(profiles)]
    frame = compare(sent_frame(rows, TRAITS), stored_frame(found, TRAITS), TRAITS, IDENTIFIERS)
    assert frame.schema == READ_BACK_SCHEMA
    return frame.to_dicts()


def test_a_profile_with_all_that_was_sent_confirms_its_row() -> None:
    """Traits that the row did not name are nobody's business."""
    (line,) = judged(packaged(JANE), (0, stored(JANE | {"Loyalty.colours": ["red"], "Other.thing": 1})))
    assert line == {
        "position": 0,
        "result": "confirmed",
        "code": None,
        "profile_id": "profile0",
        "traits": None,
        "sent": None,
        "stored": None,
    }


def test_what_differs_is_named_with_both_values() -> None:
    """A trait that is not there differs as well."""
    (line,) = judged(packaged(JANE), (0, stored(JANE | {"Contact.name": "Joan", "Loyalty.points": None})))
    assert line["result"] == "mismatched"
    assert line["traits"] == ["Contact.name", "Loyalty.points"]
    assert line["sent"] == ["Jane", "7"]
    assert line["stored"] == ["Joan", None]


def test_a_row_that_no_identifier_finds_is_missing() -> None:
    """Beside rows that are found, in order of their positions."""
    rows = packaged(JANE, JANE | {"Contact.email": "joe@example.com"})
    assert [(line["position"], line["result"]) for line in judged(rows, (0, stored(JANE)))] == [
        (0, "confirmed"),
        (1, "missing"),
    ]


@pytest.mark.parametrize(("value", "result"), [(None, "confirmed"), (5, "mismatched")])
def test_what_was_removed_must_be_gone(value: object, result: str) -> None:
    """A removal asks for nothing else than the trait's absence."""
    row = JANE | {"Loyalty.points": None, removal_column(POINTS.ref): True}
    (line,) = judged(packaged(row), (0, stored(JANE | {"Loyalty.points": value})))
    assert line["result"] == result
    assert line["traits"] == (None if result == "confirmed" else ["Loyalty.points"])


@pytest.mark.parametrize(("value", "result"), [("", "confirmed"), (None, "mismatched"), (" ", "mismatched")])
def test_what_was_cleared_must_be_empty(value: object, result: str) -> None:
    """An empty text is a value of its own."""
    (line,) = judged(packaged(JANE | {"Contact.name": ""}), (0, stored(JANE | {"Contact.name": value})))
    assert line["result"] == result


def test_identifiers_are_compared_as_the_store_matches_them() -> None:
    """A service that keeps the text as it was given is right as well; another address is not."""
    rows = packaged(JANE, JANE)
    kept, other = (stored(JANE | {"Contact.email": text}) for text in (" Jane@Example.COM", "joan@example.com"))
    assert [line["traits"] for line in judged(rows, (0, kept), (1, other))] == [None, ["Contact.email"]]


def test_an_array_is_its_items_in_order() -> None:
    """However its text is spaced; a text that looks like it is none."""
    row = JANE | {"Loyalty.colours": '["r\\u00e9d", "blue"]'}
    answers: list[object] = [["réd", "blue"], ["blue", "réd"], '["réd","blue"]']
    found = [(position, stored(JANE | {"Loyalty.colours": answer})) for position, answer in enumerate(answers)]
    results = [line["result"] for line in judged(packaged(row, row, row), *found)]
    assert results == ["confirmed", "mismatched", "mismatched"]


def test_one_of_several_profiles_may_confirm_a_row() -> None:
    """Where identifiers may be shared, one of those who hold them has to have it all."""
    (line,) = judged(packaged(JANE), (0, stored(JANE | {"Contact.name": "Joe"})), (0, stored(JANE)))
    assert (line["result"], line["code"], line["profile_id"]) == ("confirmed", None, "profile1")


def test_a_row_that_none_of_several_profiles_confirms_is_shown_beside_the_nearest() -> None:
    """And says that there were several."""
    far = stored(JANE | {"Contact.name": "Joe", "Loyalty.vip": False})
    near = stored(JANE | {"Contact.name": "Joan"})
    (line,) = judged(packaged(JANE), (0, far), (0, near))
    assert (line["result"], line["code"], line["profile_id"]) == ("mismatched", "ambiguous-profile", "profile1")
    assert line["traits"] == ["Contact.name"]


def test_only_the_last_row_of_a_group_answers_for_a_trait() -> None:
    """A later row that removes a trait has said the last word about it, too."""
    rows = packaged(
        {"Contact.email": "a@example.com", "Contact.name": "Ann", "Loyalty.points": 1},
        {"Contact.email": "b@example.com", "Loyalty.points": 2},
        {"Contact.email": "c@example.com", removal_column(POINTS.ref): True},
        JANE,
        groups=[4, 4, 4, -1],
    )
    sets = (
        FilledSet(("Contact.email", "Contact.name", "Loyalty.points"), ()),
        FilledSet(("Contact.email", "Loyalty.points"), ()),
        FilledSet(("Contact.email",), ("Loyalty.points",)),
    )
    linked = pl.DataFrame(
        {"group": [4, 4, 4, 9], "position": [0, 1, 2, 8], "set": [0, 1, 2, 0]},
        schema={"group": pl.Int64, "position": pl.Int64, "set": pl.UInt32},
    )
    sent = only_last_words(sent_frame(rows, TRAITS), linked, sets)
    assert sent["Contact.email"].to_list() == [None, None, "c@example.com", "jane@example.com"]
    assert sent["Contact.name"].to_list() == ["Ann", None, None, "Jane"]
    assert sent["Loyalty.points"].to_list() == [None, None, None, "7"]
    assert sent[removal_column(POINTS.ref)].to_list() == [False, False, True, False]


def test_a_group_whose_later_row_never_left_keeps_its_word() -> None:
    """What was not sent has replaced nothing."""
    rows = packaged({"Contact.email": "a@example.com", "Loyalty.points": 1}, groups=[4])
    linked = pl.DataFrame(
        {"group": [4], "position": [0], "set": [0]},
        schema={"group": pl.Int64, "position": pl.Int64, "set": pl.UInt32},
    )
    sets = (FilledSet(("Contact.email", "Loyalty.points"), ()),)
    assert only_last_words(sent_frame(rows, TRAITS), linked, sets)["Loyalty.points"].to_list() == ["1"]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (7.0, DataType.NUMBER, "7"),
        (7, DataType.NUMBER, "7"),
        (False, DataType.BOOLEAN, "false"),
        ("7", DataType.STRING, "7"),
        ([1, True, "a"], DataType.ARRAY, '[1,true,"a"]'),
        ("[1]", DataType.ARRAY, '"[1]"'),
        (None, DataType.STRING, None),
    ],
)
def test_stored_values_are_read_as_text(value: object, kind: DataType, text: str | None) -> None:
    """A whole number is the same however it is written."""
    assert stored_text(value, kind) == text


VALUES: Final = {
    NAME.ref: st.text(max_size=12),
    POINTS.ref: st.integers(-(2**31), 2**31 - 1),
    VIP.ref: st.booleans(),
}


@given(
    row=st.fixed_dictionaries({}, optional=VALUES),
    other=st.fixed_dictionaries(VALUES),
    changed=st.sets(st.sampled_from(sorted(VALUES))),
)
def test_exactly_the_changed_traits_of_a_row_differ(row: Row, other: Row, changed: set[str]) -> None:
    """Whatever the values are, and whatever else the profile holds."""
    sent = {"Contact.email": "jane@example.com"} | dict(row)
    there = dict(other) | sent | {ref: other[ref] for ref in changed}
    (line,) = judged(packaged(sent), (0, stored(there)))
    assert set(line["traits"] or ()) == {ref for ref in changed & set(row) if row[ref] != other[ref]}
