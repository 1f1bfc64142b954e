"""Operations of the simulated service: what it says of a body once it was accepted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.http import Reply
from tests.simulation.profiles import Write
from tests.simulation.trace import VirtualClock, must

ENDS: Final = (*("fine",) * 12, "bare", "errors", "failed", "cancelled", "stuck", "strange", "back", "gone")


@dataclass
class Operation:
    """One operation.

    Attributes:
        writes: What it applies.
        end: What becomes of it, one of `ENDS`.
        polls: How often it was asked for.
        not_before_s: It asked not to be asked before.
        has_ended: It said how it ended, or that nobody will know.
    """

    writes: Sequence[Write]
    end: str
    polls: int = 0
    not_before_s: float = 0.0
    has_ended: bool = False


@dataclass
class Operations:
    """All operations, by ID."""

    rng: random.Random
    clock: VirtualClock
    known: dict[str, Operation] = field(default_factory=dict)

    def begin(self, writes: Sequence[Write]) -> str:
        """Begin one; decide now how it ends."""
        end = self.rng.choice(ENDS)
        if end == "errors":
            self.rng.choice(list(writes)).is_dropped = True
        elif end in ("failed", "cancelled"):
            for write in writes:
                write.is_dropped = self.rng.random() < 0.5
        operation_id = f"op{len(self.known)}"
        self.known[operation_id] = Operation(writes, end)
        return operation_id

    def seen(self, operation_id: str) -> Reply:
        """Answer a poll."""
        operation = self.known[operation_id]
        operation.polls += 1
        must(self.clock.now_s >= operation.not_before_s, "pacing", "an operation was polled before its Retry-After")
        if operation.end == "gone" and operation.polls > 1:
            operation.has_ended = True
            return Reply(404, {"code": 20404, "message": "no such operation", "status": 404})
        if operation.end == "stuck" or not all(write.is_over for write in operation.writes):
            return self._runs_on()
        if operation.end in ("strange", "back") and operation.polls < 4:
            word = "SOMETHING_NEW" if operation.end == "strange" else ("RUNNING", "PENDING")[operation.polls % 2]
            return Reply(200, {"status": word})
        operation.has_ended = True
        return Reply(200, _ENDED[operation.end])

    def heard(self, operation_id: str, at_s: float, reply: Reply) -> None:
        """Take it that an answer arrived: what it asked for counts from then."""
        self.known[operation_id].not_before_s = at_s + float(reply.headers.get("retry-after", 0))

    def _runs_on(self) -> Reply:
        headers: dict[str, str] = {}
        if self.rng.random() < 0.3:
            headers["retry-after"] = self.rng.choice(["1", "5", "40"])
        return Reply(200, {"status": self.rng.choice(["PENDING", "RUNNING"])}, headers)


_FINE: Final = {"status": "COMPLETED", "result": {"errors": 0, "warnings": 0}}
_ENDED: Final[dict[str, Any]] = {
    **dict.fromkeys(("fine", "strange", "back", "gone"), _FINE),
    "bare": {"status": "COMPLETED"},
    "errors": {"status": "COMPLETED", "result": {"errors": 1, "warnings": 0}},
    "failed": {"status": "FAILED", "error": {"code": 520010, "title": "failed", "detail": "cnry"}},
    "cancelled": {"status": "CANCELLED"},
}
