"""One simulated process: its ledger, its package, its requests, and the moments at which it may die.

Ledger, package, encoder, carrier and client are the real ones; what is here stands between them and decides, from the
seed, whether the disk works and whether the process is still there.
"""

from __future__ import annotations

import errno
import heapq
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from importer.core.delivery import BatchEntry, Changes, EngineOptions, FailureKind, RowResult
from importer.core.engine_messages import AddIdentifier, Event, Lookup, Patch, Refused, Request, SendBulk, WorkerFailed
from importer.core.lifecycle import BatchState
from importer.errors import DiskError, StateError
from importer.pipeline.carrier import Carrier
from importer.ports import Ledger, PartFile, Payloads
from tests.simulation.fate import Machine as Nature
from tests.simulation.trace import Killed, Trace, VirtualClock, must

if TYPE_CHECKING:
    from tests.simulation.world import World


STOP_S: Final = 30.0
"""How long a wish to stop lasts; the next process does not know of it."""


LONGEST_S: Final = 20_000.0
"""No process takes longer: each wait has its end."""


@dataclass
class Machine:
    """What one process runs on.

    Attributes:
        is_alive: It was not killed.
        is_writable: Its ledger can be written.
        is_calm: Nothing goes wrong any more.
        is_stopped: It was told to stop, or that its credentials are refused.
    """

    nature: Nature
    clock: VirtualClock
    rng: random.Random
    trace: Trace
    is_alive: bool = True
    is_writable: bool = True
    is_calm: bool = False
    is_stopped: bool = False
    began_s: float = 0.0

    def __post_init__(self) -> None:
        self.began_s = self.clock.now_s

    def may_die(self, where: str) -> None:
        """Die here, if the seed says so."""
        if not self.is_calm and self.nature.kill and self.rng.random() < self.nature.kill:
            self.is_alive = False
            self.trace.met[f"killed {where}"] += 1
            self.trace.note("killed", where)
            raise Killed

    def fails(self, chance: float) -> bool:
        """Tell whether something with this chance goes wrong now."""
        return not self.is_calm and chance > 0 and self.rng.random() < chance

    def is_set(self) -> bool:
        """Tell whether somebody asked to stop; a `StopSignal`."""
        since_s = self.clock.now_s - self.nature.stop_at_s
        stops = not self.is_calm and 0.0 <= since_s < STOP_S
        self.is_stopped |= stops
        return stops


@dataclass
class Books:
    """A ledger that may be full, and a copy of what it was told.

    Attributes:
        inner: The real one.
        batches: What it holds by now.
        unsent: Batches in the last commit, whose requests may not have left.
        started: Batches that were on record as sent when the process began.
    """

    machine: Machine
    inner: Ledger
    batches: dict[int, BatchEntry]
    unsent: frozenset[int] = frozenset()
    started: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.started = frozenset(n for n, entry in self.batches.items() if entry.state is BatchState.SENT)

    def entries(self) -> Iterator[BatchEntry]:
        """Yield every batch."""
        return self.inner.entries()

    def open_rows(self) -> Sequence[RowResult]:
        """Return the row results of unfinished work."""
        return self.inner.open_rows()

    def apply(self, changes: Changes) -> None:
        """Make changes durable, if disk and process hold."""
        machine = self.machine
        machine.may_die("before a commit")
        if machine.fails(machine.nature.ledger):
            machine.is_writable = False
            machine.trace.met["ledger full"] += 1
            machine.trace.note("ledger", "a commit failed")
            raise DiskError("the ledger cannot be written: SQLITE_FULL", hint="free space")
        self.inner.apply(changes)
        self.batches |= {entry.spec.batch_id: entry for entry in changes.batches}
        self.unsent = frozenset(entry.spec.batch_id for entry in changes.batches)
        for entry in changes.batches:
            machine.trace.note("batch", entry.spec.batch_id, entry.state, f"{entry.spec.start}..{entry.spec.stop}")
        for row in changes.rows:
            machine.trace.note("row", row.position, row.state, row.code or "")
        machine.may_die("after a commit")


@dataclass
class BrittlePayloads:
    """Payloads on a disk that may be full, failing, or changed behind our back."""

    machine: Machine
    inner: Payloads
    is_changed: bool = False

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode a Bulk body."""
        self._read()
        return self.inner.bulk_body(start, stop, skip)

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Write an import file."""
        if self.machine.fails(self.machine.nature.disk):
            self.machine.trace.met["part not written"] += 1
            self.machine.trace.note("disk", "full while a part was written")
            raise OSError(errno.ENOSPC, "No space left on device")
        self.machine.may_die("before a part was written")
        part = self.inner.part(batch_id, start, stop)
        self.machine.may_die("after a part was written")
        return part

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return the identifiers of a row."""
        self._read()
        return self.inner.identifiers(position)

    def further_identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return the further identifiers of a row."""
        self._read()
        return self.inner.further_identifiers(position)

    def follows(self, position: int) -> bool:
        """Tell whether a row before this one holds one of its identifiers."""
        return self.inner.follows(position)

    def patch_body(self, position: int) -> bytes:
        """Encode removals."""
        self._read()
        return self.inner.patch_body(position)

    def digest(self, start: int, stop: int) -> str:
        """Return the pinned hash."""
        return "changed" if self.is_changed else self.inner.digest(start, stop)

    def _read(self) -> None:
        if self.machine.fails(self.machine.nature.disk / 4):
            self.machine.trace.met["package not read"] += 1
            self.machine.trace.note("disk", "the package cannot be read")
            raise StateError("the package file valid.arrow cannot be read (OSError)")


