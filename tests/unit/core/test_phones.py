"""Phone numbers: the verdicts, the guards beyond the library, and the vectorised path against the reference."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import phonenumbers
import polars as pl
import pytest

from importer.core.phone_placeholders import is_placeholder_phone, placeholder_number_rows
from importer.core.phone_plans import NUMBERS, calling_codes, code_plan, number_start
from importer.core.phone_reference import reference_phone, unwrap_excel
from importer.core.phone_regions import DIALLED, dialled_start, region_plan
from importer.core.phones import PHONES_SCHEMA, normalise_phones

CASES = [
    # text, region, e164, code
    ("+13175551234", None, "+13175551234", None),
    ("+1 (317) 555-1234", None, "+13175551234", None),
    ("317.555.1234", "US", "+13175551234", None),
    ("1-317-555-1234", "us", "+13175551234", None),
    ("(317) 555-1234", "CA", "+13175551234", None),
    ("317 555 1234 ext. 12", "US", "+13175551234", None),
    ("1-800-FLOWERS", "US", "+18003569377", None),
    ("Tel: +49 30 123456", None, "+4930123456", None),
    ("030/123456", "DE", "+4930123456", None),
    ("+49 (0)30 123456", "FR", "+4930123456", None),
    ("0049 30 123456", "DE", "+4930123456", None),
    ("4930123456", "DE", "+4930123456", None),
    ("020 7946 0018", "GB", "+442079460018", None),
    ("447911123456", "GB", "+447911123456", None),
    ("06 12 34 56 78", "FR", "+33612345678", None),
    ("02 1234 5678", "IT", "+390212345678", None),
    ("8 (912) 345-67-89", "RU", "+79123456789", None),
    ("+78005553535", None, "+78005553535", None),
    ("0412 345 678", "AU", "+61412345678", None),
    ("'+13175551234", None, "+13175551234", None),
    ('="+13175551234"', None, "+13175551234", None),
    ("+10000000000", None, "+10000000000", "unlikely-phone"),
    ("1234567890", "US", "+11234567890", "unlikely-phone"),
    ("317-555-1234", None, None, "ambiguous-phone"),
    ("317-555-1234", "XX", None, "ambiguous-phone"),
    ("0049 30 123456", None, None, "ambiguous-phone"),
    ("12345", None, None, "invalid-phone"),
    ("1234567890123456", None, None, "invalid-phone"),
    ("555-1234", "US", None, "invalid-phone"),
    ("+999 123 4567", "US", None, "invalid-phone"),
    ("+1317555123", None, None, "invalid-phone"),
    ("unknown", "US", None, "invalid-phone"),
    ("-", None, None, "invalid-phone"),
    ("317-555-1234;3175559999", "US", None, "invalid-phone"),
    ("317-555-1234; 317-555-9999", "US", None, "invalid-phone"),
    ("317 555 1234 home", "US", None, "invalid-phone"),
    ("1.31756E+10", "US", None, "excel-damage"),
    ("4,91511E+11", None, None, "excel-damage"),
    ('="1.3E+10"', None, None, "excel-damage"),
    ("+1" + "3" * 300, None, None, "invalid-phone"),
    # invisible and control characters are refused by another check; here they are the library's punctuation
    ("+1317\u200b5551234\x00", None, "+13175551234", None),
]


@pytest.mark.parametrize(("text", "region", "e164", "code"), CASES)
def test_a_spelling_has_its_verdict(text: str, region: str | None, e164: str | None, code: str | None) -> None:
    """A text gives the number and the code that the catalogue of bad input asks for."""
    frame = normalise_phones(pl.Series([text]), region)
    assert frame.row(0) == (e164, code)


def test_a_column_keeps_its_rows_and_order() -> None:
    """Many spellings at once, with a region a row, come back in their places; null stays null."""
    texts = [case[0] for case in CASES] + [None]
    regions = [case[1] for case in CASES] + ["US"]
    frame = normalise_phones(pl.Series(texts, dtype=pl.String), pl.Series(regions, dtype=pl.String))
    assert frame.schema == PHONES_SCHEMA
    assert frame.rows() == [(case[2], case[3]) for case in CASES] + [(None, None)]


@pytest.mark.parametrize(
    ("region", "e164"),
    [("De", "+4930123456"), (" de ", "+4930123456"), ("fi", "+35830123456"), ("\u00e9", None), ("Germany", None)],
)
def test_a_region_however_it_is_written(region: str, e164: str | None) -> None:
    """Case and white space around it do not matter, in a column or for all; what is no region's code is none."""
    texts = pl.Series(["030 123456"] * 3)
    for regions in (region, pl.Series([region] * 3)):
        assert normalise_phones(texts, regions)["e164"].to_list() == [e164] * 3


