"""The runs: validate, plan, import, resume. Each reads as its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from importer.core.delivery import BatchSpec
from importer.core.manifest import Counts, RouteCounts, RunManifest, Stage, TraitRecord
from importer.core.packing import KEY_TEXT
from importer.core.report import FinalState, Report
from importer.core.route import Via
from importer.core.transform import RoutingPolicy
from importer.core.wire import ENCODER_VERSION, wire_traits
from importer.errors import ConfigError, RunInterrupted, SourceError
from importer.pipeline.check_source import CheckedSource, Inputs, check_source
from importer.pipeline.decide import write_changed
from importer.pipeline.prepare import Prepared, Sinks
from importer.pipeline.schedule import ORDER_SCHEMA, Choice, Layout, Schedule, schedule_rows
from importer.ports import PackageAccess
from importer.reports.issue_files import IssueSink
from importer.reports.rejected_files import RejectedSink
from importer.state.ledger import SqliteLedger
from importer.state.lock import PackagingLock
from importer.state.package import write_frame
from importer.state.payloads import PackagePayloads
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.clock import SystemClock
from importer.wiring.finishing import Ending, finish
from importer.wiring.housekeeping import drop_old_packages
from importer.wiring.opening import Opened, opened
from importer.wiring.requests import Hooks, RunRequest

GROUPS_FILE = "groups.arrow"
CLOCK = SystemClock()


@dataclass
class Run:
    """A run while it is worked on."""

    folder: RunFolder
    manifest: RunManifest
    package: PackageAccess
    index: pl.DataFrame
    groups: pl.DataFrame


def validate(request: RunRequest, hooks: Hooks | None = None) -> Report:
    """Check a source; nothing is sent and no package is kept.

    Args:
        request: Source, mapping and store.
        hooks: Progress and stopping; nothing of the kind if None.

    Raises:
        ConfigError, SourceError: refused.
        ApiError: the store could not be read.
        RunInterrupted: somebody asked to stop.
    """
    hooks = hooks or Hooks()
    with opened(request, hooks.stop.wait) as inputs:
        with _new_folder(request) as folder:
            run, _ = checked_run(request, hooks, inputs, folder, "validate", keep=_identifiers_only(inputs))
        end = Ending("validate", CLOCK.utc_now_iso(), FinalState.PLANNED)
        index = run.index.with_columns(position=pl.lit(0, dtype=pl.Int64))
        report = finish(run.folder, run.manifest, run.package, index, run.groups, end)
        run.folder.write_manifest(run.manifest.model_copy(update={"stage": Stage.CHECKED}))
        run.folder.drop_package()
        hooks.progress.finish()
        return report


def _identifiers_only(inputs: Opened) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A dry run spills no more than identity needs."""
    names = [KEY_TEXT, *(trait.ref for trait in inputs.plan.identifiers)]
    return lambda valid: valid.select(names)


@contextmanager
def _new_folder(request: RunRequest) -> Iterator[RunFolder]:
    """Make a run folder; it goes again if the run is refused or stopped before there is anything to keep."""
    runs_dir = Path(request.settings.runs_dir)
    drop_old_packages(runs_dir, datetime.fromisoformat(CLOCK.utc_now_iso()))
    folder = RunsFolder(runs_dir).create(CLOCK.stamp())
    try:
        with PackagingLock(folder.path):
            yield folder
    except (ConfigError, SourceError, RunInterrupted):
        folder.delete()
        raise


