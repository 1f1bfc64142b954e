"""The engine's state between two events, and the working copy one step makes of it.

Law: `EngineState` is frozen and all it holds is; a `Turn` lives inside one call of `engine.step` and nowhere else.
What has not begun is a tuple and a cursor, what waits is a shared heap, and only what is in flight is copied in a step:
the cost of a step does not grow with the number of batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from importer.core import pacing
from importer.core.delivery import (
    ApiFailure,
    BatchEntry,
    BatchSpec,
    EngineOptions,
    Pin,
    RequestKind,
    Tally,
    Trace,
)
from importer.core.lifecycle import BatchState, FinishReason
from importer.core.waiting import Waiting

NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch at work.

    Attributes:
        spec: Its positions and route.
        state: Where it stands.
        attempts: Requests meant to carry its rows.
        trace: What the service said.
        skip: Positions with a result of their own; left out of every body.
        found: Position and profile of rows whose removals are due.
        looked_up: Positions whose lookup found nobody.
        unremoved: Positions whose removals cannot be made: their profile was never found.
        due: Positions whose further identifiers are to be added.
        pointed: Refusals of this body whose pointers were followed.
        blamed: Imports of this part that came to nothing though others got through.
        failures: Creations and uploads of this part that did not succeed.
        failed_at_s: When the last of them did not.
        may_be_applied: Whether some lost request may have carried its rows.
        root_id: The batch it was first planned as.
        polls: Polls since it is polled.
        deadline_s: When polling ends.
        check: What must still hold before it is sent, of itself or of the batch it was split from.
        candidates: Import tasks still to look at for the one whose creation was not answered.
        page_token: Next page of them.
        scanned: Import tasks looked at.
    """

    spec: BatchSpec
    state: BatchState = BatchState.PENDING
    attempts: int = 0
    trace: Trace = field(default_factory=Trace)
    skip: frozenset[int] = frozenset()
    found: tuple[tuple[int, str], ...] = ()
    looked_up: frozenset[int] = frozenset()
    unremoved: frozenset[int] = frozenset()
    due: tuple[int, ...] = ()
    pointed: int = 0
    blamed: int = 0
    failures: int = 0
    failed_at_s: float = NEVER
    may_be_applied: bool = False
    root_id: int = -1
    polls: int = 0
    deadline_s: float = NEVER
    check: Pin | None = None
    candidates: tuple[str, ...] = ()
    page_token: str | None = None
    scanned: int = 0

    @property
    def live(self) -> int:
        """How many of its rows still go out."""
        return self.spec.rows - len(self.skip)

    def live_positions(self) -> list[int]:
        """Return the positions that still go out, in the order of the body."""
        return [p for p in range(self.spec.start, self.spec.stop) if p not in self.skip]

    def entry(self) -> BatchEntry:
        """Return what the ledger keeps of it."""
        return BatchEntry(self.spec, self.state, self.attempts, self.trace)


@dataclass(frozen=True, slots=True)
class Task:
    """One request to be sent, in flight or waiting to be sent again.

    Attributes:
        task_id: New for every send.
        kind: Of the request.
        batch: What it is about; for a row's request its batch as it was, see `RowWork`.
        position: Of a row's request.
        identifier: Of a lookup, which of the row's; of an addition, which of its further ones.
        profiles: What the row's identifiers before that one were found to belong to.
        looks: How often all of them were looked up in vain.
        profile_id: Of a patch or an addition.
        poll: It is a poll: paced and capped apart, so that polling does not hold up sending.
        sent_at_s: When it last left.
        failures: How often it did not succeed.
        blamed: How often that speaks against it and not against the service.
        failed_at_s: When it last did not.
    """

    kind: RequestKind
    batch: Batch
    task_id: int = -1
    position: int | None = None
    identifier: int = 0
    profiles: tuple[str, ...] = ()
    looks: int = 0
    profile_id: str | None = None
    poll: bool = False
    sent_at_s: float = NEVER
    failures: int = 0
    blamed: int = 0
    failed_at_s: float = NEVER