@pytest.mark.parametrize("texts", [[], [None, None]])
def test_a_column_without_numbers(texts: list[str | None]) -> None:
    """No rows and only nulls are fine."""
    frame = normalise_phones(pl.Series(texts, dtype=pl.String), "US")
    assert frame.schema == PHONES_SCHEMA
    assert frame.rows() == [(None, None)] * len(texts)


@pytest.mark.parametrize("text", ["０３１７５５５１２３４", "＋13175551234", "+٤٩٣٠١٢٣٤٥٦"])  # noqa: RUF001
def test_digits_of_other_scripts_are_invalid(text: str) -> None:
    """Full-width and Arabic digits are refused, though the library would read them."""
    assert normalise_phones(pl.Series([text]), "US").row(0) == (None, "invalid-phone")


def test_a_float_is_no_phone_number() -> None:
    """A number written as a float would get a digit more: it is refused."""
    assert normalise_phones(pl.Series(["4915112345678.0", "1711234567.0"]), "DE")["code"].to_list() == [
        "invalid-phone",
        "invalid-phone",
    ]


def test_a_word_behind_a_number_is_not_dialled() -> None:
    """Letters are keypad digits only with calling code 1: elsewhere a note would become part of the number."""
    assert reference_phone("030 1234567 privat", "DE") == (None, "invalid-phone")


def test_a_number_that_reads_differently_the_second_time_is_invalid() -> None:
    """With two national prefixes in a row the E.164 form would be read as another number."""
    assert normalise_phones(pl.Series(["+49 00 30 123456"]), None).row(0) == (None, "invalid-phone")


def test_no_text_is_no_number() -> None:
    """The reference takes null."""
    assert reference_phone(None, "US") == (None, None)


def test_every_plan_runs_in_this_engine() -> None:
    """Every pattern of the metadata is understood, so no country is left to the slow path."""
    assert all(code_plan(code).decidable for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    assert all(region_plan(region).decidable for region in phonenumbers.SUPPORTED_REGIONS)


def test_example_numbers_of_every_country() -> None:
    """Numbers of each region and type, a digit more and a digit less, get the verdict of the library."""
    examples = [
        phonenumbers.example_number_for_type(region, kind)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.TOLL_FREE)
    ]
    examples += [phonenumbers.example_number_for_non_geo_entity(code) for code in (800, 870, 883)]
    whole = [f"+{each.country_code}{each.national_number}" for each in examples if each is not None]
    texts = [text for each in whole for text in (each, each[:-1], each + "5")]
    expected = [reference_phone(text, None) for text in texts]
    assert normalise_phones(pl.Series(texts), None).rows() == expected
    assert len({code for _, code in expected}) == 3


def forget_plans() -> None:
    """Let the metadata be read anew."""
    for made in (region_plan, code_plan, number_start, dialled_start):
        made.cache_clear()
    for table in (NUMBERS, DIALLED):
        vars(table).update(vars(type(table)(table._after, table._answer)))


