"""How much work something is, counted in calls: that does not depend on the machine."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable


def calls_of(work: Callable[[], object], *names: str) -> int:
    """Count the calls of this thread whose names have all of these in them; all calls, where there are none."""
    profile = cProfile.Profile()
    profile.runcall(work)
    calls = pstats.Stats(profile).stats  # type: ignore[attr-defined] # (calls, ...) by (file, line, name)
    return sum(count for (_, _, called), (count, *_) in calls.items() if all(name in called for name in names))


def queries_of(work: Callable[[], object]) -> int:
    """Count the polars queries of this thread."""
    return calls_of(work, "PyLazyFrame", "collect")
