"""From a source to a checked or planned run: `validate`, `plan`, and the first half of `import`, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from importer.core.cost import Cost, too_dear
from importer.core.filled import FilledSets
from importer.core.manifest import RunManifest, Stage, TraitRecord
from importer.core.merge_groups import groups_frame
from importer.core.report import FinalState, Report
from importer.core.report_hints import STOPS_NOTE
from importer.core.route import Via
from importer.core.wire import ENCODER_VERSION, wire_traits
from importer.errors import ConfigError, RunInterrupted, SourceError
from importer.pipeline.check_source import CheckedSource, Inputs, check_source, write_findings
from importer.pipeline.cost import Made, cost_left, cost_of_rows, planned_requests
from importer.pipeline.decide import Deciding, write_changed
from importer.pipeline.inspect_fixes import settled_fixes
from importer.pipeline.prepare import Sinks
from importer.pipeline.schedule import Choice
from importer.pipeline.sensitive import SensitiveSample
from importer.reports.issue_files import IssueSink
from importer.reports.rejected_files import RejectedSink
from importer.state.frames import write_frame
from importer.state.frozen import freeze
from importer.state.ledger import SqliteLedger
from importer.state.lock import PackagingLock
from importer.state.memory import give_back
from importer.state.run_folder import RunFolder, RunsFolder
from importer.state.sequence import next_number
from importer.wiring.at_work import at_work
from importer.wiring.clock import CLOCK
from importer.wiring.counting import counts_of, guard_trips
from importer.wiring.disk import given_back, with_room
from importer.wiring.finishing import Ending, delivered_by, finish
from importer.wiring.foretelling import all_sent, awaited, awaited_on_failure, foretell
from importer.wiring.grouping import GROUPS_FILE, MOST_BESIDE, write_members
from importer.wiring.housekeeping import drop_old_packages
from importer.wiring.opening import Opened, opened
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.revising import Revision
from importer.wiring.run import Run, set_stage
from importer.wiring.send_order import extend


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
    with opened(request, hooks.stop.wait, hashed=False) as inputs:
        with _new_folder(request) as folder, awaited_on_failure() as beside:
            run, checked = checked_run(request, at_work(hooks, folder), inputs, folder, "validate", beside)
        with awaited(run):
            going = run.index.select("set", "state").filter(pl.col("state").is_in(["send", "sequence"]))
            coming = cost_of_rows(going, Made(checked.prepared.sets, run.manifest.wire_traits()))
            end = Ending("validate", CLOCK.utc_now_iso(), FinalState.PLANNED, coming=coming)
            del going, checked  # numbers of all rows
            run.index = all_sent(run.index)
            with given_back(folder):
                report = finish(run, end)
                run.folder.write_manifest(run.manifest.model_copy(update={"stage": Stage.CHECKED}))
        run.folder.drop_package()
        hooks.progress.finish()
        return report


@contextmanager
def _new_folder(request: RunRequest) -> Iterator[RunFolder]:
    """Make a run folder; it goes again if the run is refused or stopped before there is anything to keep."""
    runs_dir = Path(request.settings.runs_dir)
    drop_old_packages(runs_dir, datetime.fromisoformat(CLOCK.utc_now_iso()))
    folder = RunsFolder(runs_dir).create(CLOCK.stamp())
    try:
        with PackagingLock(folder.path), given_back(folder):
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
    foretelling: Executor | None,
) -> tuple[Run, CheckedSource]:
    """Read, check and decide about the whole source; write outcomes beside it where they are known then."""
    manifest = _new_manifest(request, inputs, folder, command)
    folder.write_manifest(manifest)
    with (
        ThreadPoolExecutor(1, "members") as beside,
        _sinks(request, hooks, inputs, folder) as (sinks, issues),
    ):
        checks, doubts = settled_fixes(inputs.source, inputs.checks, request.options.fixes, sinks)
        plans = command != "validate"
        revision = Revision(request, hooks, inputs, folder)
        sample = SensitiveSample(checks.plan)
        if not plans:
            # A dry run spills no more than identity needs.
            checks = replace(checks, wanted=frozenset(trait.ref for trait in inputs.plan.identifiers))
        source = Inputs(inputs.source, checks, inputs.schema)
        checked = check_source(
            source,
            folder if plans else RunFolder(folder.path, lasting=False),
            sinks,
            deciding=Deciding(request.options.allow_merges, request.options.forecast_reading(), revision),
            look=sample.look,
            sets=FilledSets(wire_traits(checks.plan), by_file=plans and request.options.via != Via.BULK, sized=plans),
        )
        outcomes = None if foretelling is None else foretell(foretelling, folder, manifest, checked)
        members = beside.submit(write_members, folder.package, checked.decided.identity, checked.package)
        if np.count_nonzero(checked.decided.identity.fates.group >= 0) > MOST_BESIDE:
            wait([members])
        notes = beside.submit(sample.notes)
        write_findings(source, checked, sinks)
    members.result()
    give_back(checked.prepared.rows_read)
    groups = groups_frame(checked.decided.identity)
    manifest = manifest.model_copy(
        update={
            "counts": counts_of(checked.prepared, inputs, issues),
            "source": inputs.source_record(request.sources, inputs.source.fingerprint() if plans else ""),
            "notes": (*notes.result(), *manifest.notes, *doubts, *checked.decided.identity.notes, *revision.notes),
            "stored": revision.stored,
        }
    )
    return Run(folder, manifest, checked.package, checked.decided.index, groups, outcomes), checked


def _new_manifest(request: RunRequest, inputs: Opened, folder: RunFolder, command: str) -> RunManifest:
    routing = inputs.plan.routing
    return RunManifest(
        run_id=folder.run_id,
        command=command,
        created_at=CLOCK.utc_now_iso(),
        sequence=next_number(folder.path.parent),
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
        with ThreadPoolExecutor(1, "rejected") as beside:
            closed = beside.submit(rejected.close)
            issues.close()
        closed.result()
    finally:
        issues.abort()
        rejected.abort()


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


def planned_report(run: Run, hooks: Hooks, more: Cost | None = None, *, command: str = "plan") -> Report:
    """Report what would be sent.

    Args:
        run: Planned.
        hooks: Progress.
        more: What is done beside sending costs.
        command: Name for the report.
    """
    with awaited(run):
        coming = cost_now(run) + (more or Cost())
        tripped = guard_trips(run) or too_dear(coming, run.manifest.options.max_operations)
        notes = (f"{STOPS_NOTE}6: {tripped}",) if tripped is not None else ()
        end = Ending(
            command,
            CLOCK.utc_now_iso(),
            FinalState.PLANNED,
            requests=planned_requests(run.manifest.counts.routes, coming),
            notes=notes,
            coming=coming,
        )
        with given_back(run.folder):
            report = finish(run, end)
    hooks.progress.finish()
    return report


def cost_now(run: Run) -> Cost:
    """Return what sending the rest of a run costs."""
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        delivered = delivered_by(ledger)
    return cost_left(run.index, delivered, Made(run.manifest.filled_sets(), run.manifest.wire_traits()))


def planned_run(request: RunRequest, hooks: Hooks, inputs: Opened, command: str) -> Run:
    """Check a source in a new run folder, then route its rows and write everything that sending needs."""
    inputs = with_room(Path(request.settings.runs_dir), inputs)
    with _new_folder(request) as folder:
        return packaged_run(request, hooks, inputs, folder, command)


def packaged_run(request: RunRequest, hooks: Hooks, inputs: Opened, folder: RunFolder, command: str) -> Run:
    """The same in a folder that is there already."""
    hooks = at_work(hooks, folder)
    with awaited_on_failure() as beside:
        known = command == "plan" and request.options.limit is None  # a sync takes rows out later, and is none
        run, checked = checked_run(request, hooks, inputs, folder, command, beside if known else None)
        sets = checked.prepared.filled_sets
        decided = write_changed(checked.decided, sets, run.package)
        run.manifest = run.manifest.with_sets(tuple(sets.sets()))
        run.index = decided.index
        del checked, decided  # numbers of all rows, as they were before
        give_back(run.index.height)
        if inputs.earlier is not None:
            inputs.earlier.settle(run)
        write_frame(run.folder.package / GROUPS_FILE, run.groups)
        freeze(run.folder, inputs.schema, _content(request.mapping_path))
        with run.folder.create_ledger(run.manifest) as ledger:
            hooks.progress.stage("plan", run.index.height)
            extend(run, ledger, Choice(limit=request.options.limit))
            hooks.progress.advance(run.index.height)
        set_stage(run, Stage.PLANNED)
    return run


def _content(mapping: Path) -> bytes | None:
    """Read the mapping's text once more, to be kept; whether it is still the same is asked when it is needed."""
    with suppress(OSError):
        return mapping.read_bytes()
    return None
