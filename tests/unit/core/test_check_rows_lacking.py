"""What a row lacks: dropped, denied and required values, identifiers, regions; and what issues say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from importer.core.schema import DataType
from importer.core.transform import IdentityPolicy, NullIntent, OnInvalid, Parse
from tests.support.checking import EMAIL, NAME, PHONE, POINTS, USER, check, expression, found, trait


def test_issues_of_whole_rows_name_what_was_looked_for() -> None:
    """Columns without an identifier, and the number of values that a row needs, are in the message."""
    checked = check(
        [EMAIL, PHONE, NAME],
        {"email": [None, "a@x.io"], "phone": [None, None], "name": ["Ann", None]},
        key=("name",),
    )
    assert checked.issues.select("code", "message").rows() == [
        ("missing-identifier", "no usable value in email, phone"),
        ("too-few-values", "fewer than 2 values of its own are left in the row"),
        ("missing-key", "the row cannot be recognised in later runs"),
    ]


def test_a_required_value_may_not_be_missing() -> None:
    """A missing required value rejects the row, whatever an invalid one would do."""
    name = replace(NAME, required=True, on_invalid=OnInvalid.DROP)
    checked = check([EMAIL, PHONE, name], {"email": ["a@x.io"], "phone": ["+13175551234"], "name": [" "]})
    assert found(checked) == [(11, "required-missing", "error", "name")]
    assert checked.issues["value"].to_list() == [" "]


def test_a_required_value_that_was_dropped_is_missing() -> None:
    """Denied, a placeholder or dropped as invalid: the warning says why, and the row lacks what it must have."""
    email, name = replace(EMAIL, required=True), replace(NAME, required=True)
    points = replace(POINTS, required=True, on_invalid=OnInvalid.DROP)
    phone = replace(PHONE, required=True, on_invalid=OnInvalid.DROP)
    deny = IdentityPolicy(deny=("nobody@x.io",))
    for traits, columns, codes in [
        ([email, NAME], {"email": ["Nobody@x.io"], "name": ["Ann"]}, ["denied-value", "required-missing"]),
        ([phone, NAME], {"phone": ["000-000-0000"], "name": ["Ann"]}, ["denied-value", "required-missing"]),
        ([phone, NAME], {"phone": ["317"], "name": ["Ann"]}, ["invalid-phone", "required-missing"]),
        ([EMAIL, points], {"email": ["a@x.io"], "points": ["x"]}, ["type-mismatch", "required-missing"]),
        ([EMAIL, name], {"email": ["a@x.io"], "name": ["x\x07"]}, ["control-character"]),
    ]:
        checked = check(traits, columns, identity=deny)
        assert checked.issues["code"].to_list() == codes
        assert checked.issues["severity"].to_list() == ["warning"] * (len(codes) - 1) + ["error"]
        assert checked.early.rows() == [("rejected", codes[-1])]
        assert checked.typed.is_empty()


def test_a_list_is_no_identifier_and_no_region() -> None:
    """A list mapped to an identifier is refused; one named as region_from says nothing about the region."""
    phone = replace(PHONE, region_from="country", region="DE")
    checked = check(
        [EMAIL, phone, NAME],
        {
            "email": pl.Series([["a@x.io"], None]),
            "phone": ["030 23125 001"] * 2,
            "name": ["Ann", "Bob"],
            "country": pl.Series([["US"], None]),
        },
    )
    assert found(checked) == [(11, "type-mismatch", "error", "email")]
    assert checked.typed["G.phone"].to_list() == ["+493023125001"]


def test_the_region_of_a_row_wins_over_the_default() -> None:
    """region_from gives each row's region, in any case; where it is empty the default counts."""
    phone = replace(PHONE, region_from="country", region="DE")
    checked = check(
        [phone, NAME],
        {"phone": ["030 23125 001", "317 958 1234"], "name": ["A", "B"], "country": [None, "us"]},
    )
    assert checked.typed["G.phone"].to_list() == ["+493023125001", "+13179581234"]
    without = check([replace(phone, region=None), NAME], {"phone": ["030 23125 001"], "name": ["A"], "country": [None]})
    assert found(without) == [(11, "ambiguous-phone", "error", "phone")]


