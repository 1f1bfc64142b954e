"""Memory that is given back, and when that is not worth its while."""

from __future__ import annotations

import pyarrow as pa
import pytest

from importer.state.memory import give_back


class _Pool:
    """Counts how often it is asked for what nobody uses."""

    def __init__(self) -> None:
        self.asked = 0

    def release_unused(self) -> None:
        """Count."""
        self.asked += 1


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> _Pool:
    """Stand where Arrow's pool is."""
    pool = _Pool()
    monkeypatch.setattr(pa, "default_memory_pool", lambda: pool)
    return pool


@pytest.mark.parametrize(("rows", "asked"), [(1_000_000, 0), (3_000_000, 1), (None, 1)])
def test_little_memory_is_kept(pool: _Pool, rows: int | None, asked: int) -> None:
    """Asking for the same pages again takes longer than it is worth, except for what does not depend on rows."""
    give_back(rows)
    assert pool.asked == asked
