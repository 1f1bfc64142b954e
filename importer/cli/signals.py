"""SIGINT and SIGTERM: the first one stops a command in good order, the second one ends it at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from importer.cli import startup
from importer.errors import RunInterrupted

_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)
_STOPPING: Final = "stopping: what is on its way is finished first, for 10 s at most; a second signal ends it at once"
_SHOW_CURSOR: Final = b"\x1b[?25h\r\n"


class Signals:
    """What the signals of a command have asked for.

    Until `begun` is called there is nothing to save, so the first signal raises `RunInterrupted` wherever the main
    thread is; afterwards it sets `stop`, and who works looks at that. A thread of its own watches as well: the main
    thread may be in a computation of some seconds, in which Python tells it of no signal.

    Args:
        say: Told in one line that the command stops in good order.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.stop = threading.Event()
        self.number = 0
        self._say = say
        self._gives_up = True

    @property
    def exit_code(self) -> int:
        """What a command exits with that was stopped: as if the signal had ended it; SIGINT where there was none."""
        return 128 + (self.number or signal.SIGINT)

    def begun(self) -> None:
        """Say that from now on there is something to save."""
        self._gives_up = False

    @contextmanager
    def giving_up(self) -> Iterator[None]:
        """Let a signal raise `RunInterrupted` in this block: a question, which would wait for ever.

        Raises:
            RunInterrupted: a signal came, or had come already.
        """
        before, self._gives_up = self._gives_up, True
        try:
            if self.stop.is_set():
                raise _interrupted()
            yield
        finally:
            self._gives_up = before

    def on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's signature
        """Take a signal on the main thread."""
        self._take(number)
        if self._gives_up:
            raise _interrupted()

    def watch(self, reader: int) -> None:
        """Take signals from the file that Python writes their numbers to, until that is closed."""
        taken = 0
        while numbers := os.read(reader, 64):
            for number in numbers:
                if number not in _NUMBERS:
                    continue
                taken += 1
                self._take(number)
                if taken > 1:
                    self._end()
                elif not self._gives_up:
                    self._say(_STOPPING)
        os.close(reader)

    def _take(self, number: int) -> None:
        self.number = self.number or number
        self.stop.set()

    def _end(self) -> NoReturn:
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)  # what is redrawn in place had hidden it
        os._exit(self.exit_code)


def _interrupted() -> RunInterrupted:
    return RunInterrupted("stopped by a signal; nothing was sent", hint="start it again")


@contextmanager
def taken(say: Callable[[str], None] = lambda _: None) -> Iterator[Signals]:
    """Take SIGINT and SIGTERM while the block runs; call it from the main thread.

    Without it a question cannot be left by Ctrl-C: polars, once imported, has a handler of its own, after which the
    system goes on reading.

    Args:
        say: See `Signals`.
    """
    startup.end()  # whatever takes signals has been imported, and begins to work
    signals = Signals(say)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=signals.watch, args=(reader,), name="signals", daemon=True).start()
    handlers = {number: signal.signal(number, signals.on_signal) for number in _NUMBERS}
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(writer)
