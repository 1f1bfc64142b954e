"""Number plans: what the phonenumbers metadata says of a calling code or a region, as patterns polars can run.

Law of this module: a plan says exactly what the library would say, or says that it cannot tell (`decidable`). Plans
are built on first use and kept, so only the countries that occur in the data are read.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import phonenumbers
import polars as pl
from phonenumbers.phonemetadata import PhoneMetadata

from importer.core.digit_patterns import DigitPatterns, DigitTable

BoolArray = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint16]

CODE_DIGITS: Final = 3
"""Digits of the longest calling code."""

MAX_NATIONAL_DIGITS: Final = 17
"""The library reads no longer national number."""

_ANSWER_LENGTHS: Final = CODE_DIGITS + MAX_NATIONAL_DIGITS + 2
_CODE_BITS: Final = 0x3FF
_MAY_BE_PREFIXED: Final = 0x400
_VERDICT_BIT: Final = 11
_NO_CODE: Final = "0"

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
_NOT_READ: Final = re.compile(r"\(\?[^:]|\\[^d]|[^0-9d|()?:$,{}\[\]\\-]")
"""What neither Rust's engine nor `DigitPatterns` understands; metadata has had none of it so far."""

_LITERAL: Final = re.compile(r"[0-9]+")


def _anchored(pattern: str, *, whole: bool) -> str:
    """Write a metadata pattern for Rust's engine: ASCII digits, from the start, and to the end if `whole`."""
    return f"(?-u)^(?:{pattern}){'$' if whole else ''}"


def flags(series: pl.Series) -> BoolArray:
    """Return a Boolean series without nulls as an array."""
    return series.to_numpy()


