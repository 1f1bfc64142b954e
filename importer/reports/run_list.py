"""The list of runs: one line a run, for a terminal, a log or a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from importer.reports.plain_text import printable
from importer.reports.spans import age_text

_UNKNOWN: Final = "-"


@dataclass(frozen=True, slots=True)
class RunLine:
    """What a list shows of one run.

    Attributes:
        run_id: Its name.
        stage: How far it has come, or ``damaged`` when its record cannot be read.
        running: Whether a process works on it.
        command: What began it.
        store_id: Where it goes.
        store_name: What people call that.
        rows_read: Rows of the source; 0 while it is read.
        rows_not_fine: Rows that someone should look at, and rows not sent; None as long as there is no report.
        created_at: UTC, ISO 8601.
        source: Names of the files.
    """

    run_id: str
    stage: str
    running: bool
    command: str = ""
    store_id: str | None = None
    store_name: str = ""
    rows_read: int = 0
    rows_not_fine: int | None = None
    created_at: str | None = None
    source: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the line as `--json` prints it."""
        return asdict(self)


def render_runs(lines: Sequence[RunLine], console: Console, now: datetime) -> None:
    """Print the list; a terminal gets lines cut to its width, a log whole ones."""
    table = [_HEAD, *(_cells(line, now) for line in lines)]
    table = [tuple(printable(cell, console.encoding) for cell in row) for row in table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    styles = ("dim", *map(_style, lines))
    for row, style in zip(table, styles, strict=True):
        padded = (f"{cell:{align}{width}}" for cell, width, align in zip(row, widths, _ALIGN, strict=True))
        text = Text("  ".join(padded).rstrip(), style=style)
        if console.is_terminal:
            # What is cut is the name of the source. An ellipsis is no ASCII character.
            console.print(text, no_wrap=True, overflow="crop" if console.options.ascii_only else "ellipsis")
        else:
            console.print(text, soft_wrap=True)


_HEAD: Final = ("run", "command", "stage", "store", "rows", "not fine", "age", "source")
_ALIGN: Final = "<<<<>>><"


def _cells(line: RunLine, now: datetime) -> tuple[str, ...]:
    more = f" and {len(line.source) - 1} more" if len(line.source) > 1 else ""
    age = _UNKNOWN
    if line.created_at is not None:
        age = age_text((now - datetime.fromisoformat(line.created_at)).total_seconds())
    return (
        line.run_id,
        line.command,
        _stage(line),
        line.store_name or line.store_id or "",
        f"{line.rows_read:,}",
        _UNKNOWN if line.rows_not_fine is None else f"{line.rows_not_fine:,}",
        age,
        f"{line.source[0]}{more}" if line.source else "",
    )


def _stage(line: RunLine) -> str:
    if line.running:
        return f"running: {line.stage}"
    return f"stopped: {line.stage}" if line.stage in _STOPPED else line.stage


_STOPPED: Final = frozenset({"packaging", "sending"})


def _style(line: RunLine) -> str:
    if line.stage == "damaged":
        return "red"
    return "bold" if line.running else ""
