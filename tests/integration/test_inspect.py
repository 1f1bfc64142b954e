"""`inspect` on files as people export them, by the command itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from importer.cli.explain import explain_command
from importer.core.excel import DOCTOR
from importer.core.fixes import FIXES as FIX_CATALOGUE
from importer.ports import SourceOptions
from importer.reports.inspect_json import InspectReport, inspect_report
from importer.reports.inspect_text import inspect_lines
from importer.wiring.inspecting import InspectRequest, inspect
from tests.support import exports
from tests.support.cli import SAMPLES, new_shell, run_all

SOURCES: Final = {
    "german": (exports.german_excel, "cp1252"),
    "crm": (exports.us_crm, "auto"),
    "salesforce": (exports.salesforce_report, "auto"),
    "shopify": (exports.shopify_customers, "auto"),
    "hubspot": (exports.hubspot_contacts, "auto"),
}
MEANINGS: Final = {
    "german": [
        *("id", "first-name", "last-name", "email", "phone", "date", "postal-code", "city", "money", "boolean"),
        "date",
    ],
    "crm": [
        *("id", "first-name", "email", "phone", "date", "region", "postal-code", "money", "boolean", "national-id"),
        "text",
    ],
    "salesforce": ["id", "full-name", "email", "phone", "country", "date"],
    "shopify": ["id", "first-name", "email", "boolean", "postal-code", "phone", "array"],
    "hubspot": ["id", "email", "phone", "datetime", "date", "country", "language", "url", "array"],
}
FINDINGS: Final[dict[str, dict[tuple[str, str], int]]] = {
    "german": {
        ("E-Mail", "placeholder"): 40,
        ("Telefon", "excel-damage"): 20,
        ("Telefon", "lost-plus"): 80,
        ("Geburtsdatum", "date-order"): 400,
        ("PLZ", "lost-zeros"): 50,
        ("Umsatz", "thousands"): 200,
        ("Kunde seit", "date-serial"): 400,
    },
    "crm": {
        ("Contact ID", "trailing-zero-decimal"): 200,
        ("Email Address", "placeholder"): 20,
        ("DOB", "date-order"): 200,
        ("ZIP", "lost-zeros"): 10,
        ("Lifetime Value", "currency-sign"): 200,
        ("SSN", "sensitive-data"): 200,
        ("Notes", "mojibake"): 50,
        ("Notes", "formula"): 50,
        ("Notes", "non-breaking-spaces"): 50,
    },
    "salesforce": {("Created Date", "date-order-open"): 100},
    "shopify": {
        ("Customer ID", "excel-wrapper"): 100,
        ("Default Address Zip", "excel-wrapper"): 100,
        ("Phone", "excel-wrapper"): 100,
    },
    "hubspot": {("Last Activity Date", "two-digit-year"): 100, ("Country/Region", "placeholder"): 33},
}
FIXES: Final[dict[str, dict[str, int]]] = {
    "german": {"date-order": 400, "thousands": 200, "excel-plus": 80},
    "crm": {"date-order": 200, "trailing-zero-decimal": 200, "mojibake": 50, "non-breaking-spaces": 50},
    "salesforce": {},
    "shopify": {"excel-wrapper": 300},
    "hubspot": {},
}


@dataclass(frozen=True)
class Looked:
    """What one export looks like, for programs and for people."""

    report: InspectReport
    lines: list[str]


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Looked]:
    """Look at every export."""
    found = {}
    for name, (make, encoding) in SOURCES.items():
        path = tmp_path_factory.mktemp(name) / "source.csv"
        make(path)
        profile = inspect(InspectRequest(path, SourceOptions(encoding=encoding)))
        found[name] = Looked(
            inspect_report(profile, show_values=False), list(inspect_lines(profile, show_values=False))
        )
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_an_export_is_understood(looked: dict[str, Looked], name: str) -> None:
    """Every column has its meaning; damage is found with its exact count, and with what would repair it."""
    report = looked[name].report
    assert [column.meanings[0].meaning for column in report.columns] == MEANINGS[name]
    found = {(column.name, finding.code): finding.count for column in report.columns for finding in column.findings}
    assert found == FINDINGS[name]
    assert report.fixes == FIXES[name]
    assert report.examples_masked


@pytest.mark.parametrize("name", SOURCES)
def test_people_get_a_page_that_fits_and_shows_no_value(looked: dict[str, Looked], name: str) -> None:
    """At most 110 cells a line; no address, no name, no number of anybody."""
    page = "\n".join(looked[name].lines)
    assert max(map(cell_len, looked[name].lines)) <= 110
    for value in (
        "@beispiel",
        "@example",
        "@corp",
        "@firm",
        "M\u00fcller",
        "Zo\u00eb",
        "+4915",
        "(317)",
        "Smith",
        "-45-",
    ):
        assert value not in page
        assert value not in looked[name].report.model_dump_json()
    for repair in FIXES[name]:
        assert f"--fix {repair}" in page


def test_the_command_prints_a_page_or_json_and_writes_nothing(tmp_path: Path) -> None:
    """Standard output has the page, or the one JSON document; the folder stays as it was; no connection is opened."""
    shell = new_shell(tmp_path)
    exports.german_excel(tmp_path / "source.csv")
    ended = run_all(
        {
            "page": lambda: shell.run("inspect", "source.csv", "--encoding", "cp1252"),
            "json": lambda: shell.run("inspect", "source.csv", "--encoding", "cp1252", "--json"),
            "stdin": lambda: shell.run("inspect", "-", "--json", text="id,mail\n1,a@example.com\n2,b@example.com\n"),
        }
    )
    assert "--fix date-order" in ended["page"].stdout
    assert ended["json"].report["fixes"] == FIXES["german"]
    assert {command.code for command in ended.values()} == {0}
    assert [column["is_key"] for column in ended["stdin"].report["columns"]] == [True, True]
    assert [path.name for path in tmp_path.iterdir()] == ["source.csv"]


def test_the_footer_of_a_report_is_told_from_bad_rows(looked: dict[str, Looked]) -> None:
    """Malformed rows below the last row get a word of comfort; others do not."""
    report = looked["salesforce"].report
    assert (report.rows, report.blank, report.malformed) == (105, 2, 3)
    assert any("footer" in note for note in report.notes)
    assert not any("footer" in note for note in looked["german"].report.notes)


def test_rows_that_are_left_aside_are_counted_so_that_all_adds_up(tmp_path: Path) -> None:
    """A column that all rows fill is filled on those that are neither blank nor malformed; how many is said."""
    (tmp_path / "s.csv").write_text("id,mail\n1,a@example.com\n\n2,b@example.com\n3\n", encoding="utf-8")
    lines = list(inspect_lines(inspect(InspectRequest(tmp_path / "s.csv")), show_values=False))
    assert "rows     4 rows: 2 to look at, 1 blank, 1 malformed (1 too-few-fields)" in lines
    assert any(line.split()[:3] == ["1", "id", "all"] for line in lines)


def test_only_the_first_rows_are_looked_at() -> None:
    """A sample counts its own rows, and says that it is one."""
    profile = inspect(InspectRequest(SAMPLES / "customers.csv", sample_rows=100))
    assert (profile.rows, profile.is_complete) == (100, False)
    assert {column.rows for column in profile.columns} == {100}
    assert "the first 100 rows" in "\n".join(inspect_lines(profile, show_values=False))


def test_values_are_shown_when_asked_for(tmp_path: Path) -> None:
    """Examples come as they are, on the page and in JSON."""
    exports.shopify_customers(tmp_path / "shop.csv")
    profile = inspect(InspectRequest(tmp_path / "shop.csv"))
    assert "shop0@example.org" in "\n".join(inspect_lines(profile, show_values=True))
    assert "shop0@example.org" in inspect_report(profile, show_values=True).columns[2].examples


def test_many_columns_stay_readable(tmp_path: Path) -> None:
    """Beyond sixty, columns take one line each."""
    exports.write(tmp_path / "wide.csv", [[f"column {number}" for number in range(120)], *[["x"] * 120] * 3])
    lines = list(inspect_lines(inspect(InspectRequest(tmp_path / "wide.csv")), show_values=False))
    assert len(lines) < 140
    assert max(map(cell_len, lines)) <= 110


def test_parquet_is_looked_at_as_csv_is() -> None:
    """The same customers look the same in both formats, but for what only text has."""
    text, typed = (inspect(InspectRequest(SAMPLES / f"customers.{kind}")) for kind in ("csv", "parquet"))
    assert typed.kind == "parquet"
    for name in ("email", "birth_date", "country", "first_name"):
        assert text.column(name).guess.meaning is typed.column(name).guess.meaning


def test_every_finding_and_repair_can_be_explained() -> None:
    """`explain` knows the codes that `inspect` and `--fix` use beside those of a run."""
    runner = CliRunner()
    pages = {code: runner.invoke(explain_command, [code]).output for code in (*DOCTOR, *FIX_CATALOGUE)}
    assert all(code in page for code, page in pages.items())
    assert "--fix excel-plus:COLUMN" in pages["excel-plus"]
    listed = runner.invoke(explain_command, []).output
    assert all(code in listed for code in ("invalid-phone", *DOCTOR, *FIX_CATALOGUE))
