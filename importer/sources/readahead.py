"""Reading ahead: one background thread, one value at a time, and an end without leftovers."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")


class _Ahead(Generic[T]):
    """What the two threads share; every field is touched only under `turn`."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.ready: list[T] = []
        self.ended = False
        self.stopped = False
        self.failure: BaseException | None = None

    def offer(self, value: T) -> None:
        with self.turn:
            self.ready.append(value)
            self.turn.notify_all()

    def waits_until_taken(self) -> bool:
        """Wait until what was offered is taken; False when the consumer has gone."""
        with self.turn:
            self.turn.wait_for(lambda: self.stopped or not self.ready)
            return not self.stopped

    def end(self, failure: BaseException | None) -> None:
        with self.turn:
            self.ended, self.failure = True, failure
            self.turn.notify_all()

    def take(self) -> Iterator[T]:
        while True:
            with self.turn:
                self.turn.wait_for(lambda: self.ready or self.ended)
                if not self.ready:
                    break
                value = self.ready.pop()
                self.turn.notify_all()
            yield value
            del value
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        with self.turn:
            self.stopped = True
            self.ready.clear()
            self.turn.notify_all()


def read_ahead(
    produce: Callable[[], Generator[T, None, None]], *, on_stop: Callable[[], None] | None = None
) -> Iterator[T]:
    """Run a generator in a background thread, one value ahead of the consumer: the next is begun when one is taken.

    The thread is started by the first `next` and has ended when this iterator ends, fails or is closed.

    Args:
        produce: Makes the generator; it runs and is closed in the background thread.
        on_stop: Called when the consumer leaves early, to cut short what the thread waits for.

    Raises:
        BaseException: whatever the generator raised, in the consumer's thread, after the values before it.
    """
    ahead: _Ahead[T] = _Ahead()

    def run() -> None:
        failure: BaseException | None = None
        values = produce()
        try:
            for value in values:
                ahead.offer(value)
                del value  # what is made next would be held beside it
                if not ahead.waits_until_taken():
                    break
        except BaseException as exc:  # noqa: BLE001 - handed to the consumer, which raises it
            failure = exc
        finally:
            values.close()
            ahead.end(failure)

    # A daemon, so that an iterator nobody closed cannot keep the interpreter from ending.
    thread = threading.Thread(target=run, name="source-read-ahead", daemon=True)

    def leave() -> None:
        ahead.stop()
        if on_stop is not None:
            on_stop()
        thread.join()

    # Were the interpreter torn down under a running read, the engine's threads would abort the process.
    atexit.register(leave)
    thread.start()
    try:
        yield from ahead.take()
    finally:
        leave()
        atexit.unregister(leave)
