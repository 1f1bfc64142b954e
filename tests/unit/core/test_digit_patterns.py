"""Patterns over digits: all of them at once say what the re module says of each."""

from __future__ import annotations

import re
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from importer.core.digit_grammar import choices
from importer.core.digit_patterns import DigitPatterns, DigitTable, DigitTexts

PATTERNS: Final = (
    "12",
    r"1\d?2",
    "(?:1[2-4]|2)3{2}",
    "[1-35]{1,3}",
    "2(?:3|4(?:5|\\d{2}))?",
    "(?:12|1)(?:23|3)?",
    "",
)
DIGITS: Final = "12345"
TEXTS: Final = ["".join(text) for length in range(5) for text in product(DIGITS, repeat=length)]


def table_of(patterns: DigitPatterns, start: frozenset[int], tags: int) -> DigitTable[frozenset[int]]:
    """Return a table that answers with a bit for each tag."""

    def answer(places: frozenset[int]) -> npt.NDArray[np.uint16]:
        there = patterns.tags(places)
        return np.array([sum(1 << tag for tag in range(tags) if tag in there)], dtype=np.uint16)

    return DigitTable(patterns.closed(start), patterns.after, answer)


@pytest.mark.parametrize("whole", [True, False])
def test_every_text_is_matched_as_re_matches_it(*, whole: bool) -> None:
    """Whole texts or their beginnings, all patterns in one table, texts of different lengths beside each other."""
    patterns = DigitPatterns()
    starts = frozenset(patterns.add(pattern, tag, whole=whole) for tag, pattern in enumerate(PATTERNS))
    found = table_of(patterns, starts, len(PATTERNS)).look_up(DigitTexts.of(pl.Series(TEXTS)))
    match = re.fullmatch if whole else re.match
    for tag, pattern in enumerate(PATTERNS):
        assert [bool(bits >> tag & 1) for bits in found.tolist()] == [bool(match(pattern, text)) for text in TEXTS]


@pytest.mark.parametrize("pattern", ["(12|1)(3)?", "([2-4])$|1", "1(2(3)|4)?|2{2,3}", "(?:1|12)(3{1,2})?"])
def test_the_first_choice_that_fits_is_what_re_takes(pattern: str) -> None:
    """Its width is that of the match, and it tells whether the last group takes part."""
    groups = re.compile(pattern).groups
    ways = choices(pattern)
    patterns = DigitPatterns()
    starts = frozenset(patterns.add_choice(way, tag) for tag, way in enumerate(ways))
    found = table_of(patterns, starts, len(ways)).look_up(DigitTexts.of(pl.Series(TEXTS)))
    for text, bits in zip(TEXTS, found.tolist(), strict=True):
        way = next((way for tag, way in enumerate(ways) if bits >> tag & 1), None)
        match = re.match(pattern, text)
        expected = None if match is None else (match.end(), match.group(groups) is not None)
        assert (None if way is None else (len(way.digits), way.has_last_group)) == expected


def test_digits_taken_off_and_rows_picked_out() -> None:
    """A text that has fewer digits than are taken off becomes empty."""
    texts = DigitTexts.of(pl.Series(["123", "4", "56"])).of_rows(np.array([2, 0, 1])).after(2)
    assert texts.lengths.tolist() == [0, 1, 0]
    assert texts.digits[texts.starts[1]] == 3


@pytest.mark.parametrize("pattern", ["1+", "(?=1)2", r"\w", "[1-3", "(1", "1)", "a"])
def test_what_is_not_understood_is_refused(pattern: str) -> None:
    """Nothing is read as something else."""
    with pytest.raises(ValueError, match="not understood"):
        choices(pattern)
