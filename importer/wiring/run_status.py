"""How a run stands, ended or not.

Nothing here disturbs a process that works on a run: files are read, the ledger is read in one short look, and the
run's lock is looked at, not taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from importer.core.live import LastError, Live
from importer.core.manifest import RunManifest, Stage
from importer.core.report import FinalState, Report, reconcile
from importer.core.suggested import run_command
from importer.errors import StateError
from importer.pipeline.sent_again import history
from importer.pipeline.so_far import DecidedRows, Places, decided_rows, outcomes_so_far, rows_left
from importer.reports.progress import IN_TURN
from importer.reports.progress_file import OPENING, RunProgress, read_progress
from importer.reports.report_file import REPORT_NAME, read_report
from importer.settings import Settings
from importer.state.glance import glance
from importer.state.ledger_totals import LedgerTotals, read_totals
from importer.state.lock import RUN_LOCK
from importer.state.package import ROWS_FILE
from importer.state.run_folder import INDEX_FILE, RunFolder, RunsFolder
from importer.wiring.at_work import is_at_work
from importer.wiring.clock import SystemClock
from importer.wiring.finishing import delivered_by, report_base

RATE_WINDOW: Final = timedelta(minutes=1)
"""Over how long the rate is measured."""

_SENDABLE: Final = frozenset({Stage.PACKAGING, Stage.PLANNED, Stage.SENDING})
_HAVE_LEDGER: Final = frozenset({Stage.PLANNED, Stage.SENDING, Stage.FINISHED})
_STANDS: Final = {
    Stage.PACKAGING: "it was stopped while its source was read; nothing was sent",
    Stage.PLANNED: "it is planned; nothing was sent",
    Stage.SENDING: "it was stopped while it was sending",
    Stage.FINISHED: "it was sent to its end, but its report is missing",
    Stage.CHECKED: "it is a dry run, but its report is missing",
}


def status(run: str, settings: Settings) -> Report:
    """Return how a run stands: the report of one that ended, else its `live` and what is known of its rows so far.

    It may be called while another process works on the run.

    Args:
        run: Its id, the beginning of it, or ``last``.
        settings: Names the runs folder.

    Raises:
        ConfigError: there is no such run, or more than one.
        StateError: it is damaged.
    """
    return RunWatch(RunsFolder(Path(settings.runs_dir)).find(run)).look()


@dataclass
class RunWatch:
    """Looks at one run, again and again; what cannot change between two looks is read once.

    Attributes:
        folder: Of the run.
    """

    folder: RunFolder
    _decided: DecidedRows | None = None
    _decided_stamp: tuple[int, ...] = field(default=())

    def look(self) -> Report:
        """Return how the run stands now, see `status`."""
        # In this order: a process that ends between the two looks leaves a report, which is then read.
        running = is_at_work(self.folder.path)
        manifest = self.folder.read_manifest()
        if not running and has_report(self.folder, manifest):
            return read_report(self.folder.path)
        return self._so_far(manifest, running=running)

    def _so_far(self, manifest: RunManifest, *, running: bool) -> Report:
        now = datetime.fromisoformat(SystemClock().utc_now_iso())
        said = read_progress(self.folder.path, _held_since_ns(self.folder.path)) if running else None
        window = _window(now, said)
        if not running and manifest.stage in _HAVE_LEDGER:
            self.folder.open_ledger(manifest, read_only=True).close()  # says what is wrong with it, if anything
        totals = read_totals(self.folder.ledger, _iso(window))
        report = report_base(self.folder, manifest).model_copy(
            update={
                "live": _live(now, said, totals, window, running=running),
                "notes": (*manifest.notes, *_note(manifest, running=running)),
                "hints": _hints(self.folder, manifest, running=running),
            }
        )
        decided = self._decided_now() if totals is not None else None
        if decided is None or totals is None or manifest.stage is Stage.PACKAGING:
            return report
        waiting = FinalState.PLANNED if running or manifest.stage is Stage.PLANNED else FinalState.NOT_SENT
        if not running and decided.places.count < _planned(totals):
            decided = self._decided_before(decided, manifest)
        outcomes, skipped = outcomes_so_far(decided, totals.ranges, totals.overrides, waiting=waiting)
        told = report.model_copy(
            update={
                "outcomes": report.outcomes | outcomes,
                "skipped": skipped,
                "requests": _requests(totals),
                "live": _with_rows(report.live, decided, totals),
            }
        )
        # While groups are released, record and package are of two moments: then nothing is said of the rows.
        return told if not reconcile(told) else report

    def _decided_now(self) -> DecidedRows | None:
        """Return what was decided about the rows; None while the package is made, or once it is gone."""
        paths = [self.folder.package / name for name in (ROWS_FILE, INDEX_FILE)]
        try:
            stamp = tuple(number for path in paths for number in _stamp(path))
            if self._decided is None or stamp != self._decided_stamp:
                rows, index = glance(paths[0], ["state", "code"]), glance(paths[1], ["state", "position"])
                self._decided, self._decided_stamp = decided_rows(rows, index), stamp
        except (OSError, StateError):
            return None
        return self._decided

    def _decided_before(self, decided: DecidedRows, manifest: RunManifest) -> DecidedRows:
        """Count rows that wait to be sent again as what their last sending made of them, as the report will."""
        with self.folder.open_ledger(manifest, read_only=True) as ledger:
            delivered = delivered_by(ledger)
        past = history(self.folder.read_index(), self.folder.read_order(), delivered)
        position = past.index["position"].to_numpy()
        return DecidedRows(decided.stay, Places([position[position >= 0]]))


def _held_since_ns(folder: Path) -> int:
    try:
        return (folder / RUN_LOCK).stat().st_mtime_ns
    except OSError:
        return 0


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def has_report(folder: RunFolder, manifest: RunManifest) -> bool:
    """Tell whether there is a report, and no process went on after it and was killed."""
    path = folder.path / REPORT_NAME
    if not path.exists():
        return False
    if manifest.stage is not Stage.SENDING:
        return True
    written = path.stat().st_mtime_ns
    ledger = [folder.ledger, folder.ledger.with_name(f"{folder.ledger.name}-wal")]
    # A look at a ledger may leave an empty log beside it.
    return not any(found.stat().st_mtime_ns > written for found in ledger if found.exists() and found.stat().st_size)


def _planned(totals: LedgerTotals) -> int:
    return 0 if totals.ranges.is_empty() else int(totals.ranges["stop"][-1])


def _window(now: datetime, said: RunProgress | None) -> datetime:
    """Return since when the rate is measured: no longer ago than this process began to send."""
    begun = now - RATE_WINDOW
    return max(begun, datetime.fromisoformat(said.begun_at)) if said is not None and said.stage == "send" else begun


def _live(
    now: datetime, said: RunProgress | None, totals: LedgerTotals | None, window: datetime, *, running: bool
) -> Live:
    live = Live(at=_iso(now), running=running)
    if running:
        live = live.model_copy(update={"stage": OPENING} if said is None else _said(now, said))
    if totals is None:
        return live
    counted = totals.ranges.group_by("state").len().sort("state")
    return live.model_copy(
        update={
            "batches": dict(counted.iter_rows()),
            "attempts": sum(totals.attempts.values()),
            "failures": totals.failures,
            "throttled": totals.throttled,
            "rows_per_s": _rate(now, totals, window) if running else None,
            "last_error": _last_error(totals),
        }
    )


def _said(now: datetime, said: RunProgress) -> dict[str, Any]:
    fields = said.fields
    waits_until = datetime.fromisoformat(said.at) + timedelta(seconds=int(fields.get("wait_s", 0)))
    return {
        "pid": said.pid,
        "stage": said.stage,
        "stage_done": said.done,
        "stage_total": said.total,
        "in_flight": fields.get("in_flight"),
        "one_at_a_time": fields.get(IN_TURN),
        "wait_s": max((waits_until - now).total_seconds(), 0.0) if "wait_s" in fields else None,
    }


def _rate(now: datetime, totals: LedgerTotals, window: datetime) -> float | None:
    if totals.first_at is None:
        return None
    seconds = (now - max(window, datetime.fromisoformat(totals.first_at))).total_seconds()
    return round(totals.recent_rows / seconds, 1) if seconds >= 1 and totals.recent_rows else None


def _with_rows(live: Live | None, decided: DecidedRows, totals: LedgerTotals) -> Live | None:
    if live is None:
        return None
    left = rows_left(decided, totals.ranges)
    beside = left - (live.one_at_a_time or 0)
    left_s = beside / live.rows_per_s + (live.wait_s or 0.0) if beside > 0 and live.rows_per_s else None
    return live.model_copy(
        update={
            "rows_to_send": decided.places.count,
            "rows_left": left,
            "left_s": None if left_s is None else round(left_s, 1),
        }
    )


def _last_error(totals: LedgerTotals) -> LastError | None:
    if totals.last_failure is None:
        return None
    at, request, kind, http_status, service_code, request_id = totals.last_failure
    return LastError(
        at=at, request=request, kind=kind, http_status=http_status, service_code=service_code, request_id=request_id
    )


def _requests(totals: LedgerTotals) -> dict[str, int]:
    """Count requests by kind: of sessions that ended all of them, of this one those that are kept with the batches."""
    kinds = sorted({*totals.requests, *totals.attempts})
    return {kind: max(totals.requests.get(kind, 0), totals.attempts.get(kind, 0)) for kind in kinds}


def _note(manifest: RunManifest, *, running: bool) -> tuple[str, ...]:
    return () if running else (f"this run has not ended and no process works on it: {_STANDS[manifest.stage]}",)


def _hints(folder: RunFolder, manifest: RunManifest, *, running: bool) -> tuple[str, ...]:
    if running:
        return (f"{run_command(folder.path, 'status', '--watch')} follows it to its end",)
    if manifest.command == "validate":
        return (f"nothing can be sent from a dry run; {run_command(folder.path, 'purge')} deletes it",)
    return (f"{run_command(folder.path, 'resume')} goes on with it",) if manifest.stage in _SENDABLE else ()


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
