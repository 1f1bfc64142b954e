"""Regions: how a national number is dialled there, as patterns run on whole columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from phonenumbers.phonemetadata import PhoneMetadata

from importer.core import digit_patterns as patterns
from importer.core.digit_grammar import Choice, choices, parse
from importer.core.digit_tables import DigitTable

Places = frozenset[patterns.Place]
Tags = frozenset[Hashable]

CERTAIN, CODED, WIDTH_BIT = 1, 2, 2
"""Bits of what `DIALLED` answers: whether the library is sure to read the digits so; whether they begin with the
calling code; and from the last one on, how many of them are the national prefix."""

_GENERAL, _CODE, _ABROAD = "general", "code", "abroad"
_WAY, _REST, _WAY_AFTER_CODE, _REST_AFTER_CODE = "way", "rest", "way after code", "rest after code"

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
class NationalPrefix:
    """How a number of a region can begin with the national prefix.

    Attributes:
        ways: The first that fits counts.
        general: Pattern of every number of the region.
        replaces: Whether the library replaces a way that has the last group, instead of taking it off.
    """

    ways: tuple[Choice, ...]
    general: str
    replaces: bool

    @classmethod
    def of(cls, metadata: Any) -> NationalPrefix:
        """Return that of a region."""
        pattern = metadata.national_prefix_for_parsing
        ways = choices(pattern) if pattern else ()
        return cls(ways, metadata.general_desc.national_number_pattern, bool(metadata.national_prefix_transform_rule))

    def add_to(self) -> Iterator[patterns.Place]:
        """Add the ways, and a number of the region behind each width of them; yield where they begin."""
        rests: dict[int, patterns.Place] = {}
        for number, way in enumerate(self.ways):
            width = len(way.digits)
            if width not in rests:
                rests[width] = patterns.add(self.general, (_REST, width), whole=True)
            yield patterns.add_choice(way, (_WAY, number))
            yield patterns.behind(way.digits, rests[width])

    def taken(self, tags: Tags, kind: str = _WAY) -> Choice:
        """Return the way that a text begins with, one without digits if there is none."""
        return next((way for number, way in enumerate(self.ways) if (kind, number) in tags), Choice())

    def is_replaced(self, way: Choice) -> bool:
        """Tell whether the library puts something else in the place of a way."""
        return self.replaces and way.has_last_group

    def keeps(self, tags: Tags, way: Choice, *, general: bool) -> bool:
        """Tell whether the library keeps the way, because a viable number needs it to stay viable."""
        return general and (_REST, len(way.digits)) not in tags


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """How a national number is dialled in one region.

    Attributes:
        code: Calling code.
        lengths: Possible lengths of a full national number.
        max_length: The longest of them; anything above is "too long" to the library.
        decidable: Whether all of its patterns are understood here.
        prefix: Its national prefix.
        start: Where digits begin in the patterns of what can be dialled.
    """

    code: int
    lengths: frozenset[int]
    max_length: int
    decidable: bool
    prefix: NationalPrefix
    start: Places

    def dialled(self, places: Places, length: int) -> int:
        """Return what digits are that end in these places; see `CERTAIN`."""
        tags = patterns.tags(places)
        way = self.prefix.taken(tags)
        general = _GENERAL in tags
        certain = self.decidable and _ABROAD not in tags
        if _CODE in tags:
            # A calling code without + is taken off where the number is too long or makes no sense with it.
            certain = certain and not self.prefix.taken(tags, _WAY_AFTER_CODE).digits
            if length > self.max_length or (not general and _REST_AFTER_CODE in tags):
                return CERTAIN * certain | CODED
        certain = certain and not self.prefix.is_replaced(way)
        is_taken = self._fits(length - len(way.digits)) and not self.prefix.keeps(tags, way, general=general)
        return CERTAIN * certain | (len(way.digits) * is_taken) << WIDTH_BIT

    def _fits(self, length: int) -> bool:
        """Tell whether a length is possible or too long: what the library accepts when it has taken a prefix off."""
        return length in self.lengths or length > self.max_length


@cache
def region_plan(region: str) -> RegionPlan:
    """Return the plan of a supported region, ISO 3166 alpha-2 in upper case."""
    metadata: Any = PhoneMetadata.metadata_for_region(region, None)
    decidable = is_decidable(metadata)
    prefix = NationalPrefix.of(metadata) if decidable else NationalPrefix((), "", replaces=False)
    return RegionPlan(
        code=metadata.country_code,
        lengths=possible_lengths(metadata.general_desc),
        max_length=max(metadata.general_desc.possible_length),
        decidable=decidable,
        prefix=prefix,
        start=patterns.closed(tuple(_add(prefix, metadata) if decidable else ())),
    )


def _add(prefix: NationalPrefix, metadata: Any) -> Iterator[patterns.Place]:
    """Add what can be dialled in a region; yield where it begins."""
    yield from prefix.add_to()
    yield patterns.add(prefix.general, _GENERAL, whole=True)
    if metadata.international_prefix:
        yield patterns.add(metadata.international_prefix, _ABROAD, whole=False)
    yield patterns.add(str(metadata.country_code), _CODE, whole=False)
    code = [frozenset([int(digit)]) for digit in str(metadata.country_code)]
    yield patterns.behind(code, patterns.add(prefix.general, _REST_AFTER_CODE, whole=True))
    for number, way in enumerate(prefix.ways):
        yield patterns.behind(code, patterns.add_choice(way, (_WAY_AFTER_CODE, number)))


@cache
def dialled_start(region: str) -> int:
    """Return the number of the state of `DIALLED` in which what is dialled in a region begins."""
    return DIALLED.start((region, region_plan(region).start))


def _after(state: tuple[str, Places], digit: int) -> tuple[str, Places]:
    region, places = state
    return region, patterns.after(places, digit)


def _dialled(state: tuple[str, Places], length: int) -> int:
    region, places = state
    return region_plan(region).dialled(places, length)


# Made before there are threads: `dialled_start` means something in one table alone.
DIALLED: Final[DigitTable[tuple[str, Places]]] = DigitTable(_after, _dialled)
"""Says what digits are as they are dialled in a region; see `CERTAIN`."""


def possible_lengths(description: Any) -> frozenset[int]:
    """Return the lengths of full national numbers."""
    return frozenset(description.possible_length) - frozenset(description.possible_length_local_only) - {-1}


def number_types(metadata: Any) -> list[Any]:
    """Return what the metadata says of each type of number that the region has."""
    descriptions = [getattr(metadata, name) for name in _TYPES]
    return [each for each in descriptions if each is not None and each.national_number_pattern]


def is_decidable(metadata: Any) -> bool:
    """Tell whether all patterns of a region are understood here; metadata has had no others so far."""
    written = [metadata.international_prefix, metadata.leading_digits]
    for name in ("general_desc", *_TYPES):
        description = getattr(metadata, name)
        written.append(description.national_number_pattern if description is not None else None)
    try:
        NationalPrefix.of(metadata)
        for pattern in filter(None, written):
            parse(pattern)
    except ValueError:
        return False
    return not any(pattern and "$" in pattern for pattern in written)
