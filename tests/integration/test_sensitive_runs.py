"""Columns that the service is not for are warned about wherever a run is looked at, and no value of them is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from importer.core.report import Report
from importer.core.sensitive import SENSITIVE_NOTE
from importer.reports.summary import summary_lines
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan, validate
from importer.wiring.sending import run_import
from tests.support.runs import QUICK, Workbench, workbench

MAPPING = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"mail": "Contact.email", "insured": "Account.reference", "order": "Account.lastOrder"},
}


def numbers(count: int) -> list[str]:
    """Return social security numbers."""
    return [f"{100 + n % 500}-{10 + n % 80}-{1000 + n}" for n in range(count)]


def source(folder: Path, count: int = 400) -> Path:
    """Write rows with social security numbers in a mapped column under a plain name, and in one that is not mapped."""
    path = folder / "s.csv"
    rows = [f"{n},u{n}@example.com,{ssn},{4_000_000_000_000_000 + n},{ssn}" for n, ssn in enumerate(numbers(count))]
    path.write_text("\n".join(["id,mail,insured,order,ssn", *rows, ""]), encoding="utf-8")
    return path


def run(bench: Workbench, command: str, path: Path) -> Report:
    """Run one of the three commands; whoever is asked before a live store is written to agrees."""
    request = bench.request(path)
    if command == "import":
        return run_import(request, Hooks(), QUICK)
    return (validate if command == "validate" else plan)(request)


@pytest.mark.parametrize("command", ["validate", "plan", "import"])
def test_every_run_warns_in_its_report_its_page_and_its_summary(command: str, tmp_path: Path) -> None:
    """Of what is mapped alone, by column, trait and reason, at the top, without a value."""
    with workbench(tmp_path, MAPPING) as bench:
        report = run(bench, command, source(tmp_path))
    note = report.notes[0] if report.notes[0].startswith(SENSITIVE_NOTE) else report.notes[1]
    assert note.startswith(
        f"{SENSITIVE_NOTE}column `insured` -> Account.reference looks like national identity numbers"
        " (written like US social security numbers)"
    )
    assert note.count("looks like") == 1
    assert any(note[:60] in line.text for line in summary_lines(report))
    folder = Path(report.folder or "")
    assert note in (folder / "report.json").read_text(encoding="utf-8")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<p class="alarm">Sensitive data: column' in page
    assert not [number for number in numbers(400) if number in page or number in note]


def test_it_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    """The question before a live store is written to has it; who declines has sent nothing."""
    asked: list[str] = []

    def decline(question: str) -> bool:
        asked.append(question)
        return False

    with workbench(tmp_path, MAPPING) as bench:
        report = run_import(bench.request(source(tmp_path)), replace(Hooks(), confirm=decline), QUICK)
        assert bench.writes() == []
    assert report.outcomes["accepted"] + report.outcomes["processed"] == 0
    (question,) = asked
    assert " Sensitive data: column `insured` -> Account.reference looks like" in question
    assert question.endswith("take it out of the mapping. Go on?")


def test_a_run_without_such_columns_says_nothing(tmp_path: Path) -> None:
    """Order numbers are no cards, and what is not mapped is not sent."""
    mapping = MAPPING | {"columns": {"mail": "Contact.email", "order": "Account.lastOrder"}}
    with workbench(tmp_path, mapping) as bench:
        report = validate(bench.request(source(tmp_path)))
    assert not [note for note in report.notes if note.startswith(SENSITIVE_NOTE)]
