"""Every command that ends with a report leaves a page that says the same, and how far it came."""

from __future__ import annotations

import html
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from importer.core.report import Report
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan, validate
from importer.wiring.sending import run_import
from tests.support.runs import QUICK, Workbench, workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "phone": "Contact.phone", "nick": "Contact.nick"},
    "defaults": {"region": "US"},
}
ROWS: Final = (
    "id,email,phone,nick",
    "1,a@example.com,,Ann",
    "2,b@example.com,,Ben",
    "3,not an address,,Cat",
    "4,d@example.com,+12025550123,Dan",
    "5,e@example.com,+12025550123,Eve",
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A local service that has what the mapping needs."""
    with workbench(tmp_path / "bench", MAPPING) as made:
        yield made


@pytest.fixture
def source(bench: Workbench) -> Path:
    """Two good rows, one bad, and two that would become one profile."""
    path = bench.folder / "people.csv"
    path.write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    return path


def page(report: Report) -> str:
    """Return the text of a run's page, without markup."""
    assert "report.html" in report.files
    text = (Path(report.folder or "") / "report.html").read_text(encoding="utf-8")
    body = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", body)))


def test_a_dry_run_says_what_would_happen(bench: Workbench, source: Path) -> None:
    """And that nothing was sent; the merge group is there with its rows and the release is not."""
    text = page(validate(bench.request(source)))
    assert "5 rows read: 2 would be sent, 1 rejected, 2 held back." in text
    assert "This was a dry run" in text
    assert "Not an e-mail address invalid-email" in text
    assert "Group 1 linked by phone, pair 2 rows" in text
    assert "--release 1" not in text


def test_a_plan_says_what_sending_it_would_cost(bench: Workbench, source: Path) -> None:
    """Routes, requests and operations, and the command that sends it."""
    report = plan(bench.request(source))
    text = page(report)
    assert "Nothing has been sent: this is a plan." in text
    assert f"memory-importer import --plan {report.run_id}" in text
    assert f"memory-importer resume {report.run_id} --release 1" in text
    assert "Billable operations 2" in text


def test_resuming_writes_the_page_anew(bench: Workbench, source: Path) -> None:
    """The page is of the last command: held rows that were released are in it as what became of them."""
    first = bench.deliver(source)
    assert "5 rows read: 2 processed, 1 rejected, 2 held back." in page(first)
    again = bench.go_on(first, release=frozenset())
    text = page(again)
    assert "5 rows read: 4 processed, 1 rejected." in text
    assert "Released Group 1" in text
    assert "zero errors and zero warnings" in text


def test_values_are_on_the_page_only_where_they_were_asked_for(bench: Workbench, source: Path) -> None:
    """Masked otherwise; the page says which."""
    masked, open_ = (page(validate(replace(bench.request(source), show_values=show))) for show in (False, True))
    assert "n••• (14 chars)" in masked
    assert "not an address" not in masked
    assert "Values are masked" in masked
    assert "not an address" in open_
    assert "Values are shown as they are" in open_


def test_a_run_that_was_stopped_says_so(bench: Workbench, source: Path) -> None:
    """In its first words, with the command that goes on."""
    hooks = Hooks(stop_signal=lambda: signal.SIGINT)

    def stop(question: str) -> bool:
        hooks.stop.set()
        return True

    report = run_import(bench.request(source), replace(hooks, confirm=stop), QUICK)
    assert report.exit_code == 130
    text = page(report)
    assert "Interrupted before the end. 5 rows read:" in text
    assert "What ended the run" in text
    assert f"memory-importer resume {report.run_id}" in text
