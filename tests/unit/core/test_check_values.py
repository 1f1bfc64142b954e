"""Checks of single values: characters, identifiers, the service's limits and the store's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from importer.core.characters import longer_rows, text_bytes
from importer.core.check import CheckedRows, check_rows
from importer.core.check_values import compile_checks
from importer.core.schema import DataType, Normalization, ValidationRule
from importer.core.transform import Expression, LetterCase, Parse, RowRule, TraitPlan, TransformPlan
from tests.support.checking import EMAIL, NAME, PHONE

KEY = TraitPlan("G.key", "G", "key", DataType.STRING, column="key", id_type="user_id")
PLAIN = TraitPlan("G.t", "G", "t", DataType.STRING, column="c")
USER = replace(PLAIN, id_type="crm_id", normalization=Normalization.TRIM)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
"""Seven code points, eleven UTF-16 units."""


def check(trait: TraitPlan, *values: str | None) -> CheckedRows:
    """Check a column beside a good identifier and a good value."""
    frame = pl.DataFrame(
        {"key": [f"k{row}" for row in range(len(values))], "c": pl.Series(values, dtype=pl.String), "other": "x"}
    )
    other = replace(PLAIN, ref="G.other", name="other", column="other")
    checks = compile_checks(TransformPlan(key=(), traits=(KEY, trait, other)))
    numbers = pl.int_range(frame.height, dtype=pl.UInt64, eager=True)
    return check_rows(checks, frame, numbers, pl.repeat(value=False, n=frame.height, eager=True))


def codes(trait: TraitPlan, *values: str | None) -> list[str | None]:
    """Return the code each value rejects its row by."""
    return check(trait, *values).early["code"].to_list()


@pytest.mark.parametrize("char", ["\x00", "\x01", "\x08", "\x0b", "\x0c", "\x0e", "\x1b", "\x1f", "\x7f"])
def test_control_characters_are_refused_in_any_text(char: str) -> None:
    """A control character inside a text refuses it, in identifiers and elsewhere, beside text of any script."""
    for trait in (PLAIN, USER, replace(PLAIN, split="|", data_type=DataType.ARRAY)):
        assert codes(trait, f"a{char}b", "good", f"\u00e9{char}\U0001f600") == [
            "control-character",
            None,
            "control-character",
        ]


def test_tabs_and_line_breaks_are_text() -> None:
    """Tab, line feed and carriage return pass inside a text."""
    assert codes(PLAIN, "a\tb", "a\nb", "a\r\nb") == [None, None, None]


def test_addresses_of_nobody_are_a_warning() -> None:
    """They link the rows of many people; they go as they are until the mapping's deny list names them."""
    email = replace(PLAIN, id_type="email", normalization=Normalization.EMAIL)
    nobodys = ("noemail@example.com", "NO-EMAIL@shop.org", "test@test.com", "na@na.na", "no_mail@x.io")
    checked = check(email, *nobodys, "norma@example.com", "testa@test.com", "no.emailer@x.io", None)
    assert checked.issues.select("row_number", "code", "severity").rows() == [
        (row, "placeholder-email", "warning") for row in range(len(nobodys))
    ]
    assert checked.typed["G.t"].to_list()[: len(nobodys)] == [address.lower() for address in nobodys]


@pytest.mark.parametrize(
    "char", ["\u00ad", "\u200b", "\u200d", "\u061c", "\u202e", "\u2066", "\u2060", "\u180e", "\ufeff"]
)
def test_invisible_characters_are_refused_in_identifiers_only(char: str) -> None:
    """An identifier with an invisible character would be a twin; in a text it passes."""
    assert codes(USER, f"a{char}b", "ab") == ["invisible-character", None]
    assert check(PLAIN, f"a{char}b").typed["G.t"].to_list() == [f"a{char}b"]


def test_an_identifier_has_at_most_255_characters() -> None:
    """255 UTF-16 units pass and 256 do not."""
    values = ["x" * 255, "x" * 256, "\u00e9" * 255, "\U0001f600" * 127, "\U0001f600" * 128]
    assert codes(USER, *values) == [None, "too-long", None, None, "too-long"]


def test_a_text_has_at_most_1024_characters() -> None:
    """1024 UTF-16 units pass and 1025 do not, whatever bytes and code points they take."""
    emoji = FAMILY * 93
    assert len(emoji.encode("utf-16-le")) // 2 == 1023
    values = [
        "x" * 1024,
        "x" * 1025,
        emoji + "x",
        emoji + "xx",
        "\u4e2d" * 1024,
        "\U0001f600" * 512,
        "\U0001f600" * 513,
    ]
    assert codes(PLAIN, *values) == [None, "too-long", None, "too-long", None, None, "too-long"]
    assert check(PLAIN, "x" * 1025).issues["message"].to_list() == ["at most 1024 characters"]


