"""What a person may ask for by `--fix`, and what a column settles by itself."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from importer.core.fixes import FIXES, FixRequest, parse_fix, parse_fixes
from importer.core.fixes_columns import ColumnFix, Evidence, gather, repair, settle
from importer.errors import ConfigError


def settled(
    code: str, values: Sequence[str | None], column: str | None = None
) -> tuple[tuple[ColumnFix, ...], tuple[str, ...]]:
    """Settle one repair of one column called `c`."""
    requests = [FixRequest(code, column)]
    evidence: dict[str, Evidence] = {}
    gather(evidence, pl.DataFrame({"c": pl.Series(values, dtype=pl.String)}), requests)
    found = settle(requests, ["c"], evidence)
    return found.plan.get("c", ()), found.notes


def repaired(code: str, values: Sequence[str | None], column: str | None = None) -> list[str | None]:
    """Repair one column as its evidence allows."""
    return repair(pl.Series(values, dtype=pl.String), settled(code, values, column)[0])[0].to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mojibake", FixRequest("mojibake")),
        ("date-order=mdy", FixRequest("date-order", None, "mdy")),
        ("date-order:a=b:c", FixRequest("date-order", "a=b:c")),
        ("date-order:a=b=dmy", FixRequest("date-order", "a=b", "dmy")),
        ("leading-zeros:PLZ=5", FixRequest("leading-zeros", "PLZ", "5")),
        ("excel-plus:phone=home", FixRequest("excel-plus", "phone=home")),
    ],
)
def test_the_argument_of_fix_names_code_column_and_value(text: str, expected: FixRequest) -> None:
    """A column's name may hold the signs that part the argument."""
    assert parse_fix(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "guess", "mojibake=1", "date-order=ymd", "leading-zeros", "leading-zeros:PLZ", "leading-zeros:PLZ=0"),
        *("leading-zeros:PLZ=65", "excel-date-serial=1900", "excel-date-serial:c=1901"),
    ],
)
def test_a_fix_that_is_not_on_the_list_is_refused(text: str) -> None:
    """Unknown repairs, values they do not take, and missing values say how it is written."""
    with pytest.raises(ConfigError) as refused:
        parse_fix(text)
    assert refused.value.hint


def test_a_fix_names_columns_of_the_source_once() -> None:
    """A column the source lacks and two values for one place are refused."""
    with pytest.raises(ConfigError, match="no such column"):
        parse_fixes(("date-order:b=dmy",), ("a",))
    with pytest.raises(ConfigError, match="twice"):
        parse_fixes(("date-order:a=dmy", "date-order:a=mdy"), ("a",))
    assert parse_fixes(("mojibake", "mojibake"), ("a",)) == (FixRequest("mojibake"),)


def test_every_repair_is_explained() -> None:
    """Each has a title, a cause, what it does, and how it is written."""
    for fix in FIXES.values():
        assert fix.title
        assert fix.cause.endswith(".")
        assert fix.repair.endswith(".")
        assert fix.usage.startswith(f"--fix {fix.code}")


def test_one_day_above_twelve_settles_the_order_of_a_column() -> None:
    """Every date of the column is read in that order, what is no date stays."""
    assert repaired("date-order", ["03/04/2024", "31/12/2024", "31/02/2024", "soon", None, "3/4/24"]) == [
        *("2024-04-03", "2024-12-31", "31/02/2024", "soon", None, "3/4/24")
    ]
    assert repaired("date-order", ["3/4/2024 2:05 PM", "12/31/2024 12:00 AM"]) == [
        "2024-03-04T14:05:00",
        "2024-12-31T00:00:00",
    ]


@pytest.mark.parametrize(
    ("values", "why"),
    [(["03/04/2024", "05/06/2024"], "tells the day"), (["31/12/2024", "12/31/2024", "03/04/2024"], "month first")],
)
def test_without_clear_evidence_dates_stay_and_it_is_said(values: Sequence[str | None], why: str) -> None:
    """Neither an open nor a contradicted order is guessed."""
    assert repaired("date-order", values) == values
    (note,) = settled("date-order", values)[1]
    assert why in note


def test_an_order_that_is_named_needs_no_evidence() -> None:
    """The person says it for one column; a general request does not take its place."""
    requests = [FixRequest("date-order"), FixRequest("date-order", "c", "mdy")]
    plan = settle(requests, ["c"], {}).plan
    assert plan == {"c": (ColumnFix("date-order", "mdy"),)}
    assert repair(pl.Series(["03/04/2024"]), plan["c"])[0].to_list() == ["2024-03-04"]


