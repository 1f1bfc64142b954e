"""A sync: read, compare with what was delivered before, send what says something new, and remember what became of it.

Reading, checking, sending and reporting are those of every run. A sync has a lock and a runs folder of its own, asks
nothing, and goes on first with a run that was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from importer.core.manifest import Stage
from importer.core.report import DRY_SYNC, ExitCode, FinalState, Report
from importer.core.sync_brakes import Tripped
from importer.core.sync_counts import SyncCounts
from importer.core.sync_file import Mode, SyncFile
from importer.core.sync_state import PendingRun, SyncRun, SyncState
from importer.errors import ConfigError, GuardError, ImporterError, StateError
from importer.pipeline.cursor_source import CursorSource
from importer.state.run_folder import RunFolder
from importer.state.sync_folder import SyncFolder
from importer.wiring.clock import CLOCK
from importer.wiring.delivering import Occasion, refusal_code, refusal_report
from importer.wiring.opening import Opened, opened
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.resuming import ResumeRequest, go_on
from importer.wiring.run import Run
from importer.wiring.runs import planned_report, planned_run
from importer.wiring.sending import send
from importer.wiring.sync_beginning import Standing, check_store, need_snapshot, read_standing, refuse_second_first
from importer.wiring.sync_braking import brakes_error, brakes_on, refuse_nothing
from importer.wiring.sync_commit import commit, drop_packages
from importer.wiring.sync_handed import rename_handed_on, write_handed_on
from importer.wiring.sync_known import Known
from importer.wiring.sync_opening import Planned, SyncRequest, plan_reading, read_sync_file, settings_for
from importer.wiring.sync_removing import PlannedRemovals, Removing, plan_removals
from importer.wiring.sync_retention import drop_old_runs, kept_run
from importer.wiring.sync_rows import keys_read

COMMAND: Final = "sync"

_STOPS: Final = frozenset({ExitCode.STOPPED, ExitCode.STATE, ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.BUG})
"""How a run ends that the next one goes on with first."""


def run_sync(request: SyncRequest, hooks: Hooks | None = None, options: SendOptions | None = None) -> Report:
    """Run a sync once.

    Args:
        request: The sync file, and what of it.
        hooks: Progress and stopping; nobody is asked anything.
        options: How hard to send; the defaults if None.

    Raises:
        ConfigError, SourceError: refused before anything was sent.
        GuardError: the store is not the one that the snapshot is of.
        ApiError: the store could not be read.
        LockedError: another process works on the sync.
        StateError: snapshot, memory or run are damaged.
        RunInterrupted: somebody asked to stop while the source was read.
    """
    sync = read_sync_file(request.path)
    folder = SyncFolder(request.path)
    hooks = replace(hooks or Hooks(), confirm=_agree, confirm_stale=_agree)
    with folder.locked():
        try:
            return _Session(request, sync, folder, hooks, options or SendOptions()).run()
        finally:
            if not request.dry_run:
                drop_old_runs(folder, sync.keep)


def _agree(question: str) -> bool:  # noqa: ARG001 - a sync asks nothing
    return True


@dataclass
class _Session:
    """One run of a sync, under its lock."""

    request: SyncRequest
    sync: SyncFile
    folder: SyncFolder
    hooks: Hooks
    options: SendOptions
    ended_earlier: bool = False

    def run(self) -> Report:
        """Make an end of what was interrupted, then run once."""
        started_at = CLOCK.utc_now_iso()
        with self._told_of(started_at):
            if self.request.first_run:
                refuse_second_first(self.folder)
            known = read_standing(self.folder, resend=self.request.full_refresh)
            notes: tuple[str, ...] = ()
            pending = known.state.pending
            if pending is not None and not self.request.dry_run:
                report = self._end_pending(known.state, pending)
                if report is not None:
                    return self._told(report)
                notes = (f"run {pending.run_id}, which was interrupted, was made an end of first",)
                known = read_standing(self.folder, resend=self.request.full_refresh)
            if not self.request.first_run:
                notes += need_snapshot(self.folder, known, dry_run=self.request.dry_run)
            plan = plan_reading(self.request, self.sync, known.state, self.folder)
            refuse_nothing(plan, self.request.override)
            with opened(plan.request, self.hooks.stop.wait) as inputs:
                check_store(known.state, inputs.target, self.folder)
                return self._run(_Now(known, plan, started_at), _with_notes(inputs, notes))

    def _run(self, now: _Now, inputs: Opened) -> Report:
        cursor = self.sync.cursor
        began = datetime.fromisoformat(now.started_at)
        watched = CursorSource(inputs.source, cursor.column, began) if cursor is not None else None
        if watched is not None:
            watched.describe()
            inputs = replace(inputs, source=watched)
        number = 0 if self.request.dry_run else now.known.newest + 1
        counts = SyncCounts(
            mode=self.sync.mode.value, number=number, whole=now.plan.whole, ended_earlier=self.ended_earlier
        )
        known = Known(
            inputs,
            now.known,
            counts,
            self.hooks.progress,
            refused_runs=self.sync.refused_runs,
            # Whoever asks for everything may have mended the store.
            retries_parked=self.request.full_refresh,
        )
        run = planned_run(now.plan.request, self.hooks, replace(inputs, earlier=known), COMMAND)
        removals = self._removals(now, inputs, run)
        held = brakes_on(run, now.plan, now.known.state, removals, self.request.override)
        if self.request.dry_run:
            return self._dry_report(run, held, removals)
        after = Removing(removals, self.options) if removals is not None else None
        occasion = Occasion(COMMAND, now.started_at, fresh=True, after=after)
        if held:
            report = refusal_report(run, self.hooks, occasion, brakes_error(held, self.request.override))
            drop_packages(self.folder, keep=kept_run(self.folder))
            return self._told(report)
        if inputs.store is None:
            raise ConfigError("a sync needs a store", hint="give --store, or --emulator")
        highest = watched.highest if watched is not None else None
        pending = PendingRun(
            number=number,
            run_id=run.folder.run_id,
            reading=now.plan.reading,
            cursor=highest.text if highest is not None else None,
            refused_runs=self.sync.refused_runs,
            whole=now.plan.whole,
            of_copy=now.known.is_copy,
        )
        state = now.known.named.begun(pending, inputs.target)
        self.folder.write_state(state)
        self.folder.write_mark(state)
        folder = run.folder
        report = send(run, inputs.store, self.hooks, self.options, occasion)
        # Committing reads what it needs anew, and holds a whole snapshot's worth of keys.
        del run, known, removals, after, occasion
        if folder.read_manifest().stage is Stage.FINISHED:
            commit(self.folder, self.folder.read_state())
            rename_handed_on(self.folder, self.sync, folder.path)
        return self._told(report)

    def _removals(self, now: _Now, inputs: Opened, run: Run) -> PlannedRemovals | None:
        """Find what was handed on, and what is gone from the source of a mirror; record it with the run."""
        snapshot, counts = now.known.snapshot, run.manifest.sync
        if snapshot is None or counts is None:
            return None
        read = keys_read(run, inputs.plan.null_tokens) if self.sync.mode is not Mode.UPSERT else None
        # A row without a readable key may be any of those that seem to be gone.
        keys = read.keys if read is not None and not read.unreadable else None
        handed_on = write_handed_on(run, snapshot, self.sync, keys)
        run.manifest = run.manifest.model_copy(update={"sync": counts.model_copy(update=handed_on)})
        if self.sync.mode is not Mode.MIRROR or read is None:
            return None
        planned = plan_removals(run, inputs, snapshot, self.sync, read, again=self.request.full_refresh)
        notes = planned.notes() if self.request.dry_run or planned.off is not None else ()
        run.manifest = run.manifest.model_copy(
            update={"removals": planned.counts(), "notes": (*notes, *run.manifest.notes)}
        )
        return planned

    def _dry_report(self, run: Run, held: tuple[Tripped, ...], removals: PlannedRemovals | None) -> Report:
        notes = tuple(f"it would stop with exit code 6: {one.cause} (--override {one.brake})" for one in held)
        run.manifest = run.manifest.model_copy(update={"notes": (*notes, *run.manifest.notes)})
        more = removals.cost if removals is not None else None
        report = planned_report(run, self.hooks, more, command=DRY_SYNC)
        drop_packages(self.folder, keep=kept_run(self.folder))
        return report

    # --- a run that was interrupted ----------------------------------------------------------------------------------

    def _end_pending(self, state: SyncState, pending: PendingRun) -> Report | None:
        """Go on with a run that may have sent something, and commit it; return its report where it stops again."""
        folder = RunFolder(self.folder.runs / pending.run_id)
        try:
            stage = folder.read_manifest().stage
        except StateError as error:
            error.hint = (
                f"run {pending.run_id} may have sent what the snapshot does not know: put its folder back; or forget"
                f" what was delivered (`memory-importer sync reset {self.folder.file}`), and send everything again"
            )
            raise
        if stage is Stage.PLANNED:
            # Nothing left it: the run that begins now reads newer values.
            self.folder.write_state(state.unsent())
            return None
        # Whoever began it was told of nothing that it sent.
        self.ended_earlier = True
        if stage is not Stage.FINISHED:
            report = self._resumed(folder)
            if report is not None:
                return report
        commit(self.folder, self.folder.read_state())
        return None

    def _resumed(self, folder: RunFolder) -> Report | None:
        settings = settings_for(self.request, self.sync, self.folder)
        again = ResumeRequest(folder.run_id, settings, stale_ok=True, command=COMMAND)
        try:
            report = go_on(again, self.hooks, self.options)
        except GuardError:
            return None  # the store moved on: what is open is due, and is read again
        if report.exit_code in _STOPS:
            return report
        self.ended_earlier = not nothing_done(report)
        self._told(report)
        return None

    # --- the history -------------------------------------------------------------------------------------------------

    def _told(self, report: Report) -> Report:
        """Put a run into the history; a dry run is none."""
        if not self.request.dry_run:
            keys = report.sync
            told = SyncRun(
                number=keys.number if keys is not None and not keys.brakes else 0,
                run_id=report.run_id,
                started_at=report.started_at,
                finished_at=report.finished_at or CLOCK.utc_now_iso(),
                exit_code=report.exit_code or 0,
                rows_read=report.rows_read,
                outcomes={state: count for state, count in report.outcomes.items() if count},
                keys=keys,
                removals=report.removals,
                error=report.error.message if report.error is not None else None,
            )
            self.folder.write_state(self.folder.read_state().told(told))
        return report

    @contextmanager
    def _told_of(self, started_at: str) -> Iterator[None]:
        """Put a run that ends with an error into the history."""
        try:
            yield
        except ImporterError as error:
            if not self.request.dry_run:
                told = SyncRun(
                    started_at=started_at,
                    finished_at=CLOCK.utc_now_iso(),
                    exit_code=int(refusal_code(error, self.hooks)),
                    error=error.message,
                )
                with suppress(StateError):  # what went wrong first is what counts
                    self.folder.write_state(self.folder.read_state().told(told))
            raise


@dataclass(frozen=True)
class _Now:
    """Where a run stands before it reads."""

    known: Standing
    plan: Planned
    started_at: str


def _with_notes(inputs: Opened, notes: tuple[str, ...]) -> Opened:
    return replace(inputs, notes=(*notes, *inputs.notes))


def nothing_done(report: Report) -> bool:
    """Tell whether a run, and an earlier one it ended, had nothing to send or to remove, and all its rows are fine."""
    fine = (FinalState.UNCHANGED, FinalState.SKIPPED, FinalState.COMBINED)
    found = report.removals
    # Of those that are open some may have been asked for.
    removed = found.deleted + found.gone + (found.open if found.off is None else 0) if found is not None else 0
    return (
        report.exit_code == 0
        and not removed
        and not (report.sync is not None and report.sync.ended_earlier)
        and not any(count for state, count in report.outcomes.items() if state not in {one.value for one in fine})
    )
