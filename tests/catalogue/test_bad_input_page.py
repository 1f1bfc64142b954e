"""The catalogue's page and the tests name the same lines."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.catalogue.lines import LINES, PAGE, page


def lines_with_cases() -> Iterator[int]:
    """Yield the lines of which the test modules have cases."""
    for path in sorted(Path(__file__).parent.glob("test_bad_input_*.py")):
        if path.stem != Path(__file__).stem:
            yield from import_module(f"tests.catalogue.{path.stem}").CASES


def test_every_line_has_a_case_and_every_case_a_line() -> None:
    """No line is documented that is not tested, none tested that is not documented."""
    numbers = [line.number for line in LINES]
    assert numbers == sorted(set(numbers))
    assert sorted(set(lines_with_cases())) == numbers


def test_the_page_is_made_of_the_lines() -> None:
    """The page is what `python -m tests.catalogue.lines` writes."""
    assert PAGE.read_text(encoding="utf-8") == page()
