"""Number plans: what the phonenumbers metadata says of a calling code or a region, as patterns run on whole columns.

Law of this module: a plan says exactly what the library would say, or says that it cannot tell (`decidable`). Plans
are built on first use and kept, so only the countries that occur in the data are read.
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

from importer.core.digit_grammar import Choice, choices, parse
from importer.core.digit_patterns import DigitPatterns, DigitTable, DigitTexts

BoolArray = npt.NDArray[np.bool_]
Places = frozenset[int]
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

_GENERAL, _LEADING, _CODE_TAG, _IDD_TAG = -1, -2, "code", "idd"
_PREFIX: Final = "prefix"
_GENERAL_BIT, _IDD, _CODED, _REPLACED, _WIDTH_BIT = 1, 2, 4, 8, 4
_BIT_OF_TAG: Final[dict[Hashable, int]] = {_GENERAL: _GENERAL_BIT, _IDD_TAG: _IDD, _CODE_TAG: _CODED}

_TYPES: Final = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
)


@dataclass(frozen=True, slots=True)
class Dialled:
    """What a region's plan says of texts of digits as they may be dialled there.

    Attributes:
        general: bool, they are national numbers of the region, without regard to length.
        abroad: bool, they begin with its international prefix.
        coded: bool, they begin with its calling code.
        replaced: bool, the library would replace their national prefix instead of taking it off.
        width: How many digits of them are the national prefix, 0 where they have none.
    """

    general: BoolArray
    abroad: BoolArray
    coded: BoolArray
    replaced: BoolArray
    width: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """How a national number is dialled in one region.

    Attributes:
        code: Calling code.
        lengths: Possible lengths of a full national number.
        max_length: The longest of them; anything above is "too long" to the library.
        decidable: Whether all of its patterns are understood here.
        table: Answers what `Dialled` has, a bit each.
    """

    code: int
    lengths: frozenset[int]
    max_length: int
    decidable: bool
    table: DigitTable[Places]

    def dialled(self, texts: DigitTexts) -> Dialled:
        """Say what holds of some texts."""
        answers = self.table.look_up(texts)
        general, abroad, coded, replaced = ((answers & bit) > 0 for bit in (_GENERAL_BIT, _IDD, _CODED, _REPLACED))
        return Dialled(general, abroad, coded, replaced, (answers >> _WIDTH_BIT).astype(np.int64))

    def strip_prefix(self, texts: DigitTexts, dialled: Dialled) -> npt.NDArray[np.int64]:
        """Return how many digits the library takes off as the national prefix."""
        if not dialled.width.any():
            return dialled.width
        rest = texts.after(dialled.width)
        spoils = dialled.general & ~self.dialled(rest).general
        return dialled.width * (self._fits(rest.lengths) & ~spoils)

    def restripped(self, texts: DigitTexts) -> BoolArray:
        """Tell which national numbers the library might shorten once more: they begin with the national prefix."""
        dialled = self.dialled(texts)
        # The library keeps a prefix that a viable number needs to stay viable.
        keeps = dialled.general & ~self.dialled(texts.after(dialled.width)).general
        return (dialled.width > 0) & (~keeps | dialled.replaced)

    def _fits(self, lengths: npt.NDArray[np.int64]) -> BoolArray:
        """Tell which lengths are possible or too long: what the library accepts when it has taken a prefix off."""
        possible = np.zeros(self.max_length + 2, dtype=np.bool_)
        possible[[*self.lengths, self.max_length + 1]] = True
        fits: BoolArray = possible[np.minimum(lengths, self.max_length + 1)]
        return fits


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
    decidable = all(_is_read(region) for region in regions)
    starts = [
        start
        for number, region in enumerate(regions if decidable else ())
        for start in _add(patterns, number, region, alone=alone)
    ]
    if decidable:
        starts += [patterns.add_choice(choice, _PREFIX) for choice in _prefixes(main) if choice.digits]
    return CodePlan(
        code=code,
        lengths=_lengths(main.general_desc),
        main=_region_plan(main),
        regions=tuple(_region_numbers(region, alone=alone) for region in regions),
        patterns=patterns,
        start=patterns.closed(frozenset(starts)),
        decidable=decidable,
    )


@cache
def region_plan(region: str) -> RegionPlan:
    """Return the plan of a supported region, ISO 3166 alpha-2 in upper case."""
    return _region_plan(PhoneMetadata.metadata_for_region(region, None))


def _region_plan(metadata: Any) -> RegionPlan:
    patterns = DigitPatterns()
    decidable = _is_read(metadata)
    prefixes = _prefixes(metadata) if decidable else []
    starts = []
    if decidable:
        starts = [patterns.add_choice(choice, number) for number, choice in enumerate(prefixes)]
        starts.append(patterns.add(metadata.general_desc.national_number_pattern, _GENERAL, whole=True))
        starts.append(patterns.add(str(metadata.country_code), _CODE_TAG, whole=False))
        if metadata.international_prefix:
            starts.append(patterns.add(metadata.international_prefix, _IDD_TAG, whole=False))
    replaces = bool(metadata.national_prefix_transform_rule)

    def answer(places: Places) -> npt.NDArray[np.uint16]:
        tags = patterns.tags(places)
        found = sum(
            bit for tag, bit in ((_GENERAL, _GENERAL_BIT), (_IDD_TAG, _IDD), (_CODE_TAG, _CODED)) if tag in tags
        )
        # An engine takes the first way that fits.
        prefix = next((choice for number, choice in enumerate(prefixes) if number in tags), Choice())
        found |= _REPLACED if replaces and prefix.has_last_group else 0
        return np.array([found | len(prefix.digits) << _WIDTH_BIT], dtype=np.uint16)

    return RegionPlan(
        code=metadata.country_code,
        lengths=_lengths(metadata.general_desc),
        max_length=max(metadata.general_desc.possible_length),
        decidable=decidable,
        table=DigitTable(patterns.closed(frozenset(starts)), patterns.after, answer),
    )


def _lengths(description: Any) -> frozenset[int]:
    return frozenset(description.possible_length) - frozenset(description.possible_length_local_only) - {-1}


def _prefixes(metadata: Any) -> list[Choice]:
    """Return the ways in which a number can begin with the national prefix, the first that fits counts."""
    pattern = metadata.national_prefix_for_parsing
    return choices(pattern) if pattern else []


def _region_numbers(metadata: Any, *, alone: bool) -> RegionNumbers:
    return RegionNumbers(
        # A region alone with its code claims every number: its leading digits play no part.
        leading=bool(metadata.leading_digits) and not alone,
        general=frozenset(metadata.general_desc.possible_length),
        types=tuple(
            frozenset(description.possible_length or metadata.general_desc.possible_length) - {-1}
            for description in _types(metadata)
        ),
    )


def _types(metadata: Any) -> list[Any]:
    descriptions = [getattr(metadata, name) for name in _TYPES]
    return [each for each in descriptions if each is not None and each.national_number_pattern]


def _add(patterns: DigitPatterns, number: int, metadata: Any, *, alone: bool) -> Iterator[int]:
    """Add the patterns of a region; yield where they begin."""
    yield patterns.add(metadata.general_desc.national_number_pattern, (number, _GENERAL), whole=True)
    if metadata.leading_digits and not alone:
        yield patterns.add(metadata.leading_digits, (number, _LEADING), whole=False)
    for kind, description in enumerate(_types(metadata)):
        yield patterns.add(description.national_number_pattern, (number, kind), whole=True)


def _is_read(metadata: Any) -> bool:
    """Tell whether all patterns of a region are understood here; metadata has had no others so far."""
    patterns = [metadata.international_prefix, metadata.leading_digits]
    for name in ("general_desc", *_TYPES):
        description = getattr(metadata, name)
        patterns.append(description.national_number_pattern if description is not None else None)
    try:
        _prefixes(metadata)
        for pattern in filter(None, patterns):
            parse(pattern)
    except ValueError:
        return False
    return not any(pattern and "$" in pattern for pattern in patterns)
