"""Columns whose type says what text cannot: times without a zone, numbers no spreadsheet wrote, values without text."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.core.mapping_yaml import parse_mapping
from importer.core.source_notes import NAIVE_NOTE
from importer.reports.summary import Line, summary_lines
from importer.settings import Settings
from importer.wiring.inspecting import InspectRequest, inspect
from importer.wiring.mapping_init import InitRequest, propose
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan
from tests.support.runs import workbench

COLUMNS: dict[str, Any] = {"email": "Contact.email", "seen_at": "Contact.seen", "amount": "Contact.amount"}
TOLD = f"{NAIVE_NOTE}`seen_at` -> Contact.seen; `assume_tz` under `source:` in the mapping names it"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file with times without a zone, great numbers, as numbers and as text, and a struct."""
    at = dt.datetime(2026, 11, 22, 10, 30)  # noqa: DTZ001 - without a zone is what it is about
    path = tmp_path / "people.parquet"
    rows = range(30)
    pl.DataFrame(
        {
            "email": [f"p{n}@example.com" for n in rows],
            "seen_at": [at + dt.timedelta(days=n // 3) for n in rows],
            "amount": [2e300 + n * 1e298 for n in rows],
            "phone": ["1.31756E+10" for _ in rows],
            "extra": [{"a": n} for n in rows],
        }
    ).write_parquet(path)
    return path


def told(columns: dict[str, Any], source: Path, folder: Path, **more: Any) -> list[Line]:
    """Return the summary of a plan by a mapping of these columns."""
    with workbench(folder, {"version": 1, "columns": columns, "source": more}) as bench:
        return summary_lines(plan(bench.request(source), Hooks()))


def test_the_summary_warns_of_mapped_times_without_a_zone(source: Path, tmp_path: Path) -> None:
    """A mapped column is a warning and one that cannot be read a note; with a zone there is nothing to warn of."""
    lines = told(COLUMNS, source, tmp_path / "naive")
    assert [line.text for line in lines if line.label == "warning"] == [TOLD]
    lines = told(COLUMNS, source, tmp_path / "zone", assume_tz="Europe/Berlin")
    assert not [line for line in lines if line.label == "warning"]
    unmapped = {name: target for name, target in COLUMNS.items() if name != "seen_at"}
    assert not [line for line in told(unmapped, source, tmp_path / "unmapped") if line.label == "warning"]


def test_the_summary_names_columns_that_cannot_be_read(source: Path, tmp_path: Path) -> None:
    """After what the run itself has to say."""
    every = COLUMNS | {"phone": "Contact.text"}
    lines = told(every, source, tmp_path / "bench", assume_tz="UTC")
    assert any(line.text.startswith("column 'extra' is left out: ") for line in lines)


def test_a_proposed_mapping_asks_for_the_zone(source: Path) -> None:
    """As a TODO that can be taken as it is."""
    text = propose(InitRequest((str(source),), Settings())).text
    assert "# TODO: which zone are the times of `seen_at` of?" in text
    mapping = parse_mapping(text.replace("  # assume_tz", "  assume_tz").encode(), "m")
    assert mapping.source.assume_tz == "Europe/Berlin"


def test_numbers_of_a_typed_column_are_not_damaged_by_a_spreadsheet(source: Path) -> None:
    """2e+300 is how a decimal number is written; the same in a column of text is what a spreadsheet left."""
    profile = inspect(InspectRequest(source))
    codes = {column.name: [finding.code for finding in column.findings] for column in profile.columns}
    assert "excel-damage" not in codes["amount"]
    assert "excel-damage" in codes["phone"]
