"""Checking whole rows: typed rows, early states, issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest

from importer.core.cast import TYPED
from importer.core.check import EARLY_SCHEMA
from importer.core.entries import as_text
from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import ISSUES_SCHEMA
from importer.core.schema import DataType, ValidationRule
from importer.core.transform import LetterCase, NullIntent, OnInvalid, RowRule
from tests.support.checking import EMAIL, NAME, PHONE, POINTS, check, expression, found, trait


def test_a_good_row_goes_on_typed_and_normalised() -> None:
    """Typed columns are named by trait, identifiers are normalised, and nothing is found."""
    checked = check([EMAIL, POINTS], {"email": ["Ann@Example.com"], "points": ["12"], "unmapped": ["x"]})
    assert checked.typed.to_dicts() == [{"row": 0, "G.email": "ann@example.com", "G.points": 12}]
    assert checked.typed.schema == pl.Schema({"row": pl.UInt32, "G.email": pl.String, "G.points": pl.Int32})
    assert checked.early.schema == EARLY_SCHEMA
    assert checked.early.to_dicts() == [{"state": None, "code": None}]
    assert checked.issues.schema == ISSUES_SCHEMA
    assert checked.issues.is_empty()
    assert checked.repairs == {"email: email-case": 1}


def test_an_issue_has_the_text_as_the_source_has_it() -> None:
    """The value of an issue is the original text, neither trimmed nor changed, beside row, column, trait and cause."""
    checked = check([EMAIL, NAME, POINTS], {"email": ["a@x.io"], "name": ["Ann"], "points": [" 1,2 "]})
    assert checked.issues.to_dicts() == [
        {
            "row_number": 11,
            "code": "type-mismatch",
            "severity": "error",
            "column": "points",
            "trait": "G.points",
            "value": " 1,2 ",
            "message": "expected a whole number written with digits only",
        }
    ]
    assert checked.early.to_dicts() == [{"state": "rejected", "code": "type-mismatch"}]
    assert checked.typed.is_empty()


def test_one_cause_is_one_issue() -> None:
    """A cell found bad is not judged again, and the row is not blamed for the value it now lacks."""
    rule = ValidationRule(min_length=5, pattern="^z")
    checked = check(
        [EMAIL, replace(NAME, rule=rule), replace(POINTS, rule=ValidationRule(max=5))],
        {
            "email": ["no address", "a@x.io", "b@x.io"],
            "name": [None, "ab", "zzzzz"],
            "points": [None, None, "99999999999"],
        },
        rules=(RowRule("few", expression("points < 3", "points"), is_error=True),),
    )
    assert found(checked) == [
        (11, "invalid-email", "error", "email"),
        (12, "too-short", "error", "name"),
        (13, "out-of-range", "error", "points"),
    ]


def test_the_first_error_of_a_row_is_its_code() -> None:
    """A row with several errors gets an issue for each, and the first column's code as its own."""
    checked = check(
        [EMAIL, NAME, POINTS], {"email": ["b@x.io", "a@x.io"], "name": ["Ann", "x\x07"], "points": ["y", "z"]}
    )
    assert found(checked) == [
        (11, "type-mismatch", "error", "points"),
        (12, "control-character", "error", "name"),
        (12, "type-mismatch", "error", "points"),
    ]
    assert checked.early["code"].to_list() == ["type-mismatch", "control-character"]


def test_missing_values_follow_their_null_intent() -> None:
    """A kept value is null, clear gives the empty text, remove is marked beside the trait."""
    traits = [EMAIL, PHONE]
    traits += [trait(intent.value, null_intent=intent) for intent in NullIntent]
    columns = {"email": ["a@x.io"] * 3, "phone": ["+13175551234"] * 3}
    columns |= {intent.value: ["", " ", "x"] for intent in NullIntent}
    checked = check(traits, columns)
    assert checked.typed["G.keep"].to_list() == [None, None, "x"]
    assert checked.typed["G.clear"].to_list() == ["", "", "x"]
    assert checked.typed["G.remove"].to_list() == [None, None, "x"]
    assert checked.typed["remove:G.remove"].to_list() == [True, True, False]
    assert [name for name in checked.typed.columns if name.startswith("remove:")] == ["remove:G.remove"]


def test_null_tokens_are_missing_after_trimming() -> None:
    """A null token means missing in every column, also with spaces around it; other such words are text."""
    checked = check(
        [EMAIL, PHONE, NAME],
        {"email": ["a@x.io"] * 5, "phone": ["+13175551234"] * 5, "name": ["\\N", " NULL ", "", "null", "N"]},
        null_tokens=frozenset({"", "\\N", "NULL"}),
    )
    assert checked.typed["G.name"].to_list() == [None, None, None, "null", "N"]


