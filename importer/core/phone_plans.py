"""Calling codes: what the phonenumbers metadata says of their numbers, as patterns run on whole columns.

Law of this module and of `importer.core.phone_regions`: a plan says exactly what the library would say, or says that it
cannot tell (`decidable`). Plans are built on first use and kept, so only the countries that occur in the data are read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

from importer.core.digit_patterns import DigitPatterns, DigitTable, DigitTexts
from importer.core.phone_regions import (
    BoolArray,
    Places,
    RegionPlan,
    national_prefixes,
    number_types,
    plan_of,
    possible_lengths,
)

Codes = npt.NDArray[np.int64]

CODE_DIGITS: Final = 3
"""Digits of the longest calling code."""

MAX_NATIONAL_DIGITS: Final = 17
"""The library reads no longer national number."""

_ANSWER_LENGTHS: Final = CODE_DIGITS + MAX_NATIONAL_DIGITS + 2
_CODE_BITS: Final = 0x3FF
_MAY_BE_PREFIXED: Final = 0x400
_VERDICT_BIT: Final = 11
_NO_CODE: Final = "0"

_GENERAL, _LEADING = -1, -2
_PREFIX: Final = "prefix"


class Verdict(IntEnum):
    """What calling code, length and shape say of an E.164 number; the numbers fit two bits."""

    FINE = 0
    INVALID = 1
    UNLIKELY = 2
    UNDECIDED = 3


@dataclass(frozen=True, slots=True)
class RegionNumbers:
    """What makes a number valid in one region of a calling code: a text that has these tags, and one of these lengths.

    Attributes:
        leading: Whether digits in front alone assign a number to the region, or only its validity.
        general: Lengths of every number of the region.
        types: Lengths of its number types; a valid number fits one of them.
    """

    leading: bool
    general: frozenset[int]
    types: tuple[frozenset[int], ...]


@dataclass(frozen=True, slots=True)
class CodePlan:
    """The numbers of one calling code.

    Attributes:
        code: Calling code without ``+``.
        lengths: Possible lengths of a full national number.
        main: Plan of the main region.
        regions: In the library's order, which decides whose rules a number is judged by.
        patterns: Of all regions: tagged with the region's number and `_GENERAL`, `_LEADING` or the number of a type;
            and `_PREFIX` for the main region's national prefix.
        start: Where a national number begins in the patterns.
        decidable: Whether all of its patterns run here.
    """

    code: int
    lengths: frozenset[int]
    main: RegionPlan
    regions: tuple[RegionNumbers, ...]
    patterns: DigitPatterns
    start: Places
    decidable: bool

    def answers(self, places: Places) -> npt.NDArray[np.uint16]:
        """Return what holds of E.164 numbers whose national number ends in these places; see `judge_numbers`."""
        if not self.decidable:
            return np.full(_ANSWER_LENGTHS, self.code | Verdict.UNDECIDED << _VERDICT_BIT, dtype=np.uint16)
        tags = self.patterns.tags(places)
        about = self.code | (_MAY_BE_PREFIXED if _PREFIX in tags else 0)
        verdicts = np.full(_ANSWER_LENGTHS, about | Verdict.INVALID << _VERDICT_BIT, dtype=np.uint16)
        for length in self.lengths:
            verdict = self._verdict(tags, length)
            verdicts[length + len(str(self.code))] = about | verdict << _VERDICT_BIT
        return verdicts

    def _verdict(self, tags: frozenset[Hashable], length: int) -> Verdict:
        for number, region in enumerate(self.regions):
            typed = any((number, kind) in tags and length in lengths for kind, lengths in enumerate(region.types))
            valid = typed and (number, _GENERAL) in tags and length in region.general
            claimed = (number, _LEADING) in tags if region.leading else valid
            if claimed:
                return Verdict.FINE if valid else Verdict.UNLIKELY
        return Verdict.UNLIKELY


@cache
def calling_codes() -> npt.NDArray[np.uint16]:
    """Return the calling code by the first three digits of an international number, 0 where none is in use.

    Returns:
        1000 entries, u16.
    """
    table = np.zeros(10**CODE_DIGITS, dtype=np.uint16)
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        width = 10 ** (CODE_DIGITS - len(str(code)))
        table[code * width : (code + 1) * width] = code
    return table


def judge_numbers(numbers: DigitTexts) -> tuple[Codes, Codes, BoolArray]:
    """Judge E.164 numbers by calling code, length and shape.

    Args:
        numbers: Digits without ``+``.

    Returns:
        `Verdict` of each; its calling code, 0 where none is in use; and whether the national number may begin with the
        national prefix, which the library might take off once more: `RegionPlan.restripped` of its main region knows.
    """
    answers = numbers_table().look_up(numbers).astype(np.int64)
    return answers >> _VERDICT_BIT, answers & _CODE_BITS, (answers & _MAY_BE_PREFIXED) > 0


@cache
def numbers_table() -> DigitTable[tuple[str, Places]]:
    """Return the table that `judge_numbers` looks numbers up in; it grows with the shapes of numbers that occur."""
    return DigitTable(("", frozenset()), _after, _answers)


def _after(state: tuple[str, Places], digit: int) -> tuple[str, Places]:
    """Go on behind a digit: first through the calling code, then through the patterns of its plan."""
    code, places = state
    if _in_use(code):
        return code, code_plan(int(code)).patterns.after(places, digit)
    code += str(digit)
    if _in_use(code):
        return code, code_plan(int(code)).start
    return (code if len(code) < CODE_DIGITS else _NO_CODE), places


def _answers(state: tuple[str, Places]) -> npt.NDArray[np.uint16]:
    code, places = state
    if _in_use(code):
        return code_plan(int(code)).answers(places)
    return np.full(_ANSWER_LENGTHS, Verdict.INVALID << _VERDICT_BIT, dtype=np.uint16)


def _in_use(code: str) -> bool:
    return code[:1] not in ("", _NO_CODE) and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE


@cache
def code_plan(code: int) -> CodePlan:
    """Return the plan of a calling code in use."""
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    regions: list[Any] = [PhoneMetadata.metadata_for_region_or_calling_code(code, name) for name in names]
    main = regions[0]
    patterns = DigitPatterns()
    alone = len(regions) == 1
    decidable = all(plan_of(region).decidable for region in regions)
    starts = [
        start
        for number, region in enumerate(regions if decidable else ())
        for start in _add(patterns, number, region, alone=alone)
    ]
    if decidable:
        starts += [patterns.add_choice(choice, _PREFIX) for choice in national_prefixes(main) if choice.digits]
    return CodePlan(
        code=code,
        lengths=possible_lengths(main.general_desc),
        main=plan_of(main),
        regions=tuple(_region_numbers(region, alone=alone) for region in regions),
        patterns=patterns,
        start=patterns.closed(frozenset(starts)),
        decidable=decidable,
    )


def _region_numbers(metadata: Any, *, alone: bool) -> RegionNumbers:
    return RegionNumbers(
        # A region alone with its code claims every number: its leading digits play no part.
        leading=bool(metadata.leading_digits) and not alone,
        general=frozenset(metadata.general_desc.possible_length),
        types=tuple(
            frozenset(description.possible_length or metadata.general_desc.possible_length) - {-1}
            for description in number_types(metadata)
        ),
    )


def _add(patterns: DigitPatterns, number: int, metadata: Any, *, alone: bool) -> Iterator[int]:
    """Add the patterns of a region; yield where they begin."""
    yield patterns.add(metadata.general_desc.national_number_pattern, (number, _GENERAL), whole=True)
    if metadata.leading_digits and not alone:
        yield patterns.add(metadata.leading_digits, (number, _LEADING), whole=False)
    for kind, description in enumerate(number_types(metadata)):
        yield patterns.add(description.national_number_pattern, (number, kind), whole=True)
