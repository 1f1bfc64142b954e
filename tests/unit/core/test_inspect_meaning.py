"""What columns are taken for, and what is found damaged in them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from importer.core.inspect import ColumnProfile, Meaning
from importer.core.inspect_columns import ColumnCounter, Distinct, Rows, Sample, Seen
from importer.core.inspect_findings import profile_columns
from importer.core.issues import Severity


def profiled(name: str, values: Sequence[str | None], repairs: dict[str, Seen] | None = None) -> ColumnProfile:
    """Profile one column of one chunk."""
    counter = ColumnCounter(name, 10_000)
    numbers = pl.Series(range(1, len(values) + 1), dtype=pl.UInt64)
    counter.add(pl.Series(name, values, dtype=pl.String), Rows(0, numbers, numbers + 1))
    return profile_columns([counter], {name: repairs or {}}, ["f.csv"])[0]


def many(pattern: str, count: int = 60) -> list[str | None]:
    """Return numbered values: ``#`` becomes the number."""
    return [pattern.replace("#", str(number)) for number in range(count)]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("x", many("me#@example.com"), Meaning.EMAIL),
        ("Email Address", [*many("me#@example.com"), "bob@", "not known yet"], Meaning.EMAIL),
        ("E-Mail-Adresse", [*many("me#@example.com"), "bob@", "k.A."], Meaning.EMAIL),
        ("Adresse", many("me#@example.com"), Meaning.EMAIL),
        ("Web Address", many("https://example.com/#"), Meaning.URL),
        ("Site Address", ["1 Mill Ln", "9 Elm Rd"] * 20, Meaning.STREET),
        ("Street Address", ["12 Main St", "7 Elm Rd"] * 20, Meaning.STREET),
        ("x", many("+1317555100#", 10), Meaning.PHONE),
        ("Telefon", many("030 12345#", 10), Meaning.PHONE),
        ("Vorname", ["J\u00fcrgen", "Anna"] * 20, Meaning.FIRST_NAME),
        ("LastName", ["Smith", "'t Hooft"] * 20, Meaning.LAST_NAME),
        ("Name (Last)", ["Smith", "'t Hooft"] * 20, Meaning.LAST_NAME),
        ("Last", ["Smith", "'t Hooft"] * 20, Meaning.LAST_NAME),
        ("Last Channel", ["Shop", "Phone"] * 20, Meaning.CATEGORY),
        ("Full Name", ["Ann Smith", "Bob Lee"] * 20, Meaning.FULL_NAME),
        ("x", ["2024-01-31", "1985-12-01"] * 20, Meaning.DATE),
        ("x", ["2024-01-31T10:00:00Z", "1985-12-01 10:00"] * 20, Meaning.DATETIME),
        ("Newsletter", ["ja", "nein"] * 20, Meaning.BOOLEAN),
        ("is_active", ["0", "1"] * 20, Meaning.BOOLEAN),
        ("points", ["1", "20", "300", "4", "20"] * 10, Meaning.INTEGER),
        ("x", ["1.5", "20.25", "300.125"] * 10, Meaning.NUMBER),
        ("Umsatz", ["1.234,50", "99,90"] * 10, Meaning.MONEY),
        ("x", ["$1,234.50", "$9.90"] * 10, Meaning.MONEY),
        ("country", ["US", "DE", "FR"] * 10, Meaning.COUNTRY),
        ("Land", ["Deutschland", "\u00d6sterreich"] * 10, Meaning.COUNTRY),
        ("State", ["CA", "NY", "DE"] * 10, Meaning.REGION),
        ("PLZ", ["01067", "10115", "99084"] * 10, Meaning.POSTAL_CODE),
        ("postcode", ["SW1A 1AA", "M1 1AE"] * 10, Meaning.POSTAL_CODE),
        ("City", ["New York", "Z\u00fcrich"] * 10, Meaning.CITY),
        ("customer_id", many("C000#"), Meaning.IDENTIFIER),
        ("x", many("123e4567-e89b-12d3-a456-4266141740##", 10), Meaning.IDENTIFIER),
        ("interests", ["running|yoga", "chess", "yoga|chess"] * 10, Meaning.ARRAY),
        ("Website", many("https://example.com/#"), Meaning.URL),
        ("locale", ["en-US", "de-DE"] * 10, Meaning.LANGUAGE),
        ("tier", ["gold", "silver", "basic"] * 10, Meaning.CATEGORY),
        ("notes", ["called on Monday", "wants a new offer soon"] * 10, Meaning.TEXT),
        ("x", ["4111111111111111", "5500005555555559", "340000000000009"] * 5, Meaning.CARD_NUMBER),
        ("x", ["123-45-6789", "321-54-9876"] * 10, Meaning.NATIONAL_ID),
        ("Diagnose", ["J45.0", "E11.9"] * 10, Meaning.HEALTH),
        ("x", [None, None], Meaning.EMPTY),
    ],
)
def test_a_column_is_taken_for_what_it_is(name: str, values: Sequence[str | None], expected: Meaning) -> None:
    """Values and header together give the best reading, with a score and evidence."""
    guess = profiled(name, values).guess
    assert guess.meaning is expected
    assert 0.3 <= guess.score <= 1
    assert guess.evidence


