"""Checking whole rows: typed rows, early states, issues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
import pytest

from importer.core.cast import TYPED
from importer.core.check import EARLY_SCHEMA, CheckedRows, as_text, check_rows
from importer.core.check_values import compile_checks
from importer.core.issues import CATALOGUE, ISSUES_SCHEMA
from importer.core.schema import DataType, Normalization, ValidationRule
from importer.core.transform import (
    Expression,
    IdentityPolicy,
    LetterCase,
    NullIntent,
    OnInvalid,
    Parse,
    RowRule,
    TraitPlan,
    TransformPlan,
)


def trait(name: str, data_type: DataType = DataType.STRING, **more: object) -> TraitPlan:
    """Plan a trait made from the column of its name."""
    source = {} if more.keys() & {"computed", "constant"} else {"column": name}
    return TraitPlan(f"G.{name}", "G", name, data_type, **source, **more)  # type: ignore[arg-type]


EMAIL = trait("email", id_type="email", normalization=Normalization.EMAIL)
PHONE = trait("phone", id_type="phone", normalization=Normalization.PHONE)
USER = trait("user", id_type="user_id", normalization=Normalization.TRIM)
NAME = trait("name")
POINTS = trait("points", DataType.NUMBER)


def expression(text: str, *columns: str) -> Expression:
    """Compile an expression as it stands."""
    return Expression(text, pl.sql_expr(text), columns)


def check(
    traits: Sequence[TraitPlan],
    columns: Mapping[str, Sequence[object] | pl.Series],
    blank: Sequence[bool] = (),
    **plan: object,
) -> CheckedRows:
    """Check rows numbered from 11."""
    frame = pl.DataFrame(
        {
            name: values if isinstance(values, pl.Series) else pl.Series(values, dtype=pl.String)
            for name, values in columns.items()
        }
    )
    numbers = pl.int_range(11, 11 + frame.height, dtype=pl.UInt64, eager=True)
    plan.setdefault("key", ())
    checks = compile_checks(TransformPlan(traits=tuple(traits), **plan))  # type: ignore[arg-type]
    blanks = pl.Series([*blank, *[False] * (frame.height - len(blank))], dtype=pl.Boolean)
    return check_rows(checks, frame, numbers, blanks)


def found(checked: CheckedRows) -> list[tuple[int, str, str, str | None]]:
    """Return issues as (row number, code, severity, column)."""
    return checked.issues.select("row_number", "code", "severity", "column").rows()


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


def test_a_message_without_detail_is_the_title_of_its_code() -> None:
    """An issue always says something."""
    checked = check([EMAIL, NAME], {"email": ["a@x.io"], "name": ["x\x07"]})
    assert checked.issues["message"].to_list() == [CATALOGUE["control-character"].title]


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


def test_a_required_value_may_not_be_missing() -> None:
    """A missing required value rejects the row, whatever an invalid one would do."""
    name = replace(NAME, required=True, on_invalid=OnInvalid.DROP)
    checked = check([EMAIL, PHONE, name], {"email": ["a@x.io"], "phone": ["+13175551234"], "name": [" "]})
    assert found(checked) == [(11, "required-missing", "error", "name")]
    assert checked.issues["value"].to_list() == [" "]


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


def test_every_severity_is_one_the_catalogue_knows() -> None:
    """Codes made by checking are in the catalogue."""
    checked = check([EMAIL, NAME], {"email": ["x"], "name": ["\x01"]})
    assert set(checked.issues["code"]) <= set(CATALOGUE)
    assert checked.issues["severity"].unique().to_list() == ["error"]
