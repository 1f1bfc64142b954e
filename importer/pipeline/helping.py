"""Work of one thread that another one helps with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from threading import Condition
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


class SharedWork:
    """Applies functions to items, in the thread that asks for it and in those that help meanwhile."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._left: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def map(self, work: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
        """Apply a function to items; they are begun in their order and come back in it.

        Raises:
            Exception: what the function raised of the first item that it failed for.
        """
        made: list[Future[Made]] = []
        with self._turn:
            for item in items:
                future: Future[Made] = Future()
                made.append(future)
                self._left.append((future, partial(work, item)))
            self._turn.notify_all()
        while self._do_next():
            pass
        return [future.result() for future in made]

    def help_until(self, done: Future[Any]) -> None:
        """Help whoever asks for something, until something else is done.

        Not for the main thread: where a signal interrupts it, an item that it has just taken is never done.
        """
        done.add_done_callback(self._wake)
        while not done.done():
            with self._turn:
                self._turn.wait_for(lambda: self._left or done.done())
            self._do_next()

    def _do_next(self) -> bool:
        """Do what is next; return whether there was anything."""
        try:
            future, work = self._left.popleft()
        except IndexError:  # another thread was faster
            return False
        try:
            future.set_result(work())
        except BaseException as exc:  # noqa: BLE001 - raised where the work was asked for
            future.set_exception(exc)
        return True

    def _wake(self, _: Future[Any]) -> None:
        with self._turn:
            self._turn.notify_all()
