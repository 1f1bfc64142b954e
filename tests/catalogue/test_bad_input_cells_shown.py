"""Catalogue of bad input, cells: what files and screens show of them, asked for and not."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from tests.catalogue import test_bad_input_cells, test_bad_input_cells_types
from tests.catalogue.cells import MAPPING, RULES, Came, Cell, Rejected, delivered, numbered, table_of
from tests.catalogue.trial import write_schema
from tests.support.canaries import found_in, texts_in, texts_of
from tests.support.cli import Ended, new_shell

CELLS: Final[Mapping[int, Sequence[Cell]]] = {**test_bad_input_cells.CASES, **test_bad_input_cells_types.CASES}
CASES: Final = {line: CELLS[line] for line in (50, 54, 55, 70)}
"""Lines whose cells may do harm where they are shown."""

SHOWN_MIN_CHARS: Final = 8
"""A shorter text may stand anywhere for another reason."""


def rejected_cells(line: int) -> list[Cell]:
    """Return the cells of a line that are rejected."""
    return [cell for cell in CELLS[line] if isinstance(cell.comes, Rejected)]


def canaries(line: int) -> list[str]:
    """Return what can be recognised of the rejected cells of a line: nothing short, and no bound of a rule."""
    long = [cell for cell in rejected_cells(line) if len(cell.text) >= SHOWN_MIN_CHARS]
    return [cell.text for cell in long if cell.text not in str(cell.comes)]


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> Came:
    """Import the harmful cells, and ask for the values of those with issues."""
    return delivered(CASES, tmp_path_factory.mktemp("shown"))


def unseen(text: str) -> set[str]:
    """Return the characters of a text that nobody sees or that move others, but for line ends."""
    return {char for char in text if unicodedata.category(char) in ("Cc", "Cf")} - {"\n", "\r", "\t"}


def test_files_for_people_show_what_cannot_be_seen(came: Came) -> None:
    """Control and direction-changing characters are written as escapes in issues.csv and in report.html."""
    for name in ("issues.csv", "report.html"):
        text = (came.folder / name).read_text(encoding="utf-8-sig")
        assert unseen(text) == set(), name
        for escape in ("cus\\u202etomer", "\\u001b[31mred alert", "ann\\u0008@"):
            assert escape in text, name


def test_no_cell_of_a_file_for_people_is_a_formula(came: Came) -> None:
    """Keys and values that a spreadsheet would compute have an apostrophe before them, and are whole behind it."""
    with (came.folder / "issues.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(map(len, came.issues.values()))
    assert [name for row in rows for name, text in row.items() if text[:1] in {"=", "+", "-", "@"}] == []
    shown = {text for row in rows for text in row.values()}
    formulas = [cell.text for cell in rejected_cells(55)] + [cell.key for cell in CELLS[55] if cell.key]
    assert {f"'{text}" for text in formulas} <= shown


def test_rejected_rows_stand_as_they_came(came: Came) -> None:
    """rejected.csv, which is imported again, has the cells of the source, formulas included."""
    with (came.folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    for key, cell in numbered(CASES).items():
        assert (key in rows) == isinstance(cell.comes, Rejected)
        assert key not in rows or rows[key][cell.column] == cell.text


def test_the_page_takes_no_cell_for_markup(came: Came) -> None:
    """report.html has HTML of a cell as text."""
    page = (came.folder / "report.html").read_text(encoding="utf-8")
    hostile = [cell.text for cell in rejected_cells(70)]
    assert hostile
    for text in hostile:
        assert text not in page
        assert text in unescape(page)


@dataclass(frozen=True)
class Said:
    """What a command said of all cells, and left behind for people."""

    ended: Ended
    run: Path

    def texts(self) -> Iterator[str]:
        """Yield all of it."""
        yield from texts_in((self.ended.stdout + self.ended.stderr).encode())
        for name in ("issues.csv", "issues.parquet", "report.json", "report.html"):
            yield from texts_of(self.run / name)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    """Look at the table of all cells by the real command, as loud as it gets."""
    shell = new_shell(tmp_path_factory.mktemp("said"))
    mapping, schema = shell.folder / "mapping.yaml", shell.folder / "schema.json"
    mapping.write_text(json.dumps(MAPPING), encoding="utf-8")
    with_rules(write_schema(mapping, schema))
    (shell.folder / "table.csv").write_text(table_of(CELLS), encoding="utf-8", newline="")
    ended = shell.run("-vv", "--debug", "validate", "table.csv", "-m", mapping, "--schema", schema)
    (run,) = shell.runs()
    return Said(ended, run)


def with_rules(schema: Path) -> None:
    """Give the traits of a schema file the store's rules."""
    document = json.loads(schema.read_text(encoding="utf-8"))
    (ruled,) = (group for group in document["traitGroups"] if group["displayName"] == "Ruled")
    for name, rule in RULES.items():
        ruled["traits"][name]["validationRule"] = rule
    schema.write_text(json.dumps(document), encoding="utf-8")


def test_a_dry_run_comes_to_the_same(said: Said) -> None:
    """Every cell gets the code that its line says, from the command too."""
    issues = pl.read_parquet(said.run / "issues.parquet").filter(severity="error")
    expected: Mapping[str, str] = {
        key: cell.comes.code for key, cell in numbered(CELLS).items() if isinstance(cell.comes, Rejected)
    }
    assert dict(issues.select("id", "code").rows()) == expected
    assert said.ended.code == 3, said.ended.stderr


@pytest.mark.parametrize("line", [line for line in CELLS if rejected_cells(line)])
def test_no_rejected_cell_is_shown(line: int, said: Said) -> None:
    """No screen, issue file or report has the text of a rejected cell, unless it was asked for."""
    assert canaries(line)
    assert found_in(said.texts(), canaries(line)) == set()
