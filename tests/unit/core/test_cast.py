"""Casting source text to trait types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
import pytest

from importer.core.cast import TYPED, cast_trait
from importer.core.findings import Cell
from importer.core.schema import DataType
from importer.core.transform import LetterCase, Parse, TraitPlan

STRING = TraitPlan("G.t", "G", "t", DataType.STRING, column="c")
NUMBER = replace(STRING, data_type=DataType.NUMBER)
BOOLEAN = replace(STRING, data_type=DataType.BOOLEAN)
JSON = replace(STRING, data_type=DataType.ARRAY)
SPLIT = replace(JSON, split="|")
DATE = replace(STRING, parse=Parse.DATE)
MOMENT = replace(STRING, parse=Parse.DATETIME)


@dataclass(frozen=True)
class Cast:
    """What became of a column: values, the codes of each row, and repairs."""

    values: list[object]
    codes: list[list[str]]
    repairs: dict[str, int]
    dtype: pl.DataType


def cast(trait: TraitPlan, values: Sequence[object] | pl.Series) -> Cast:
    """Cast a column."""
    column = values if isinstance(values, pl.Series) else pl.Series(values, dtype=pl.String)
    cell = Cell(column)
    cast_trait(trait, cell)
    codes: list[list[str]] = [[] for _ in range(len(column))]
    for finding in cell.findings:
        for row in finding.rows:
            codes[row].append(finding.code)
    return Cast(cell.value.to_list(), codes, cell.repairs, cell.value.dtype)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-0", 0), ("007", 7), ("2147483647", 2147483647), ("-2147483648", -2147483648), ("-12", -12)],
)
def test_digits_of_a_32_bit_number_are_taken_as_they_are(text: str, number: int) -> None:
    """Digits with an optional minus are a NUMBER, up to both limits of 32 bits, and nothing is counted."""
    assert cast(NUMBER, [text]) == Cast([number], [[]], {}, pl.Int32())


def test_a_plus_sign_and_zero_decimals_are_repaired_and_counted() -> None:
    """A leading plus and decimals of zero are taken off and counted, row by row."""
    result = cast(NUMBER, ["+5", "1.0", "+7.000", "5", None, "-3.0", "2147483647.0"])
    assert result.values == [5, 1, 7, 5, None, -3, 2147483647]
    assert result.repairs == {"number-format": 5}
    assert not any(result.codes)


@pytest.mark.parametrize(
    "text",
    ["2147483648", "-2147483649", "99999999999999999999", "9223372036854775808", "9" * 60, "+2147483648.0"],
)
def test_a_number_beyond_32_bits_is_out_of_range(text: str) -> None:
    """A whole number outside 32 bits is out-of-range however many digits it has, and is not counted as repaired."""
    assert cast(NUMBER, ["1", text]) == Cast([1, None], [[], ["out-of-range"]], {}, pl.Int32())


@pytest.mark.parametrize(
    "text",
    [
        *("1,234", "1.234,5", "0x10", "1e3", "1_000", "1.5", "1.", ".5", "--1", "+-1", "- 1", "1 000", "abc", "+", "-"),
        *(
            "NaN",
            "nan",
            "inf",
            "-inf",
            "Infinity",
            "true",
            "\uff11\uff12",
            "\u0661\u0662",
            "1\u00a0000",
            "1e400",
            "1E-5",
        ),
    ],
)
def test_other_spellings_of_a_number_are_refused(text: str) -> None:
    """A NUMBER is written with ASCII digits only; nothing is guessed."""
    assert cast(NUMBER, [text, "1"]) == Cast([None, 1], [["type-mismatch"], []], {}, pl.Int32())


@pytest.mark.parametrize("text", ["1.31756E+10", "1E+05", "-1.5E12", "4E7"])
def test_scientific_notation_is_named_as_damage_by_a_spreadsheet(text: str) -> None:
    """A number in a spreadsheet's scientific notation has lost its digits."""
    assert cast(NUMBER, [text]).codes == [["excel-damage"]]


def test_every_number_of_a_mixed_column_is_judged_alone() -> None:
    """Rows do not influence each other, and missing values stay missing."""
    result = cast(NUMBER, ["1", None, "x", "+2", "3E+10", "4000000000", "-5"])
    assert result.values == [1, None, None, 2, None, None, -5]
    assert result.codes == [[], [], ["type-mismatch"], [], ["excel-damage"], ["out-of-range"], []]


