"""Regions: how a national number is dialled there, as patterns run on whole columns."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from phonenumbers.phonemetadata import PhoneMetadata

from importer.core.digit_grammar import Choice, choices, parse
from importer.core.digit_patterns import DigitPatterns, DigitTable, DigitTexts

BoolArray = npt.NDArray[np.bool_]
Places = frozenset[int]

_GENERAL, _CODE, _ABROAD = "general", "code", "abroad"
_GENERAL_BIT, _IDD, _CODED, _REPLACED, _WIDTH_BIT = 1, 2, 4, 8, 4
_BIT_OF_TAG: Final[dict[Hashable, int]] = {_GENERAL: _GENERAL_BIT, _ABROAD: _IDD, _CODE: _CODED}

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


@cache
def region_plan(region: str) -> RegionPlan:
    """Return the plan of a supported region, ISO 3166 alpha-2 in upper case."""
    return plan_of(PhoneMetadata.metadata_for_region(region, None))


def plan_of(metadata: Any) -> RegionPlan:
    """Return the plan of a region's metadata."""
    patterns = DigitPatterns()
    decidable = _is_read(metadata)
    prefixes = national_prefixes(metadata) if decidable else []
    starts = []
    if decidable:
        starts = [patterns.add_choice(choice, number) for number, choice in enumerate(prefixes)]
        starts.append(patterns.add(metadata.general_desc.national_number_pattern, _GENERAL, whole=True))
        starts.append(patterns.add(str(metadata.country_code), _CODE, whole=False))
        if metadata.international_prefix:
            starts.append(patterns.add(metadata.international_prefix, _ABROAD, whole=False))
    replaces = bool(metadata.national_prefix_transform_rule)

    def answer(places: Places) -> npt.NDArray[np.uint16]:
        tags = patterns.tags(places)
        found = sum(bit for tag, bit in ((_GENERAL, _GENERAL_BIT), (_ABROAD, _IDD), (_CODE, _CODED)) if tag in tags)
        # An engine takes the first way that fits.
        prefix = next((choice for number, choice in enumerate(prefixes) if number in tags), Choice())
        found |= _REPLACED if replaces and prefix.has_last_group else 0
        return np.array([found | len(prefix.digits) << _WIDTH_BIT], dtype=np.uint16)

    return RegionPlan(
        code=metadata.country_code,
        lengths=possible_lengths(metadata.general_desc),
        max_length=max(metadata.general_desc.possible_length),
        decidable=decidable,
        table=DigitTable(patterns.closed(frozenset(starts)), patterns.after, answer),
    )


def possible_lengths(description: Any) -> frozenset[int]:
    """Return the lengths of full national numbers."""
    return frozenset(description.possible_length) - frozenset(description.possible_length_local_only) - {-1}


def national_prefixes(metadata: Any) -> list[Choice]:
    """Return the ways in which a number can begin with the national prefix, the first that fits counts."""
    pattern = metadata.national_prefix_for_parsing
    return choices(pattern) if pattern else []


def number_types(metadata: Any) -> list[Any]:
    """Return what the metadata says of each type of number that the region has."""
    descriptions = [getattr(metadata, name) for name in _TYPES]
    return [each for each in descriptions if each is not None and each.national_number_pattern]


def _is_read(metadata: Any) -> bool:
    """Tell whether all patterns of a region are understood here; metadata has had no others so far."""
    patterns = [metadata.international_prefix, metadata.leading_digits]
    for name in ("general_desc", *_TYPES):
        description = getattr(metadata, name)
        patterns.append(description.national_number_pattern if description is not None else None)
    try:
        national_prefixes(metadata)
        for pattern in filter(None, patterns):
            parse(pattern)
    except ValueError:
        return False
    return not any(pattern and "$" in pattern for pattern in patterns)