def test_trimming_is_counted_where_a_value_is_left() -> None:
    """White space of any script around a value is trimmed and counted, once a cell, in rows that go on."""
    checked = check(
        [EMAIL, NAME],
        {
            "email": [" a@x.io", "b@x.io\t", "c@x.io", "d@x.io"],
            "name": ["Ann", "\u00a0B\u00e4rbel\u3000", " ", " Dan "],
        },
        where=expression("name <> 'Dan' OR name IS NULL", "name"),
    )
    assert checked.typed["G.name"].to_list() == ["Ann", "B\u00e4rbel"]
    assert checked.repairs == {"email: trimmed": 2, "name: trimmed": 1}
    assert checked.early["code"].to_list() == [None, None, "too-few-values", "where"]


def test_rules_see_typed_values_under_source_names() -> None:
    """A rule compares cast values; false breaks it by its severity, null passes."""
    checked = check(
        [EMAIL, POINTS, replace(NAME, case=LetterCase.UPPER)],
        {
            "email": ["a@x.io"] * 4,
            "points": ["-1", "10", None, "3"],
            "name": ["ann"] * 4,
            "extra": ["1", "1", "1", "2"],
        },
        rules=(
            RowRule("not-negative", expression("points >= 0", "points"), is_error=False),
            RowRule("one-digit", expression("points < 10 AND name = 'ANN'", "points", "name"), is_error=True),
            RowRule("extra", expression("extra <> '2'", "extra"), is_error=False),
        ),
    )
    assert checked.issues.select("row_number", "severity", "column", "message").rows() == [
        (11, "warning", None, "rule not-negative"),
        (12, "error", None, "rule one-digit"),
        (14, "warning", None, "rule extra"),
    ]
    assert checked.typed["row"].to_list() == [0, 2, 3]


def test_a_rule_over_a_value_that_failed_its_cast_is_unknown() -> None:
    """A bad cell breaks no rule on top of its own issue, dropped or not."""
    checked = check(
        [EMAIL, NAME, replace(POINTS, on_invalid=OnInvalid.DROP)],
        {"email": ["a@x.io"], "name": ["Ann"], "points": ["lots"]},
        rules=(RowRule("not-negative", expression("points >= 0", "points"), is_error=True),),
    )
    assert found(checked) == [(11, "type-mismatch", "warning", "points")]


def test_where_skips_rows_for_which_it_is_false() -> None:
    """Rows for which where is false are skipped unjudged; a null keeps the row."""
    checked = check(
        [EMAIL, NAME],
        {"email": ["bad", "b@x.io", "c@x.io"], "name": ["Ann", "Bob", "Cem"], "country": ["XX", "DE", None]},
        where=expression("country <> 'XX'", "country"),
    )
    assert checked.early.rows() == [("skipped", "where"), (None, None), (None, None)]
    assert checked.issues.is_empty()
    assert checked.typed["row"].to_list() == [1, 2]


def test_blank_lines_are_skipped_and_places_stay_true() -> None:
    """A blank line is skipped as such, before where is asked, and later rows keep number and position."""
    checked = check(
        [EMAIL, NAME],
        {"email": [None, "a@x.io", None, "nobody"], "name": [None, "Ann", None, "Bob"]},
        blank=[True, False, True, False],
        where=expression("name IS NOT NULL", "name"),
    )
    assert checked.early.rows() == [
        ("skipped", "blank-line"),
        (None, None),
        ("skipped", "blank-line"),
        ("rejected", "invalid-email"),
    ]
    assert checked.typed["row"].to_list() == [1]
    assert found(checked) == [(14, "invalid-email", "error", "email")]


def test_an_empty_key_is_a_warning_on_its_column() -> None:
    """Each key column that is empty, a null token included, is named."""
    checked = check(
        [EMAIL, NAME],
        {"email": ["a@x.io", "b@x.io"], "name": ["Ann", "Bob"], "id": ["\\N", "1"], "shop": ["", "s"]},
        key=("id", "shop"),
    )
    assert found(checked) == [(11, "missing-key", "warning", "id"), (11, "missing-key", "warning", "shop")]
    assert checked.typed.height == 2


