"""Which of two runs was made later: by their numbers, whatever the clock was set to."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Made(Protocol):
    """When a run was made."""

    @property
    def run_id(self) -> str:
        """Its name."""
        ...

    @property
    def created_at(self) -> str:
        """Wall-clock time, ISO 8601 with its offset."""
        ...

    @property
    def sequence(self) -> int | None:
        """Its number among the runs of its folder; None for one of an older version of this tool."""
        ...


def is_later(one: Made, other: Made) -> bool:
    """Tell whether one run was made after another; where one of them has no number, the clock tells."""
    by_clock = _by_clock(one) > _by_clock(other)
    if one.sequence is None or other.sequence is None or one.sequence == other.sequence:
        return by_clock
    return one.sequence > other.sequence


def _by_clock(run: Made) -> tuple[datetime, str]:
    return datetime.fromisoformat(run.created_at), run.run_id
