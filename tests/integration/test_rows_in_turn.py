"""Rows of merge groups go one after the other: the question and the progress say how many, before and while they do."""

from __future__ import annotations

from pathlib import Path

from importer.emulator import EmulatorSettings
from importer.reports.progress import NoProgress
from importer.wiring.requests import Hooks
from importer.wiring.sending import run_import
from tests.support.runs import QUICK, workbench
from tests.support.strict_store import MAPPING, people, write_source

GROUP = [(f"G{at}", "group@example.com", f"note {at}", at) for at in range(5)]


class Kept(NoProgress):
    """Keeps what is said of rows that go in turn."""

    def __init__(self) -> None:
        self.in_turn: list[int] = []

    def advance(self, rows: int, **fields: int | str) -> None:  # noqa: ARG002 - the port's signature
        """Take it."""
        if "one_at_a_time" in fields:
            self.in_turn.append(int(fields["one_at_a_time"]))


def test_the_question_and_the_progress_count_them(tmp_path: Path) -> None:
    """Five rows of one group take five requests one after the other, the rest one request."""
    asked: list[str] = []
    progress = Kept()

    def agree(question: str) -> bool:
        asked.append(question)
        return True

    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(status_url=False)) as bench:
        source = write_source(bench, *people(3), *GROUP)
        run_import(bench.request(source, allow_merges=1), Hooks(progress=progress, confirm=agree), QUICK)
        run_import(bench.request(write_source(bench, *people(3))), Hooks(confirm=agree), QUICK)
    assert "5 rows of them go one at a time" in asked[0]
    assert "5 steps one after the other" in asked[0]
    assert "one at a time" not in asked[1]
    assert progress.in_turn[0] == 5
    assert progress.in_turn == sorted(progress.in_turn, reverse=True)
    assert progress.in_turn[-1] == 0
