"""Whatever is done to a source or a mapping, a run ends in words, and keeps to its promises."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.catalogue.fuzz import try_all, try_seed
from tests.support.cli import ROOT

QUICK_SEEDS: Final = 500
SHARE: Final = 50
SOAK_SEEDS: Final = 100_000
SOAK_SHARE: Final = 1000
PROCESSES: Final = 2


@pytest.mark.parametrize("first", range(0, QUICK_SEEDS, SHARE))
def test_mutated_files_end_in_words(first: int, tmp_path: Path) -> None:
    """No mutation ends in a fault of ours, loses a row, shows a cell or leaves something behind."""
    assert try_all(first, first + SHARE, tmp_path) == []


def test_a_seed_is_always_the_same(tmp_path: Path) -> None:
    """A seed that was found can be tried again: `python -m tests.catalogue.fuzz SEED`."""
    answers = []
    for _ in range(2):
        tried = try_seed(7, tmp_path / "same")
        answers.append((tried.kind, tried.answer))
    assert answers[0] == answers[1]


@pytest.mark.soak
def test_many_mutated_files_end_in_words() -> None:
    """The same of 100,000 seeds, each thousand in a process of its own, so that a crash of an engine is seen too."""

    def share(first: int) -> str:
        command = [sys.executable, "-m", "tests.catalogue.fuzz", str(first), str(first + SOAK_SHARE)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return "" if ended.returncode == 0 else f"{first}: {ended.returncode} {ended.stdout}{ended.stderr[-2000:]}"

    with ThreadPoolExecutor(PROCESSES) as pool:
        assert "".join(pool.map(share, range(0, SOAK_SEEDS, SOAK_SHARE))) == ""