def test_a_text_made_long_by_the_mapping_is_too_long() -> None:
    """The limit is on what would be sent: a change of case can add characters."""
    assert codes(replace(PLAIN, case=LetterCase.UPPER), "\u00df" * 1024) == ["too-long"]


def test_identifiers_are_normalised_by_their_id_type() -> None:
    """The idType's normalisation decides, not its name: e-mail, E.164, NFC, or nothing; changes are counted."""
    for normalization, value, normal, repair in [
        (Normalization.EMAIL, "Ann@Example.COM", "ann@example.com", "email-case"),
        (Normalization.PHONE, "+1 (317) 958-1234", "+13179581234", "e164"),
        (Normalization.TRIM, "e\u0301A", "\u00e9A", "nfc"),
        (None, "e\u0301A", "\u00e9A", "nfc"),
    ]:
        checked = check(replace(USER, normalization=normalization), value, normal, None)
        assert checked.typed["G.t"].to_list() == [normal, normal, None]
        assert checked.repairs == {f"c: {repair}": 1}
    untouched = check(replace(USER, normalization=Normalization.NONE), "e\u0301A")
    assert untouched.typed["G.t"].to_list() == ["e\u0301A"]
    assert untouched.repairs == {}


def test_case_and_replacements_come_before_normalisation() -> None:
    """What the mapping does to a text it does to an identifier too."""
    trait = replace(USER, case=LetterCase.UPPER, replace={"X-1": "x1"})
    assert check(trait, "x-1", "y-2").typed["G.t"].to_list() == ["x1", "Y-2"]


def test_phones_get_the_verdict_of_their_cause() -> None:
    """Invalid, ambiguous and damaged numbers are errors; an unlikely one is a warning and is sent."""
    checked = check(
        replace(USER, normalization=Normalization.PHONE),
        *("+1 317 958", "317 958 4433", "1.31756E+10", "+1 317 055 1234", "+1 317 958 1234"),
    )
    assert checked.issues.select("code", "severity").rows() == [
        ("invalid-phone", "error"),
        ("ambiguous-phone", "error"),
        ("excel-damage", "error"),
        ("unlikely-phone", "warning"),
    ]
    assert checked.typed["G.t"].to_list() == ["+13170551234", "+13179581234"]
    assert checked.repairs == {"c: e164": 2}


def test_lengths_of_the_store_are_checked() -> None:
    """A minLength is in code points, a maxLength in UTF-16 units: the stricter reading of either."""
    rule = ValidationRule(min_length=2, max_length=4)
    values = ["a", "ab", "abcd", "abcde", "\U0001f600", "\U0001f600" * 2, "\U0001f600" * 3, None]
    assert codes(replace(PLAIN, rule=rule), *values) == [
        *("too-short", None, None, "too-long"),
        *("too-short", None, "too-long", None),
    ]


def test_the_pattern_of_the_store_is_searched_for() -> None:
    """A pattern is not anchored unless it says so, and applies to the normalised identifier."""
    assert codes(replace(PLAIN, rule=ValidationRule(pattern="[0-9]")), "a1b", "ab") == [None, "pattern-mismatch"]
    email = replace(USER, normalization=Normalization.EMAIL, rule=ValidationRule(pattern="^[a-z@.]+$"))
    assert codes(email, "ANN@X.IO") == [None]


@pytest.mark.parametrize("pattern", [r"^(?=.*[0-9]).+$", r"(a)\1", "(unclosed", r"(?<!x)y"])
def test_a_pattern_without_a_safe_engine_is_named_and_not_applied(pattern: str) -> None:
    """A pattern that does not compile here is exposed once by trait; the values pass, the rest of the rule counts."""
    trait = replace(PLAIN, rule=ValidationRule(pattern=pattern, max_length=3))
    assert compile_checks(TransformPlan(key=(), traits=(KEY, trait))).unchecked == frozenset({"G.t"})
    assert codes(trait, "abc", "abcd") == [None, "too-long"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ValidationRule(min=0), ["out-of-range", None, None, None]),
        (ValidationRule(max=5), [None, None, None, "out-of-range"]),
        (ValidationRule(min=0.5, max=5.5), ["out-of-range", "out-of-range", None, "out-of-range"]),
        (ValidationRule(min=-3e9, max=3e9), [None, None, None, None]),
        (ValidationRule(), [None, None, None, None]),
    ],
)
def test_the_range_of_the_store_is_checked(rule: ValidationRule, expected: list[str | None]) -> None:
    """Both ends are inclusive, may be fractions, and may lie beyond 32 bits."""
    number = replace(PLAIN, data_type=DataType.NUMBER, rule=rule)
    assert codes(number, "-1", "0", "5", "2147483647") == expected


