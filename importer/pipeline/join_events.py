"""The service's own log beside a run: a stream of lines, and what it comes to for each batch.

Memory: a few numbers a batch, one a request about a single row, and a line of the log; the log itself may be of any
size and hold the entries of every run there ever was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

import orjson

from importer.core.delivery import BatchEntry, Changes, RowResult
from importer.core.lifecycle import BatchState
from importer.core.service_log import BatchLog, LogEntry, read_entries
from importer.core.told_later import NO_PATCHES, PatchLog, changes_told
from importer.ports import StopSignal

LINE_MAX_BYTES: Final = 1024 * 1024
"""A longer line is passed over: an entry of the service's log has a few kilobytes."""

_TOLD_EVERY: Final = 10_000
"""Lines between two reports of progress."""


class ToldLedger(Protocol):
    """What a ledger knows, for joining it with a log."""

    def entries(self) -> Iterator[BatchEntry]:
        """Yield every batch, in order of its ID."""
        ...

    def results_within(self, start: int, stop: int) -> list[RowResult]:
        """Return the row results of positions ``[start, stop)``, in order."""
        ...

    def follow_ups(self) -> Iterator[tuple[str, int]]:
        """Yield request ID and position of each request about a single row that the service accepted."""
        ...


@dataclass(slots=True)
class EventCounts:
    """Events of a log, each in exactly one count.

    Attributes:
        joined: Of this run.
        others: Of other runs, other tools, or of the store itself.
        unknown: Of a type that is not known; where they name a batch of this run, their level counts all the same.
        unreadable: Lines that hold no event.
    """

    joined: int = 0
    others: int = 0
    unknown: int = 0
    unreadable: int = 0

    @property
    def events(self) -> int:
        """Events that were read."""
        return self.joined + self.others + self.unknown


@dataclass(frozen=True, slots=True)
class Joined:
    """What a log came to.

    Attributes:
        counts: Of its events.
        batches: Batches and parts of the run that it tells of.
        changes: What is to be recorded.
    """

    counts: EventCounts
    batches: int
    changes: Changes


class EventJoin:
    """Takes the entries of a log, and says what they come to.

    Args:
        ledger: Of the run.
        store_id: The run's store; entries of another one are of other runs.
    """

    def __init__(self, ledger: ToldLedger, store_id: str) -> None:
        self._ledger = ledger
        self._store_id = store_id
        self.counts = EventCounts()
        self._batches: dict[str, int] = {}
        self._entries: dict[int, BatchEntry] = {}
        self._logs: dict[int, BatchLog] = {}
        self._patches = dict(ledger.follow_ups())
        self._refused: dict[int, int | None] = {}
        self._clean: set[str] = set()
        self._doubtful: set[int] = set()
        for entry in ledger.entries():
            if entry.state is BatchState.SPLIT:
                continue
            batch_id, trace = entry.spec.batch_id, entry.trace
            self._entries[batch_id] = entry
            for name in (trace.request_id, trace.operation_id, trace.import_id):
                if name is not None:
                    self._batches[name] = batch_id

    def read(self, stream: BinaryIO, stop: StopSignal, advanced: Callable[[int], None]) -> bool:
        """Take every line of a log.

        Args:
            stream: NDJSON.
            stop: Asked now and then.
            advanced: Told how many further lines were read.

        Returns:
            Whether it was read to its end.
        """
        number = 0
        for number, line in enumerate(_lines(stream), 1):
            self._take_line(line)
            if number % _TOLD_EVERY == 0:
                advanced(_TOLD_EVERY)
                if stop.is_set():
                    return False
        advanced(number % _TOLD_EVERY)
        return True

    def _take_line(self, line: bytes | None) -> None:
        try:
            parsed = orjson.loads(line) if line is not None else None
        except orjson.JSONDecodeError:
            parsed = None
        for entry in read_entries(parsed):
            self._take(entry)

    def _take(self, entry: LogEntry | None) -> None:
        if entry is None:
            self.counts.unreadable += 1
            return
        is_ours = entry.store_id in (None, self._store_id) and self._note(entry)
        if not entry.is_known:
            self.counts.unknown += 1
        elif is_ours:
            self.counts.joined += 1
        else:
            self.counts.others += 1

    def _note(self, entry: LogEntry) -> bool:
        for name in (entry.import_id, entry.operation_id, entry.request_id):
            batch_id = self._batches.get(name) if name is not None else None
            if batch_id is not None:
                self._logs.setdefault(batch_id, BatchLog()).add(entry)
                return True
        position = self._patches.get(entry.request_id) if entry.request_id is not None else None
        if position is None:
            return False
        if entry.is_error:
            codes = [code for code in (self._refused.get(position), *entry.named.values()) if code is not None]
            self._refused[position] = min(codes, default=None)
        elif entry.is_warning:
            self._doubtful.add(position)
        elif entry.is_known and entry.request_id is not None:
            self._clean.add(entry.request_id)
        return True

    def joined(self) -> Joined:
        """Return what the entries come to."""
        patches = self._patches_by_batch()
        batches, rows = list[BatchEntry](), list[RowResult]()
        told = sorted({*self._logs, *patches})
        for batch_id in told:
            entry = self._entries[batch_id]
            results = self._ledger.results_within(entry.spec.start, entry.spec.stop)
            log = self._logs.get(batch_id, BatchLog())
            changes = changes_told(entry, results, log, patches.get(batch_id, NO_PATCHES))
            batches += changes.batches
            rows += changes.rows
        return Joined(self.counts, len(told), Changes(tuple(batches), tuple(rows)))

    def _patches_by_batch(self) -> dict[int, PatchLog]:
        ordered = sorted(self._entries.values(), key=lambda entry: entry.spec.start)
        starts = [entry.spec.start for entry in ordered]
        found: dict[int, PatchLog] = {}
        silent = {position for request_id, position in self._patches.items() if request_id not in self._clean}
        clean = {self._patches[request_id] for request_id in self._clean} - silent - self._doubtful
        for position in (*self._refused, *(clean - self._refused.keys())):
            batch_id = ordered[bisect_right(starts, position) - 1].spec.batch_id
            log = found.setdefault(batch_id, PatchLog({}, set()))
            if position in self._refused:
                log.refused[position] = self._refused[position]
            else:
                log.clean.add(position)
        return found


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield lines that are not blank, None for one that is too long."""
    while line := stream.readline(LINE_MAX_BYTES):
        if not line.endswith(b"\n") and len(line) >= LINE_MAX_BYTES:
            while (rest := stream.readline(LINE_MAX_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield None
        elif text := line.removeprefix(b"\xef\xbb\xbf").strip():
            yield text
