"""Calling codes: what the phonenumbers metadata says of their numbers, as patterns run on whole columns.

Law of this module and of `importer.core.phone_regions`: a plan says exactly what the library would say, or says that it
cannot tell (`decidable`). Plans are built on first use and kept, so only the countries that occur in the data are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

from importer.core import digit_patterns as patterns
from importer.core.digit_tables import DigitTable
from importer.core.phone_regions import NationalPrefix, Places, Tags, is_decidable, number_types, possible_lengths

CODE_DIGITS: Final = 3
"""Digits of the longest calling code."""

MAX_NATIONAL_DIGITS: Final = 17
"""The library reads no longer national number."""

_NO_CODE: Final = "0"
_LEADING: Final = "leading"


class Verdict(IntEnum):
    """What calling code, length and shape say of an E.164 number."""

    FINE = 0
    INVALID = 1
    UNLIKELY = 2
    UNDECIDED = 3


@dataclass(frozen=True, slots=True)
class RegionNumbers:
    """What makes a number valid in one region of a calling code: patterns, and the lengths of what they describe.

    Attributes:
        leading: Tag of digits in front that alone assign a number to the region; None where its validity does.
        general: Of every number of the region.
        types: Of its number types; a valid number is of one of them.
    """

    leading: tuple[str, str] | None
    general: tuple[str, frozenset[int]]
    types: tuple[tuple[str, frozenset[int]], ...]

    def has(self, tags: Tags, length: int) -> bool:
        """Tell whether a number is valid here."""
        return _is(self.general, tags, length) and any(_is(kind, tags, length) for kind in self.types)


def _is(described: tuple[str, frozenset[int]], tags: Tags, length: int) -> bool:
    pattern, lengths = described
    return length in lengths and pattern in tags


@dataclass(frozen=True, slots=True)
class CodePlan:
    """The numbers of one calling code.

    Attributes:
        code: Calling code without ``+``.
        lengths: Possible lengths of a full national number.
        prefix: National prefix of the main region.
        regions: In the library's order, which decides whose rules a number is judged by.
        start: Where a national number begins in the patterns: of all regions, each tagged with itself; leading digits;
            and the main region's national prefix.
        decidable: Whether all of its patterns run here.
    """

    code: int
    lengths: frozenset[int]
    prefix: NationalPrefix
    regions: tuple[RegionNumbers, ...]
    start: Places
    decidable: bool

    def verdict(self, places: Places, length: int) -> Verdict:
        """Judge E.164 numbers whose national number ends in these places.

        Args:
            places: Of the patterns.
            length: Digits of the whole number.
        """
        tags = patterns.tags(places)
        national = length - len(str(self.code))
        if not self.decidable or self._is_shortened(tags):
            return Verdict.UNDECIDED
        if national not in self.lengths:
            return Verdict.INVALID
        for region in self.regions:
            valid = region.has(tags, national)
            if valid if region.leading is None else region.leading in tags:
                return Verdict.FINE if valid else Verdict.UNLIKELY
        return Verdict.UNLIKELY

    def _is_shortened(self, tags: Tags) -> bool:
        """Tell whether the library might take the national prefix off once more."""
        way = self.prefix.taken(tags)
        general = self.prefix.general in tags
        is_kept = self.prefix.keeps(tags, way, general=general) and not self.prefix.is_replaced(way)
        return bool(way.digits) and not is_kept


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


@cache
def number_start(code: int) -> int:
    """Return the number of the state of `NUMBERS` in which numbers begin.

    Args:
        code: Of national numbers; 0 for those that have their calling codes.
    """
    return NUMBERS.start((str(code), code_plan(code).start) if code else ("", frozenset()))


def _after(state: tuple[str, Places], digit: int) -> tuple[str, Places]:
    """Go on behind a digit: first through the calling code, then through the patterns of its plan."""
    code, places = state
    if _in_use(code):
        return code, patterns.after(places, digit)
    code += str(digit)
    if _in_use(code):
        return code, code_plan(int(code)).start
    return (code if len(code) < CODE_DIGITS else _NO_CODE), places


def _verdict(state: tuple[str, Places], length: int) -> Verdict:
    code, places = state
    return code_plan(int(code)).verdict(places, length) if _in_use(code) else Verdict.INVALID


# Made before there are threads: `number_start` means something in one table alone.
NUMBERS: Final[DigitTable[tuple[str, Places]]] = DigitTable(_after, _verdict)
"""Gives the `Verdict` on E.164 numbers, asked with their lengths."""


def _in_use(code: str) -> bool:
    return code[:1] not in ("", _NO_CODE) and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE


@cache
def code_plan(code: int) -> CodePlan:
    """Return the plan of a calling code in use."""
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    metadata: list[Any] = [PhoneMetadata.metadata_for_region_or_calling_code(code, name) for name in names]
    decidable = all(map(is_decidable, metadata))
    prefix = NationalPrefix.of(metadata[0]) if decidable else NationalPrefix((), "", replaces=False)
    regions = tuple(_region_numbers(region, alone=len(metadata) == 1) for region in metadata)
    return CodePlan(
        code=code,
        lengths=possible_lengths(metadata[0].general_desc),
        prefix=prefix,
        regions=regions,
        start=patterns.closed(tuple(_add(prefix, regions) if decidable else ())),
        decidable=decidable,
    )


def _region_numbers(metadata: Any, *, alone: bool) -> RegionNumbers:
    described = metadata.general_desc
    return RegionNumbers(
        # A region alone with its code claims every number: its leading digits play no part.
        leading=(_LEADING, metadata.leading_digits) if metadata.leading_digits and not alone else None,
        general=(described.national_number_pattern, frozenset(described.possible_length)),
        types=tuple(
            (kind.national_number_pattern, frozenset(kind.possible_length or described.possible_length) - {-1})
            for kind in number_types(metadata)
        ),
    )


def _add(prefix: NationalPrefix, regions: tuple[RegionNumbers, ...]) -> Iterator[patterns.Place]:
    """Add the patterns of all regions, each once; yield where they begin."""
    yield from prefix.add_to()
    for leading in dict.fromkeys(region.leading for region in regions if region.leading):
        yield patterns.add(leading[1], leading, whole=False)
    for pattern in dict.fromkeys(pattern for region in regions for pattern, _ in (region.general, *region.types)):
        yield patterns.add(pattern, pattern, whole=True)