def lengths_in(numbers: pl.Series, lengths: frozenset[int]) -> BoolArray:
    """Tell which texts have one of these lengths; the texts are ASCII and not null."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(lengths)] = True
    return np.asarray(table[np.minimum(numbers.str.len_bytes().to_numpy(), 255)], dtype=np.bool_)


def slice_from(numbers: pl.Series, widths: npt.NDArray[np.uint32]) -> pl.Series:
    """Take the first digits off each number, as many as its width says."""
    if not widths.any():
        return numbers
    frame = pl.DataFrame({"number": numbers, "width": widths})
    return frame.select(pl.col("number").str.slice(pl.col("width"))).to_series()


@dataclass(frozen=True, slots=True)
class Prefix:
    """The national prefix of a region, which the library takes off where it finds it.

    Attributes:
        pattern: Anchored at the start.
        literal: The prefix where it is fixed digits, else None.
        replacing_group: Group of the pattern that, where it takes part, makes the library replace the prefix instead
            of taking it off; 0 where none does.
    """

    pattern: str
    literal: str | None
    replacing_group: int

    def widths(self, numbers: pl.Series) -> npt.NDArray[np.uint32]:
        """Return how many digits of each number are the prefix, 0 where it has none."""
        if self.literal is not None:
            return flags(numbers.str.starts_with(self.literal)) * np.uint32(len(self.literal))
        return numbers.str.extract(self.pattern, 0).str.len_bytes().fill_null(0).to_numpy()

    def replaces(self, numbers: pl.Series) -> BoolArray:
        """Tell where the library would replace the prefix."""
        if self.replacing_group == 0:
            return np.zeros(numbers.len(), dtype=np.bool_)
        return flags(numbers.str.extract(self.pattern, self.replacing_group).is_not_null())


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


_GENERAL: Final = -1
_LEADING: Final = -2
_PREFIX: Final = "prefix"
Places = frozenset[int]


@dataclass(frozen=True, slots=True)
class CodePlan:
    """The numbers of one calling code.

    Attributes:
        code: Calling code without ``+``.
        lengths: Possible lengths of a full national number.
        prefix: National prefix of the main region.
        general: General shape of the main region, without regard to length.
        regions: In the library's order, which decides whose rules a number is judged by.
        patterns: Of all regions: tagged with the region's number and `_GENERAL`, `_LEADING` or the number of a type;
            and `_PREFIX` for the main region's national prefix.
        start: Where a national number begins in the patterns.
        decidable: Whether all of its patterns run here.
    """

    code: int
    lengths: frozenset[int]
    prefix: Prefix | None
    general: str
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

    def restripped(self, numbers: pl.Series) -> BoolArray:
        """Tell which national numbers the library might shorten once more: they begin with the national prefix."""
        result = np.zeros(numbers.len(), dtype=np.bool_)
        if self.prefix is None:
            return result
        widths = self.prefix.widths(numbers)
        begin = np.flatnonzero(widths)
        some = numbers.gather(begin)
        # the library keeps a prefix that a viable number needs to stay viable
        rest = slice_from(some, widths[begin])
        keeps = flags(some.str.contains(self.general)) & ~flags(rest.str.contains(self.general))
        result[begin] = ~keeps | self.prefix.replaces(some)
        return result


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """How a national number is dialled in one region.

    Attributes:
        code: Calling code.
        idd: International prefix, anchored at the start; None where there is none.
        prefix: National prefix.
        general: General pattern, whole number, without regard to length.
        lengths: Possible lengths of a full national number.
        max_length: The longest of them; anything above is "too long" to the library.
        decidable: Whether all of its patterns run here.
    """

    code: int
    idd: str | None
    prefix: Prefix | None
    general: str
    lengths: frozenset[int]
    max_length: int
    decidable: bool

    def strip_prefix(self, numbers: pl.Series) -> tuple[pl.Series, BoolArray]:
        """Take the national prefix off numbers dialled in the region, where the library does.

        Returns:
            National numbers, and which of them are certain.
        """
        certain = np.ones(numbers.len(), dtype=np.bool_)
        if self.prefix is None:
            return numbers, certain
        widths = self.prefix.widths(numbers)
        rest = slice_from(numbers, widths)
        rest_fits = flags(rest.str.contains(self.general))
        spoils = flags(numbers.str.contains(self.general)) & ~rest_fits
        fits = self.lengths_fit(rest)
        return slice_from(numbers, widths * (fits & ~spoils)), ~self.prefix.replaces(numbers)

    def lengths_fit(self, numbers: pl.Series) -> BoolArray:
        """Tell which numbers are possible or too long: what is left of those the library accepts after stripping."""
        too_long = numbers.str.len_bytes().to_numpy() > self.max_length
        return too_long | lengths_in(numbers, self.lengths)

    def begins_prefix(self, numbers: pl.Series) -> BoolArray:
        """Tell which numbers begin with the national prefix."""
        return self.prefix.widths(numbers) > 0 if self.prefix is not None else np.zeros(numbers.len(), dtype=np.bool_)


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


def judge_numbers(numbers: pl.Series) -> tuple[Codes, Codes, BoolArray]:
    """Judge E.164 numbers by calling code, length and shape.

    Args:
        numbers: String, digits without ``+``, no nulls.

    Returns:
        `Verdict` of each; its calling code, 0 where none is in use; and whether the national number may begin with the
        national prefix, which the library might take off once more: `CodePlan.restripped` knows.
    """
    answers = numbers_table().look_up(numbers)
    return answers >> _VERDICT_BIT, answers & _CODE_BITS, (answers & _MAY_BE_PREFIXED) > 0


@cache
def numbers_table() -> DigitTable[tuple[str, Places]]:
    """Return the table that `judge_numbers` looks numbers up in; it grows with the shapes of numbers that occur."""
    return DigitTable(("", frozenset()), _after, _answers, _ANSWER_LENGTHS)


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
    if decidable and main.national_prefix_for_parsing:
        starts.append(patterns.add(main.national_prefix_for_parsing, _PREFIX, whole=False))
    return CodePlan(
        code=code,
        lengths=_lengths(main.general_desc),
        prefix=_prefix(main),
        general=_anchored(main.general_desc.national_number_pattern, whole=True),
        regions=tuple(_region_numbers(region, alone=alone) for region in regions),
        patterns=patterns,
        start=patterns.closed(frozenset(starts)),
        decidable=decidable,
    )


@cache
def region_plan(region: str) -> RegionPlan:
    """Return the plan of a supported region, ISO 3166 alpha-2 in upper case."""
    metadata: Any = PhoneMetadata.metadata_for_region(region, None)
    return RegionPlan(
        code=metadata.country_code,
        idd=_anchored(metadata.international_prefix, whole=False) if metadata.international_prefix else None,
        prefix=_prefix(metadata),
        general=_anchored(metadata.general_desc.national_number_pattern, whole=True),
        lengths=_lengths(metadata.general_desc),
        max_length=max(metadata.general_desc.possible_length),
        decidable=_is_read(metadata),
    )


def _lengths(description: Any) -> frozenset[int]:
    return frozenset(description.possible_length) - frozenset(description.possible_length_local_only) - {-1}


def _prefix(metadata: Any) -> Prefix | None:
    pattern = metadata.national_prefix_for_parsing
    if not pattern:
        return None
    return Prefix(
        pattern=_anchored(pattern, whole=False),
        literal=pattern if _LITERAL.fullmatch(pattern) else None,
        replacing_group=re.compile(pattern).groups if metadata.national_prefix_transform_rule else 0,
    )


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
    """Tell whether all patterns of a region are understood here."""
    patterns = [metadata.international_prefix, metadata.national_prefix_for_parsing, metadata.leading_digits]
    for name in ("general_desc", *_TYPES):
        description = getattr(metadata, name)
        patterns.append(description.national_number_pattern if description is not None else None)
    return not any(pattern and _NOT_READ.search(pattern) for pattern in patterns)
