"""Which of two runs was made later."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from importer.core.run_order import is_later


@dataclass(frozen=True)
class Run:
    """What a run is ordered by."""

    run_id: str
    created_at: str
    sequence: int | None


OLD, NEW = "2026-01-01T00:00:00.500+00:00", "2026-01-01T00:00:00.500001Z"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Run("a", OLD, 2), Run("b", NEW, 1)),  # the clock was set back
        (Run("a", NEW, None), Run("b", OLD, 1)),  # an older version counts nothing
        (Run("a", NEW, 1), Run("b", OLD, None)),
        (Run("a", NEW, 3), Run("b", OLD, 3)),  # the counter was lost
        (Run("b", NEW, None), Run("a", NEW, None)),  # of one moment
    ],
)
def test_one_of_two_runs_is_later(one: Run, other: Run) -> None:
    """Numbers count; where they cannot tell, the clock does, and then the name; no run is later than itself."""
    assert is_later(one, other)
    assert not is_later(other, one)
    assert not is_later(one, one)
