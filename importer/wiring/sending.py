"""Sending a planned run: confirm, lock, deliver, report."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import polars as pl

from importer.core.cost import allowance_text, cost_text
from importer.core.lifecycle import FINAL
from importer.core.manifest import RunManifest, Stage
from importer.core.replan import DROPPED_NOTE
from importer.core.report import Report
from importer.core.sensitive import SENSITIVE_NOTE
from importer.core.suggested import run_command
from importer.errors import ConfigError, GuardError, ImporterError, StateError
from importer.reports.wording import counted
from importer.state.decisions import Decision
from importer.state.ledger import SqliteLedger
from importer.state.lock import RunLock, SendingLock
from importer.state.run_folder import RunsFolder
from importer.wiring.asking import agreed
from importer.wiring.at_work import at_work
from importer.wiring.clock import CLOCK
from importer.wiring.counting import guard_trips
from importer.wiring.delivering import (
    Earlier,
    Occasion,
    deliver_run,
    delivery_report,
    in_turn_of,
    left_to_send,
    refusal_report,
)
from importer.wiring.grouping import newly_released, remember
from importer.wiring.month import allowance_now, refuse_too_dear
from importer.wiring.opening import opened
from importer.wiring.overtaken import lines_left, refuse_overtaken
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.run import Run
from importer.wiring.runs import cost_now, planned_run
from importer.wiring.settling import settle
from importer.wiring.targets import OpenTarget


def run_import(request: RunRequest, hooks: Hooks | None = None, options: SendOptions | None = None) -> Report:
    """Check a source, then deliver it.

    Args:
        request: Source, mapping and store.
        hooks: Progress, questions and stopping. Without them nobody is asked before a live store is written to.
        options: How hard to send; the defaults if None.

    Raises:
        ConfigError, SourceError: refused before anything was sent.
        ApiError: the store could not be read.
        StateError: the ledger; a planned run is left that can be resumed.
        RunInterrupted: somebody asked to stop while the source was read.
    """
    hooks, options = hooks or Hooks(), options or SendOptions()
    with opened(request, hooks.stop.wait) as inputs:
        run = planned_run(request, hooks, inputs, "import")
        if inputs.store is None:
            raise ConfigError("an import needs a store", hint="leave --schema out")
        return send(run, inputs.store, hooks, options, Occasion("import", run.manifest.created_at, fresh=True))


def send(
    run: Run,
    store: OpenTarget,
    hooks: Hooks,
    options: SendOptions,
    occasion: Occasion,
    *,
    ignore_later: bool = False,
) -> Report:
    """Deliver what is planned and not yet settled, and report.

    Nothing is sent where a later run to the same store may have delivered some of the rows.

    Args:
        run: Planned.
        store: Where to.
        hooks: Asked before the first write to a live store.
        options: How hard.
        occasion: On behalf of which command.
        ignore_later: Do not look at later runs.

    Raises:
        LockedError: another process works on the run.
        StateError: the ledger cannot be opened.
    """
    with RunLock(run.folder.path):
        return _sent(run, store, at_work(hooks, run.folder), options, occasion, ignore_later=ignore_later)


def _sent(
    run: Run, store: OpenTarget, hooks: Hooks, options: SendOptions, occasion: Occasion, *, ignore_later: bool
) -> Report:
    runs_dir = run.folder.path.parent
    left = left_to_send(run.folder)
    try:
        _guard(run)
        if left:
            _overtaken(run, ignore_later=ignore_later)
            refuse_too_dear(run.manifest, cost_now(run), run.folder.path, "resume")
        # What is only followed any more writes nothing, so nobody is asked about it.
        writes = len(lines_left(run)) if left and not store.target.emulator and not hooks.stop.is_set() else 0
        if writes:
            agreed(
                hooks.confirm,
                question(run, runs_dir, writes),
                declined="not sent: nobody agreed to write to the live store",
                go_on=f"{run_command(run.folder.path, 'resume', '--yes')} sends it without asking",
                again="",  # the report says it
            )
    except ImporterError as refusal:
        return refusal_report(run, hooks, occasion, refusal)
    with ExitStack() as held:
        try:
            held.enter_context(SendingLock(runs_dir, store.target.store_id))
            # Once more, now that no other run can send: the question may have stood for an hour.
            compared = _overtaken(run, ignore_later=ignore_later)
        except ImporterError as refusal:
            return refusal_report(run, hooks, occasion, refusal)
        ledger = held.enter_context(SqliteLedger.open(run.folder.ledger))
        if left:
            decision = Decision(decision="released", decided_at=CLOCK.utc_now_iso(), run_id=run.folder.run_id)
            remember(run, newly_released(run.groups), decision)
        delivery = deliver_run(run, store, ledger, hooks, options, Earlier(resumed=not occasion.fresh))
    delivery = settle(run, store, delivery, hooks, options, ignore_later=ignore_later)
    if occasion.after is not None:
        delivery = occasion.after(run, store, hooks, delivery)
    if not left and not delivery.notes and not occasion.fresh:
        delivery = replace(delivery, notes=("nothing was left to send; this is how the run stands",))
    return delivery_report(run, hooks, occasion, replace(delivery, notes=(*compared, *delivery.notes)))


def _overtaken(run: Run, *, ignore_later: bool) -> tuple[str, ...]:
    """Refuse where a later run may have delivered rows that are left; return what should be known otherwise."""
    return () if ignore_later else refuse_overtaken(run, lines_left(run))


def _guard(run: Run) -> None:
    """Stop a wrong mapping before it sends anything."""
    if run.manifest.stage is not Stage.PLANNED:
        return
    tripped = guard_trips(run)
    if tripped is not None:
        raise GuardError(
            f"{tripped}; nothing was sent",
            hint="mend the source or the mapping; or send it all the same:"
            f" {run_command(run.folder.path, 'resume', '--max-rejected', '100')}",
        )


def question(run: Run, runs_dir: Path, rows: int) -> str:
    """Return the line that is shown before the first write to a live store; `rows` are left to send."""
    target = run.manifest.target
    merges = run.groups.filter((pl.col("kind") == "merge") & (pl.col("decision") != "held")).height
    before = delivered_before(runs_dir, run.manifest)
    coming = cost_now(run)
    reads = f" and up to {coming.lookups_at_most:,} profile reads" if coming.lookups_at_most else ""
    month = allowance_text(allowance_now(runs_dir, run.manifest.options.free_operations, coming))
    merging = f"{counted(merges, 'group')} of rows may merge for ever" if merges else "no rows of it merge"
    in_turn, steps = _in_turn(run)
    slow = (
        f" {counted(in_turn, 'row')} of them go one at a time, each after the one before it in its group: "
        f"{counted(steps, 'step')} one after the other."
        if in_turn
        else ""
    )
    again = f" The same source was delivered to this store by run {before}." if before is not None else ""
    warned = "".join(
        f" {note[:1].upper()}{note[1:]}."
        for note in run.manifest.notes
        if note.startswith((SENSITIVE_NOTE, DROPPED_NOTE))
    )
    return (
        f"Send {counted(rows, 'row')} to store {target.store_name} ({target.store_id}) on {target.host}: "
        f"{cost_text(coming)} billable operations{reads}, {merging}."
        f"{slow} {month[:1].upper()}{month[1:]}.{again}{warned} Go on?"
    )


def _in_turn(run: Run) -> tuple[int, int]:
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        return in_turn_of(entry.spec for entry in ledger.entries() if entry.state not in FINAL)


def delivered_before(runs_dir: Path, manifest: RunManifest) -> str | None:
    """Return the run that delivered the same source with the same mapping to the same store, None if there is none."""
    for folder in reversed(RunsFolder(runs_dir).all()):
        if folder.run_id == manifest.run_id:
            continue
        try:
            other = folder.read_manifest()
        except StateError:
            continue
        same = (
            other.source.fingerprint == manifest.source.fingerprint
            and other.mapping_fingerprint == manifest.mapping_fingerprint
            and other.target.identity == manifest.target.identity
        )
        if same and other.stage in (Stage.SENDING, Stage.FINISHED):
            return folder.run_id
    return None
