"""Placeholders are found by a look at few bytes first, and the patterns alone decide."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.characters import middles_of
from importer.core.phone_placeholders import is_placeholder_phone, placeholder_number_rows
from importer.core.placeholders import NOBODYS_EMAIL, placeholder_email_rows, placeholder_emails

_PARTS = st.sampled_from(
    [
        "",
        "+",
        "1",
        "49",
        "358",
        "1234567890",
        "0123456",
        "987654321",
        "98765",
        "43210",
        *(digit * 7 for digit in "0159"),
    ]
)
_NUMBERS = st.lists(_PARTS, max_size=4).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.none() | st.text(max_size=20), max_size=8), st.integers(0, 3), st.lists(st.text(), max_size=2))
def test_the_middle_of_a_text_is_its_second_four_bytes(
    values: list[str | None], start: int, changed: list[str]
) -> None:
    """In whichever buffer a text stands; a null and bytes behind the end are zeros."""
    text = pl.Series(values, dtype=pl.String).slice(start)
    rows = range(min(len(changed), len(text)))
    text = text.scatter(list(rows), changed[: len(rows)])
    expected = [(value or "").encode()[4:8].ljust(4, b"\0") for value in text]
    assert [int(middle).to_bytes(4, "little") for middle in middles_of(text)] == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | _NUMBERS, max_size=8))
def test_an_e164_placeholder_is_one_by_its_digits(numbers: list[str | None]) -> None:
    """The rows are those that the judgement of any spelling finds."""
    e164 = pl.Series([None if number is None else "+" + number.replace("+", "") for number in numbers], dtype=pl.String)
    found = [row for row, is_found in enumerate(is_placeholder_phone(e164)) if is_found]
    assert placeholder_number_rows(e164).to_list() == found


_LOCAL = st.sampled_from(
    [
        *("test", "none", "no", "na", "noemail", "nomail", "unknown", "dummy", "fake", "asdf", "abc", "xx", "xxx"),
        *("no.email", "no_mail", "no-e-mail", "no-mail", "TEST", "No-Mail", "NoEmail", "nA", "XX", "xX"),
        *("nora", "abcd", "nom", "undine", "dumbo", "nancy", "noa", "xxxx", "n", "t", "\u00e9", "na\u00efve"),
        *("a\u017fdf", "te\u017ft", "un\u212anown"),
    ]
)
_DOMAINS = st.sampled_from(
    ["test.com", "none.org", "na.na", "asdf.io", "abc.de", "xx.yy", "domain.com", "MAIL.RU", "x.y"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | st.builds("{}@{}".format, _LOCAL, _DOMAINS) | _LOCAL, max_size=8), st.integers(0, 3))
def test_addresses_found_by_their_first_bytes_are_those_of_the_pattern(values: list[str | None], start: int) -> None:
    """However they are written; what does not begin like one is none."""
    text = pl.Series(values, dtype=pl.String).slice(start)
    is_nobodys = text.str.contains(f"^(?i:{NOBODYS_EMAIL})$")
    assert placeholder_email_rows(text).to_list() == is_nobodys.arg_true().to_list()


def test_placeholder_addresses_are_found_in_any_case() -> None:
    """Capitals and letters that Unicode folds to ours count; an address that begins alike is somebody's."""
    nobodys = [
        "noemail@a.example",
        "No-Mail@b",
        "TEST@test.com",
        "a\u017fdf@fake.de",
        "un\u212anown@none.org",
        "xx@xxx.io",
    ]
    text = pl.Series([None, "nora@example.com", *nobodys, "abigail@abc.com", "n", ""])
    assert placeholder_email_rows(text).to_list() == [2, 3, 4, 5, 6, 7]
    assert placeholder_emails(text) == dict.fromkeys([nobodys[0], "no-mail@b", "test@test.com", nobodys[5]], 1)
