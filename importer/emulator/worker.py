"""The one thread that applies accepted work, in order of acceptance."""

from __future__ import annotations

import threading

from importer.emulator.apply import Applier
from importer.emulator.backlog import Backlog

JOIN_TIMEOUT_S = 30


class Worker:
    """Applies the backlog in the background until stopped; what is left stays stored for the next start."""

    def __init__(self, backlog: Backlog, applier: Applier) -> None:
        self._backlog = backlog
        self._applier = applier
        self._changed = threading.Condition()
        self._accepted = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="emulator-worker", daemon=True)
        self.running_operation: str | None = None

    def start(self) -> None:
        """Start applying, first what an earlier process accepted."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something was accepted."""
        with self._changed:
            self._accepted += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Finish the piece in hand (an import: its chunk) and end the thread."""
        self._stopping.set()
        self.wake()
        self._thread.join(JOIN_TIMEOUT_S)

    def wait_idle(self, timeout_s: float) -> None:
        """Wait until everything accepted has been applied.

        Raises:
            TimeoutError: Something is still waiting after `timeout_s` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(self._backlog.is_empty, timeout_s):
                raise TimeoutError(f"the emulator still had accepted work after {timeout_s} s")

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                seen = self._accepted
            work = self._backlog.find_first()
            pause = None if work is None else self._backlog.seconds_until_due(work)
            if work is not None and pause is not None and pause <= 0:
                self.running_operation = work.operation_id
                self._applier.apply(work, self._stopping)
                self.running_operation = None
                with self._changed:
                    self._changed.notify_all()
                continue
            with self._changed:
                if self._accepted == seen:
                    self._changed.wait(pause)
