"""Columns of phone numbers to E.164, with one verdict whatever the spelling.

Two steps: a spelling gives an E.164 candidate (a national number with its region's help), and the candidate alone gives
the verdict. `importer.core.phone_reference` says what is right, one text at a time; `normalise_phones` gives the same
for whole columns and hands to it only the distinct texts it cannot decide itself.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
import phonenumbers
import polars as pl

from importer.core.characters import views_of
from importer.core.phone_plans import NUMBERS, Verdict, number_start
from importer.core.phone_reference import AMBIGUOUS_DIGITS, PhoneIssue, reference_phone, unwrap_excel
from importer.core.phone_regions import CERTAIN, CODED, DIALLED, WIDTH_BIT, dialled_start, region_plan
from importer.core.phone_texts import Written, e164_texts, written
from importer.core.text_views import VIEW, not_null

PHONES_SCHEMA: Final = pl.Schema({"e164": pl.String, "code": pl.String})
"""What `normalise_phones` returns."""

_INTERNATIONAL: Final = re.compile(r"[^0-9+]*\+")
# codes by small number while columns are worked on
_FINE, _INVALID, _UNLIKELY, _AMBIGUOUS, _DAMAGED = range(5)
_CODES: Final = (None, PhoneIssue.INVALID, PhoneIssue.UNLIKELY, PhoneIssue.AMBIGUOUS, PhoneIssue.DAMAGED)
_NAMES: Final = pl.Series([None if code is None else code.value for code in _CODES], dtype=pl.String)
_OF_VERDICT: Final = np.array([_FINE, _INVALID, _UNLIKELY, _FINE], dtype=np.uint8)

_REGIONS: Final = (None, *sorted(phonenumbers.SUPPORTED_REGIONS))
_NUMBER_OF_REGION: Final = {name: number for number, name in enumerate(_REGIONS)}
_REGION_BYTES: Final = 2
_ODD: Final = len(_REGIONS)

_MOST_CODES: Final = 1000
_CODE_DIGITS: Final = np.array([0, *(len(str(code)) for code in range(1, _MOST_CODES))])


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
    texts = written(text)
    if texts.is_wrapped:
        texts = written(text.to_frame("text").select(unwrap_excel(pl.col("text"))).to_series())
    regions = _region_numbers(region, text.len())
    result = _Result(texts)
    result.read_national(regions)
    result.judge()
    result.ask_library(text, regions)
    return result.frame()


class _Result:
    """Candidates on their way to a verdict, all rows at once.

    A row is undecided until columns have decided about it; what is left is for the library.
    """

    def __init__(self, texts: Written) -> None:
        readable = texts.present & texts.readable
        self._digits = texts.digits
        self._national = readable & ~texts.plus
        self._chosen = readable & texts.plus
        self._undecided = texts.present & ~texts.readable
        rows = readable.size
        self._code = np.full(rows, _FINE, dtype=np.uint8)
        self._calling_code = np.zeros(rows, dtype=np.int64)
        self._width = np.zeros(rows, dtype=np.int64)
        self._e164 = pl.Series(dtype=pl.String)

    def read_national(self, regions: npt.NDArray[np.uint16]) -> None:
        """Turn what was dialled in a region into calling code and national number, as the library does."""
        rows = np.flatnonzero(self._national)
        here = regions[rows]
        nowhere = rows[here == 0]
        if nowhere.size:
            count = self._digits.lengths[nowhere]
            fewest, most = AMBIGUOUS_DIGITS
            self._code[nowhere] = np.where((count >= fewest) & (count <= most), _AMBIGUOUS, _INVALID)
            rows, here = rows[here > 0], here[here > 0]
        starts, codes = np.zeros(len(_REGIONS), dtype=np.int32), np.zeros(len(_REGIONS), dtype=np.int64)
        for number in np.flatnonzero(np.bincount(here, minlength=1)).tolist():
            starts[number], codes[number] = dialled_start(_REGIONS[number]), region_plan(_REGIONS[number]).code
        texts = self._digits.of_rows(rows)
        dialled = DIALLED.look_up(texts, starts[here], texts.lengths)
        certain = (dialled & CERTAIN) > 0
        self._width[rows] = dialled >> WIDTH_BIT
        self._calling_code[rows] = np.where(dialled & CODED, 0, codes[here])
        self._chosen[rows[certain]] = True
        self._undecided[rows[~certain]] = True

    def judge(self) -> None:
        """Give the verdict on the candidates: calling code and length accept."""
        rows = np.flatnonzero(self._chosen)
        candidates = self._digits.after(self._width)
        texts, codes = candidates.of_rows(rows), self._calling_code[rows]
        starts = np.zeros(_MOST_CODES, dtype=np.int32)
        for code in np.flatnonzero(np.bincount(codes)).tolist():
            starts[code] = number_start(code)
        verdicts = NUMBERS.look_up(texts, starts[codes], texts.lengths + _CODE_DIGITS.take(codes))
        self._undecided[rows[verdicts == Verdict.UNDECIDED]] = True
        self._code[rows] = _OF_VERDICT.take(verdicts)
        usable = np.zeros(self._code.size, dtype=np.bool_)
        usable[rows] = (verdicts == Verdict.FINE) | (verdicts == Verdict.UNLIKELY)
        self._e164 = e164_texts(candidates, self._calling_code, usable)

    def ask_library(self, text: pl.Series, regions: npt.NDArray[np.uint16]) -> None:
        """Decide the rows left over with the library, once per distinct text and region that matters to it."""
        rows = np.flatnonzero(self._undecided)
        if not rows.size:
            return
        asked = list(zip(text[rows].to_list(), regions[rows].tolist(), strict=True))
        places = {pair: place for place, pair in enumerate(dict.fromkeys(asked))}
        read = cache(reference_phone)
        answers = [read(cell, None if _INTERNATIONAL.match(cell) else _REGIONS[number]) for cell, number in places]
        answer = np.fromiter(map(places.__getitem__, asked), dtype=np.int64, count=rows.size)
        numbers = pl.Series([number for number, _ in answers], dtype=pl.String)
        self._e164 = self._e164.scatter(rows, numbers[answer])
        self._code[rows] = np.array([_CODES.index(code) for _, code in answers])[answer]

    def frame(self) -> pl.DataFrame:
        """Return the answer."""
        return pl.DataFrame({"e164": self._e164, "code": _NAMES[self._code]})


def _region_numbers(region: pl.Series | str | None, rows: int) -> npt.NDArray[np.uint16]:
    """Return the region of each row as its place in `_REGIONS`, 0 where it is none the library knows."""
    if not isinstance(region, pl.Series):
        return np.full(rows, _known_region(region), dtype=np.uint16)
    views, is_there = views_of(region).view(VIEW), not_null(region)
    has_two = is_there & (views[:, 0] == _REGION_BYTES)
    numbers = np.where(has_two, _regions_by_bytes().take(views[:, 1], mode="clip"), np.uint16(0))
    odd = np.flatnonzero((is_there & ~has_two) | (numbers == _ODD))
    if odd.size:
        names = region[odd]
        distinct = names.unique()
        known = [_known_region(name) for name in distinct]
        numbers[odd] = names.replace_strict(distinct, known, return_dtype=pl.UInt16).to_numpy()
    return numbers


@cache
def _regions_by_bytes() -> npt.NDArray[np.uint16]:
    """Return the region by two bytes as a little-endian number, `_ODD` where they are not ASCII."""
    table = np.zeros(1 << 16, dtype=np.uint16)
    table.reshape(256, 256)[128:] = table.reshape(256, 256)[:, 128:] = _ODD
    for name, number in _NUMBER_OF_REGION.items():
        for letters in product(*zip(name.lower(), name, strict=True)) if name else ():
            table[int.from_bytes("".join(letters).encode(), "little")] = number
    return table


def _known_region(written: str | None) -> int:
    return _NUMBER_OF_REGION.get((written or "").strip().upper() or None, 0)