def test_boolean_words_are_compared_without_case() -> None:
    """Only the mapping's words are a BOOLEAN, in any case, whatever the case they are configured in."""
    trait = replace(BOOLEAN, true_values=("Yes", "1"), false_values=("NO", "0"))
    result = cast(trait, ["yes", "YES", "1", "no", "No", "0", None, "true", "oui", "on", ""])
    assert result.values == [True, True, True, False, False, False, None, None, None, None, None]
    assert [index for index, codes in enumerate(result.codes) if codes] == [7, 8, 9, 10]


def test_boolean_words_are_true_and_false_by_default() -> None:
    """Without words in the mapping, true and false are all there is."""
    assert cast(BOOLEAN, ["TRUE", "false", "1"]).values == [True, False, None]


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-02-28", "2026-02-28"),
        ("2024-02-29", "2024-02-29"),
        *(
            (bad, None)
            for bad in ("2026-13-40", "2026-02-30", "2026-2-3", "01/02/2026", "45000", "20260102", "0000-00-00")
        ),
        ("2026-01-02 10:00", None),
        ("+2026-01-02", None),
    ],
)
def test_dates_without_a_format_are_iso_dates(text: str, iso: str | None) -> None:
    """Without a format a date is YYYY-MM-DD and exists in the calendar."""
    assert cast(DATE, [text]) == Cast([iso], [[] if iso else ["invalid-date"]], {}, pl.String())


def test_dates_are_read_by_their_format() -> None:
    """A format decides what day and month are; what does not fit is refused."""
    trait = replace(DATE, format="%d/%m/%Y")
    result = cast(trait, ["31/12/1985", "01/02/2026", "12/31/1985", "31/12/1985 10:00", "1985-12-31", None])
    assert result.values == ["1985-12-31", "2026-02-01", None, None, None, None]
    assert result.codes == [[], [], ["invalid-date"], ["invalid-date"], ["invalid-date"], []]


@pytest.mark.parametrize("text", ["31/12/85", "31/12/085", "31/12/12985", "31/12/0985"])
def test_a_year_has_four_digits_where_the_format_says_so(text: str) -> None:
    """A two-digit year under %Y is refused and not taken for a year of antiquity."""
    assert cast(replace(DATE, format="%d/%m/%Y"), [text]).codes == [["invalid-date"]]
    assert cast(replace(MOMENT, format="%d/%m/%Y %H:%M"), [text + " 10:00"]).codes == [["invalid-date"]]


def test_a_two_digit_year_is_read_where_the_format_says_so() -> None:
    """%y reads years of this and the last century."""
    assert cast(replace(DATE, format="%d/%m/%y"), ["31/12/85", "31/12/26"]).values == ["1985-12-31", "2026-12-31"]


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05"),
        ("2026-01-02 03:04", "2026-01-02T03:04:00"),
        ("2026-01-02T03:04:05.25", "2026-01-02T03:04:05.250"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04Z", "2026-01-02T03:04:00Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("2026-01-02T03:04:05.123456-0530", "2026-01-02T08:34:05.123456Z"),
        ("2026-01-01 00:30+01:00", "2025-12-31T23:30:00Z"),
        *(
            (bad, None)
            for bad in (
                *("2026-01-02", "2026-01-02T25:00", "2026-01-02T24:00", "2026-12-31T23:59:60", "2026-02-30T10:00"),
                *("2026-01-02T3:04", "2026-01-02T03:04:05 Z", "2026-01-02T03:04 PM", "1767322800", "2026-01-02t03:04z"),
            )
        ),
    ],
)
def test_moments_without_a_format_are_iso_8601(text: str, iso: str | None) -> None:
    """A moment with a zone comes out in UTC with Z, one without stays without, both with a T."""
    assert cast(MOMENT, [text, None]) == Cast([iso, None], [[] if iso else ["invalid-date"], []], {}, pl.String())


@pytest.mark.parametrize(
    ("moment_format", "text", "iso"),
    [
        ("%d.%m.%Y %H:%M", "02.01.2026 03:04", "2026-01-02T03:04:00"),
        ("%Y-%m-%d %H:%M %z", "2026-01-02 03:04 +0200", "2026-01-02T01:04:00Z"),
        ("%Y-%m-%d %H:%M %:z", "2026-01-02 03:04 +02:00", "2026-01-02T01:04:00Z"),
        ("%Y-%m-%d %H:%M %z", "2026-01-02 03:04", None),
    ],
)
def test_moments_are_read_by_their_format(moment_format: str, text: str, iso: str | None) -> None:
    """A format with a zone gives UTC with Z, one without gives the time as it is written."""
    assert cast(replace(MOMENT, format=moment_format), [text]).values == [iso]


