"""docs/mapping.md is true to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from importer.core import mapping_sections as sections
from importer.core.mapping import MappingFile
from importer.core.mapping_functions import FUNCTIONS
from importer.core.mapping_yaml import parse_mapping

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "All keys": MappingFile,
    "source": sections.SourceSection,
    "defaults": sections.Defaults,
    "columns": sections.ColumnTarget,
    "identity": sections.IdentitySection,
    "rules": sections.Rule,
    "routing": sections.RoutingSection,
    "tests": sections.Case,
}


def _section(title: str) -> str:
    match = re.search(rf"^##+ {re.escape(title)}$(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match.group(1)


@pytest.mark.parametrize("title", SECTIONS)
def test_tables_name_every_key_and_no_other(title: str) -> None:
    """Each section's table has the keys that the program knows."""
    cells = re.findall(r"^\| (`[^|]*) \|", _section(title), re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(SECTIONS[title].model_fields)


def test_examples_are_mappings() -> None:
    """The YAML of the page is read as it stands."""
    examples = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "version:" in block]
    assert len(examples) == 2
    for example in examples:
        parse_mapping(example.encode(), "docs/mapping.md")


def test_every_function_is_listed() -> None:
    """The table of functions is the list of the program."""
    named = set(re.findall(r"`([A-Z_]+)\(", _section("Expressions").split("Refused, with")[0]))
    assert named == {*FUNCTIONS, "TRY_CAST"}
