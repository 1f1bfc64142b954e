"""What happened in a simulated run, in virtual time, and the exception of one that broke its promise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.simulation.world import World

EPOCH: Final = datetime(2026, 11, 22, tzinfo=UTC)
"""Wall-clock time at virtual second 0."""


class Killed(BaseException):
    """The simulated process is no more."""


class BrokenInvariantError(AssertionError):
    """A promise was broken.

    Args:
        invariant: Which: I1 to I8, or a word for one that has no number.
        text: What was seen.

    Attributes:
        world: Where.
    """

    world: World

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")


def must(holds: object, invariant: str, text: str) -> None:
    """Raise if a promise does not hold."""
    if not holds:
        raise BrokenInvariantError(invariant, text)


@dataclass
class VirtualClock:
    """Time that passes when the simulation says so."""

    now_s: float = 0.0

    def monotonic_s(self) -> float:
        """Seconds since the simulation began."""
        return self.now_s

    def wall(self) -> datetime:
        """Wall-clock time, as service and client both have it."""
        return EPOCH + timedelta(seconds=self.now_s)

    def utc_now_iso(self) -> str:
        """The same as text."""
        return self.wall().isoformat().replace("+00:00", "Z")


@dataclass
class Trace:
    """What happened.

    Attributes:
        kept: Lines are kept: somebody is going to read them.
        met: How often each kind of trouble came.
    """

    clock: VirtualClock
    kept: bool = False
    lines: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, *details: object) -> None:
        """Keep one event."""
        if self.kept:
            self.lines.append(f"{self.clock.now_s:12.3f}  {what:<14} {' '.join(str(detail) for detail in details)}")
