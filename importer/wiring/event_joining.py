"""`events join`: the states of a run's rows, as far as the service's own log knows them better."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from importer.core.manifest import RunManifest
from importer.core.report import FinalState, Report
from importer.errors import ConfigError, RunInterrupted, SettingsError
from importer.pipeline.join_events import EventJoin, Joined
from importer.reports.wording import counted
from importer.settings import Settings
from importer.state.lock import RunLock
from importer.wiring.at_work import at_work
from importer.wiring.clock import CLOCK
from importer.wiring.finding import Found, find_sent_run, with_package
from importer.wiring.finishing import Ending, delivered_by, finish
from importer.wiring.reopening import load_run
from importer.wiring.requests import Hooks
from importer.wiring.run import Run

STDIN: Final = "-"
COMMAND: Final = "events join"
_NOTE: Final = "states from the service's event log"


@dataclass(frozen=True)
class JoinRequest:
    """A run and a log of the service.

    Attributes:
        run: Its id, the beginning of it, or ``last``.
        log: The file, NDJSON; ``-`` is standard input.
        settings: Names the runs folder; no store is opened, so nothing else of it is used.
    """

    run: str
    log: str
    settings: Settings


def join_events(request: JoinRequest, hooks: Hooks | None = None) -> Report:
    """Fill states of a run's rows from the service's own log, and write its outcomes and report anew.

    Args:
        request: Which run, which log.
        hooks: Progress and stopping.

    Raises:
        ConfigError: nothing of the run was sent, its package is gone, or the file is no log.
        SettingsError: the file cannot be read.
        LockedError: another process works on the run.
        StateError: the run is damaged, or cannot be written.
        RunInterrupted: somebody asked to stop; nothing was changed.
    """
    hooks = hooks or Hooks()
    started_at = CLOCK.utc_now_iso()
    found = find_sent_run(request.settings, request.run)
    with RunLock(found.folder.path), _opened(request.log) as stream:
        run = _joinable(found)
        hooks = at_work(hooks, found.folder)
        with found.folder.open_ledger(run.manifest) as ledger:
            join = EventJoin(ledger, run.manifest.target.store_id)
            hooks.progress.stage("read events", None)
            if not join.read(stream, hooks.stop, hooks.progress.advance):
                raise RunInterrupted("stopped while the log was read; nothing was changed", hint="start it again")
            joined = join.joined()
            _refuse_no_log(joined, request.log)
            ledger.apply(joined.changes)
            delivered, requests = delivered_by(ledger), ledger.requests()
        # After the ledger: killed in between, the states are there, and the same command says again whence they came.
        _note(run, _said(joined, request.log))
        end = Ending(
            COMMAND,
            CLOCK.utc_now_iso(),
            FinalState.NOT_SENT,
            delivered=delivered,
            requests=requests,
            notes=(_counted(joined, request.log),),
            started_at=started_at,
        )
        hooks.progress.finish()
        return finish(run, end)


@contextmanager
def _opened(log: str) -> Iterator[BinaryIO]:
    """Open a log.

    Raises:
        SettingsError: it cannot be read.
    """
    if log == STDIN:
        yield sys.stdin.buffer
        return
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(Path(log).open("rb"))
        except OSError as exc:
            raise SettingsError(f"{log}: cannot be read ({exc.strerror})", hint="name the log, or -") from None
        yield stream


def _joinable(found: Found) -> Run:
    """Open a run that was sent and still has its package.

    Raises:
        ConfigError: it was not, or has it no more.
    """
    with_package(
        found,
        unsent="no log tells of it",
        gone="its outcomes cannot be written anew",
        instead="outcomes.parquet has the request, operation and import ID of every row; join the log with that",
    )
    return load_run(found.folder)


def _refuse_no_log(joined: Joined, log: str) -> None:
    """Refuse what is something else altogether; a log without a word of this run is none the less a log.

    Raises:
        ConfigError: no line is an event.
    """
    if joined.counts.unreadable and not joined.counts.events:
        raise ConfigError(
            f"{_name(log)}: none of its {counted(joined.counts.unreadable, 'line')} is an event",
            hint="it takes the service's log as Event Streams delivers it, one JSON object a line",
        )


def _note(run: Run, text: str) -> None:
    """Keep a note with the run, so that every later report has it; one a log."""
    manifest: RunManifest = run.manifest
    head = text.partition(":")[0]
    notes = (text, *(note for note in manifest.notes if note.partition(":")[0] != head))
    if notes != manifest.notes:
        run.manifest = manifest.model_copy(update={"notes": notes})
        run.folder.write_manifest(run.manifest)


def _said(joined: Joined, log: str) -> str:
    return f"{_NOTE} {_name(log)}: it tells of {counted(joined.batches, 'batch')} of this run"


def _counted(joined: Joined, log: str) -> str:
    counts = joined.counts
    parts = [
        f"{counts.joined:,} of this run",
        f"{counts.others:,} of others",
        f"{counts.unknown:,} of an unknown type",
    ]
    unread = f"; {counted(counts.unreadable, 'line')} hold no event" if counts.unreadable else ""
    return f"{_name(log)}: {counted(counts.events, 'event')}: {', '.join(parts)}{unread}"


def _name(log: str) -> str:
    return "standard input" if log == STDIN else Path(log).name
