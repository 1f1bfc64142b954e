"""Threads that make paced reads, one task after the other, for whoever has many of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from importer.core.cost import LOOKUP
from importer.errors import RejectedRequestError
from importer.pipeline.paced_reads import NotReadError, PacedReads, ReadingEndedError
from importer.ports import Clock, StoreReader

_LOOK_S: Final = 0.2
_DRAIN_S: Final = 10.0
"""How long a stop waits for reads that are out."""

T = TypeVar("T")
R = TypeVar("R")


class ReadingPool(Generic[T, R]):
    """Does tasks by number in several threads.

    Args:
        reads: Their pacer, and the word that all reading has ended.
        count: Threads.
        clock: Measures how long a stop waits.
        work: One task: reads, and returns what it found. What could not be read, or was refused, has no result.
    """

    def __init__(self, reads: PacedReads, count: int, clock: Clock, work: Callable[[T], R]) -> None:
        self._reads = reads
        self._count = count
        self._clock = clock
        self._do = work
        self._tasks: SimpleQueue[tuple[int, T] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[int, tuple[R] | BaseException | None]] = SimpleQueue()

    @contextmanager
    def running(self) -> Iterator[ReadingPool[T, R]]:
        """Run the threads for the length of a block."""
        # Daemons: a read nobody waits for any more must not keep the process alive.
        threads = [threading.Thread(target=self._work, name=f"read-{n}", daemon=True) for n in range(self._count)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for _ in threads:
                self._tasks.put(None)

    def results(self, tasks: Iterable[tuple[int, T]], progress: Callable[[int], None]) -> dict[int, R]:
        """Return what each task found, by number; a task that could not be done is not in it.

        Args:
            tasks: By numbers of their own.
            progress: Told of each task that came to its end: 1 if it was done, 0 if not.
        """
        waiting = 0
        for task in tasks:
            self._tasks.put(task)
            waiting += 1
        found: dict[int, R] = {}
        fault: BaseException | None = None
        until_s = float("inf")
        while waiting and self._clock.monotonic_s() < until_s:
            try:
                number, result = self._done.get(timeout=_LOOK_S)
            except Empty:
                if self._reads.stopped() and until_s == float("inf"):
                    until_s = self._clock.monotonic_s() + _DRAIN_S
                continue
            waiting -= 1
            progress(int(result is not None))
            if isinstance(result, BaseException):
                if fault is None:
                    # Nothing more is begun, and what is under way ends before its connections are closed.
                    waiting -= self._drop_tasks()
                    fault, until_s = result, self._clock.monotonic_s() + _DRAIN_S
                continue
            if result is not None:
                found[number] = result[0]
        if fault is not None:
            raise fault
        return found

    def _drop_tasks(self) -> int:
        """Forget the tasks that no thread has begun; return how many they were."""
        dropped = 0
        with suppress(Empty):
            while True:
                self._tasks.get_nowait()
                dropped += 1
        return dropped

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            number, what = task
            try:
                self._done.put((number, (self._do(what),)))
            except (NotReadError, ReadingEndedError, RejectedRequestError):
                self._done.put((number, None))
            except BaseException as fault:  # noqa: BLE001 - raised again by the thread that owns the reading
                self._done.put((number, fault))


def look_up(reads: PacedReads, store: StoreReader, id_type: str, value: str) -> tuple[str, ...]:
    """Return the profiles that hold a value; one billable read.

    Raises:
        ReadingEndedError, NotReadError, ApiError: see `PacedReads.read`.
    """
    try:
        return reads.read(LOOKUP, lambda: store.lookup(id_type, value))
    except RejectedRequestError as refusal:
        # Some services say so that nobody holds a value; others, that it can be nobody's.
        if refusal.status in (400, 404, 422):
            return ()
        raise