def checked_run(
    request: RunRequest,
    hooks: Hooks,
    inputs: Opened,
    folder: RunFolder,
    command: str,
    *,
    keep: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> tuple[Run, CheckedSource]:
    """Read, check and decide about the whole source."""
    manifest = _new_manifest(request, inputs, folder, command)
    folder.write_manifest(manifest)
    with _sinks(request, hooks, inputs, folder) as (sinks, issues):
        checked = check_source(
            Inputs(inputs.source, inputs.checks, inputs.schema),
            folder,
            sinks,
            allow_merges=request.options.allow_merges,
            keep=keep,
        )
    groups = checked.decided.identity.groups.select(
        "group",
        "kind",
        "id_types",
        decision=pl.when("allowed").then(pl.lit("allowed")).otherwise(pl.lit("held")),
    )
    manifest = manifest.model_copy(
        update={
            "counts": _counts(checked.prepared, inputs, issues),
            "source": inputs.source_record(request.sources, inputs.source.fingerprint()),
            "notes": (*manifest.notes, *checked.decided.identity.notes),
        }
    )
    return Run(folder, manifest, checked.package, checked.decided.index, groups), checked


def _new_manifest(request: RunRequest, inputs: Opened, folder: RunFolder, command: str) -> RunManifest:
    routing = inputs.plan.routing
    return RunManifest(
        run_id=folder.run_id,
        command=command,
        created_at=CLOCK.utc_now_iso(),
        working_folder=str(Path.cwd()),
        stage=Stage.PACKAGING,
        target=inputs.target,
        source=inputs.source_record(request.sources, ""),
        mapping_name=str(request.mapping),
        mapping_fingerprint=inputs.mapping.fingerprint,
        schema_fingerprint=inputs.schema.fingerprint_of(trait.ref for trait in inputs.plan.traits),
        encoder_version=ENCODER_VERSION,
        key=inputs.plan.key,
        traits=tuple(TraitRecord.of(trait) for trait in wire_traits(inputs.plan)),
        options=request.options.model_copy(
            update={"part_rows": routing.part_rows, "import_min_rows": routing.import_min_rows}
        ),
        notes=inputs.notes,
    )


@contextmanager
def _sinks(request: RunRequest, hooks: Hooks, inputs: Opened, folder: RunFolder) -> Iterator[tuple[Sinks, IssueSink]]:
    """Open the issue and rejection files; they appear when all went well."""
    names = tuple(file.name for file in inputs.description.files)
    issues = IssueSink(folder.path, inputs.plan.key, names, show_values=request.show_values)
    rejected = RejectedSink(folder.path, inputs.description.dialect, inputs.description.columns, names)
    try:
        yield Sinks(issues, rejected, hooks.progress, hooks.stop), issues
        issues.close()
        rejected.close()
    finally:
        issues.abort()
        rejected.abort()


def _counts(prepared: Prepared, inputs: Opened, issues: IssueSink) -> Counts:
    rows_by_set = np.bincount(prepared.set_ids, minlength=len(prepared.sets))
    removed: dict[str, int] = {}
    for entry, rows in zip(prepared.sets, rows_by_set.tolist(), strict=True):
        for ref in entry.removed:
            removed[ref] = removed.get(ref, 0) + rows
    constants = [trait.ref for trait in inputs.plan.traits if trait.constant is not None]
    return Counts(
        rows_read=prepared.rows_read,
        issues=dict(sorted(issues.counts.items())),
        warnings=dict(sorted(issues.warnings.items())),
        repairs=dict(prepared.repairs),
        cleared={ref: count for ref, count in prepared.cleared.items() if count},
        removed=removed,
        constant=dict.fromkeys(constants, len(prepared.row)),
    )


def plan(request: RunRequest, hooks: Hooks | None = None) -> Report:
    """Check a source, decide and package it, so that `resume` can send it.

    Args:
        request: Source, mapping and store.
        hooks: Progress and stopping; nothing of the kind if None.

    Raises:
        ConfigError, SourceError: refused.
        ApiError: the store could not be read.
        RunInterrupted: somebody asked to stop.
    """
    hooks = hooks or Hooks()
    with opened(request, hooks.stop.wait) as inputs:
        run = planned_run(request, hooks, inputs, "plan")
        return planned_report(run, hooks)


def planned_report(run: Run, hooks: Hooks) -> Report:
    """Report what would be sent."""
    tripped = guard_trips(run)
    notes = (f"sending it would stop with exit code 6: {tripped}",) if tripped is not None else ()
    end = Ending("plan", CLOCK.utc_now_iso(), FinalState.PLANNED, notes=notes)
    report = finish(run.folder, run.manifest, run.package, run.index, run.groups, end)
    hooks.progress.finish()
    return report


def planned_run(request: RunRequest, hooks: Hooks, inputs: Opened, command: str) -> Run:
    """Check a source in a new run folder, then route its rows and write everything that sending needs."""
    with _new_folder(request) as folder:
        return packaged_run(request, hooks, inputs, folder, command)


def packaged_run(request: RunRequest, hooks: Hooks, inputs: Opened, folder: RunFolder, command: str) -> Run:
    """The same in a folder that is there already."""
    run, checked = checked_run(request, hooks, inputs, folder, command)
    sets = checked.prepared.filled_sets
    decided = write_changed(checked.decided, sets, run.package)
    run.manifest = run.manifest.with_sets(tuple(sets.sets()))
    run.index = decided.index
    write_frame(run.folder.package / GROUPS_FILE, run.groups)
    run.folder.ledger.unlink(missing_ok=True)
    with SqliteLedger.create(
        run.folder.ledger, {"run_id": run.folder.run_id, "store_id": run.manifest.target.store_id}
    ) as ledger:
        hooks.progress.stage("plan", run.index.height)
        extend(run, ledger, Choice(limit=request.options.limit))
        hooks.progress.advance(run.index.height)
    set_stage(run, Stage.PLANNED)
    return run


def guard_trips(run: Run) -> str | None:
    """Say that more rows are rejected than the run allows; None where they are not."""
    judged = 0
    rejected = run.index.filter(pl.col("state") == "rejected").height
    for frame in run.package.rows_frames():
        states = frame["state"]
        judged += frame.height - int((states == "skipped").sum())
        rejected += int((states == "rejected").sum())
    limit = run.manifest.options.max_rejected_percent
    if judged and 100 * rejected / judged > limit:
        return f"{rejected} of {judged} rows are rejected, more than {limit:g} % (--max-rejected)"
    return None


def set_stage(run: Run, stage: Stage) -> None:
    """Record how far the run has come."""
    run.manifest = run.manifest.model_copy(update={"stage": stage})
    run.folder.write_manifest(run.manifest)


def extend(run: Run, ledger: SqliteLedger, choice: Choice, *, via: Via | None = None) -> None:
    """Put rows that go out and have no position in the send order, and plan their batches.

    `via` takes the place of the run's own. The batches are the word that counts: a longer order without them, or they
    without the index, is what a killed process leaves; `importer.wiring.resuming` puts it right.
    """
    options = run.manifest.options
    order = pl.DataFrame(schema=ORDER_SCHEMA)
    if run.folder.has_order():
        order = run.folder.read_order()
    layout = Layout(
        run.manifest.filled_sets(),
        run.manifest.wire_traits(),
        RoutingPolicy(import_min_rows=options.import_min_rows, part_rows=options.part_rows),
        via or Via(options.via),
    )
    schedule = schedule_rows(run.index, run.package, layout, first=order.height, choice=choice)
    order = pl.concat([order, schedule.order])
    run.index = schedule.index
    payloads = payloads_of(run, order)
    first = ledger.next_batch_id()
    run.folder.write_order(order)
    ledger.add_batches(
        BatchSpec(first + number, cut.route, cut.start, cut.stop, cut.wave, payloads.digest(cut.start, cut.stop))
        for number, cut in enumerate(schedule.cuts)
    )
    run.folder.write_index(run.index)
    run.manifest = run.manifest.model_copy(update={"counts": _with_routes(run.manifest.counts, schedule)})


def payloads_of(run: Run, order: pl.DataFrame) -> PackagePayloads:
    """Return what makes bodies from a run's package."""
    manifest = run.manifest
    return PackagePayloads(
        run.package,
        order["slot"].to_numpy(),
        manifest.wire_traits(),
        manifest.filled_sets(),
        parts=run.folder.path / "parts",
        salt=f"{manifest.mapping_fingerprint}:{manifest.schema_fingerprint}",
    )


def _with_routes(counts: Counts, schedule: Schedule) -> Counts:
    routes = dict(counts.routes)
    for route, added in schedule.routes.items():
        routes[route] = routes.get(route, RouteCounts()).plus(added)
    return counts.model_copy(update={"routes": routes})
