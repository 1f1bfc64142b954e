"""Planning a packaged run again where its store's schema moved: from the package, without the source.

The typed rows are checked against the new schema, identity, routes and batches are decided anew, and what was sent
stays as it is: only rows that no request has carried yet are planned again. Everything is made beside the run's own
files and takes their place at once.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace

import polars as pl

from importer.core.manifest import RouteCounts, RunManifest, Stage, TraitRecord
from importer.core.mapping_resolve import resolve_mapping
from importer.core.merge_groups import groups_frame
from importer.core.recheck import Recheck, recheck_of, unfit
from importer.core.replan import Past, fillers, notes_of, order_of, past_of, routes_of, with_past, with_rejected
from importer.core.route import Via
from importer.core.schema import StoreSchema
from importer.core.schema_moves import schema_moves
from importer.core.transform import TransformPlan
from importer.core.wire import ENCODER_VERSION, wire_traits
from importer.errors import GuardError, MappingError
from importer.files import make_private_folder, writing
from importer.pipeline.decide import Deciding, decide, write_changed
from importer.pipeline.places import place_findings
from importer.pipeline.schedule import Choice
from importer.reports.issue_files import IssueSink
from importer.state.decisions import Decisions
from importer.state.frames import write_frame
from importer.state.frozen import MAPPING_FILE, freeze, frozen_mapping, frozen_schema
from importer.state.ledger import SqliteLedger
from importer.state.ledger_copy import copy_ledger
from importer.state.package import ROWS_FILE, PackageReader
from importer.state.run_folder import RunFolder
from importer.state.takeover import DRAFT, commit, drop_draft
from importer.state.verified_file import VERIFIED_FILE
from importer.wiring.grouping import GROUPS_FILE, Recalling, recall, write_members
from importer.wiring.rechecking import checked_again
from importer.wiring.reopening import load_run
from importer.wiring.requests import Hooks
from importer.wiring.run import Run
from importer.wiring.send_order import extend


@dataclass(frozen=True)
class _Plan:
    """What a run is planned again by."""

    plan: TransformPlan
    recheck: Recheck
    schema: StoreSchema
    moves: tuple[str, ...]


def replan(folder: RunFolder, manifest: RunManifest, now: StoreSchema, hooks: Hooks) -> RunManifest:
    """Plan a run again by the schema that its store has now. Call it under the locks of the run and of its store.

    Args:
        folder: A packaged run.
        manifest: Its record.
        now: The schema.
        hooks: Told how far it is.

    Returns:
        The new record; the same one where nothing moved.

    Raises:
        GuardError: the package does not tell enough, or the mapping does not fit the store any more.
        StateError: the run is damaged, or cannot be written to.
    """
    fingerprint = now.fingerprint_of(trait.ref for trait in manifest.traits)
    if fingerprint == manifest.schema_fingerprint and manifest.encoder_version == ENCODER_VERSION:
        return manifest
    if manifest.options.lookup:
        # What was held for the profiles of the store would go: nobody looks them up again here.
        raise _impossible(manifest, ["its rows were looked up in the store (--lookup), and would not be again"])
    planned = _planned_by(folder, manifest, now)
    run = load_run(folder)
    with SqliteLedger.open(folder.ledger, read_only=True) as ledger:
        past = past_of(run.index, list(ledger.entries()))
    if past.lines.any() and planned.recheck.changed:
        raise _impossible(
            manifest,
            [f"{ref} gets values of another kind, and rows were sent already" for ref in planned.recheck.changed],
        )
    drop_draft(folder)
    try:
        draft = RunFolder(folder.path / DRAFT)
        with writing(draft.path):
            make_private_folder(draft.package)
        _write(run, draft, planned, past, hooks)
        commit(folder)
    finally:
        drop_draft(folder)
    return folder.read_manifest()


def _planned_by(folder: RunFolder, manifest: RunManifest, now: StoreSchema) -> _Plan:
    before, mapping = frozen_schema(folder), frozen_mapping(folder, manifest.mapping_fingerprint)
    if before is None or mapping is None:
        raise _impossible(manifest, ["its schema and mapping were not kept with it"])
    try:
        plan = resolve_mapping(mapping, manifest.source.columns, now)
    except MappingError as error:
        raise _impossible(manifest, [str(problem) for problem in error.problems]) from None
    options = manifest.options
    plan = replace(
        plan,
        routing=replace(plan.routing, part_rows=options.part_rows, import_min_rows=options.import_min_rows),
    )
    reasons = unfit(plan, before, now)
    if reasons:
        raise _impossible(manifest, reasons)
    moves = schema_moves(before, now, [trait.ref for trait in manifest.traits]) or ("the encoding",)
    return _Plan(plan, recheck_of(plan, before, now), now, moves)


def _impossible(manifest: RunManifest, reasons: list[str] | tuple[str, ...]) -> GuardError:
    return GuardError(
        f"run {manifest.run_id} cannot be planned again from its package: {'; '.join(reasons)}; nothing was sent",
        hint="plan the source again",
    )


def _write(run: Run, draft: RunFolder, planned: _Plan, past: Past, hooks: Hooks) -> None:
    """Make the whole run anew in the draft folder."""
    manifest, folder = run.manifest, run.folder
    for name in (ROWS_FILE, *((VERIFIED_FILE,) if past.kept else ())):
        if (folder.package / name).exists():
            _link(folder, draft, f"package/{name}")
    checked = checked_again(run, draft, planned.recheck, past.lines, hooks)
    package = PackageReader(draft.package)
    recalling = Recalling(planned.plan, Decisions(folder.path.parent, manifest.target), keeps=True)
    deciding = Deciding(
        manifest.options.allow_merges,
        manifest.options.forecast_reading(),
        lambda identity, prepared, access: recall(identity, prepared, access, recalling)[0],
    )
    decided = decide(checked.prepared, planned.plan, planned.schema, package, deciding)
    decided = replace(decided, index=with_rejected(decided.index, checked.code))
    sets = checked.prepared.filled_sets
    decided = write_changed(decided, sets, package)
    index = with_past(decided.index, run.index, past, checked.sets_of_slots)
    groups = groups_frame(decided.identity)
    write_frame(draft.package / GROUPS_FILE, groups)
    write_members(draft.package, decided.identity, package)
    names = manifest.source.files
    issues = IssueSink(draft.path, manifest.key, names, show_values=False)
    try:
        issues.take_over(folder.path)
        for frame in place_findings(package, index, checked.issues):
            issues.append(frame.with_columns(pl.col("value").cast(pl.String)))
        issues.close()
    finally:
        issues.abort()
    counts = manifest.counts.model_copy(
        update={
            "issues": dict(sorted(issues.counts.items())),
            "warnings": dict(sorted(issues.warnings.items())),
            "routes": _routes_before(past, run),
        }
    )
    fresh = manifest.model_copy(
        update={
            "stage": Stage.SENDING if past.kept else Stage.PLANNED,
            "schema_fingerprint": planned.schema.fingerprint_of(trait.ref for trait in planned.plan.traits),
            "encoder_version": ENCODER_VERSION,
            "traits": tuple(TraitRecord.of(trait) for trait in wire_traits(planned.plan)),
            "counts": counts,
            "notes": (
                *notes_of(planned.moves, past, run.index, index, checked.code, checked.issues),
                *manifest.notes,
            ),
        }
    ).with_sets(tuple(sets.sets()))
    again = Run(draft, fresh, package, index, groups)
    _put_in_order(run, again, past)
    package.close()
    draft.write_manifest(again.manifest)
    freeze(draft, planned.schema, (folder.path / MAPPING_FILE).read_bytes())


def _link(folder: RunFolder, draft: RunFolder, name: str) -> None:
    """Give the draft a file that stays as it is."""
    with writing(draft.path):
        try:
            os.link(folder.path / name, draft.path / name)
        except OSError:  # a file system without links
            shutil.copy2(folder.path / name, draft.path / name)


def _routes_before(past: Past, run: Run) -> dict[str, RouteCounts]:
    if not past.kept:
        return {}
    return routes_of(past, run.index["size"].gather(run.folder.read_order()["line"]).to_numpy())


def _put_in_order(run: Run, again: Run, past: Past) -> None:
    """Plan the rows that have not left, behind those that have."""
    options = run.manifest.options
    if past.kept:
        copy_ledger(run.folder.ledger, again.folder.ledger, (*past.kept, *fillers(past)))
        again.folder.write_order(order_of(run.folder.read_order(), past))
    else:
        again.folder.create_ledger(again.manifest).close()
    before = run.index
    waiting = before.filter(pl.col("state").is_in(["send", "sequence"]) & (pl.col("position") < 0)).height
    planned = int(((before["position"] >= 0) & ~pl.Series(past.lines)).sum())
    limit = planned if waiting else None
    with SqliteLedger.open(again.folder.ledger) as ledger:
        if options.via != Via.IMPORT:
            extend(again, ledger, Choice(limit=limit))
            return
        # Rows of an allowed group go by Bulk alone, also in a run that was to go by import.
        grouped = pl.Series(again.index["state"] == "sequence")
        extend(again, ledger, Choice(limit=limit, lines=(~grouped).arg_true()))
        if grouped.any():
            extend(again, ledger, Choice(lines=grouped.arg_true()), via=Via.AUTO)
