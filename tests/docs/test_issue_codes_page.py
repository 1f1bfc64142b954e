"""Every issue code, finding and repair is on the page of codes, with an anchor of its own."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from importer.core.issue_catalogue import CATALOGUE
from importer.reports.inspect_codes import CODES
from tests.support.cli import ROOT


def load_generator() -> Any:
    """Import docs/generate_issue_codes.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("generate_issue_codes", ROOT / "docs" / "generate_issue_codes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


def test_the_page_is_up_to_date() -> None:
    """If this fails: `python docs/generate_issue_codes.py`."""
    assert GENERATOR.PAGE.read_text(encoding="utf-8") == GENERATOR.page()


def test_every_code_is_a_heading_once_and_every_link_leads_to_one() -> None:
    """So that `issue-codes.md#CODE` works for each code anybody meets."""
    text = GENERATOR.page()
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted([*CATALOGUE, *CODES])
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == set(headings)


def test_every_issue_says_its_severity_cause_and_fix() -> None:
    """What `explain` says is on the page, whole."""
    sections = dict(re.findall(r"^### (\S+)\n(.*?)(?=^#|\Z)", GENERATOR.page(), re.MULTILINE | re.DOTALL))
    for code, entry in CATALOGUE.items():
        for words in (f"({entry.severity.value})", entry.title, GENERATOR.text(entry.cause), GENERATOR.text(entry.fix)):
            assert words in sections[code]


def test_text_that_markdown_would_take_for_markup_is_shown_as_it_is() -> None:
    """Outside of backticks; within them it is code and stays."""
    assert GENERATOR.text("a <b> *c* `<d> *e*`") == r"a \<b> \*c\* `<d> *e*`"
