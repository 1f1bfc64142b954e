"""Numbers of runs: they only grow."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from importer.state.purged import PurgedRun, remember_purged
from importer.state.sequence import COUNTER_FILE, next_number


def test_every_run_gets_a_number_of_its_own(tmp_path: Path) -> None:
    """Also when several begin at once; the counter is private."""
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: next_number(tmp_path), range(20)))
    assert sorted(numbers) == list(range(1, 21))
    assert stat.S_IMODE((tmp_path / COUNTER_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"12", b"\x00" * 12, b"nonsense here", None])
def test_a_lost_or_damaged_counter_goes_on_behind_the_runs_that_are_known(
    tmp_path: Path, content: bytes | None
) -> None:
    """Purged ones are known as well: no number is given twice to runs that are compared."""
    remember_purged(
        tmp_path, PurgedRun(run_id="20260101-000000-aaaaaa", created_at="2026-01-01T00:00:00Z", sequence=41)
    )
    if content is not None:
        (tmp_path / COUNTER_FILE).write_bytes(content)
    assert [next_number(tmp_path), next_number(tmp_path)] == [42, 43]
