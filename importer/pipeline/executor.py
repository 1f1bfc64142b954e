"""Executes the engine's requests side by side, and hands their events back.

Threads only execute: what is sent next, and what an answer means, is the engine's to say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from importer.core.engine_messages import Event, Request
from importer.pipeline.carrier import Carrier

LOOK_S: Final = 0.2
"""How long a wait for events lasts at most: so often is the stop signal looked at while nothing happens."""

_MOST_EVENTS: Final = 64
"""Events taken into one commit; a bound, so that answers do not wait for it long."""


class Executor(Protocol):
    """What executes requests while a delivery runs."""

    @property
    def fault(self) -> BaseException | None:
        """The first thing that went wrong on this side."""
        ...

    def running(self) -> AbstractContextManager[None]:
        """Execute for the length of a block. Leaving it does not wait for requests that are out."""
        ...

    def submit(self, request: Request) -> None:
        """Execute a request as soon as may be."""
        ...

    def events(self, wait_s: float) -> list[Event]:
        """Return what came back, after at most `wait_s` seconds; nothing if the time for a look around came first."""
        ...

    def discard(self, batch_id: int) -> None:
        """Remove the part file of a batch."""
        ...

    def discard_all(self) -> None:
        """Remove every part file."""
        ...


class Threads:
    """An `Executor` of a bounded set of threads.

    Leaving it does not wait for requests that are out: the engine has decided by then that nobody does.

    Args:
        carrier: Carries out a request.
        count: How many requests may be out at once.
    """

    def __init__(self, carrier: Carrier, count: int) -> None:
        self._carrier = carrier
        self._count = count
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._events: SimpleQueue[Event] = SimpleQueue()

    @property
    def fault(self) -> BaseException | None:
        """The first thing that went wrong on this side."""
        return self._carrier.fault

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the threads for the length of a block."""
        # Daemons: a request nobody waits for any more must not keep the process alive.
        threads = [threading.Thread(target=self._work, name=f"send-{n}", daemon=True) for n in range(self._count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for _ in threads:
                self._requests.put(None)

    def submit(self, request: Request) -> None:
        """Execute a request as soon as a thread is free."""
        self._requests.put(request)

    def events(self, wait_s: float) -> list[Event]:
        """Return what came back, after at most `wait_s` or `LOOK_S` seconds."""
        wait_s = min(wait_s, LOOK_S)
        taken: list[Event] = []
        try:
            taken.append(self._events.get(block=wait_s > 0, timeout=wait_s or None))
            while len(taken) < _MOST_EVENTS:
                taken.append(self._events.get_nowait())
        except Empty:
            pass
        return taken

    def discard(self, batch_id: int) -> None:
        """Remove the part file of a batch."""
        self._carrier.discard(batch_id)

    def discard_all(self) -> None:
        """Remove every part file."""
        self._carrier.discard_all()

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            self._events.put(self._carrier.carry_out(request))
