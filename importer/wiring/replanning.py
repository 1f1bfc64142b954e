"""Planning a packaged run again where its store's schema moved: from the package, without the source.

The typed rows are checked against the new schema, identity, routes and batches are decided anew, and what was sent
stays as it is: only rows that no request has carried yet are planned again. Everything is made beside the run's own
files and takes their place at once.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.delivery import BatchEntry, BatchSpec
from importer.core.identity_result import RowCode
from importer.core.index import INDEX_SCHEMA
from importer.core.lifecycle import BatchState
from importer.core.manifest import RouteCounts, RunManifest, Stage, TraitRecord
from importer.core.mapping_resolve import resolve_mapping
from importer.core.recheck import Recheck, recheck_of, unfit
from importer.core.route import Reason, Route, Via
from importer.core.schema import StoreSchema
from importer.core.schema_moves import schema_moves
from importer.core.transform import TransformPlan
from importer.core.wire import ENCODER_VERSION, wire_traits
from importer.errors import GuardError, MappingError
from importer.files import make_private_folder, writing
from importer.pipeline.decide import Deciding, decide, write_changed
from importer.pipeline.outcomes import place_findings
from importer.pipeline.schedule import Choice
from importer.reports.issue_files import IssueSink
from importer.state.decisions import Decisions
from importer.state.frozen import MAPPING_FILE, freeze, frozen_mapping, frozen_schema
from importer.state.ledger import SqliteLedger
from importer.state.ledger_copy import copy_ledger
from importer.state.package import (
    ROWS_FILE,
    PackageReader,
    write_frame,
)
from importer.state.run_folder import RunFolder
from importer.state.takeover import DRAFT, commit, drop_draft
from importer.state.verified_file import VERIFIED_FILE
from importer.wiring.grouping import GROUPS_FILE, Recalling, groups_frame, recall, write_members
from importer.wiring.rechecking import checked_again
from importer.wiring.reopening import load_run
from importer.wiring.requests import Hooks
from importer.wiring.runs import Run, extend

_NOT_BEGUN: Final = frozenset({BatchState.PENDING, BatchState.OPENED, BatchState.CREATING, BatchState.SPLIT})
"""States of batches whose rows have not left."""

_ON_THE_WAY: Final = frozenset({BatchState.SENT, BatchState.PATCHING, BatchState.UPLOADING})
"""States of batches that would have to be sent again as they were: nobody can say what became of them."""


@dataclass(frozen=True)
class _Plan:
    """What a run is planned again by."""

    plan: TransformPlan
    recheck: Recheck
    schema: StoreSchema
    moves: tuple[str, ...]


@dataclass(frozen=True)
class _Past:
    """What left already.

    Attributes:
        kept: Batches that stay, as they stay.
        lines: Of the index: which rows stay as they are, because they or the row that carries them left.
        lost: Rows that were on their way when the run stopped.
    """

    kept: tuple[BatchEntry, ...]
    lines: npt.NDArray[np.bool_]
    lost: int

    @property
    def places(self) -> int:
        """How long the part of the send order is that stays."""
        return max((entry.spec.stop for entry in self.kept), default=0)


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
    past = _past(run)
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


def _past(run: Run) -> _Past:
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        entries = list(ledger.entries())
    begun = [entry for entry in entries if entry.state not in _NOT_BEGUN]
    # Their hash was taken over by rows of an earlier plan; nothing of them is sent any more.
    kept = tuple(
        replace(
            entry,
            spec=replace(entry.spec, digest="", parent_id=None),
            state=BatchState.UNKNOWN if entry.state in _ON_THE_WAY else entry.state,
        )
        for entry in begun
    )
    position = run.index["position"].to_numpy()
    left = np.zeros(max((entry.spec.stop for entry in entries), default=0) + 1, dtype=np.bool_)
    for entry in begun:
        left[entry.spec.start : entry.spec.stop] = True
    lines = (position >= 0) & left[np.maximum(position, 0)]
    carrier = run.index["carried_by"].to_numpy()
    lines |= (carrier >= 0) & lines[np.maximum(carrier, 0)]
    lost = sum(entry.spec.rows for entry in begun if entry.state in _ON_THE_WAY)
    return _Past(kept, lines, lost)


def _write(run: Run, draft: RunFolder, planned: _Plan, past: _Past, hooks: Hooks) -> None:
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
    decided = decide(checked.prepared, planned.plan, planned.schema, package, deciding=deciding)
    decided = replace(decided, index=_with_rejected(decided.index, checked.code))
    sets = checked.prepared.filled_sets
    decided = write_changed(decided, sets, package)
    index = _with_past(decided.index, run.index, past, checked.sets_of_slots)
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
            "routes": _routes(past, run),
        }
    )
    fresh = manifest.model_copy(
        update={
            "stage": Stage.SENDING if past.kept else Stage.PLANNED,
            "schema_fingerprint": planned.schema.fingerprint_of(trait.ref for trait in planned.plan.traits),
            "encoder_version": ENCODER_VERSION,
            "traits": tuple(TraitRecord.of(trait) for trait in wire_traits(planned.plan)),
            "counts": counts,
            "notes": (*_notes(planned, past, run.index, index, checked.code), *manifest.notes),
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


def _with_rejected(index: pl.DataFrame, code: pl.Series) -> pl.DataFrame:
    """Take the rows out that do not fit any more."""
    gone = pl.Series(code.is_not_null())
    return index.with_columns(
        state=pl.when(gone).then(pl.lit("rejected", dtype=INDEX_SCHEMA["state"])).otherwise("state"),
        code=pl.when(gone).then(code).otherwise("code"),
    )


def _with_past(
    index: pl.DataFrame, before: pl.DataFrame, past: _Past, sets_of_slots: npt.NDArray[np.uint32]
) -> pl.DataFrame:
    """Leave what was sent as it was, and hold what would go beside it or was held before.

    A row that is linked with one that left comes too late to be decided about together with it. A row that was held for
    a reason that is not known here, such as a decision, does not go because it was planned again.
    """
    stays = pl.Series(past.lines)
    slot = before["slot"].to_numpy()
    kept = before.with_columns(set=pl.Series(sets_of_slots[np.where(past.lines, slot, 0)]) if len(slot) else "set")
    carrier = index["carried_by"].to_numpy()
    late = pl.Series(~past.lines & (carrier >= 0) & past.lines[np.maximum(carrier, 0)])
    group = index["group"].to_numpy()
    sent_groups = np.unique(group[past.lines & (group >= 0)])
    beside = pl.Series(~past.lines & np.isin(group, sent_groups)) & index["state"].is_in(["send", "sequence"])
    going = index["state"].is_in(["send", "sequence"])
    held = (before["state"] == "held") & going & ~stays
    hold = late | beside | held
    why = (
        pl.when(held & before["code"].is_not_null())
        .then(before["code"])
        .when(beside)
        .then(pl.lit(RowCode.MERGE_GROUP.code))
        .otherwise(pl.lit(RowCode.SHARED_IDENTIFIER.code))
    )
    index = index.with_columns(
        state=pl.when(hold).then(pl.lit("held", dtype=INDEX_SCHEMA["state"])).otherwise("state"),
        code=pl.when(hold).then(why).otherwise("code"),
        carried_by=pl.when(late).then(pl.lit(-1, dtype=pl.Int64)).otherwise("carried_by"),
        position=pl.lit(-1, dtype=pl.Int64),
    )
    columns = ("state", "code", "carried_by", "wave", "set", "size", "slot", "position")
    return index.with_columns(kept[name].zip_with(stays, index[name]) for name in columns).cast(INDEX_SCHEMA)


def _routes(past: _Past, run: Run) -> dict[str, RouteCounts]:
    """Count what was sent by route: its reasons are of an earlier plan."""
    routes: dict[str, RouteCounts] = {}
    if not past.kept:
        return routes
    size = run.index["size"].gather(run.folder.read_order()["line"]).to_numpy()
    for entry in past.kept:
        route = entry.spec.route
        added = RouteCounts(
            rows=entry.spec.rows,
            batches=1,
            size_bytes=int(size[entry.spec.start : entry.spec.stop].sum()),
            reasons={Reason.BEFORE.value: entry.spec.rows},
        )
        routes[route.value] = routes.get(route.value, RouteCounts()).plus(added)
    return routes


def _put_in_order(run: Run, again: Run, past: _Past) -> None:
    """Plan the rows that have not left, behind those that have."""
    options = run.manifest.options
    if past.kept:
        copy_ledger(run.folder.ledger, again.folder.ledger, (*past.kept, *_fillers(past)))
        again.folder.write_order(_order_of(run.folder.read_order(), past))
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


def _fillers(past: _Past) -> list[BatchEntry]:
    """Return batches of nothing for the places between batches that left: a ledger has no gaps."""
    number = max(entry.spec.batch_id for entry in past.kept) + 1
    fillers: list[BatchEntry] = []
    stop = 0
    for entry in sorted(past.kept, key=lambda entry: entry.spec.start):
        if entry.spec.start > stop:
            spec = BatchSpec(number + len(fillers), Route.BULK, stop, entry.spec.start, 0, "")
            fillers.append(BatchEntry(spec, BatchState.EMPTIED))
        stop = entry.spec.stop
    return fillers


def _order_of(order: pl.DataFrame, past: _Past) -> pl.DataFrame:
    """Return the part of the send order that stays.

    Batches that never left may stand between others that did. Nothing has their places any more, and no row may be
    found there: they get the row of the last place, whose own place that is.
    """
    order = order.head(past.places)
    taken = np.zeros(past.places, dtype=np.bool_)
    for entry in past.kept:
        taken[entry.spec.start : entry.spec.stop] = True
    line, slot = (order[name].to_numpy().copy() for name in ("line", "slot"))
    line[~taken], slot[~taken] = line[-1], slot[-1]
    return pl.DataFrame({"line": line, "slot": slot}, schema=order.schema)


def _notes(planned: _Plan, past: _Past, before: pl.DataFrame, index: pl.DataFrame, code: pl.Series) -> tuple[str, ...]:
    gone = code.drop_nulls()
    held = index.filter(pl.col("state") == "held").height - before.filter(pl.col("state") == "held").height
    said = [f"{len(gone)} rows no longer fit ({', '.join(gone.unique().sort())})" if len(gone) else "every row fits"]
    if held:
        said.append(f"{abs(held)} rows {'more' if held > 0 else 'fewer'} are held")
    if past.lines.any():
        said.append(f"{int(past.lines.sum())} rows were sent before and stay as they are")
    if past.lost:
        said.append(f"{past.lost} of them were on their way when the run stopped, and are unknown")
    notes = [f"planned again, as the store changed ({'; '.join(planned.moves)}): {', '.join(said)}"]
    if len(gone):
        notes.append("rows that no longer fit are in issues.csv and outcomes.parquet, not in rejected.csv")
    return tuple(notes)