def test_evidence_holds_what_a_mapping_needs() -> None:
    """Format, words, separator, currency and regions come with the reading."""
    assert profiled("dob", ["31/12/1985", "01/02/1990"]).guess.date_format == "%d/%m/%Y"
    assert profiled("dob", ["12/31/1985", "01/02/1990"]).guess.date_format == "%m/%d/%Y"
    assert profiled("dob", ["01/02/1985", "03/04/1990"]).guess.date_format == ""
    assert profiled("dob", ["01.02.1985", "03.04.1990"]).guess.date_format == "%d.%m.%Y"
    assert profiled("dob", ["31.12.1985", "12.31.1990"]).guess.date_format == ""
    assert profiled("x", ["31.12.1985 10:00", "01.02.1990 23:59"]).guess.date_format == "%d.%m.%Y %H:%M"
    assert (
        profiled("x", ["12/31/1985 10:00:01 PM", "01/02/1990 01:00:59 AM"]).guess.date_format == "%m/%d/%Y %I:%M:%S %p"
    )
    assert profiled("x", ["31.12.1985 10:00", "01.02.1990 23:59:59"]).guess.date_format == ""
    words = profiled("optin", ["Ja", "nein"] * 5).guess
    assert (words.true_values, words.false_values) == (("ja",), ("nein",))
    assert profiled("tags", ["a|b", "c|d"] * 5).guess.separator == "|"
    assert profiled("x", ["5 \u20ac", "1.234,00 \u20ac"] * 5).guess.currency == "EUR"
    phones = profiled("tel", ["+13175551234", "+493012345678", "+13175551235", "(317) 555-1236"]).guess
    assert list(phones.regions) == ["US", "DE"]
    assert phones.international_share == 0.75


def test_no_evidence_holds_a_value() -> None:
    """Shares and counts, the words of yes and no, nothing of anybody."""
    column = profiled("email", ["secretperson@example.com", "N/A"] * 10)
    assert all("secretperson" not in guess.evidence for guess in column.guesses)
    assert all("secretperson" not in finding.message for finding in column.findings)


def test_placeholders_and_wrappers_do_not_hide_a_meaning() -> None:
    """Addresses stay addresses among placeholders, and wrapped phone numbers are phone numbers."""
    assert profiled("x", ["a@example.com", "b@example.com", "N/A"] * 10).guess.score > 0.9
    assert profiled("x", [*many("me#@example.com", 25), *["NULL"] * 975]).guess.meaning is Meaning.EMAIL
    wrapped = profiled("Phone", ["'+13175551234", "'+13175551235"]).guess
    assert wrapped.meaning is Meaning.PHONE
    assert "once repaired" in wrapped.evidence


def test_words_for_no_value_are_counted_as_they_are_written() -> None:
    """A known list only: what pretends to be a value, such as an address, may be somebody's and is not named."""
    column = profiled("x", ["N/A", "n/a", "N/A", "-", "test@test.com", "0000000", "5", "17", "Nancy"])
    assert column.null_words == {"N/A": 2, "n/a": 1, "-": 1}
    (found,) = column.findings
    assert (found.count, found.message) == (6, "`N/A` 2, `n/a` 1, `-` 1")
    assert profiled("x", ["None", "nan", "1", "2"] * 5).guess.meaning is Meaning.INTEGER


@pytest.mark.parametrize(
    ("value", "code", "severity"),
    [
        ("1.31756E+10", "excel-damage", Severity.ERROR),
        ("1,31756E+10", "excel-damage", Severity.ERROR),
        ("1.31755512340E+10", "scientific-exact", Severity.WARNING),
        ("#REF!", "spreadsheet-error", Severity.ERROR),
        ("#NV", "spreadsheet-error", Severity.ERROR),
        ("#\u00a1VALOR!", "spreadsheet-error", Severity.ERROR),
        ("########", "spreadsheet-error", Severity.ERROR),
        ("Stra\ufffde", "replacement-character", Severity.ERROR),
        ("a\x07b", "control-character", Severity.ERROR),
        ("M\u00c3\u00bcller", "mojibake", Severity.WARNING),
        ('="00123"', "excel-wrapper", Severity.WARNING),
        ("'+13175551234", "excel-wrapper", Severity.WARNING),
        ("a\u200bb", "invisible-characters", Severity.WARNING),
        ("a\u00a0b", "non-breaking-spaces", Severity.WARNING),
        ("$5.00", "currency-sign", Severity.WARNING),
        ("5,00 EUR", "currency-sign", Severity.WARNING),
        ("17 %", "percent-sign", Severity.WARNING),
        ("=1+2", "formula", Severity.WARNING),
        ("@SUM(A1)", "formula", Severity.WARNING),
        ("+cmd|' /C calc'!A0", "formula", Severity.WARNING),
        ("k.A.", "placeholder", Severity.WARNING),
        ("test@test.com", "placeholder", Severity.WARNING),
        ("no-email@company.example", "placeholder", Severity.WARNING),
        ("0000000000", "placeholder", Severity.WARNING),
        ("\u201cso\u201d", "smart-quotes", Severity.WARNING),
    ],
)
def test_the_doctor_names_what_a_cell_shows(value: str, code: str, severity: Severity) -> None:
    """The finding has its count, and the row and line of the first cell."""
    findings = {finding.code: finding for finding in profiled("x", ["plain", value, "text", value]).findings}
    found = findings[code]
    assert (found.severity, found.count, found.first_row, found.first_line) == (severity, 2, 2, 3)
    assert found.first_file == "f.csv"


