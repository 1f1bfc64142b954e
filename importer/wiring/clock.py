"""The machine's own clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final


class SystemClock:
    """Implements `importer.ports.Clock`."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()  # noqa: TID251 - this is the clock

    def utc_now_iso(self) -> str:
        """Wall-clock time in UTC, for display."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: TID251 - this is the clock

    def stamp(self) -> str:
        """Wall-clock time to the millisecond as the beginning of a run's name: runs sort by it."""
        return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]  # noqa: TID251 - this is the clock


CLOCK: Final = SystemClock()
"""The one of this process."""
