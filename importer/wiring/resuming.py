"""Going on with a run from its folder: neither the source nor the mapping is needed once it is packaged."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.index import INDEX_SCHEMA, release_groups
from importer.core.manifest import RunManifest, Stage
from importer.core.report import Report
from importer.core.route import Via
from importer.errors import ConfigError, GuardError, LockedError
from importer.pipeline.schedule import Choice
from importer.ports import SourceOptions
from importer.settings import Settings
from importer.state.ledger import SqliteLedger
from importer.state.lock import PackagingLock, SendingLock
from importer.state.package import read_frame, write_frame
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.opening import opened
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.runs import CLOCK, GROUPS_FILE, Run, extend, packaged_run, planned_report
from importer.wiring.sending import Occasion, loaded_settings, send
from importer.wiring.targets import OpenTarget, open_emulator, open_live

STALE_AFTER: Final = timedelta(hours=24)
"""An older package asks before it is sent: the world may have moved on."""


@dataclass(frozen=True)
class ResumeRequest:
    """How to go on with a run.

    Attributes:
        run: Its id, the beginning of it, or ``last``.
        settings: Credentials and runs folder; the store is the run's own.
        release: Merge groups to let go: their numbers; empty set for all; None for none.
        rest: Send what a `--limit` left out.
        stale_ok: Send a package older than 24 hours without asking.
        max_rejected_percent: Replaces the run's own guard.
        command: Name for the report.
    """

    run: str
    settings: Settings
    release: Collection[int] | None = None
    rest: bool = False
    stale_ok: bool = False
    max_rejected_percent: float | None = None
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
    """
    hooks, options = hooks or Hooks(), options or SendOptions()
    started_at = CLOCK.utc_now_iso()
    folder = RunsFolder(Path(request.settings.runs_dir)).find(request.run)
    manifest = folder.read_manifest()
    # A dry run that was killed is still one: it must not begin to send because somebody resumes it.
    if manifest.stage is Stage.CHECKED or manifest.command == "validate":
        raise ConfigError(f"run {folder.run_id} was a dry run; it has nothing to send", hint="use `plan` or `import`")
    if manifest.stage is Stage.PACKAGING:
        return _start_again(request, folder, manifest, hooks, options)
    with _store(request, manifest, hooks) as store:
        if store.schema.fingerprint_of(trait.ref for trait in manifest.traits) != manifest.schema_fingerprint:
            raise GuardError(
                "the store's traits or identity settings of this mapping changed since the run was planned; "
                "nothing was sent",
                hint="plan the source again",
            )
        _check_age(request, manifest, hooks)
        with SendingLock(folder.path.parent, manifest.target.store_id):
            run = _load(folder)
            if request.max_rejected_percent is not None:
                run.manifest = _with_guard(run.manifest, request.max_rejected_percent)
            if request.release is not None or request.rest:
                _extend(run, request)
        return send(run, store, hooks, options, Occasion(request.command, started_at))


def _store(request: ResumeRequest, manifest: RunManifest, hooks: Hooks) -> AbstractContextManager[OpenTarget]:
    if manifest.target.emulator:
        return open_emulator(request.settings, store_id=manifest.target.store_id)
    return open_live(loaded_settings(request.settings, manifest), wait=hooks.stop.wait)


def _check_age(request: ResumeRequest, manifest: RunManifest, hooks: Hooks) -> None:
    if request.stale_ok or manifest.target.emulator:
        return
    age = datetime.fromisoformat(CLOCK.utc_now_iso()) - datetime.fromisoformat(manifest.created_at)
    if age <= STALE_AFTER:
        return
    if not hooks.confirm_stale(
        f"The package is {age.days * 24 + age.seconds // 3600} hours old. Send it all the same?"
    ):
        raise ConfigError("the package is older than 24 hours", hint="give --stale-ok, or plan the source again")


def _load(folder: RunFolder) -> Run:
    """Read a run, while no other process extends it."""
    groups = read_frame(folder.package / GROUPS_FILE)
    run = Run(folder, folder.read_manifest(), folder.reader(), folder.read_index(), groups)
    with SqliteLedger.open(folder.ledger) as ledger:
        _make_whole(run, planned=max((entry.spec.stop for entry in ledger.entries()), default=0))
    return run


def _make_whole(run: Run, *, planned: int) -> None:
    """Finish or undo an extension of the send order that a killed process left half done.

    Args:
        run: As it is on disk.
        planned: Positions that have a batch: no more and no fewer are in the order.
    """
    order = run.folder.read_order()
    if order.height > planned:
        order = order.head(planned)
        run.folder.write_order(order)
    if run.index.filter(pl.col("position") >= 0).height != planned:
        positions = run.index["position"].scatter(order["line"], pl.int_range(planned, eager=True))
        # Only a release gives a position to rows that were held.
        state = pl.when((pl.col("position") >= 0) & (pl.col("state") == "held")).then(pl.lit("sequence"))
        run.index = run.index.with_columns(position=positions).with_columns(state.otherwise("state").alias("state"))
        run.index = run.index.cast(INDEX_SCHEMA)
        run.folder.write_index(run.index)
    going = run.index.filter(pl.col("state") == "sequence")["group"].unique().implode()
    _mark_released(run, (pl.col("decision") == "held") & pl.col("group").is_in(going))


def _mark_released(run: Run, groups: pl.Expr) -> None:
    run.groups = run.groups.with_columns(decision=pl.when(groups).then(pl.lit("released")).otherwise("decision"))


def _with_guard(manifest: RunManifest, percent: float) -> RunManifest:
    options = manifest.options.model_copy(update={"max_rejected_percent": percent})
    return manifest.model_copy(update={"options": options})


def _extend(run: Run, request: ResumeRequest) -> None:
    """Release groups and add what a limit left out to the send order, before anything is sent."""
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


def _release(run: Run, chosen: Collection[int]) -> frozenset[int]:
    """Let held groups go; return their numbers."""
    known = set(run.groups.filter(pl.col("decision") == "held")["group"].to_list())
    strange = set(chosen) - known
    if strange:
        raise ConfigError(
            f"run {run.folder.run_id} has no held group {', '.join(map(str, sorted(strange)))}",
            hint="groups.parquet lists them",
        )
    released = frozenset(chosen) or frozenset(known)
    run.index = release_groups(run.index, released)
    _mark_released(run, pl.col("group").is_in(sorted(released)))
    return released


def _start_again(
    request: ResumeRequest, folder: RunFolder, manifest: RunManifest, hooks: Hooks, options: SendOptions
) -> Report:
    """Package anew what was interrupted while packaging; nothing of it was sent."""
    started_in = Path(manifest.working_folder)
    if request.max_rejected_percent is not None:
        manifest = _with_guard(manifest, request.max_rejected_percent)
    again = RunRequest(
        source=tuple(name if name == "-" else str(started_in / name) for name in manifest.source.spec),
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
            run = packaged_run(again, hooks, inputs, folder, manifest.command)
        if manifest.command == "plan":
            return planned_report(run, hooks)
        if inputs.store is None:
            raise ConfigError("the run has no store", hint="start a new run")
        return send(run, inputs.store, hooks, options, Occasion(request.command, CLOCK.utc_now_iso()))
