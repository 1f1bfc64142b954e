"""The vectorised phone path equals the library's, over spellings of numbers of every region."""

from __future__ import annotations

import phonenumbers
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.phone_reference import reference_phone
from importer.core.phones import normalise_phones

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
_PUNCTUATION = ["", "", "", "", " ", "-", ".", "/", "(", ")", " (", "  "]
_JUNK = ["", "", "", "", "", "tel ", "x", " ext 12", "#", "\u00a0", "abc", "\u0663", "'", "\x00", ".0", "E+10", "+"]


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, str]:
    """Draw calling code and national number: an example of a region, perhaps with digits changed, or random ones."""
    region = draw(st.sampled_from(REGIONS))
    example = phonenumbers.example_number_for_type(region, draw(st.sampled_from([0, 1, 3, 4])))
    if example is None or draw(st.integers(0, 5)) == 0:
        code = str(phonenumbers.country_code_for_region(region))
        return code, draw(st.text("0123456789", min_size=1, max_size=18))
    national = phonenumbers.national_significant_number(example)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(national)))
        national = national[:at] + draw(st.sampled_from("0123456789")) + national[at + draw(st.integers(0, 1)) :]
    return str(example.country_code), national


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str | None]:
    """Draw a text and a region."""
    code, national = draw(numbers())
    prefix = draw(
        st.sampled_from(["", "", "+" + code, "+" + code, code, "0", "1", "8", "00" + code, f"+{code}0", "011"])
    )
    digits = prefix + national
    text = "".join(digit + draw(st.sampled_from(_PUNCTUATION)) for digit in digits)
    text = draw(st.sampled_from(_JUNK)) + text + draw(st.sampled_from(_JUNK))
    own = phonenumbers.region_code_for_country_code(int(code))
    region = draw(st.sampled_from([own, own, own, None, "US", draw(st.sampled_from(REGIONS))]))
    return text.strip(), region if region in phonenumbers.SUPPORTED_REGIONS else None


@settings(max_examples=120, deadline=None)
@given(st.lists(spellings(), min_size=1, max_size=40))
def test_columns_agree_with_the_reference(cases: list[tuple[str, str | None]]) -> None:
    """Every text gets from the columns what the library says one at a time, in its place."""
    cases = [(text, region) for text, region in cases if text] or [("1", None)]
    frame = normalise_phones(
        pl.Series([text for text, _ in cases]), pl.Series([region for _, region in cases], dtype=pl.String)
    )
    assert frame.rows() == [reference_phone(*case) for case in cases]


@settings(max_examples=100, deadline=None)
@given(st.lists(spellings(), min_size=1, max_size=20))
def test_normalising_twice_is_normalising_once(cases: list[tuple[str, str | None]]) -> None:
    """An accepted number is its own normal form, with the same verdict and without a region."""
    once = normalise_phones(
        pl.Series([text or "-" for text, _ in cases]), pl.Series([region for _, region in cases], dtype=pl.String)
    ).drop_nulls("e164")
    assert normalise_phones(once["e164"], None).equals(once)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=10), st.sampled_from(["US", "DE", None]))
def test_junk_never_crashes(texts: list[str], region: str | None) -> None:
    """Any text gets a verdict, the reference's."""
    rows = normalise_phones(pl.Series(texts), region).rows()
    assert rows == [reference_phone(text, region) for text in texts]