@pytest.mark.parametrize(
    ("text", "array"),
    [
        ("a", '["a"]'),
        ("a|b", '["a","b"]'),
        (" a | b ", '["a","b"]'),
        ("a||b|", '["a","b"]'),
        ("a|a", '["a","a"]'),
        ('say "hi"|back\\slash', '["say \\"hi\\"","back\\\\slash"]'),
        ("caf\u00e9|\U0001f600", '["caf\u00e9","\U0001f600"]'),
        ("two\nlines|x", '["two\\nlines","x"]'),
        ("|", "[]"),
        (None, None),
    ],
)
def test_text_is_split_to_an_array_of_trimmed_items(text: str | None, array: str | None) -> None:
    """Items are trimmed, empty ones left out, repeated ones kept, and JSON is escaped; rows with odd items too."""
    assert cast(SPLIT, ["x|y", text, "z"]).values == ['["x","y"]', array, '["z"]']


@pytest.mark.parametrize("separator", ["||", ", ", ".", "\\", '"', "$1", " "])
def test_any_text_may_separate_items(separator: str) -> None:
    """A separator is taken literally, of any length, also where it means something to a pattern or to JSON."""
    assert cast(replace(SPLIT, split=separator), [f"a{separator}b"]).values == ['["a","b"]']


def test_an_array_has_at_most_100_items_whatever_it_is_made_from() -> None:
    """100 items pass and 101 are too many: split text, JSON of each kind, list columns."""
    for item in ('"x"', '","', "1", "true"):
        texts = ["[" + ",".join([item] * count) + "]" for count in (100, 101)]
        assert cast(JSON, texts).codes == [[], ["too-many-items"]]
    split = cast(SPLIT, ["|".join(["x"] * 100), "|".join(["x"] * 101), "| x y |" * 100, "| x y |" * 101])
    assert split.codes == [[], ["too-many-items"]] * 2
    for value in ("x", 1, True):
        assert cast(JSON, pl.Series([[value] * 100, [value] * 101])).codes == [[], ["too-many-items"]]


def test_an_item_has_at_most_1024_characters() -> None:
    """An item is as long as a STRING at most, in UTF-16 units, whatever the array is made from."""
    fits, long, wide = "x" * 1024, "x" * 1025, "\U0001f600" * 513
    split = cast(SPLIT, [f"{fits}|b", f"{long}|b", wide])
    assert split.codes == [[], ["too-long"], ["too-long"]]
    assert cast(JSON, [f'["{fits}"]', f'["{long}"]', f'["{wide}"]']).codes == split.codes
    assert cast(JSON, pl.Series([[fits], [long], [wide]])).codes == split.codes


@pytest.mark.parametrize(
    ("text", "array"),
    [
        ("[]", "[]"),
        (" [ ] ".strip(), "[]"),
        ('["a","b"]', '["a","b"]'),
        ('[ "a" ,\n"b" ]', '["a","b"]'),
        ('["a","a"]', '["a","a"]'),
        ('["\\u00e9\\ud83d\\ude00\\/"]', '["\u00e9\U0001f600/"]'),
        ('["\\\\ud83d"]', '["\\\\ud83d"]'),
        ('["a\\tb\\n"]', '["a\\tb\\n"]'),
        ("[1, -2, 0]", "[1,-2,0]"),
        ("[2147483647,-2147483648]", "[2147483647,-2147483648]"),
        ("[true, false]", "[true,false]"),
    ],
)
def test_json_arrays_of_one_plain_type_are_taken(text: str, array: str) -> None:
    """A flat JSON array is taken, and written one way whatever its white space and escapes."""
    assert cast(JSON, [text, None]) == Cast([array, None], [[], []], {}, pl.String())