def test_expressions_without_columns_give_a_value_a_row() -> None:
    """A constant where, computed value or rule counts for every row."""
    columns = {"email": ["a@x.io", "b@x.io"], "name": ["Ann", "Bob"]}
    greeting = trait("greeting", computed=expression("'hello'"))
    checked = check([EMAIL, NAME, greeting], columns, where=expression("1 = 1"))
    assert checked.typed["G.greeting"].to_list() == ["hello", "hello"]
    never = (RowRule("never", expression("1 = 2"), is_error=True),)
    assert check([EMAIL, NAME], columns, rules=never).early["code"].to_list() == ["rule-broken"] * 2
    assert check([EMAIL, NAME], columns, where=expression("1 = 2")).early["code"].to_list() == ["where"] * 2


def test_computed_text_is_trimmed_and_checked_like_a_cell() -> None:
    """A computed value may be missing, is trimmed, and its issues name the trait but no column and no value."""
    greeting = trait("greeting", computed=expression("' ' || name", "name"), on_invalid=OnInvalid.DROP)
    checked = check(
        [EMAIL, PHONE, greeting],
        {"email": ["a@x.io"] * 3, "phone": ["+13175551234"] * 3, "name": ["Ann", None, "x\x07"]},
    )
    assert checked.typed["G.greeting"].to_list() == ["Ann", None, None]
    assert checked.issues.select("row_number", "code", "column", "trait", "value").rows() == [
        (13, "control-character", None, "G.greeting", None)
    ]


def test_computed_numbers_are_cast_to_their_type() -> None:
    """A computed value of another type than text goes through the same cast as a cell's text."""
    length = trait("length", DataType.NUMBER, computed=expression("length(name)", "name"))
    checked = check([EMAIL, NAME, length], {"email": ["a@x.io"], "name": ["Ann"]})
    assert checked.typed["G.length"].to_list() == [3]


@pytest.mark.parametrize(
    ("constant", "data_type", "value"),
    [
        ("crm", DataType.STRING, "crm"),
        (3, DataType.NUMBER, 3),
        (True, DataType.BOOLEAN, True),
        (("a", 'b"'), DataType.ARRAY, '["a","b\\""]'),
        ((1, 2), DataType.ARRAY, "[1,2]"),
        ((True,), DataType.ARRAY, "[true]"),
    ],
)
def test_constants_stand_on_every_row(constant: object, data_type: DataType, value: object) -> None:
    """A constant has its trait's type on every row."""
    checked = check(
        [EMAIL, NAME, trait("c", data_type, constant=constant)], {"email": ["a@x.io"] * 2, "name": ["A", "B"]}
    )
    assert checked.typed["G.c"].to_list() == [value, value]
    assert checked.typed["G.c"].dtype == TYPED[data_type]


def test_list_columns_are_judged_like_cells() -> None:
    """A list that does not fit is an issue with its items as text; expressions see that text."""
    tags = trait("tags", DataType.ARRAY)
    checked = check(
        [EMAIL, PHONE, tags, POINTS],
        {
            "email": ["a@x.io", "b@x.io", "c@x.io"],
            "phone": ["+13175551234"] * 3,
            "tags": pl.Series([["a", "b"], ["x", None], ["hide"]]),
            "points": pl.Series([None, None, [1]]),
        },
        where=expression("tags <> 'hide'", "tags"),
    )
    assert checked.early["code"].to_list() == [None, "type-mismatch", "where"]
    assert checked.issues["value"].to_list() == ["x"]
    assert checked.typed["G.tags"].to_list() == ['["a","b"]']
    assert as_text(pl.Series([[1, 2], None])).to_list() == ["1|2", None]


def test_chunks_without_rows_have_all_columns() -> None:
    """No rows, or none that goes on, still give complete frames."""
    traits = [EMAIL, trait("tags", DataType.ARRAY, null_intent=NullIntent.REMOVE), POINTS]
    for height in (0, 3):
        columns: dict[str, Sequence[object]] = {name: [None] * height for name in ("email", "tags", "points")}
        checked = check(traits, columns, blank=[True] * height)
        assert checked.early["state"].to_list() == ["skipped"] * height
        assert checked.typed.is_empty()
        assert checked.typed.columns == ["row", "G.email", "G.tags", "G.points", "remove:G.tags"]
        assert checked.issues.schema == ISSUES_SCHEMA


def test_a_plan_that_reads_no_column_rejects_every_row() -> None:
    """Nothing but constants identifies nobody."""
    checked = check([trait("origin", constant="crm")], {"name": ["Ann", "Bob"]})
    assert checked.early["code"].to_list() == ["missing-identifier"] * 2


def test_every_severity_is_one_the_catalogue_knows() -> None:
    """Codes made by checking are in the catalogue."""
    checked = check([EMAIL, NAME], {"email": ["x"], "name": ["\x01"]})
    assert set(checked.issues["code"]) <= set(CATALOGUE)
    assert checked.issues["severity"].unique().to_list() == ["error"]
