"""Opening a run that is there: its folder, its store, and its package made whole after a kill."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from importer.core.manifest import RunManifest
from importer.core.schema_moves import schema_moves
from importer.core.suggested import run_command, sync_command
from importer.core.wire import ENCODER_VERSION
from importer.errors import GuardError, SettingsError
from importer.pipeline.made_whole import made_whole
from importer.settings import Settings
from importer.state.frozen import frozen_schema
from importer.state.run_folder import RunFolder
from importer.state.takeover import finish_takeover
from importer.wiring.asking import agreed
from importer.wiring.clock import CLOCK
from importer.wiring.finding import Found
from importer.wiring.grouping import read_groups
from importer.wiring.rebuilding import check_order
from importer.wiring.requests import Hooks
from importer.wiring.run import Run
from importer.wiring.send_order import recorded_routes
from importer.wiring.targets import OpenTarget, open_emulator, open_live

STALE_AFTER: Final = timedelta(hours=24)
"""An older package asks before it is sent: the world may have moved on."""


def open_store(settings: Settings, manifest: RunManifest, hooks: Hooks) -> AbstractContextManager[OpenTarget]:
    """Open the store a run was made for.

    Raises:
        SettingsError: no credentials, or settings that name another host.
        ApiError: the store could not be read.
        LockedError: the run is one of the local emulator, and another process has its state.
    """
    if manifest.target.emulator:
        return open_emulator(settings, store_id=manifest.target.store_id, wait=hooks.stop.wait)
    return open_live(loaded_settings(settings, manifest), wait=hooks.stop.wait)


def loaded_settings(settings: Settings, manifest: RunManifest) -> Settings:
    """Return the settings for the store a run was planned for.

    An address that was given may only be another way to the run's own host, such as a port that changed: rows and
    credentials must not go to another one because a variable was left in the environment, or another was forgotten.

    Raises:
        SettingsError: the address that was given is another host's.
    """
    target = manifest.target
    if target.emulator:
        return settings.model_copy(update={"store_id": target.store_id, "api_url": target.api_url})
    api_url = target.api_url
    if "api_url" in settings.model_fields_set and settings.api_url != target.api_url:
        given = urlsplit(settings.api_url).hostname or ""
        if given != target.host:
            raise SettingsError(
                f"run {manifest.run_id} goes to {target.host}, and --api-url or MEMORY_API_URL names {given}",
                hint="unset it for this run, or import the source anew for the other host",
            )
        api_url = settings.api_url
    return settings.model_copy(update={"store_id": target.store_id, "api_url": api_url})


def check_schema(store: OpenTarget, manifest: RunManifest, folder: RunFolder) -> None:
    """Refuse a run whose store is not what its rows were checked against, or whose rows would be encoded otherwise.

    Args:
        store: As it is now.
        manifest: Of the run.
        folder: Of the run, which may tell what changed.

    Raises:
        GuardError: traits or identity settings changed since, or this version writes other bytes.
    """
    again, by_sync = run_command(folder.path, "resume", "--replan"), sync_command(folder.path)
    replan = f"{again} checks the package again; or plan the source again"
    if by_sync is not None:
        replan = f"{by_sync} reads the source again"
    refs = [trait.ref for trait in manifest.traits]
    if store.schema.fingerprint_of(refs) != manifest.schema_fingerprint:
        before = frozen_schema(folder)
        moves = schema_moves(before, store.schema, refs) if before is not None else ()
        what = f": {'; '.join(moves)}" if moves else ""
        raise GuardError(
            "the store's traits or identity settings of this mapping changed since the run was planned"
            f"{what}; nothing was sent",
            hint=replan,
        )
    if manifest.encoder_version != ENCODER_VERSION:
        raise GuardError(
            f"run {manifest.run_id} was planned by a version that encodes rows in another way (encoder "
            f"{manifest.encoder_version}, this is {ENCODER_VERSION}); nothing was sent",
            hint=replan,
        )


def check_age(found: Found, hooks: Hooks, verb: str, *options: str, stale_ok: bool) -> None:
    """Ask before a package older than 24 hours is sent.

    Args:
        found: The run.
        hooks: Asked.
        verb: What sends it, for the hint.
        options: Of that.
        stale_ok: Do not ask.

    Raises:
        ConfigError: nobody agreed.
    """
    folder, manifest = found.folder, found.manifest
    if stale_ok or manifest.target.emulator:
        return
    age = datetime.fromisoformat(CLOCK.utc_now_iso()) - datetime.fromisoformat(manifest.created_at)
    if age <= STALE_AFTER:
        return
    hours = age.days * 24 + age.seconds // 3600
    agreed(
        hooks.confirm_stale,
        f"The package is {hours} hours old. Send it all the same?",
        declined="the package is older than 24 hours; nothing was sent",
        go_on=f"{run_command(folder.path, verb, *options, '--stale-ok')} sends it; or plan the source again",
        again=f"{run_command(folder.path, verb, *options)} asks again",
    )


def load_run(folder: RunFolder) -> Run:
    """Read a run that was packaged, made whole where a kill left its send order half written.

    The caller has the run's lock: another process could be extending the order.

    Raises:
        StateError: a file of it is missing or damaged.
    """
    finish_takeover(folder)
    groups = read_groups(folder.package)
    reader, index = folder.reader(), folder.read_index()
    reader.check_fits(index, folder.read_order())
    run = Run(folder, folder.read_manifest(), reader, index, groups)
    with folder.open_ledger(run.manifest) as ledger:
        _make_whole(run, planned=max((entry.spec.stop for entry in ledger.entries()), default=0))
        routes = recorded_routes(ledger)
    if routes is not None and routes != run.manifest.counts.routes:
        counts = run.manifest.counts.model_copy(update={"routes": routes})
        run.manifest = run.manifest.model_copy(update={"counts": counts})
        folder.write_manifest(run.manifest)
    return run


def _make_whole(run: Run, *, planned: int) -> None:
    order = run.folder.read_order()
    check_order(run.folder, planned, order)
    whole = made_whole(order, run.index, run.groups, planned=planned)
    if whole.order.height < order.height:
        run.folder.write_order(whole.order)
    if whole.index is not run.index:
        run.folder.write_index(whole.index)
    run.index, run.groups = whole.index, whole.groups