def may_be_done(event: Event) -> bool:
    """Tell whether a request may have been done although it was not answered so."""
    if isinstance(event, Refused):
        failure, status = event.failure, event.failure.status or 0
        is_refused = status == 503 and (failure.code == 20503 or failure.retry_after_s is not None)
        unanswered = failure.kind in (FailureKind.AMBIGUOUS, FailureKind.PROTOCOL)
        return unanswered or status == 408 or (status >= 500 and not is_refused)
    return isinstance(event, WorkerFailed) and event.left


@dataclass(order=True)
class _Coming:
    at_s: float
    number: int
    event: Event = field(compare=False)
    until_s: float = field(compare=False)
    batch_id: int | None = field(compare=False)


@dataclass
class VirtualExecutor:
    """An `Executor` without threads: requests are carried out as they are submitted, their events come later.

    Attributes:
        delivered: Batches whose events were given out, and may not be on record yet.
    """

    world: World
    machine: Machine
    books: Books
    carrier: Carrier
    options: EngineOptions
    delivered: frozenset[int] = frozenset()
    _coming: list[_Coming] = field(default_factory=list)
    _number: int = 0

    @property
    def fault(self) -> BaseException | None:
        """The first thing that went wrong on this side."""
        return self.carrier.fault

    @property
    def out(self) -> set[int]:
        """Batches with a request out."""
        return {coming.batch_id for coming in self._coming if coming.batch_id is not None}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run."""
        yield

    def submit(self, request: Request) -> None:
        """Carry a request out; its event comes when it would have."""
        must(self.machine.is_writable, "ledger", "a request left after a commit had failed")
        must(not self.machine.is_stopped, "order", f"{request} after the process was told to stop")
        self.machine.may_die("before a request")
        threads = self.options.concurrency + self.options.poll_concurrency
        must(len(self._coming) < threads, "pacing", "more requests are out than there are threads")
        self.world.checks.submitting(request)
        clock, network = self.machine.clock, self.world.network
        sent = network.sent
        network.begin(request.position if isinstance(request, Lookup | Patch | AddIdentifier) else -1)
        self.machine.trace.note("request", request)
        event = self.carrier.carry_out(request)
        if not self.machine.is_alive:
            raise Killed
        batch_id = getattr(request, "batch_id", None)
        if isinstance(request, SendBulk) and network.sent > sent:
            self.world.left.add(request.batch_id)
        if batch_id is not None and may_be_done(event):
            self.world.lost.add(batch_id)
        took_s, until_s = network.taken()
        self._number += 1
        event = replace(event, now_s=clock.now_s + took_s)
        heapq.heappush(self._coming, _Coming(event.now_s, self._number, event, until_s, batch_id))

    def events(self, wait_s: float) -> list[Event]:
        """Let time pass until something comes back, or `wait_s` is over."""
        self.machine.may_die("between two steps")
        clock, nature = self.machine.clock, self.machine.nature
        due_s = self._coming[0].at_s if self._coming else math.inf
        stop_s = nature.stop_at_s if not self.machine.is_calm and clock.now_s < nature.stop_at_s else math.inf
        at_s = min(clock.now_s + wait_s, due_s, stop_s)
        must(at_s < math.inf, "liveness", "nothing will ever happen again")
        must(clock.now_s - self.machine.began_s < LONGEST_S, "liveness", "a process does not come to an end")
        # What is added to a large number may be lost, and time may not stand still.
        now_s = clock.now_s if due_s <= clock.now_s or not wait_s else math.nextafter(clock.now_s, math.inf)
        clock.now_s = max(at_s, now_s)
        if nature.slow_s:
            clock.now_s += self.machine.rng.uniform(0.0, nature.slow_s)
        taken: list[Event] = []
        delivered: set[int | None] = set()
        while self._coming and self._coming[0].at_s <= clock.now_s:
            coming = heapq.heappop(self._coming)
            self.world.network.not_before_s = max(self.world.network.not_before_s, coming.until_s)
            taken.append(coming.event)
            delivered.add(coming.batch_id)
            self.machine.is_stopped |= isinstance(coming.event, Refused) and coming.event.failure.status == 401
            self.machine.trace.note("event", coming.event)
        self.delivered = frozenset(number for number in delivered if number is not None)
        return taken

    def discard(self, batch_id: int) -> None:
        """Remove a part file."""
        self.carrier.discard(batch_id)

    def discard_all(self) -> None:
        """Remove all part files; a process that was killed removes none."""
        if self.machine.is_alive:
            self.carrier.discard_all()