@pytest.mark.parametrize(
    "value",
    [
        *(
            "+1 (317) 555-1234",
            "-5",
            "+5",
            "@handle",
            "ABC123",
            "1E5",
            "O'Brien",
            "JO\u00c3O",
            "12.50",
            "a-b",
            "Null Island",
        ),
        *("2024-01-31", "me@example.com", "100", "1.5", "#1", "C# developer"),
    ],
)
def test_the_doctor_finds_nothing_in_fine_values(value: str) -> None:
    """Numbers with a sign, names with an apostrophe, handles: nothing is wrong with them."""
    assert profiled("x", [value, "plain"]).findings == ()


def test_lost_zeros_are_told_from_numbers_of_any_length() -> None:
    """A column of one width with zeros in front shows the shorter ones; plain numbers show nothing."""
    found = profiled("code", ["01067", "04109", "10115", "99084", "1067", "4109"]).findings
    assert [(finding.code, finding.count, finding.first_row) for finding in found] == [("lost-zeros", 2, 5)]
    assert "leading-zeros:code=5" in found[0].message
    assert [finding.code for finding in profiled("PLZ", ["80331", "10115", "99084", "1067"]).findings] == ["lost-zeros"]
    assert profiled("points", ["1", "20", "300", "4000", "50000"]).findings == ()


def test_dates_without_order_are_named() -> None:
    """Open, contradicted and shortened dates are three findings; day numbers of a workbook a fourth."""
    assert [f.code for f in profiled("dob", ["01/02/1985", "03/04/1990"]).findings] == ["date-order-open"]
    assert [f.code for f in profiled("dob", ["31/02/1985", "03/14/1990"]).findings] == ["date-order-mixed"]
    assert [f.code for f in profiled("dob", ["31.12.85", "1.2.90"]).findings] == ["two-digit-year"]
    assert [f.code for f in profiled("Kunde seit", ["45292", "44000"] * 5).findings] == ["date-serial"]
    some = profiled("dob", ["31.12.1985", "45292", *["01.02.1990"] * 8]).findings
    assert [(f.code, f.count) for f in some] == [("date-serial", 1)]


def test_sensitive_columns_are_warned_about() -> None:
    """What the service is not for is named, by header or by values."""
    assert "sensitive-data" in [f.code for f in profiled("Steuer-ID", ["12345678901", "23456789012"]).findings]


def test_distinct_values_are_exact_and_then_estimated_in_bounded_memory() -> None:
    """Beyond the bound the count is an estimate within a few per cent, and says so."""
    few, lots = Distinct(1_000), Distinct(20_000)
    for start in range(0, 200_000, 20_000):
        values = pl.Series(range(start, start + 20_000)).cast(pl.String)
        few.add(values.str.slice(-2))
        lots.add(values)
    assert (few.count(), few.is_exact) == (110, True)
    assert not lots.is_exact
    assert abs(lots.count() - 200_000) < 10_000


def test_a_sample_is_spread_over_all_chunks() -> None:
    """However many values come, the sample stays small and covers all of them."""
    sample = Sample(100)
    for start in range(0, 10_000, 7):
        sample.add(pl.Series(range(start, start + 7)).cast(pl.String))
    kept = sample.values().cast(pl.Int64)
    assert 50 <= len(kept) <= 100
    steps = kept.diff().drop_nulls()
    assert steps.min() == steps.max()


def test_countries_written_both_ways_are_told_as_that() -> None:
    """How many are codes decides whether phone numbers can be read by the column."""
    country = profiled("country", ["US", "DE"] * 48 + ["Germany"] * 4).guess
    assert (country.meaning, country.codes_share) == (Meaning.COUNTRY, 0.96)
    assert "all are countries, 96 % as codes and the others by name" in country.evidence
