"""Phone numbers to E.164, with one verdict whatever the spelling.

Two steps: a spelling gives an E.164 candidate (a national number with its region's help), and the candidate alone gives
the verdict. `reference_phone` says what is right, one text at a time, by the phonenumbers library; `normalise_phones`
gives the same for whole columns and hands to the reference only the distinct texts it cannot decide itself.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import phonenumbers
import polars as pl

from importer.core.phone_plans import RegionPlan, Verdict, code_plan, flags, judge_numbers, region_plan

PHONES_SCHEMA: Final = pl.Schema({"e164": pl.String, "code": pl.String})
"""What `normalise_phones` returns."""

AMBIGUOUS_DIGITS: Final = (7, 15)
"""A text without a country is ambiguous if it has so many digits, else it is no phone number."""

MAX_EXTENSION_DIGITS: Final = 6
"""A longer "extension" is taken for a second number in the cell."""


class PhoneIssue(StrEnum):
    """Issue codes a phone number can get."""

    INVALID = "invalid-phone"
    AMBIGUOUS = "ambiguous-phone"
    DAMAGED = "excel-damage"
    UNLIKELY = "unlikely-phone"


_PUNCTUATION: Final = (" ", "(", ")", "-", ".", "/", "+")
_PLAIN: Final = r"^\+[0-9]{5,20}$"
# what the vectorised path reads: nothing in it can start an extension, a second number or a word
_ORDINARY: Final = r"^[ (./-]*\+?[0-9 ()./-]{5,60}$"
_INTERNATIONAL: Final = r"^[^0-9+]*\+"
_MIN_DIGITS: Final = 5
_DECIMAL_TAIL: Final = r"\.0+$"
_APOSTROPHE: Final = r"^'\s*"
_FORMULA: Final = r'^="\s*([^"]*?)\s*"$'

_FLOAT: Final = re.compile(r"\+?[0-9]{7,}\.0+")
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]{1,3}")
_START: Final = re.compile(r"[0-9+]")
_LETTERS: Final = re.compile(r"(?:[^A-Za-z]*[A-Za-z]){3}")
_KEYPAD_CODE: Final = 1

_REPEATED: Final = tuple(digit * 10 for digit in "012345679")  # +1 888 888 8888 can be a subscriber's
_PLACEHOLDERS: Final = (
    *_REPEATED,
    *("0" * count for count in (7, 8, 9, 11, 12, 13, 14, 15)),
    *("1" * count for count in (7, 8, 9, 12)),
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "9876543210",
)
_PLACEHOLDER_DIGITS: Final = (
    *_PLACEHOLDERS,
    *(f"{code}{digits}" for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE for digits in _PLACEHOLDERS),
)

# codes by small number while columns are worked on
_INVALID, _AMBIGUOUS = 0, 1
_CODES: Final = pl.Series([PhoneIssue.INVALID.value, PhoneIssue.AMBIGUOUS.value], dtype=pl.String)
_CODE_OF_VERDICT: Final = pl.Series(
    [{Verdict.INVALID: PhoneIssue.INVALID.value, Verdict.UNLIKELY: PhoneIssue.UNLIKELY.value}.get(v) for v in Verdict],
    dtype=pl.String,
)

_Rows = npt.NDArray[np.intp]


def unwrap_excel(text: pl.Expr) -> pl.Expr:
    """Strip what spreadsheets put around a text to keep it text: a leading apostrophe, or ``="..."``.

    Args:
        text: String; null stays null.

    Example:
        >>> texts = pl.DataFrame({"t": ["'+1317", '="+1317"', "+1317"]})
        >>> texts.select(unwrap_excel(pl.col("t")))["t"].to_list()
        ['+1317', '+1317', '+1317']
    """
    return text.str.replace(_APOSTROPHE, "").str.replace(_FORMULA, "$1")


_Text = TypeVar("_Text", pl.Expr, pl.Series)


def is_placeholder_phone(text: _Text) -> _Text:
    """Tell whether a phone number is a well-known placeholder (0000000000, 1234567890 and their like).

    Compared by digits alone, with any calling code or none. The list is short and exact: a number that merely looks
    invented is not on it.

    Args:
        text: String column or expression, as it was written or E.164; null gives null.
    """
    return text.str.replace_many(list(_PUNCTUATION), [""] * len(_PUNCTUATION)).is_in(list(_PLACEHOLDER_DIGITS))


def reference_phone(text: str | None, region: str | None) -> tuple[str | None, str | None]:
    """Normalise one phone number with the phonenumbers library; this defines what `normalise_phones` returns.

    Beyond the library: a text that begins with ``+`` is read without the region; digits of other scripts are invalid;
    letters stand for digits only in numbers of calling code 1, where a word added to a number makes it too long; a
    number whose E.164 form would itself be read as another number is invalid.

    Args:
        text: Trimmed; None gives (None, None).
        region: ISO 3166 alpha-2 in upper case, one the library knows, or None.

    Returns:
        E.164 or None, and an issue code or None. Only ``unlikely-phone`` comes with a number.
    """
    if text is None:
        return None, None
    text = re.sub(_FORMULA, r"\1", re.sub(_APOSTROPHE, "", text))
    if _SCIENTIFIC.fullmatch(text):
        return None, PhoneIssue.DAMAGED
    start = _START.search(text)
    if start is None or _has_foreign_digits(text) or _FLOAT.fullmatch(text):
        return None, PhoneIssue.INVALID
    international = start.group() == "+"
    if region is None and not international:
        fewest, most = AMBIGUOUS_DIGITS
        count = len(re.findall(r"[0-9]", text))
        return None, PhoneIssue.AMBIGUOUS if fewest <= count <= most else PhoneIssue.INVALID
    number = _parse(text, None if international else region)
    if number is None or _has_second_meaning(number, text[start.start() :]):
        return None, PhoneIssue.INVALID
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164, None if phonenumbers.is_valid_number(number) else PhoneIssue.UNLIKELY


def _has_foreign_digits(text: str) -> bool:
    """Tell whether a text has decimal digits other than 0-9, or full-width signs."""
    return not text.isascii() and any(
        (char.isdecimal() and not char.isascii()) or "\uff01" <= char <= "\uff5e" for char in text
    )


def _parse(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """Parse a text; None where the library reads no number of a possible length."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_with_reason(number)
    return number if reason == phonenumbers.ValidationResult.IS_POSSIBLE else None


