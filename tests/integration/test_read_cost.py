"""Reads are billed, and by one rule: what a question says they cost at most is what the report says afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from importer.core.cost import Cost
from importer.core.report import Report
from importer.core.report_parts import Allowance
from importer.wiring.month import allowance_now
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.runs import plan, validate
from importer.wiring.verifying import VerifyRequest, verify
from tests.support.runs import Workbench, workbench

MAPPING: dict[str, Any] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "phone": "Contact.phone",
        "note": {"to": "Account.note", "on_missing": "remove"},
    },
}
STORED = [{"Contact": {"email": "ann@example.com", "phone": "+13175550001"}}]
ROWS = """\
id,email,phone,note
10,ann@example.com,,known
11,bob@example.com,+13175550002,new
12,cat@example.com,+13175550003,new
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Start a store that has one profile."""
    with workbench(tmp_path / "bench", MAPPING) as started:
        started.put(STORED)
        (started.folder / "source.csv").write_text(ROWS, encoding="utf-8")
        yield started


class Asked:
    """Agrees to everything, and keeps what was asked."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def hooks(self) -> Hooks:
        """Return hooks that ask here."""
        return replace(Hooks(), confirm=self.confirm)

    def confirm(self, question: str) -> bool:
        """Agree."""
        self.questions.append(question)
        return True

    def reads_at_most(self) -> int:
        """Return the number in the only question."""
        (question,) = self.questions
        (number,) = re.findall(r"up to ([0-9,]+) billable profile reads", question)
        return int(number.replace(",", ""))


def month(bench: Workbench) -> Allowance:
    """Return what the month has used so far."""
    return allowance_now(bench.folder / "runs", 100_000, Cost())


def reads(report: Report) -> tuple[int, int]:
    """Return the reads of a report, at least and at most."""
    return report.operations.reads_at_least, report.operations.reads_at_most


@pytest.mark.parametrize("command", [validate, plan])
def test_what_was_looked_up_is_in_the_report_and_in_the_month(bench: Workbench, command: Any) -> None:
    """Five values are five reads at most and, where one profile has them, one at least; a dry run pays them too."""
    asked = Asked()
    report = command(bench.request(bench.folder / "source.csv", lookup=True), asked.hooks())
    assert report.stored.requests == asked.reads_at_most() == 5
    assert reads(report) == (1, 5)
    assert (month(bench).used_at_least, month(bench).used_at_most) == (0, 5)
    assert (month(bench).runs, month(bench).unread) == (1, 0)


def test_a_sample_costs_what_it_read(bench: Workbench) -> None:
    """Not what all rows would have."""
    asked = Asked()
    report = plan(bench.request(bench.folder / "source.csv", lookup_sample=1), asked.hooks())
    assert report.stored is not None
    assert reads(report)[1] == report.stored.requests == asked.reads_at_most() <= 2


def test_reads_before_and_after_planning_add_up(bench: Workbench) -> None:
    """The look before a removal comes on top, in the plan and once it was sent; the month has each once."""
    source = bench.folder / "source.csv"
    source.write_text(ROWS.replace("02,new", "02,"), encoding="utf-8")
    planned = plan(bench.request(source, lookup=True), Hooks())
    assert reads(planned) == (2, 7)
    sent = bench.go_on(planned)
    assert sent.requests["lookup"] == 2, "nobody has either identifier"
    assert reads(sent) == (1, 7)
    assert month(bench).used_at_most - month(bench).used_at_least == 7


def test_the_limit_of_operations_counts_what_is_still_to_come(bench: Workbench) -> None:
    """What was looked up is spent; it keeps nothing from being sent."""
    planned = plan(bench.request(bench.folder / "source.csv", lookup=True, max_operations=3), Hooks())
    assert bench.go_on(planned).exit_code == 0
    dear = plan(bench.request(bench.folder / "source.csv", max_operations=2), Hooks())
    stopped = bench.go_on(dear)
    assert (stopped.exit_code, stopped.error is not None) == (6, True)


def test_reading_back_is_billed_once_for_looking_and_reading(bench: Workbench) -> None:
    """The question, the report and the month name the same number, though the service was asked twice as often."""
    sent = bench.deliver(bench.folder / "source.csv")
    asked = Asked()
    request = VerifyRequest(sent.run_id, bench.settings, everything=True)
    report = verify(request, asked.hooks(), SendOptions())
    assert (report.requests["lookup"], report.requests["get-profile"]) == (3, 3)
    assert asked.reads_at_most() == 6, "two of the rows have two identifiers"
    assert "3 where one profile has each row's first identifier" in asked.questions[0]
    assert reads(report) == (0, 3)
    assert month(bench).used_at_most - month(bench).used_at_least == 3