def test_a_plus_comes_back_only_where_one_reading_is_left() -> None:
    """Numbers of the shapes of the others get theirs; what may be a national number of those countries does not."""
    values = ["+4915123456789", "+13175551234", "4915123456780", "13175551235", "15123456789", "3175551234", "12345"]
    assert repaired("excel-plus", values) == [
        *("+4915123456789", "+13175551234", "+4915123456780", "+13175551235", "15123456789", "3175551234", "12345")
    ]


def test_without_a_witness_a_plus_needs_a_named_column() -> None:
    """A whole column that lost its plus could be national; who names it vouches for it, and only for valid numbers."""
    values = ["13175551234", "4915123456789", "99999999"]
    assert repaired("excel-plus", values) == values
    assert repaired("excel-plus", values, "c") == ["+13175551234", "+4915123456789", "99999999"]


def test_trailing_zeros_go_only_where_the_whole_column_shows_them() -> None:
    """A column of decimals keeps its 12.0; scientific notation in it does not count."""
    assert repaired("trailing-zero-decimal", ["12.0", "7", "0.0", "1.3E+10"]) == ["12", "7", "0", "1.3E+10"]
    assert repaired("trailing-zero-decimal", ["12.0", "12.5"]) == ["12.0", "12.5"]
    assert repaired("trailing-zero-decimal", ["12.0", "007.0"]) == ["12.0", "007.0"]


def test_scientific_notation_that_lost_digits_stays() -> None:
    """Only what shows every digit of a whole number is written out."""
    values: Sequence[str | None] = ["1.31756E+10", "1.31755512340E+10", "1.3E+3", "1.25E+1", "5E0", "1.2E+1"]
    assert repaired("scientific-exact", values) == ["1.31756E+10", "13175551234", "1.3E+3", "1.25E+1", "5E0", "12"]


def test_one_number_tells_the_thousands_separator() -> None:
    """A decimal sign or a second group tells it; a column that contradicts it stays."""
    assert repaired("thousands", ["1,234", "1,234.50", "7"]) == ["1234", "1234.50", "7"]
    assert repaired("thousands", ["1.234", "1.234.567,5"]) == ["1234", "1234567.5"]
    assert repaired("thousands", ["1,234", "5,678"]) == ["1,234", "5,678"]
    assert repaired("thousands", ["1,234.50", "99,5"]) == ["1,234.50", "99,5"]


def test_wrappers_come_off_numbers_and_not_off_names() -> None:
    """The apostrophe of a name or of a year stays."""
    values: Sequence[str | None] = ["'+13175551234", '="00123"', "'t Hooft", "'99", "'=A1", None]
    assert repaired("excel-wrapper", values) == ["+13175551234", "00123", "'t Hooft", "'99", "=A1", None]


def test_invisible_characters_stay_where_a_script_needs_them() -> None:
    """Emoji and Persian are joined by them; in wrongly decoded text they are parts of letters."""
    values: Sequence[str | None] = [
        "a\u200bb",
        "\U0001f468\u200d\U0001f469",
        "\u0645\u06cc\u200c\u062e",
        "Mar\u00c3\u00ada",
    ]
    assert repaired("invisible-characters", values) == ["ab", *values[1:]]
    both = [FixRequest("invisible-characters"), FixRequest("mojibake")]
    plan = settle(both, ["c"], {}).plan["c"]
    assert repair(pl.Series(["Mar\u00c3\u00ada"]), plan)[0].to_list() == ["Mar\u00eda"]


def test_widths_and_day_numbers_are_as_they_were_named() -> None:
    """Zeros fill digits only; a workbook counts from 1900 or from 1904, and its first sixty days are doubtful."""
    zeros = repair(pl.Series(["1067", "10115", "A1"]), [ColumnFix("leading-zeros", "5")])[0]
    assert zeros.to_list() == ["01067", "10115", "A1"]
    days = pl.Series(["45292", "61", "60", "2958466", "1.5"])
    assert repair(days, [ColumnFix("excel-date-serial", "1900")])[0].to_list() == [
        *("2024-01-01", "1900-03-01", "60", "2958466", "1.5")
    ]
    assert repair(days, [ColumnFix("excel-date-serial", "1904")])[0].to_list()[0] == "2028-01-02"
