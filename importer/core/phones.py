"""Columns of phone numbers to E.164, with one verdict whatever the spelling.

Two steps: a spelling gives an E.164 candidate (a national number with its region's help), and the candidate alone gives
the verdict. `importer.core.phone_reference` says what is right, one text at a time; `normalise_phones` gives the same
for whole columns and hands to it only the distinct texts it cannot decide itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import phonenumbers
import polars as pl
import pyarrow as pa

from importer.core.digit_patterns import DigitTexts
from importer.core.phone_plans import Verdict, code_plan, judge_numbers
from importer.core.phone_reference import AMBIGUOUS_DIGITS, PhoneIssue, reference_phone, unwrap_excel
from importer.core.phone_regions import RegionPlan, region_plan

PHONES_SCHEMA: Final = pl.Schema({"e164": pl.String, "code": pl.String})
"""What `normalise_phones` returns."""

_INTERNATIONAL: Final = r"^[^0-9+]*\+"
_MIN_DIGITS: Final = 5
_MOST_BYTES: Final = 60
_DECIMAL_TAIL: Final = r"\.0+$"
# codes by small number while columns are worked on
_FINE, _INVALID, _UNLIKELY, _AMBIGUOUS, _DAMAGED = range(5)
_CODES: Final = pl.Series(
    [
        None,
        *(code.value for code in (PhoneIssue.INVALID, PhoneIssue.UNLIKELY, PhoneIssue.AMBIGUOUS, PhoneIssue.DAMAGED)),
    ],
    dtype=pl.String,
)
_OF_VERDICT: Final = np.array([_FINE, _INVALID, _UNLIKELY, _FINE], dtype=np.uint8)

# bytes by what they are to a number; what stands between its digits is of no account
_STRANGE, _PLUS, _BETWEEN, _DIGIT = range(4)
_ZERO, _POINT = np.uint8(ord("0")), ord(".")


def _kinds() -> npt.NDArray[np.uint8]:
    kinds = np.full(256, _STRANGE, dtype=np.uint8)
    kinds[list(b"0123456789")] = _DIGIT
    kinds[list(b" ()-./")] = _BETWEEN
    kinds[ord("+")] = _PLUS
    return kinds


_KINDS: Final = _kinds()
_OPENS: Final = np.isin(np.arange(256), np.frombuffer(b" (./-", dtype=np.uint8))
_WRAPS: Final = np.isin(np.arange(256), np.frombuffer(b"'=", dtype=np.uint8))
_DIGITS_OF_CODE: Final = np.array([0, *(len(str(code)) for code in range(1, 1000))])

_Rows = npt.NDArray[np.intp]


def flags(series: pl.Series) -> npt.NDArray[np.bool_]:
    """Return a Boolean series without nulls as an array."""
    return series.to_numpy()


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
    cells = text if not text.null_count() else text.fill_null("")
    written = _written(cells)
    if written.is_wrapped:
        cells = cells.to_frame("text").select(unwrap_excel(pl.col("text"))).to_series()
        written = _written(cells)
    regions = _regions(region, text.len())
    result = _Result(written, flags(text.is_not_null()))
    result.read_national(regions)
    result.judge()
    result.ask_library(text, regions)
    return result.frame()


@dataclass(frozen=True, slots=True)
class _Regions:
    """Regions by row.

    Attributes:
        names: Supported ones, and None.
        numbers: u32, place in `names` of each row's.
    """

    names: tuple[str | None, ...]
    numbers: npt.NDArray[np.uint32]

    def of_rows(self, rows: _Rows) -> pl.Series:
        """Return the names of some rows."""
        return pl.Series(self.names, dtype=pl.String).gather(self.numbers[rows])


@dataclass(frozen=True, slots=True)
class _Written:
    """Texts as they are written, as far as columns can read them.

    Attributes:
        texts: The digits of each.
        readable: bool, nothing in it can start an extension, a second number or a word.
        plus: bool, it begins with ``+`` where it is readable.
        is_wrapped: Some of them may be what a spreadsheet wrapped.
    """

    texts: DigitTexts
    readable: npt.NDArray[np.bool_]
    plus: npt.NDArray[np.bool_]
    is_wrapped: bool


def _written(cells: pl.Series) -> _Written:
    _, offsets_buffer, data = cells.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64, count=len(cells) + 1)
    size = int(offsets[-1])
    content = np.frombuffer(data, dtype=np.uint8, count=size) if size else np.empty(0, np.uint8)
    kind = _KINDS[content]
    is_digit = kind == _DIGIT
    before = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(is_digit, out=before[1:])
    starts = before[offsets[:-1]]
    texts = DigitTexts(content[is_digit] - _ZERO, starts, before[offsets[1:]] - starts)
    readable = (texts.lengths >= _MIN_DIGITS) & (np.diff(offsets) <= _MOST_BYTES)
    plus = np.zeros(len(cells), dtype=np.bool_)
    strange = np.flatnonzero(kind <= _PLUS)
    owner = np.searchsorted(offsets, strange, side="right") - 1
    signs = kind[strange] == _PLUS
    place = strange - offsets[owner]
    # A plus stands first, or second behind what may open a number.
    in_front = signs & ((place == 0) | ((place == 1) & _OPENS[content[strange - 1]]))
    plus[owner[in_front]] = True
    readable[owner[~in_front]] = False
    if (content == _POINT).any():
        readable &= ~flags(cells.str.contains(_DECIMAL_TAIL))
    return _Written(texts, readable, plus, bool(_WRAPS[content[strange]].any()))


class _Result:
    """Candidates on their way to a verdict, all rows at once.

    A row is undecided until columns have decided about it; what is left is for the library.
    """

    def __init__(self, written: _Written, present: npt.NDArray[np.bool_]) -> None:
        self._written = written
        self._national = present & written.readable & ~written.plus
        self._chosen = present & written.readable & written.plus
        self._undecided = present & ~written.readable
        rows = present.size
        self._code = np.full(rows, _FINE, dtype=np.uint8)
        self._calling_code = np.zeros(rows, dtype=np.int64)
        self._width = np.zeros(rows, dtype=np.int64)
        self._e164 = pl.Series([None], dtype=pl.String).new_from_index(0, rows)

    def read_national(self, regions: _Regions) -> None:
        """Turn what was dialled in a region into calling code and national number, as the library does."""
        rows = np.flatnonzero(self._national)
        if not rows.size:
            return
        here = regions.numbers[rows]
        for number in np.unique(here).tolist():
            some, region = rows[here == number], regions.names[number]
            if region is None:
                count = self._written.texts.lengths[some]
                fewest, most = AMBIGUOUS_DIGITS
                self._code[some] = np.where((count >= fewest) & (count <= most), _AMBIGUOUS, _INVALID)
            else:
                self._read_region(some, region_plan(region))

    def _read_region(self, rows: _Rows, plan: RegionPlan) -> None:
        texts = self._written.texts.of_rows(rows)
        dialled = plan.dialled(texts)
        coded = np.zeros(rows.size, dtype=np.bool_)
        certain = ~dialled.abroad
        if dialled.coded.any():
            # A calling code without + is taken off where the number is too long or makes no sense with it.
            rest = plan.dialled(texts.after(len(str(plan.code))))
            coded = dialled.coded & ((texts.lengths > plan.max_length) | (~dialled.general & rest.general))
            certain &= ~(dialled.coded & (rest.width > 0))
        width = plan.strip_prefix(texts, dialled)
        certain &= coded | ~dialled.replaced
        if not plan.decidable:
            certain[:] = False
        self._width[rows] = np.where(coded, 0, width)
        self._calling_code[rows] = np.where(coded, 0, plan.code)
        self._chosen[rows[certain]] = True
        self._undecided[rows[~certain]] = True

    def judge(self) -> None:
        """Give the verdict on the candidates: calling code and length accept."""
        rows = np.flatnonzero(self._chosen)
        if not rows.size:
            return
        numbers = self._candidates(rows)
        verdicts, codes, prefixed = judge_numbers(numbers)
        undecided = verdicts == Verdict.UNDECIDED
        for code in np.unique(codes[prefixed]).tolist():
            some = np.flatnonzero(prefixed & (codes == code))
            undecided[some] |= code_plan(code).main.restripped(numbers.of_rows(some).after(len(str(code))))
        self._undecided[rows[undecided]] = True
        self._code[rows] = _OF_VERDICT[verdicts]
        usable = (verdicts != Verdict.INVALID) & ~undecided
        self._e164 = _plus_texts(numbers, rows, usable, self._code.size)

    def _candidates(self, rows: _Rows) -> DigitTexts:
        """Write calling code and national number one behind the other, with a place in front for the plus."""
        texts = self._written.texts.of_rows(rows).after(self._width[rows])
        calling_code = self._calling_code[rows]
        front = 1 + _DIGITS_OF_CODE[calling_code]
        ends = np.cumsum(front + texts.lengths)
        starts = ends - front - texts.lengths
        digits = np.empty(int(ends[-1]), dtype=np.uint8)
        owner = np.repeat(texts.starts - starts - front, texts.lengths)
        body = np.arange(owner.size) + np.repeat(np.cumsum(front), texts.lengths)
        digits[body] = texts.digits[body + owner]
        for code in np.unique(calling_code[calling_code > 0]).tolist():
            some = starts[calling_code == code]
            for place, digit in enumerate(str(code), 1):
                digits[some + place] = int(digit)
        return DigitTexts(digits, starts + 1, ends - starts - 1)

    def ask_library(self, text: pl.Series, regions: _Regions) -> None:
        """Decide the rows left over with the library, once per distinct text and region that matters to it."""
        rows = np.flatnonzero(self._undecided)
        if rows.size == 0:
            return
        asked = pl.DataFrame({"text": text.gather(rows), "region": regions.of_rows(rows)}).with_columns(
            region=pl.when(~pl.col("text").str.contains(_INTERNATIONAL)).then("region")
        )
        distinct = asked.unique(maintain_order=True)
        answers = [reference_phone(*pair) for pair in distinct.iter_rows()]
        answered = pl.concat([distinct, pl.DataFrame(answers, schema=PHONES_SCHEMA, orient="row")], how="horizontal")
        found = asked.join(answered, on=["text", "region"], how="left", nulls_equal=True, maintain_order="left")
        self._e164 = self._e164.scatter(rows, found["e164"])
        numbers = {code: number for number, code in enumerate(_CODES) if code is not None}
        self._code[rows] = found["code"].replace_strict(numbers, default=_FINE, return_dtype=pl.UInt8).to_numpy()

    def frame(self) -> pl.DataFrame:
        """Return the answer."""
        return pl.DataFrame({"e164": self._e164, "code": _CODES.gather(self._code)})


def _plus_texts(numbers: DigitTexts, rows: _Rows, usable: npt.NDArray[np.bool_], height: int) -> pl.Series:
    """Return the numbers as text behind a plus, in their rows; null where there is none that is usable."""
    content = numbers.digits + _ZERO
    content[numbers.starts - 1] = ord("+")
    lengths = np.zeros(height, dtype=np.int64)
    lengths[rows] = numbers.lengths + 1
    offsets = np.zeros(height + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    there = np.zeros(height, dtype=np.bool_)
    there[rows] = usable
    valid = np.packbits(there, bitorder="little")
    buffers = [pa.py_buffer(part) for part in (valid, offsets, content)]
    texts = pl.from_arrow(pa.Array.from_buffers(pa.large_string(), height, buffers))
    return cast("pl.Series", texts)


def _regions(region: pl.Series | str | None, rows: int) -> _Regions:
    """Return the region of each row in upper case, none where it is none the library knows."""
    if not isinstance(region, pl.Series):
        return _Regions((_known_region(region),), np.zeros(rows, dtype=np.uint32))
    written = region.unique()
    names = dict.fromkeys([None, *map(_known_region, written)])
    numbers = {name: number for number, name in enumerate(names)}
    each = [numbers[_known_region(name)] for name in written]
    return _Regions(tuple(names), region.replace_strict(written, each, return_dtype=pl.UInt32).to_numpy())


def _known_region(written: str | None) -> str | None:
    name = (written or "").strip().upper()
    return name if name in phonenumbers.SUPPORTED_REGIONS else None