def _has_second_meaning(number: phonenumbers.PhoneNumber, text: str) -> bool:
    """Tell whether what was read is less, more or other than the number that was written."""
    if number.extension is not None and len(number.extension) > MAX_EXTENSION_DIGITS:
        return True
    if number.country_code != _KEYPAD_CODE and _LETTERS.match(text):
        digits = re.sub(r"[\W_]+$", "", text)
        if phonenumbers.is_alpha_number(digits):
            return True
    again = _parse(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None)
    return again is None or phonenumbers.national_significant_number(again) != phonenumbers.national_significant_number(
        number
    )


def normalise_phones(text: pl.Series, region: pl.Series | str | None) -> pl.DataFrame:
    """Normalise a column of phone numbers to E.164.

    Args:
        text: String, trimmed, non-empty or null.
        region: Region of national numbers, ISO 3166 alpha-2 in any case: one for all, or one a row. An unknown region
            counts as none.

    Returns:
        `PHONES_SCHEMA`, same rows, same order: `e164` null where there is no usable number; `code` null where all is
        well, ``unlikely-phone`` beside a number. A null text gives nulls.
    """
    result = _Result(text.len())
    regions = _regions(region, text.len())
    present = np.flatnonzero(flags(text.is_not_null()))
    cells = text.gather(present)
    plain = flags(cells.str.contains(_PLAIN))
    rows = present[plain]
    result.judge(rows, cells.gather(np.flatnonzero(plain)).str.slice(1))
    others = present[~plain]
    _spelled(text.gather(others), others, regions, result)
    _ask_library(text, regions, result)
    return result.frame()


