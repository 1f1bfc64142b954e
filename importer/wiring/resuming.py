"""Going on with a run from its folder: neither the source nor the mapping is needed once it is packaged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from importer.core.identity import DecidedBy
from importer.core.index import release_groups
from importer.core.manifest import RunManifest, Stage
from importer.core.merge_groups import with_decision
from importer.core.report import Report
from importer.core.route import Via
from importer.errors import ConfigError, GuardError, LockedError
from importer.pipeline.schedule import Choice
from importer.ports import SourceOptions
from importer.settings import Settings
from importer.sources.open import is_path
from importer.state.decisions import Decision
from importer.state.frames import write_frame
from importer.state.ledger import SqliteLedger
from importer.state.lock import PackagingLock, RunLock, SendingLock
from importer.state.run_folder import RunFolder
from importer.state.takeover import finish_takeover
from importer.wiring.clock import CLOCK
from importer.wiring.delivering import Occasion, left_to_send
from importer.wiring.disk import given_back, resumable, with_room
from importer.wiring.finding import find_planned_run, find_run
from importer.wiring.grouping import GROUPS_FILE, remember
from importer.wiring.opening import opened
from importer.wiring.overtaken import lines_coming, lines_left, refuse_overtaken
from importer.wiring.rebuilding import rebuild_ledger
from importer.wiring.reopening import (
    check_age,
    check_schema,
    load_run,
    loaded_settings,
    open_store,
)
from importer.wiring.replanning import replan
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.run import Run, set_stage, with_limits
from importer.wiring.runs import packaged_run, planned_report
from importer.wiring.send_order import extend
from importer.wiring.sending import send
from importer.wiring.sync_by_hand import by_hand


@dataclass(frozen=True)
class ResumeRequest:
    """How to go on with a run.

    Attributes:
        run: Its id, the beginning of it, or ``last``.
        settings: Credentials and runs folder; the store is the run's own.
        release: Merge groups to let go: their numbers; empty set for all but those that somebody said to hold; None for
            none.
        hold: Merge groups that stay held in later runs, too: their numbers; empty set for all; None for none.
        rest: Send what a `--limit` left out.
        stale_ok: Send a package older than 24 hours without asking.
        max_rejected_percent: Replaces the run's own guard.
        max_operations: Send nothing that may cost more; replaces the run's own limit.
        free_operations: Free operations of a month; replaces what the run says.
        replan: Check the package against the store's schema as it is now, and plan what was not sent anew.
        rebuild_ledger: Put a ledger that cannot be believed aside, make it anew, and send everything once more.
        ignore_later: Also send rows that a later run may have delivered, and do not look for such runs.
        planned_only: Refuse a run that was sent already, wholly or in part; ``last`` is then the newest planned run.
        command: Name for the report.
    """

    run: str
    settings: Settings
    release: Collection[int] | None = None
    hold: Collection[int] | None = None
    rest: bool = False
    stale_ok: bool = False
    max_rejected_percent: float | None = None
    max_operations: int | None = None
    free_operations: int | None = None
    replan: bool = False
    rebuild_ledger: bool = False
    ignore_later: bool = False
    planned_only: bool = False
    command: str = "resume"


def resume(request: ResumeRequest, hooks: Hooks | None = None, options: SendOptions | None = None) -> Report:
    """Go on with a run.

    Args:
        request: Which run, and what of it.
        hooks: Progress, questions, stopping; nothing of the kind if None.
        options: How hard to send; the defaults if None.

    Raises:
        StateError: the run is damaged.
        ConfigError: there is no such run, or it cannot be sent (a dry run; stale and nobody agreed).
        GuardError: the store's schema, the source or the mapping is not what it was.
        ApiError: the store could not be read.
        LockedError: another process works on the run, or on the sync that it is of.
    """
    releases = request.release is not None or request.rest
    return by_hand(
        request.settings, request.run, lambda: go_on(request, hooks, options), replan=request.replan, releases=releases
    )


def go_on(request: ResumeRequest, hooks: Hooks | None = None, options: SendOptions | None = None) -> Report:
    """The same for a sync, which has its lock and puts into its snapshot itself what was delivered."""
    hooks, options = hooks or Hooks(), options or SendOptions()
    started_at = CLOCK.utc_now_iso()
    found = (find_planned_run if request.planned_only else find_run)(request.settings, request.run)
    folder, manifest = found.folder, found.manifest
    if manifest.stage is Stage.PACKAGING:
        return _start_again(request, folder, manifest, hooks, options)
    with RunLock(folder.path), resumable(folder.path), open_store(request.settings, manifest, hooks) as store:
        if finish_takeover(folder):
            manifest = folder.read_manifest()
        if request.replan:
            with SendingLock(folder.path.parent, manifest.target.store_id):
                manifest = replan(folder, manifest, store.schema, hooks)
        check_schema(store, manifest, folder)
        if _may_send(request, folder, options):
            check_age(found, hooks, "resume", *_given(request), stale_ok=request.stale_ok)
        if request.rebuild_ledger:
            hooks = rebuild_ledger(folder, manifest, hooks, ignore_later=request.ignore_later)
        with SendingLock(folder.path.parent, manifest.target.store_id):
            run = load_run(folder)
            if request.max_rejected_percent is not None:
                run.manifest = _with_guard(run.manifest, request.max_rejected_percent)
            run.manifest = with_limits(run.manifest, request.max_operations, request.free_operations)
            if request.hold is not None:
                _hold(run, request.hold)
            if request.release is not None or request.rest:
                _refuse_overtaken(run, request)
                _extend(run, request)
        occasion = Occasion(request.command, started_at)
        return send(run, store, hooks, options, occasion, ignore_later=request.ignore_later)


def _may_send(request: ResumeRequest, folder: RunFolder, options: SendOptions) -> bool:
    more = request.rebuild_ledger or request.release is not None or request.rest or options.settle == "redeliver"
    return more or bool(left_to_send(folder))


def _with_guard(manifest: RunManifest, percent: float) -> RunManifest:
    options = manifest.options.model_copy(update={"max_rejected_percent": percent})
    return manifest.model_copy(update={"options": options})


def _extend(run: Run, request: ResumeRequest) -> None:
    """Release groups and add what a limit left out to the send order, before anything is sent."""
    if run.manifest.stage is Stage.FINISHED:
        # Before there is anything to send, so that nobody takes a run that was killed here for finished.
        set_stage(run, Stage.SENDING)
    with SqliteLedger.open(run.folder.ledger) as ledger:
        if request.release is not None:
            released = _release(run, request.release)
            # Rows of a released group go by Bulk alone, also in a run that was to go by import.
            via = Via.AUTO if run.manifest.options.via == Via.IMPORT else None
            extend(run, ledger, Choice(groups=released), via=via)
        if request.rest:
            extend(run, ledger, Choice())
    write_frame(run.folder.package / GROUPS_FILE, run.groups)
    run.folder.write_manifest(run.manifest)


def _refuse_overtaken(run: Run, request: ResumeRequest) -> None:
    """Refuse before anything is put in the send order; what is there already is looked at with it."""
    if request.ignore_later:
        return
    groups = None if request.release is None else _to_release(run, request.release)
    index = run.index if groups is None else release_groups(run.index, groups)
    lines = np.union1d(lines_left(run), lines_coming(index, groups=groups, rest=request.rest))
    refuse_overtaken(run, lines, *_given(request), index=index)


def _given(request: ResumeRequest) -> list[str]:
    """Return the options of a request that say what is sent, as they are typed."""
    given = ["--all"] if request.rest else []
    if request.release is not None:
        given += ["--release", ",".join(map(str, sorted(request.release))) or "all"]
    return given


def _to_release(run: Run, chosen: Collection[int]) -> frozenset[int]:
    """Return the numbers of the held groups that are let go."""
    open_groups = _held(run, chosen).filter(pl.col("decided_by").is_null())
    return frozenset(chosen) or frozenset(open_groups["group"].to_list())


def _release(run: Run, chosen: Collection[int]) -> frozenset[int]:
    """Let held groups go; return their numbers."""
    released = _to_release(run, chosen)
    run.index = release_groups(run.index, released)
    run.groups = with_decision(run.groups, pl.col("group").is_in(sorted(released)), DecidedBy.RELEASE)
    return released


def _held(run: Run, chosen: Collection[int]) -> pl.DataFrame:
    """Return the held groups; refuse numbers that are none."""
    held = run.groups.filter(pl.col("decision") == "held")
    strange = set(chosen) - set(held["group"].to_list())
    if strange:
        raise ConfigError(
            f"run {run.folder.run_id} has no held group {', '.join(map(str, sorted(strange)))}",
            hint="groups.parquet lists them",
        )
    return held


def _hold(run: Run, chosen: Collection[int]) -> None:
    """Keep groups held, and tell later runs to do so, too."""
    held = _held(run, chosen)
    held = held.filter(pl.col("group").is_in(list(chosen))) if chosen else held
    decision = Decision(decision="held", decided_at=CLOCK.utc_now_iso(), run_id=run.folder.run_id)
    remember(run, held, decision)
    run.groups = with_decision(run.groups, pl.col("group").is_in(held["group"].implode()), DecidedBy.HOLD)
    write_frame(run.folder.package / GROUPS_FILE, run.groups)


def _start_again(
    request: ResumeRequest, folder: RunFolder, manifest: RunManifest, hooks: Hooks, options: SendOptions
) -> Report:
    """Package anew what was interrupted while packaging; nothing of it was sent."""
    started_in = Path(manifest.working_folder)
    if request.max_rejected_percent is not None:
        manifest = _with_guard(manifest, request.max_rejected_percent)
    manifest = with_limits(manifest, request.max_operations, request.free_operations)
    again = RunRequest(
        source=tuple(str(started_in / name) if is_path(name) else name for name in manifest.source.spec),
        mapping=started_in / manifest.mapping_name,
        settings=loaded_settings(request.settings, manifest),
        emulator=manifest.target.emulator,
        source_options=SourceOptions(**manifest.source.options),  # type: ignore[arg-type]  # written from its fields
        options=manifest.options,
        part_rows=manifest.options.part_rows,
    )
    with opened(again, hooks.stop.wait) as inputs:
        record = inputs.source_record(manifest.source.spec, "")
        if inputs.mapping.fingerprint != manifest.mapping_fingerprint or record.stamps != manifest.source.stamps:
            raise GuardError(
                f"run {folder.run_id} stopped while it read the source, and source or mapping changed since",
                hint="start a new run",
            )
        with PackagingLock(folder.path):
            if folder.read_manifest().stage is not Stage.PACKAGING:
                raise LockedError(f"run {folder.run_id} was packaged meanwhile", hint="resume it once more")
            checked = with_room(folder.path.parent, inputs, leftover=folder.package)
            with given_back(folder):
                run = packaged_run(again, hooks, checked, folder, manifest.command)
        if manifest.command == "plan":
            return planned_report(run, hooks)
        if inputs.store is None:
            raise ConfigError("the run has no store", hint="start a new run")
        occasion = Occasion(request.command, CLOCK.utc_now_iso())
        return send(run, inputs.store, hooks, options, occasion, ignore_later=request.ignore_later)