def test_a_range_is_named_in_full() -> None:
    """The message has the store's limit as the store has it."""
    number = replace(PLAIN, data_type=DataType.NUMBER, rule=ValidationRule(max=2000000001))
    assert check(number, "2000000002").issues["message"].to_list() == ["the store's maximum is 2000000001"]


def test_the_number_of_items_of_the_store_is_checked() -> None:
    """Limits count items, whatever commas and quotes the items hold."""
    rule = ValidationRule(min_items=1, max_items=2)
    for trait, values in [
        (replace(PLAIN, data_type=DataType.ARRAY), ["[]", "[1]", '["a,b","\\""]', '["","",""]', "[true,false]"]),
        (replace(PLAIN, data_type=DataType.ARRAY, split="|"), ["|", "a", 'a,b|"', "a|b|c", "x|y"]),
    ]:
        assert codes(replace(trait, rule=rule), *values) == ["too-few-items", None, None, "too-many-items", None]
        assert codes(replace(trait, rule=ValidationRule()), *values) == [None] * 5


def test_a_boolean_has_no_rule() -> None:
    """A rule on a BOOLEAN trait says nothing."""
    assert codes(replace(PLAIN, data_type=DataType.BOOLEAN, rule=ValidationRule(max=0)), "true") == [None]


def test_lengths_are_checked_on_what_is_sent() -> None:
    """A rule's lengths count the ISO form of a moment, not what the source has."""
    moment = replace(PLAIN, parse=Parse.DATE, format="%d/%m/%y", rule=ValidationRule(min_length=10))
    assert codes(moment, "31/12/85") == [None]


def test_checks_read_the_columns_that_anything_names() -> None:
    """Keys, mapped columns, regions and the columns of every expression are read, each once."""
    expression = Expression("a = b", pl.col("a") == pl.col("b"), ("a", "b"))
    plan = TransformPlan(
        key=("id",),
        traits=(
            replace(USER, column="phone", region_from="country"),
            replace(PLAIN, column=None, computed=Expression("x", pl.col("x"), ("x",))),
            replace(PLAIN, ref="G.c", column=None, constant="c"),
        ),
        where=expression,
        rules=(RowRule("r", Expression("y", pl.col("y"), ("y", "a")), is_error=True),),
    )
    assert compile_checks(plan).columns == ("id", "phone", "country", "x", "a", "b", "y")


def test_bytes_of_a_column_are_seen_on_the_safe_side() -> None:
    """No flag is missed: bytes at the edges, of values in slices, of empty and missing ones."""
    assert not any(
        getattr(text_bytes(pl.Series(values, dtype=pl.String)), flag)
        for values in ([], [None], [""], ["a b", "\n".join("xy")], [None, "", "plain"])
        for flag in ("control", "spaced", "international")
    )
    assert text_bytes(pl.Series(["x", "a\x7f"])).control
    assert text_bytes(pl.Series(["x", "\u00e9\x7f"])).control
    assert text_bytes(pl.Series(["x\n", "a\x0b"])).control
    assert not text_bytes(pl.Series(["\x01", "b"]).slice(1)).control
    for value in (" a", "a ", "\ta", "a\u00a0", "\u3000a", "a\x85"):
        assert text_bytes(pl.Series(["b", value])).spaced
    assert text_bytes(pl.Series(["b", "\u00e9"])).international


def test_lengths_are_counted_in_utf_16_units() -> None:
    """A character beyond the basic plane is two; a missing text is not long."""
    assert longer_rows(pl.Series(["abc", "\U0001f600a", "abcd", None, "\u4e2d" * 3]), 2).to_list() == [0, 1, 2, 4]
    assert longer_rows(pl.Series(["\U0001f600"]), 2).is_empty()


def test_traits_may_be_cast_in_any_order() -> None:
    """Phones are begun first, and whoever casts may do so backwards: what comes out is the same."""
    traits = (EMAIL, NAME, PHONE)
    columns = {"email": ["a@example.com", "a@"], "name": ["Ada", "\x01"], "phone": ["+14155550100", "12"]}
    frame = pl.DataFrame(columns)
    numbers, blank = pl.Series([1, 2], dtype=pl.UInt64), pl.Series([False, False])
    checks = compile_checks(TransformPlan(key=(), traits=traits))
    begun: list[str] = []

    def backwards(work: Callable[[TraitPlan], Any], items: Iterable[TraitPlan]) -> list[Any]:
        traits = [*items]
        begun.extend(trait.name for trait in traits)
        return [*map(work, reversed(traits))][::-1]

    checked = check_rows(checks, frame, numbers, blank, together=backwards)
    plain = check_rows(checks, frame, numbers, blank)
    assert begun == ["phone", "email", "name"]
    assert_frame_equal(checked.issues, plain.issues)
    assert_frame_equal(checked.judged, plain.judged)
