"""Repairs write values another way, and nothing else: held over any values."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.fixes import FIXES, FixRequest
from importer.core.fixes_columns import ColumnFix, Evidence, gather, repair, settle

EVERY = tuple(FixRequest(code) for code, fix in FIXES.items() if not fix.needs_value)
GIVEN = (
    ColumnFix("excel-wrapper"),
    ColumnFix("invisible-characters"),
    ColumnFix("non-breaking-spaces"),
    ColumnFix("mojibake"),
    ColumnFix("trailing-zero-decimal"),
    ColumnFix("scientific-exact"),
    ColumnFix("excel-plus"),
    ColumnFix("excel-plus", shapes=(111, 4913)),
    ColumnFix("date-order", "dmy"),
    ColumnFix("date-order", "mdy"),
    ColumnFix("thousands", "comma"),
    ColumnFix("thousands", "point"),
    ColumnFix("thousands", "space"),
    ColumnFix("thousands", "apostrophe"),
    ColumnFix("leading-zeros", "5"),
    ColumnFix("excel-date-serial", "1900"),
    ColumnFix("excel-date-serial", "1904"),
)
PIECES = st.sampled_from(
    [
        *"0123456789",
        *".,/- :+'=\"()",
        *(
            "E+",
            "e",
            "\u200b",
            "\u00a0",
            "\u202f",
            "\u00c3",
            "\u00bc",
            "\u00c2",
            "\u20ac",
            "\u2019",
            "\ufeff",
            "\u200d",
        ),
        *("AM", "12", "2024", "1317555", "\U0001f468", "\u0645", "a", "Z", "="),
    ]
)
ANYTHING = st.lists(PIECES, max_size=14).map("".join).map(str.strip)
FINE = st.one_of(
    st.sampled_from(
        [
            *(
                "'t Hooft",
                "O\u2019Brien",
                "'99",
                "1.5",
                "2.50",
                "007.0",
                "1E5",
                "3e2",
                "JO\u00c3O",
                "IRM\u00c3\u201d!",
                "\u00c3",
            ),
            *(
                "+13175551234",
                "(317) 555-1234",
                "01067",
                "2024-04-03",
                "2024-04-03T10:00:00",
                "\U0001f468\u200d\U0001f469",
            ),
            *(
                "\u0645\u06cc\u200c\u062e",
                "me@example.com",
                "192.168.100.20",
                "Smith, John",
                "-",
                "a-b",
                "1,5",
                "12:30",
            ),
        ]
    ),
    st.dates(date(1900, 1, 1)).map(str),
    st.integers(0, 10**9).map(str),
    st.text("abcdefgh \u00e4\u00f6\u00fc\u00df", min_size=1).map(str.strip),
)


def column(values: list[str]) -> pl.Series:
    """Return a column of these values."""
    return pl.Series("c", values, dtype=pl.String)


def settled(values: list[str], sizes: list[int]) -> tuple[ColumnFix, ...]:
    """Gather evidence over the values in chunks of these sizes, then settle every repair."""
    evidence: dict[str, Evidence] = {}
    rest = column(values)
    for size in [*sizes, len(values)]:
        gather(evidence, rest.head(size).to_frame(), EVERY)
        rest = rest.slice(size)
    return settle(EVERY, ["c"], evidence).plan["c"]


@settings(max_examples=60, deadline=None)
@given(st.lists(FINE, min_size=1, max_size=12))
def test_a_value_that_was_fine_stays_as_it_is(values: list[str]) -> None:
    """Every repair at once, settled by the column itself, changes no value that nothing is wrong with."""
    repaired, changed = repair(column(values), settled(values, []))
    assert repaired.to_list() == values
    assert not changed


@settings(max_examples=80, deadline=None)
@given(st.lists(ANYTHING, min_size=1, max_size=20))
def test_a_repair_is_made_once(values: list[str]) -> None:
    """A repair applied to what it made changes nothing more."""
    for fix in GIVEN:
        once = repair(column(values), [fix])[0]
        again, changed = repair(once, [fix])
        assert again.to_list() == once.to_list(), fix
        assert not changed


@settings(max_examples=40, deadline=None)
@given(st.lists(ANYTHING, min_size=1, max_size=20), st.lists(st.integers(0, 5), max_size=4), st.integers(0, 20))
def test_chunks_make_no_difference(values: list[str], sizes: list[int], cut: int) -> None:
    """However the rows are cut, the column settles the same, and each row is repaired the same."""
    plan = settled(values, sizes)
    assert plan == settled(values, [])
    whole = repair(column(values), plan)[0].to_list()
    assert [*repair(column(values[:cut]), plan)[0], *repair(column(values[cut:]), plan)[0]] == whole


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dates(date(1000, 1, 1)), min_size=1, max_size=12),
    st.sampled_from(["dmy", "mdy"]),
    st.sampled_from("/.-"),
)
def test_dates_come_back_as_the_days_they_were(days: list[date], order: str, sign: str) -> None:
    """Dates with a day above 12 among them settle their order and come back exactly; without one none is touched."""
    shape = {"dmy": "{d}{s}{m}{s}{y:04}", "mdy": "{m}{s}{d}{s}{y:04}"}[order]
    written = [shape.format(d=day.day, m=day.month, y=day.year, s=sign) for day in days]
    tells = any(day.day > 12 for day in days)
    repaired = repair(column(written), settled(written, []))[0].to_list()
    assert repaired == ([str(day) for day in days] if tells else written)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=12), st.sampled_from(["comma", "point"]))
def test_thousands_come_back_as_the_numbers_they_were(numbers: list[int], style: str) -> None:
    """Grouped numbers are only taken apart when one of them tells the separator, and then come back exactly."""
    signs = {"comma": ",", "point": "."}
    written = [f"{number:,}".replace(",", signs[style]) for number in numbers]
    tells = any(abs(number) >= 1_000_000 for number in numbers)
    repaired = repair(column(written), settled(written, []))[0].to_list()
    grouped = [str(number) for number in numbers]
    assert repaired == (grouped if tells else written)


@settings(max_examples=60, deadline=None)
@given(st.text("\u00e4\u00f6\u00fc\u00df\u00e9\u00e8\u00f1\u20ac abcXYZ", min_size=1).map(str.strip))
def test_wrongly_decoded_text_comes_back_as_it_was(text: str) -> None:
    """UTF-8 read as Windows-1252 comes back character by character."""
    damaged = text.encode().decode("cp1252", "ignore")
    if damaged.encode("cp1252") == text.encode():
        assert repair(column([damaged]), [ColumnFix("mojibake")])[0].to_list() == [text]


@settings(max_examples=60, deadline=None)
@given(st.integers(10**8, 10**15 - 1), st.integers(0, 4))
def test_scientific_notation_is_written_out_only_with_all_its_digits(number: int, lost: int) -> None:
    """A number that shows every digit comes back exactly; one that lost digits stays as it is."""
    digits = str(number)
    shown = digits[: len(digits) - lost]
    written = f"{shown[0]}.{shown[1:]}E+{len(digits) - 1:02}"
    repaired = repair(column([written]), [ColumnFix("scientific-exact")])[0].to_list()
    assert repaired == ([digits] if lost == 0 else [written])