@dataclass(frozen=True, slots=True)
class RowWork:
    """A batch whose rows are looked up, patched, or given further identifiers, one by one.

    Attributes:
        batch: The batch.
        kind: `LOOKUP` or `PATCH`.
        todo: Positions, with the profile to patch.
        following: Index into `todo` of the next to begin.
        open: Begun and not answered.
        unanswered: Positions whose lookups were never answered.
    """

    batch: Batch
    kind: RequestKind
    todo: tuple[tuple[int, str | None], ...]
    following: int = 0
    open: int = 0
    unanswered: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Root:
    """What came of a planned batch that was split: children not answered yet, and whether any was accepted."""

    open: int
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class EngineState:
    """Everything the engine remembers.

    Attributes:
        options: How to deliver.
        pacer: When the next request may leave.
        bulk: Batches by Bulk that were not begun, by wave.
        imports: Import parts that were not begun.
        bulk_at: Cursor into `bulk`.
        imports_at: Cursor into `imports`.
        wave: Wave being sent.
        open_sends: Bulk batches begun and not answered; a wave ends when there are none.
        applying: Bulk batches accepted whose operation is polled.
        open_imports: Import parts begun and not settled.
        stack: Requests to send before anything new, next one last.
        rows_open: Batches whose rows are looked up or patched, by ID.
        in_flight: Requests out, by task.
        waiting: Requests to be sent again, by due time.
        polling: Polls, by due time.
        roots: Planned batches that were split, while children are open.
        next_batch_id: For children.
        next_task_id: For requests.
        jitters: How many random numbers were drawn.
        next_poll_s: No poll before this.
        max_rows: Learned size of a Bulk batch.
        refusals: Bodies refused since one was accepted.
        alike: Status and code of the last rows refused alone.
        alike_rows: How many rows in a row were refused with that.
        protocol_failures: Answers in a row that broke the contract.
        uploaded_s: When a file last arrived.
        upload_failing_since_s: First upload that did not succeed since then; infinity without one.
        accepted_s: When rows that others follow were last accepted, or perhaps accepted, and not known to be applied.
        doubt_s: The same of the waves before this one.
        left_behind: Something could not be finished and is for a resume.
        left_wave: Wave of rows that must be followed in order and were left behind: no later one is begun.
        stopping: Why no new work is begun.
        stop_failure: The failure behind it.
        drain_until_s: How long to wait for what is in flight.
        finished: Over; further events do nothing.
        tally: Counts for people.
    """

    options: EngineOptions
    pacer: pacing.Pacer
    bulk: tuple[Batch, ...] = ()
    imports: tuple[Batch, ...] = ()
    bulk_at: int = 0
    imports_at: int = 0
    wave: int = 0
    open_sends: int = 0
    applying: int = 0
    open_imports: int = 0
    stack: tuple[Task, ...] = ()
    rows_open: Mapping[int, RowWork] = field(default_factory=dict)
    in_flight: Mapping[int, Task] = field(default_factory=dict)
    waiting: Waiting[Task] | None = None
    polling: Waiting[Task] | None = None
    roots: Mapping[int, Root] = field(default_factory=dict)
    next_batch_id: int = 0
    next_task_id: int = 0
    jitters: int = 0
    next_poll_s: float = NEVER
    max_rows: int = 1000
    refusals: int = 0
    alike: tuple[int | None, int | None] | None = None
    alike_rows: int = 0
    protocol_failures: int = 0
    uploaded_s: float = NEVER
    upload_failing_since_s: float = float("inf")
    accepted_s: float = NEVER
    doubt_s: float = NEVER
    left_behind: bool = False
    left_wave: float = float("inf")
    stopping: FinishReason | None = None
    stop_failure: ApiFailure | None = None
    drain_until_s: float = NEVER
    finished: bool = False
    tally: Tally = field(default_factory=Tally)
