"""What a caller asks for: frozen values that the command line and the Python API both build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from threading import Event
from typing import Literal

from importer.core.manifest import RunOptions
from importer.core.report import ExitCode
from importer.ports import SourceOptions
from importer.reports.progress import NoProgress, ProgressSink
from importer.settings import Settings


@dataclass(frozen=True)
class ReadOptions:
    """How hard the store may be read before anything is sent.

    Attributes:
        concurrency: Reads in flight at most.
        max_rps: Most reads a second; None leaves it to what the service bears.
    """

    concurrency: int = 8
    max_rps: float | None = None


@dataclass(frozen=True)
class RunRequest:
    """A source, a mapping and a store.

    Attributes:
        source: Paths or patterns, or ``-``; one may be given alone.
        mapping: The mapping file, a path.
        settings: Where and with which credentials.
        emulator: Use the local service.
        schema_file: Check against this file instead of a store (validate only).
        source_options: How to read the source; what is not at its default replaces the mapping's own option.
        options: What is sent.
        part_rows: Overrides the mapping's.
        show_values: Write cell values into the issue files.
        reads: How hard to read where rows are looked up.
        needs_key: A row without a key is rejected.
        used_columns: Columns that are read for something else than the mapping, such as a cursor.
    """

    source: tuple[str, ...] | str | Path
    mapping: Path | str
    settings: Settings
    emulator: bool = False
    schema_file: Path | None = None
    source_options: SourceOptions = field(default_factory=SourceOptions)
    options: RunOptions = field(default_factory=RunOptions)
    part_rows: int | None = None
    show_values: bool = False
    reads: ReadOptions = field(default_factory=ReadOptions)
    needs_key: bool = False
    used_columns: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The paths or patterns."""
        return (str(self.source),) if isinstance(self.source, str | Path) else tuple(self.source)

    @property
    def mapping_path(self) -> Path:
        """The mapping file's path."""
        return Path(self.mapping)


Settle = Literal["report", "lookup", "redeliver"]


@dataclass(frozen=True)
class SendOptions:
    """How hard to send, and how soon to look what came of it.

    Attributes:
        concurrency: Requests in flight at most.
        max_rps: Most requests a second; None leaves it to what the service bears.
        poll_first_s: Wait before the first look at an operation or import; later ones come ever more seldom.
        settle: What is done, once everything was sent, about rows of which nobody knows what became (unattributed,
            unknown): ``report`` them, ``lookup`` them, or ``redeliver`` them by Bulk, once. Both others cost and ask.
    """

    concurrency: int = 8
    max_rps: float | None = None
    poll_first_s: float = 2.0
    settle: Settle = "report"


def _yes(question: str) -> bool:  # noqa: ARG001 - a caller without questions agrees
    return True


@dataclass(frozen=True)
class Hooks:
    """How a run talks to whoever started it.

    Attributes:
        progress: Told how far it is.
        confirm: Asked before the first write to a live store; false leaves the run planned.
        confirm_stale: Asked before a package older than 24 hours is sent; false leaves it.
        stop: Set to stop sending; the run stays resumable.
        stop_signal: Number of the signal that set it, 0 for none.
        begun: Called once there is something to save: before that, whoever started the run may simply end it.
    """

    progress: ProgressSink = field(default_factory=NoProgress)
    confirm: Callable[[str], bool] = _yes
    confirm_stale: Callable[[str], bool] = _yes
    stop: Event = field(default_factory=Event)
    stop_signal: Callable[[], int] = lambda: 0
    begun: Callable[[], None] = lambda: None

    def stopped_code(self) -> ExitCode:
        """Return the exit code of a command that was asked to stop."""
        return ExitCode.TERMINATED if self.stop_signal() == SIGTERM else ExitCode.INTERRUPTED
