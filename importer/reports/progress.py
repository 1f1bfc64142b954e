"""Progress of long jobs: a live line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from importer.ports import Progress as ProgressPort
from importer.reports.plain_text import printable
from importer.reports.spans import span_text

_BAR_WIDTH: Final = 24
_SHORT_BAR_WIDTH: Final = 8
_WIDE: Final = 80
"""Columns of a terminal from which on there is room for a long bar."""

IN_TURN: Final = "one_at_a_time"
"""Field that counts the rows that go one at a time: how fast others go says nothing of them."""

PLAIN_EVERY_S: Final = 5.0
"""Seconds between two plain lines of one stage, at least."""


class ProgressSink(ProgressPort, Protocol):
    """Where a long job says how far it is. Methods may be called from any thread."""

    def advance(self, rows: int, **fields: int | str) -> None:
        """Count `rows` done; `fields` (for example ``retries=2``) are shown beside them while they are not zero."""
        ...

    def finish(self) -> None:
        """End the last stage; may be called again."""
        ...


class NoProgress:
    """Says nothing; see `ProgressSink`."""

    def stage(self, name: str, total: int | None) -> None:
        """Ignore it."""

    def advance(self, rows: int, **fields: int | str) -> None:
        """Ignore it."""

    def finish(self) -> None:
        """Ignore it."""


def open_progress(console: Console, monotonic: Callable[[], float]) -> ProgressSink:
    """Return progress that suits a console.

    Args:
        console: Of standard error.
        monotonic: Seconds from an arbitrary start.
    """
    return LiveProgress(console, monotonic) if console.is_terminal else PlainProgress(console, monotonic)


class _RateColumn(ProgressColumn):
    """Units a second, once a rate is known."""

    def render(self, task: Task) -> Text:
        """Show the rate of the last seconds, or of the whole stage when it ended."""
        rate = task.finished_speed or task.speed
        return Text(f"{rate:,.0f}/s" if rate else "", style="progress.data.speed")


class _RowsColumn(ProgressColumn):
    """Units done, of so many where that is known."""

    def render(self, task: Task) -> Text:
        """Show the counts; they keep their width while they grow."""
        if task.total is None:
            return Text(f"{int(task.completed):,}", style="progress.download")
        total = f"{int(task.total):,}"
        return Text(f"{int(task.completed):>{len(total)},}/{total}", style="progress.download")


class _LeftColumn(TimeRemainingColumn):
    """How long the rows take that go side by side; the rate says nothing of those that go one at a time."""

    def render(self, task: Task) -> Text:
        """Show nothing once only the latter are left."""
        in_turn = task.fields.get(IN_TURN, 0)
        return (
            Text("") if in_turn and task.remaining is not None and task.remaining <= in_turn else super().render(task)
        )


class _Stages(Progress):
    """Stages in a table; under it what else there is to say about the last one, on one line of its own."""

    said = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield what is drawn."""
        yield from super().get_renderables()
        if self.said:
            yield Text(self.said, style="dim", no_wrap=True, overflow="crop")


class LiveProgress:
    """Stages one under the other, redrawn in place; see `ProgressSink`."""

    def __init__(self, console: Console, monotonic: Callable[[], float]) -> None:
        self._fields: dict[str, int | str] = {}
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._progress = _Stages(
            SpinnerColumn("line"),  # ASCII: any terminal can draw it
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=_BAR_WIDTH if console.width >= _WIDE else _SHORT_BAR_WIDTH),
            _RowsColumn(),
            _RateColumn(),
            _LeftColumn(),
            console=console,
            get_time=monotonic,
        )

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage under the one before, which ends."""
        with self._lock:
            self._end_stage()
            self._fields = {}
            self._progress.start()
            self._progress.said = ""
            self._task = self._progress.add_task(printable(name, self._progress.console.encoding), total=total)

    def advance(self, rows: int, **fields: int | str) -> None:
        """Count rows done and show the fields."""
        with self._lock:
            if self._task is None:
                return
            self._fields |= fields
            self._progress.said = _shown(self._fields)
            self._progress.update(self._task, advance=rows, one_at_a_time=self._fields.get(IN_TURN, 0))

    def finish(self) -> None:
        """Leave the stages as they stand and give the terminal back."""
        with self._lock:
            self._end_stage()
            self._progress.stop()
            # They stay on the screen; a stage that begins later is drawn below them, not they again.
            for task in self._progress.task_ids:
                self._progress.remove_task(task)

    def _end_stage(self) -> None:
        if self._task is not None:
            self._progress.stop_task(self._task)
            self._task = None


class PlainProgress:
    """One line when a stage begins and ends, and every few seconds in between; see `ProgressSink`."""

    def __init__(self, console: Console, monotonic: Callable[[], float], every_s: float = PLAIN_EVERY_S) -> None:
        self._console = console
        self._monotonic = monotonic
        self._every_s = every_s
        self._lock = threading.Lock()
        self._name: str | None = None
        self._total: int | None = None
        self._done = 0
        self._began_s = 0.0
        self._told_s = 0.0
        self._fields: dict[str, int | str] = {}

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage; the one before ends with a line."""
        with self._lock:
            self._end_stage()
            self._name, self._total, self._done, self._fields = printable(name), total, 0, {}
            self._began_s = self._told_s = self._monotonic()
            self._tell(f"{self._name}: begins" + (f", {total:,} in all" if total is not None else ""))

    def advance(self, rows: int, **fields: int | str) -> None:
        """Count rows done; says so when the last line is old enough."""
        with self._lock:
            self._done += rows
            self._fields |= fields
            now_s = self._monotonic()
            if self._name is not None and now_s - self._told_s >= self._every_s:
                self._told_s = now_s
                self._tell(self._state(now_s))

    def finish(self) -> None:
        """End the last stage with a line."""
        with self._lock:
            self._end_stage()

    def _end_stage(self) -> None:
        if self._name is not None:
            now_s = self._monotonic()
            self._tell(f"{self._state(now_s, ended=True)}, {now_s - self._began_s:.1f} s")
            self._name = None

    def _state(self, now_s: float, *, ended: bool = False) -> str:
        parts = [f"{self._done:,}" + (f" of {self._total:,}" if self._total is not None else "")]
        rate = self._done / (now_s - self._began_s) if now_s > self._began_s else 0.0
        if rate:
            parts.append(f"{rate:,.0f}/s")
        left = 0 if self._total is None else self._total - self._done - int(self._fields.get(IN_TURN, 0))
        if rate and not ended and left > 0:
            parts.append(f"about {span_text(left / rate)} left")
        if shown := _shown(self._fields):
            parts.append(shown)
        return f"{self._name}: {', '.join(parts)}"

    def _tell(self, line: str) -> None:
        self._console.print(Text(printable(line, self._console.encoding)), soft_wrap=True)


def _shown(fields: dict[str, int | str]) -> str:
    return ", ".join(_field(name, value) for name, value in fields.items() if value)


def _field(name: str, value: int | str) -> str:
    if name == IN_TURN:
        return f"{printable(str(value))} rows go one at a time"
    if name == "wait_s":
        return f"all wait {printable(str(value))} s"
    return f"{printable(str(value))} {name.replace('_', ' ')}"
