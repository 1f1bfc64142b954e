"""Number plans: what the phonenumbers metadata says of a calling code or a region, as patterns polars can run.

Law of this module: a plan says exactly what the library would say, or says that it cannot tell (`decidable`). Plans
are built on first use and kept, so only the countries that occur in the data are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import phonenumbers
import polars as pl
from phonenumbers.phonemetadata import PhoneMetadata

BoolArray = npt.NDArray[np.bool_]

CODE_DIGITS: Final = 3
"""Digits of the longest calling code."""

MAX_NATIONAL_DIGITS: Final = 17
"""The library reads no longer national number."""

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
_NOT_IN_RUST: Final = re.compile(r"\(\?[=!<]|\\[1-9]")
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
class Shape:
    """One description of the metadata: a whole-number pattern and the lengths it is meant for."""

    pattern: str
    lengths: frozenset[int]

    def matches(self, numbers: pl.Series) -> BoolArray:
        """Tell which national numbers fit: pattern and length."""
        return flags(numbers.str.contains(self.pattern)) & lengths_in(numbers, self.lengths)


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


@dataclass(frozen=True, slots=True)
class RegionNumbers:
    """What makes a number valid in one region of a calling code.

    Attributes:
        leading: Digits that alone assign a number to the region; None where only validity does.
        general: Every number of the region.
        types: Shapes of its number types; a valid number fits one of them.
    """

    leading: str | None
    general: Shape
    types: tuple[Shape, ...]

    def valid(self, numbers: pl.Series) -> BoolArray:
        """Tell which national numbers are valid in this region."""
        typed = np.zeros(numbers.len(), dtype=np.bool_)
        for shape in self.types:
            typed |= shape.matches(numbers)
        return typed & self.general.matches(numbers)


@dataclass(frozen=True, slots=True)
class CodePlan:
    """The numbers of one calling code.

    Attributes:
        code: Calling code without ``+``.
        lengths: Possible lengths of a full national number.
        prefix: National prefix of the main region.
        general: General shape of the main region, without regard to length.
        regions: In the library's order, which decides whose rules a number is judged by.
        decidable: Whether all of its patterns run here.
    """

    code: int
    lengths: frozenset[int]
    prefix: Prefix | None
    general: str
    regions: tuple[RegionNumbers, ...]
    decidable: bool

    def possible(self, numbers: pl.Series) -> BoolArray:
        """Tell which national numbers have a possible length."""
        return lengths_in(numbers, self.lengths)

    def valid(self, numbers: pl.Series) -> BoolArray:
        """Tell which national numbers are valid: in the first region that claims them."""
        result = np.zeros(numbers.len(), dtype=np.bool_)
        left = np.arange(numbers.len())
        for region in self.regions:
            if left.size == 0:
                break
            here = numbers if left.size == numbers.len() else numbers.gather(left)
            valid = region.valid(here)
            claimed = valid if region.leading is None else flags(here.str.contains(region.leading))
            result[left[claimed & valid]] = True
            left = left[~claimed]
        return result

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


@cache
def code_plan(code: int) -> CodePlan:
    """Return the plan of a calling code in use."""
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
    regions: list[Any] = [PhoneMetadata.metadata_for_region_or_calling_code(code, name) for name in names]
    main = regions[0]
    return CodePlan(
        code=code,
        lengths=_lengths(main.general_desc),
        prefix=_prefix(main),
        general=_anchored(main.general_desc.national_number_pattern, whole=True),
        # a region alone with its code claims every number: its leading digits play no part
        regions=tuple(_region_numbers(region, alone=len(regions) == 1) for region in regions),
        decidable=all(_runs_in_rust(region) for region in regions),
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
        decidable=_runs_in_rust(metadata),
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
    by_lengths: dict[frozenset[int], list[str]] = {}
    for name in _TYPES:
        description = getattr(metadata, name)
        if description is None or not description.national_number_pattern:
            continue
        lengths = frozenset(description.possible_length or metadata.general_desc.possible_length)
        patterns = by_lengths.setdefault(lengths, [])
        if description.national_number_pattern not in patterns:
            patterns.append(description.national_number_pattern)
    return RegionNumbers(
        leading=_anchored(metadata.leading_digits, whole=False) if metadata.leading_digits and not alone else None,
        general=Shape(
            _anchored(metadata.general_desc.national_number_pattern, whole=True),
            frozenset(metadata.general_desc.possible_length),
        ),
        types=tuple(
            Shape(_anchored("|".join(patterns), whole=True), lengths - {-1}) for lengths, patterns in by_lengths.items()
        ),
    )


def _runs_in_rust(metadata: Any) -> bool:
    """Tell whether no pattern of a region needs look-around or back-references."""
    patterns = [metadata.international_prefix, metadata.national_prefix_for_parsing, metadata.leading_digits]
    for name in ("general_desc", *_TYPES):
        description = getattr(metadata, name)
        patterns.append(description.national_number_pattern if description is not None else None)
    return not any(pattern and _NOT_IN_RUST.search(pattern) for pattern in patterns)
