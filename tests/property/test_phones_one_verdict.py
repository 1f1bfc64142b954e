"""A phone number has one verdict, however it is spelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import phonenumbers
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumber, PhoneNumberFormat

from tests.support.checking import PHONE, USER, check

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
PLACEHOLDERS = ("0000000000", "1111111111", "1234567890", "123456789", "9876543210", "9999999999", "12345678")
SEPARATORS = ("", "", " ", "-", ".", "/", " (", ") ")
FORMS = (PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.RFC3966, PhoneNumberFormat.NATIONAL)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[PhoneNumber, str]:
    """Draw a number of a possible length and its region: in use, changed in a digit or two, or a placeholder."""
    region = draw(st.sampled_from(REGIONS))
    example = phonenumbers.example_number_for_type(region, draw(st.sampled_from([0, 1])))
    assume(example is not None)
    assert example is not None
    national = phonenumbers.national_significant_number(example)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(1, len(national) - 1))
        national = national[:at] + draw(st.sampled_from("0123456789")) + national[at + 1 :]
    national = draw(st.sampled_from([national, national, national, *PLACEHOLDERS]))
    number = read_alike(f"+{example.country_code}{national}", None)
    assume(number is not None)
    assert number is not None
    assume(phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE)
    return number, region


def read_alike(text: str, region: str | None) -> PhoneNumber | None:
    """Read a text as the library does; None where it reads none."""
    try:
        return phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None


def spellings(number: PhoneNumber, region: str, separators: list[str]) -> Iterator[tuple[str, str | None]]:
    """Yield texts and regions that mean a number, or that do if the library says so."""
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    spaced = "".join(digit + separators[at % len(separators)] for at, digit in enumerate(e164)).strip()
    for text in (e164, spaced, f"'{e164}", f'="{spaced}"', f" {e164} ", f"{e164} ext. 12", f"Tel: {spaced}"):
        yield text, None
        yield text, region
    yield e164, "US"
    for form in FORMS:
        yield phonenumbers.format_number(number, form), region
    national = phonenumbers.national_significant_number(number)
    for text in (national, f"0{national}", f"00{e164[1:]}", f"011 {e164[1:]}", e164[1:]):
        yield text, region
        yield " ".join(text), region


@settings(max_examples=80, deadline=None)
@given(numbers(), st.lists(st.sampled_from(SEPARATORS), min_size=1, max_size=5))
def test_a_number_has_one_verdict_however_it_is_spelled(drawn: tuple[PhoneNumber, str], separators: list[str]) -> None:
    """The same E.164, the same issue, or dropped alike, for all texts that the library takes for the number."""
    number, region = drawn
    texts = list(spellings(number, region, separators))
    alike = []
    for text, given_region in texts:
        read = read_alike(text.strip("'=\""), given_region)
        if read is not None:
            read.extension = None
            alike += [(text, given_region)] * (read == number)
    phone = replace(PHONE, region_from="country")
    columns: dict[str, list[str | None]] = {
        "user": [f"u{row}" for row in range(len(alike))],
        "phone": [text for text, _ in alike],
        "country": [given_region for _, given_region in alike],
        "other": ["x"] * len(alike),
    }
    checked = check([phone, USER, replace(USER, ref="G.other", name="other", column="other")], columns)
    issues: dict[int, list[str]] = {}
    for row, code in checked.issues.select("row_number", "code").rows():
        issues.setdefault(row - 11, []).append(code)
    values = dict(checked.typed.select("row", "G.phone").rows())
    verdicts = {(values.get(row), *issues.get(row, [])): alike[row] for row in range(len(alike))}
    assert len(verdicts) == 1, verdicts