class _Result:
    """Pieces of the answer, each for some of the rows, joined in row order at the end."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._pieces: list[tuple[_Rows, pl.Series, pl.Series]] = []
        self._undecided: list[_Rows] = []

    def put(self, rows: _Rows, e164: pl.Series, code: pl.Series) -> None:
        """Add a decided piece."""
        self._pieces.append((rows, e164, code))

    def put_code(self, rows: _Rows, code: npt.NDArray[np.intp]) -> None:
        """Add rows that have a code and no number."""
        self.put(rows, pl.Series([None], dtype=pl.String).new_from_index(0, rows.size), _CODES.gather(code))

    def leave(self, rows: _Rows) -> None:
        """Leave rows to the library."""
        self._undecided.append(rows)

    def undecided(self) -> _Rows:
        """Return the rows left to the library, ascending."""
        return np.sort(np.concatenate([np.empty(0, dtype=np.intp), *self._undecided]))

    def judge(self, rows: _Rows, digits: pl.Series) -> None:
        """Give the verdict on E.164 candidates without their ``+``: calling code and length accept."""
        if rows.size == 0:
            return
        verdicts, codes, prefixed = judge_numbers(digits)
        undecided = verdicts == Verdict.UNDECIDED
        for code in np.unique(codes[prefixed]).tolist():
            some = np.flatnonzero(prefixed & (codes == code))
            numbers = digits.gather(some).str.slice(len(str(code)))
            undecided[some] |= code_plan(code).restripped(numbers)
        if undecided.any():
            self.leave(rows[undecided])
            kept = np.flatnonzero(~undecided)
            rows, digits, verdicts = rows[kept], digits.gather(kept), verdicts[kept]
        usable = pl.Series(verdicts != Verdict.INVALID)
        e164 = digits.to_frame("digits").select(pl.when(usable).then("+" + pl.col("digits"))).to_series()
        self.put(rows, e164, _CODE_OF_VERDICT.gather(verdicts))

    def frame(self) -> pl.DataFrame:
        """Join the pieces; rows nobody put are null."""
        at = np.full(self._rows, -1, dtype=np.intp)
        joined = np.concatenate([np.empty(0, dtype=np.intp), *(rows for rows, _, _ in self._pieces)])
        at[joined] = np.arange(joined.size)
        index = pl.Series(at).to_frame("at").select(pl.when(pl.col("at") >= 0).then("at")).to_series()
        pieces = [pl.DataFrame({"e164": e164, "code": code}) for _, e164, code in self._pieces]
        return pl.concat([pl.DataFrame(schema=PHONES_SCHEMA), *pieces]).select(pl.all().gather(index))


def _regions(region: pl.Series | str | None, rows: int) -> pl.Series:
    """Return the region of each row in upper case, null where it is none the library knows."""
    if not isinstance(region, pl.Series):
        return _known_regions(pl.Series([region], dtype=pl.String)).new_from_index(0, rows)
    written = region.unique().drop_nulls()
    return region.replace_strict(written, _known_regions(written), default=None, return_dtype=pl.String)


def _known_regions(written: pl.Series) -> pl.Series:
    upper = written.str.strip_chars().str.to_uppercase()
    return pl.Series([name if name in phonenumbers.SUPPORTED_REGIONS else None for name in upper], dtype=pl.String)


def _spelled(cells: pl.Series, rows: _Rows, regions: pl.Series, result: _Result) -> None:
    """Read spellings other than plain E.164, as far as columns can."""
    frame = cells.to_frame("text").with_columns(unwrap_excel(pl.col("text")))
    frame = frame.with_columns(
        digits=pl.col("text").str.replace_many(list(_PUNCTUATION), [""] * len(_PUNCTUATION)),
        plus=pl.col("text").str.contains("+", literal=True),
        ordinary=pl.col("text").str.contains(_ORDINARY) & ~pl.col("text").str.contains(_DECIMAL_TAIL),
    )
    readable = flags(frame["ordinary"]) & (frame["digits"].str.len_bytes().to_numpy() >= _MIN_DIGITS)
    result.leave(rows[~readable])
    plus = flags(frame["plus"])
    some = np.flatnonzero(readable & plus)
    result.judge(rows[some], frame["digits"].gather(some))
    national = np.flatnonzero(readable & ~plus)
    _national(frame["digits"].gather(national), rows[national], regions.gather(rows[national]), result)


def _national(digits: pl.Series, rows: _Rows, regions: pl.Series, result: _Result) -> None:
    """Read digits without ``+``, one region at a time."""
    frame = pl.DataFrame({"digits": digits, "region": regions, "row": rows})
    for (region,), part in frame.partition_by("region", as_dict=True).items():
        here = part["row"].to_numpy()
        if region is None:
            count = part["digits"].str.len_bytes().to_numpy()
            fewest, most = AMBIGUOUS_DIGITS
            result.put_code(here, np.where((count >= fewest) & (count <= most), _AMBIGUOUS, _INVALID))
            continue
        plan = region_plan(str(region))
        if not plan.decidable:
            result.leave(here)
            continue
        candidates, decided = _candidates(part["digits"], plan)
        result.leave(here[~decided])
        result.judge(here[decided], candidates.filter(pl.Series(decided)))


def _candidates(digits: pl.Series, plan: RegionPlan) -> tuple[pl.Series, npt.NDArray[np.bool_]]:
    """Turn digits dialled in a region into calling code and national number, as the library does.

    Returns:
        Digits of the E.164 candidate, and which of them are what the library would read; the others are for it.
    """
    code = str(plan.code)
    begins = flags(digits.str.starts_with(code))
    coded = np.zeros(digits.len(), dtype=np.bool_)
    certain = np.ones(digits.len(), dtype=np.bool_)
    if begins.any():
        # a calling code without + is taken off where the number is too long or makes no sense with it
        rest = digits.str.slice(len(code))
        too_long = digits.str.len_bytes().to_numpy() > plan.max_length
        sense = ~flags(digits.str.contains(plan.general)) & flags(rest.str.contains(plan.general))
        coded = begins & (too_long | sense)
        certain = ~(begins & plan.begins_prefix(rest))
    if plan.idd is not None:
        certain &= ~flags(digits.str.contains(plan.idd))
    national, stripped = plan.strip_prefix(digits)
    frame = pl.DataFrame({"digits": digits, "national": national, "coded": coded})
    candidate = pl.when("coded").then("digits").otherwise(pl.lit(code) + pl.col("national"))
    return frame.select(candidate).to_series(), certain & (coded | stripped)


def _ask_library(text: pl.Series, regions: pl.Series, result: _Result) -> None:
    """Decide the rows left over with the library, once per distinct text and region that matters to it."""
    rows = result.undecided()
    if rows.size == 0:
        return
    asked = pl.DataFrame({"text": text.gather(rows), "region": regions.gather(rows)}).with_columns(
        region=pl.when(~pl.col("text").str.contains(_INTERNATIONAL)).then("region")
    )
    distinct = asked.unique(maintain_order=True)
    answers = [reference_phone(*pair) for pair in distinct.iter_rows()]
    answered = pl.concat([distinct, pl.DataFrame(answers, schema=PHONES_SCHEMA, orient="row")], how="horizontal")
    found = asked.join(answered, on=["text", "region"], how="left", nulls_equal=True, maintain_order="left")
    result.put(rows, found["e164"], found["code"])