@pytest.mark.parametrize(
    "text",
    [
        *("[[1]]", "[null]", '["a",null]', '["a",1]', "[1,true]", "[1.5]", "[1e3]", "[01]", '{"a":1}', '"a"', "a", "["),
        *(
            '["a"',
            '["a",]',
            "[,]",
            "['a']",
            '["a" "b"]',
            '["\t"]',
            '["\\x"]',
            '["\\u12"]',
            '[\u00a0"a"]',
            "[tru]",
            "[-]",
        ),
        *('["\\ud83d"]', '["\\ude00\\ud83d"]', '["x\\ud83d y"]'),
    ],
)
def test_other_json_is_refused(text: str) -> None:
    """Nested, mixed, null, fractional or broken JSON and half surrogate pairs are not an ARRAY."""
    assert cast(JSON, [text, '["x"]']) == Cast([None, '["x"]'], [["type-mismatch"], []], {}, pl.String())


def test_numbers_in_an_array_fit_32_bits() -> None:
    """Each item of an array of numbers is in the range of a NUMBER, however many digits it has."""
    texts = ["[2147483648]", "[1,-2147483649]", "[99999999999999999999]", "[1]"]
    assert cast(JSON, texts).codes == [["out-of-range"]] * 3 + [[]]
    lists = cast(JSON, pl.Series([[2**31], [1], [2**64 - 1]], dtype=pl.List(pl.UInt64)))
    assert lists.values == [None, "[1]", None]
    assert lists.codes == [["out-of-range"], [], ["out-of-range"]]


def test_escaped_control_characters_in_an_array_are_refused() -> None:
    """A control character is one in an item too, escaped or from a list column."""
    assert cast(JSON, ['["a\\u0007"]', '["\\u0000"]', '["a"]']).codes == [["control-character"]] * 2 + [[]]
    assert cast(JSON, pl.Series([["a\x07"], ["a\tb"]])).codes == [["control-character"], []]


@pytest.mark.parametrize(
    ("lists", "arrays"),
    [
        (pl.Series([["a", 'say "x"'], [], None]), ['["a","say \\"x\\""]', "[]", None]),
        (pl.Series([[1, -2], [], None]), ["[1,-2]", "[]", None]),
        (pl.Series([[True, False], [], None]), ["[true,false]", "[]", None]),
        (pl.Series([[], None, []], dtype=pl.List(pl.Null)), ["[]", None, "[]"]),
    ],
)
def test_list_columns_are_taken_for_arrays(lists: pl.Series, arrays: list[str | None]) -> None:
    """A list column of a typed source needs no text form."""
    assert cast(JSON, lists) == Cast([*arrays], [[], [], []], {}, pl.String())


def test_list_columns_have_no_empty_items_and_no_fractions() -> None:
    """An item that is null, or of a type an ARRAY does not take, refuses the value."""
    assert cast(JSON, pl.Series([["a", None], ["b"]])).codes == [["type-mismatch"], []]
    assert cast(JSON, pl.Series([[1.5], None])).codes == [["type-mismatch"], []]
    assert cast(JSON, pl.Series([[None], []], dtype=pl.List(pl.Null))).codes == [["type-mismatch"], []]


@pytest.mark.parametrize("trait", [STRING, NUMBER, BOOLEAN])
def test_a_list_does_not_fit_a_trait_of_one_value(trait: TraitPlan) -> None:
    """A list is refused where the trait takes one value, and the column still has the trait's type."""
    assert cast(trait, pl.Series([["1"], None])) == Cast(
        [None, None], [["type-mismatch"], []], {}, TYPED[trait.data_type]
    )


def test_case_is_changed_before_whole_values_are_replaced() -> None:
    """Case first, then replacement of whole values, then the type."""
    tier = replace(STRING, case=LetterCase.LOWER, replace={"vip": "gold"})
    assert cast(tier, ["VIP", "Vip", "vips", None]).values == ["gold", "gold", "vips", None]
    assert cast(replace(STRING, case=LetterCase.UPPER), ["stra\u00dfe"]).values == ["STRASSE"]
    assert cast(replace(NUMBER, replace={"none": "0"}), ["none", "2"]).values == [0, 2]
    assert cast(replace(SPLIT, case=LetterCase.LOWER), ["A|B"]).values == ['["a","b"]']


@pytest.mark.parametrize("trait", [STRING, NUMBER, BOOLEAN, DATE, MOMENT, JSON, SPLIT])
def test_columns_without_values_and_without_rows_keep_their_type(trait: TraitPlan) -> None:
    """A chunk may have no rows, or none with a value."""
    for values in ([], [None, None]):
        result = cast(trait, values)
        assert result.values == values
        assert result.dtype == TYPED[trait.data_type]
        assert not any(result.codes)
