"""Patterns over digits: all of them at once say what the re module says of each."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Final

import numpy as np
import pytest

from importer.core import digit_patterns as patterns
from importer.core.digit_grammar import choices
from importer.core.digit_tables import MARGIN, DigitTable, DigitTexts

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


def texts_of(texts: list[str]) -> DigitTexts:
    """Return texts of digits as a column."""
    content = np.frombuffer("".join(texts).encode(), dtype=np.uint8)
    offsets = np.cumsum([0, *map(len, texts)])
    return DigitTexts.of(content, np.ones(content.size, dtype=np.bool_), offsets)


def found_in(start: list[patterns.Place], tags: int, texts: list[str]) -> list[int]:
    """Return a bit for each tag that a text has."""

    def answer(places: frozenset[patterns.Place], _: int) -> int:
        there = patterns.tags(places)
        return sum(1 << tag for tag in range(tags) if tag in there)

    table = DigitTable(patterns.after, answer)
    column = texts_of(texts)
    found: list[int] = table.look_up(column, table.start(patterns.closed(start)), column.lengths).tolist()
    return found


@pytest.mark.parametrize("whole", [True, False])
def test_every_text_is_matched_as_re_matches_it(*, whole: bool) -> None:
    """Whole texts or their beginnings, all patterns in one table, texts of different lengths beside each other."""
    starts = [patterns.add(pattern, tag, whole=whole) for tag, pattern in enumerate(PATTERNS)]
    found = found_in(starts, len(PATTERNS), TEXTS)
    match = re.fullmatch if whole else re.match
    for tag, pattern in enumerate(PATTERNS):
        assert [bool(bits >> tag & 1) for bits in found] == [bool(match(pattern, text)) for text in TEXTS]


@pytest.mark.parametrize("pattern", ["(12|1)(3)?", "([2-4])$|1", "1(2(3)|4)?|2{2,3}", "(?:1|12)(3{1,2})?"])
def test_the_first_choice_that_fits_is_what_re_takes(pattern: str) -> None:
    """Its width is that of the match, and it tells whether the last group takes part."""
    groups = re.compile(pattern).groups
    ways = choices(pattern)
    starts = [patterns.add_choice(way, tag) for tag, way in enumerate(ways)]
    found = found_in(starts, len(ways), TEXTS)
    for text, bits in zip(TEXTS, found, strict=True):
        way = next((way for tag, way in enumerate(ways) if bits >> tag & 1), None)
        match = re.match(pattern, text)
        expected = None if match is None else (match.end(), match.group(groups) is not None)
        assert (None if way is None else (len(way.digits), way.has_last_group)) == expected


def test_digits_taken_off_and_rows_picked_out() -> None:
    """Texts lose digits in front, each as many as is said."""
    texts = texts_of(["123", "4", "56"]).of_rows(np.array([2, 0, 1])).after(np.array([1, 2, 1]))
    assert texts.lengths.tolist() == [1, 1, 0]
    assert [chr(texts.content[start]) for start in texts.starts[:2]] == ["6", "3"]


def test_only_digits_are_taken_from_texts() -> None:
    """What stands between digits is left out, and empty texts stay empty."""
    content = np.frombuffer(b"(1) 2-34", dtype=np.uint8)
    texts = DigitTexts.of(content, content - np.uint8(ord("0")) < 10, np.array([0, 0, 5, 8, 8]))
    assert texts.content[MARGIN:-MARGIN].tobytes() == b"1234"
    assert texts.lengths.tolist() == [0, 2, 2, 0]
    assert texts.pairs[texts.starts[1:3]].tolist() == [12, 34]


def test_threads_that_fill_one_table_read_the_same() -> None:
    """However many texts of however many shapes come at once, each gets its own answer."""
    texts = [f"{number}" for number in range(20_000)]
    table = DigitTable[int](
        lambda state, digit: state * 10 + digit, lambda state, length: (state * 8 + length) % 30_011
    )
    start, column = table.start(0), texts_of(texts)
    with ThreadPoolExecutor(4) as pool:
        found = [
            pool.submit(table.look_up, rows, start, rows.lengths)
            for rows in (column.of_rows(np.random.default_rng(seed).permutation(len(texts))) for seed in range(4))
        ]
    expected = [(number * 8 + len(text)) % 30_011 for number, text in enumerate(texts)]
    for seed, answers in enumerate(found):
        order = np.random.default_rng(seed).permutation(len(texts))
        assert answers.result().tolist() == [expected[row] for row in order]


@pytest.mark.parametrize(
    "pattern", ["1+", "(?=1)2", r"\w", "[1-3", "(1", "1)", "a", "1(?:{2})", "1(?:2|?)", "1(?:2{2}?)", "1(?:(?:2)"]
)
def test_what_is_not_understood_is_refused(pattern: str) -> None:
    """Nothing is read as something else."""
    with pytest.raises(ValueError, match="not understood"):
        choices(pattern)