def test_what_is_wrong_with_a_region_is_said() -> None:
    """A country's name, an empty cell and a mapping without a region are told apart, and no cell is shown."""
    phone = replace(PHONE, region_from="country")
    numbers = ["030 23125 001"] * 3 + ["+493023125001"]
    country = ["Germany", None, " de ", "Germany"]
    columns: dict[str, Sequence[object]] = {"phone": numbers, "name": ["A"] * 4, "country": country}
    checked = check([phone, NAME], columns)
    assert checked.issues.select("row_number", "code", "message").rows() == [
        (
            11,
            "ambiguous-phone",
            "no calling code, and column country has no country code of two letters (ISO 3166, such as DE or US)",
        ),
        (12, "ambiguous-phone", "no calling code, and column country is empty in this row"),
    ]
    plain = check([PHONE, NAME], columns)
    assert plain.issues["message"].unique().to_list() == ["no calling code, and the mapping names no region for it"]
    by_default = check([replace(phone, region="DE"), NAME], columns)
    assert by_default.issues["row_number"].to_list() == [11], "a name is not taken for the default"


def test_denied_identifiers_are_dropped_with_a_warning() -> None:
    """Deny values count as written and as normalised; placeholders are denied without being listed."""
    checked = check(
        [EMAIL, replace(PHONE, region="US"), USER, NAME],
        {
            "email": ["NoReply@x.io", "b@x.io", "c@x.io", "d@x.io"],
            "phone": [None, "(317) 958-1000", "000-000-0000", None],
            "user": ["u1", "u2", "u3", "n/a"],
            "name": ["Ann", "Bob", "Cem", "Dan"],
        },
        identity=IdentityPolicy(deny=("noreply@x.io", "+13179581000", "n/a")),
    )
    assert found(checked) == [
        (11, "denied-value", "warning", "email"),
        (12, "denied-value", "warning", "phone"),
        (13, "denied-value", "warning", "phone"),
        (14, "denied-value", "warning", "user"),
    ]
    assert checked.typed.select("G.email", "G.phone", "G.user").rows() == [
        (None, None, "u1"),
        ("b@x.io", None, "u2"),
        ("c@x.io", None, "u3"),
        ("d@x.io", None, None),
    ]


def test_a_row_needs_an_identifier() -> None:
    """Without a usable identifier a row is rejected, whether its cells are empty, dropped or denied."""
    checked = check(
        [replace(EMAIL, on_invalid=OnInvalid.DROP), PHONE, NAME],
        {
            "email": [None, "nobody", None, None],
            "phone": [None, None, "+10000000000", "+13175551234"],
            "name": ["Ann", "Bob", "Cem", "Dan"],
        },
    )
    assert found(checked) == [
        (11, "missing-identifier", "error", None),
        (12, "invalid-email", "warning", "email"),
        (12, "missing-identifier", "error", None),
        (13, "denied-value", "warning", "phone"),
        (13, "missing-identifier", "error", None),
    ]
    assert checked.typed["row"].to_list() == [3]


def test_a_row_needs_two_values_of_its_own() -> None:
    """Constants, computed, cleared and dropped values do not count toward the two; a second identifier does."""
    checked = check(
        [
            EMAIL,
            PHONE,
            trait("name", null_intent=NullIntent.CLEAR),
            replace(POINTS, on_invalid=OnInvalid.DROP),
            trait("greeting", computed=expression("'Dear ' || email", "email")),
            trait("origin", constant="crm"),
        ],
        {
            "email": ["a@x.io", "b@x.io", "c@x.io", "d@x.io"],
            "phone": [None, "+13175551234", None, None],
            "name": [None, None, "Cem", None],
            "points": [None, None, None, "many"],
        },
    )
    assert checked.early["code"].to_list() == ["too-few-values", None, None, "too-few-values"]
    assert checked.typed.select("G.greeting", "G.origin").rows() == [("Dear b@x.io", "crm"), ("Dear c@x.io", "crm")]


def test_a_dropped_value_is_a_warning_and_leaves_the_stored_one_alone() -> None:
    """on_invalid: drop takes the value out of the row, and neither clears nor removes what is stored."""
    checked = check(
        [
            EMAIL,
            trait("a", DataType.NUMBER, null_intent=NullIntent.REMOVE, on_invalid=OnInvalid.DROP),
            trait("b", parse=Parse.DATE, null_intent=NullIntent.CLEAR, on_invalid=OnInvalid.DROP),
            NAME,
        ],
        {"email": ["a@x.io", "b@x.io"], "a": ["one", None], "b": ["soon", None], "name": ["Ann", "Bob"]},
    )
    assert found(checked) == [(11, "type-mismatch", "warning", "a"), (11, "invalid-date", "warning", "b")]
    assert checked.typed.select("G.a", "remove:G.a", "G.b").rows() == [(None, False, None), (None, True, "")]
    assert checked.early["state"].to_list() == [None, None]