def test_plans_that_do_not_run_go_to_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a future metadata needs look-around the library decides, with the same answers."""
    for reader in ("phone_regions", "phone_plans"):
        monkeypatch.setattr(f"importer.core.{reader}.is_decidable", lambda _: False)
    forget_plans()
    try:
        texts = pl.Series(["+4930123456", "030 123456"])
        assert normalise_phones(texts, "DE").rows() == [("+4930123456", None)] * 2
    finally:
        forget_plans()


def test_two_threads_may_read_their_first_numbers_at_once() -> None:
    """Neither knows a country yet; what one works out is of use to the other, and never mixed up with it."""
    columns = {"US": "(415) 555-0100", "CN": "138 1234 0000"}
    expected = {"US": "+14155550100", "CN": "+8613812340000"}
    both = Barrier(2)

    def read(region: str) -> str:
        both.wait(30)
        return str(normalise_phones(pl.Series([columns[region]] * 9), region)["e164"].unique().item())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(40):
                forget_plans()
                assert dict(zip(columns, pool.map(read, columns), strict=True)) == expected
    finally:
        sys.setswitchinterval(interval)


def test_calling_codes_by_leading_digits() -> None:
    """Three digits name the calling code, whatever its length; 0 is none."""
    table = calling_codes()
    assert [int(table[start]) for start in (131, 491, 353, 0, 999)] == [1, 49, 353, 0, 0]


def test_unwrap_excel() -> None:
    """What a spreadsheet put around a text is taken off, nothing else."""
    texts = pl.DataFrame({"t": ["'+1317", '="+1317"', '=" 1317 "', '"+1317"', "=1", "o'b", None]})
    unwrapped = texts.select(unwrap_excel(pl.col("t"))).to_series().to_list()
    assert unwrapped == ["+1317", "+1317", "1317", '"+1317"', "=1", "o'b", None]


def test_placeholders() -> None:
    """Only the exact numbers of the list are placeholders."""
    texts = pl.Series(
        [
            "0000000000",
            "(111) 111-1111",
            "+1 000 000 0000",
            "123-456-7890",
            "+15555555555",
            "8888888888",
            "5551234",
            None,
        ]
    )
    assert is_placeholder_phone(texts).to_list() == [True, True, True, True, True, False, False, None]
    assert texts.to_frame("t").select(is_placeholder_phone(pl.col("t"))).to_series().sum() == 5


@pytest.fixture
def read_by_library(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the texts that the library is given to read, as it reads them."""
    texts: list[str] = []
    parse = phonenumbers.parse

    def listening(text: str, region: str | None = None) -> phonenumbers.PhoneNumber:
        texts.append(text)
        return parse(text, region)

    monkeypatch.setattr(phonenumbers, "parse", listening)
    return texts


def test_the_library_reads_a_text_once_however_many_rows_have_it(read_by_library: list[str]) -> None:
    """One call a distinct text and region in a column, and one a text that no region matters to."""
    national = ["1-800-FLOWERS", "317 958 1234 ext. 5", "call 317 958 1234"]
    international = ["Tel: +49 30 123456", "+49 (0)30 123457"]
    regions = ["US", "CA", None, "DE", "XX"]
    rows = [(text, region) for text in (*national, *international) for region in regions] * 200
    frame = pl.DataFrame(rows, schema=["text", "region"], orient="row")
    answers = normalise_phones(frame["text"], frame["region"])
    assert answers.rows() == [reference_phone(text, None if region == "XX" else region) for text, region in rows]
    read_by_library.clear()
    normalise_phones(frame["text"], frame["region"])
    calls = Counter(read_by_library)
    assert {text: calls[text] for text in international} == dict.fromkeys(international, 1)
    assert {text: calls[text] for text in national} == dict.fromkeys(national, 3), "in US, CA and DE"
    assert calls.total() <= 2 * (len(international) + 3 * len(national)), "and its E.164 form, once an answer"


def test_the_library_reads_no_ordinary_spelling(read_by_library: list[str]) -> None:
    """Digits, signs and brackets are read by columns alone, with or without a country."""
    texts = ["+13175551234", "+49 (30) 123-456", "(317) 555-1234", "0049 30 123456", "12345", "317-555-1234"]
    regions = ["US", "DE", "US", None, None, None]
    normalise_phones(pl.Series(texts * 500), pl.Series(regions * 500, dtype=pl.String))
    assert read_by_library == []


def test_a_placeholder_is_one_in_every_spelling() -> None:
    """With its calling code, with a national prefix or bare; a number that begins with one by chance is not."""
    texts = pl.Series(["+33 1 23 45 67 89", "0123456789", "+33123456789", "+12345678901", "+49301234567"])
    assert is_placeholder_phone(texts).to_list() == [True, True, True, False, False]
    assert placeholder_number_rows(texts).to_list() == [2]
