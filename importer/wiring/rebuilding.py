"""A ledger that cannot be believed is made anew from the package: everything is sent once more, and nothing is lost.

The index says which rows were in the send order. Nothing proves which of them arrived, so all go again: delivery is at
least once, and idempotent by identity. The damaged file is put aside and never read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.manifest import RunManifest, Stage
from importer.core.route import Via
from importer.core.suggested import run_command
from importer.errors import ConfigError, LedgerDamagedError
from importer.files import make_private_folder, sync_folder, writing
from importer.pipeline.schedule import Choice
from importer.state.lock import SendingLock
from importer.state.run_folder import INDEX_FILE, ORDER_FILE, RunFolder, ledger_files
from importer.state.verified_file import VERIFIED_FILE
from importer.wiring.asking import agreed
from importer.wiring.grouping import read_groups
from importer.wiring.overtaken import refuse_overtaken
from importer.wiring.requests import Hooks
from importer.wiring.run import Run
from importer.wiring.send_order import extend

SCRATCH: Final = ".rebuilding"
"""Folder in the run's own, in which the new files are made; one that is there was left by a killed process."""

NOTE: Final = (
    "the ledger was damaged and made anew: what was sent before is not in the numbers of requests and operations, and"
    " every row of the send order is sent once more"
)


def rebuild_ledger(folder: RunFolder, manifest: RunManifest, hooks: Hooks, *, ignore_later: bool = False) -> Hooks:
    """Put a damaged ledger aside and plan everything again that it had planned.

    Call it under the run's lock. A process that is killed meanwhile leaves a run whose ledger is still damaged or
    missing, with the same rows in its index.

    Args:
        folder: The run, packaged.
        manifest: Its record.
        hooks: Asked whether all of it may be sent again, with the cost; the emulator asks nothing.
        ignore_later: Do not look at later runs, which may have delivered newer values of the rows.

    Returns:
        Hooks for the sending that follows: it does not ask what was asked here.

    Raises:
        ConfigError: there is nothing to rebuild, or nobody agreed.
        GuardError: a later run may have delivered some of the rows, or cannot be compared.
        StateError: the package is damaged as well, or the run cannot be written to.
        LockedError: another process sends to the store.
    """
    cause = _damage(folder, manifest)
    if cause is None:
        raise ConfigError(
            f"the ledger of run {folder.run_id} is whole; there is nothing to rebuild",
            hint=f"{run_command(folder.path, 'resume')} goes on with it",
        )
    index = folder.read_index()
    if not ignore_later:
        planned = index.select((pl.col("position") >= 0).arg_true()).to_series().cast(pl.Int64).to_numpy()
        run = Run(folder, manifest, folder.reader(), index, read_groups(folder.package))
        refuse_overtaken(run, planned, "--rebuild-ledger")
    asks = manifest.stage is not Stage.PLANNED and not manifest.target.emulator
    if asks:
        agreed(
            hooks.confirm,
            _question(manifest, cause, rows=index.filter(pl.col("position") >= 0).height),
            declined="the ledger was left as it is: nobody agreed to send everything again",
            go_on=f"{run_command(folder.path, 'resume', '--rebuild-ledger', '--yes')} does so",
            again=f"{run_command(folder.path, 'resume', '--rebuild-ledger')} asks again",
        )
    with SendingLock(folder.path.parent, manifest.target.store_id):
        _rebuild(folder, manifest, index)
    return replace(hooks, confirm=_answered_once(hooks.confirm)) if asks else hooks


def _damage(folder: RunFolder, manifest: RunManifest) -> LedgerDamagedError | None:
    """Read all of the ledger; return what is wrong with it, None if nothing is."""
    try:
        with folder.open_ledger(manifest, read_only=True) as ledger:
            ledger.open_rows()
            planned = max((entry.spec.stop for entry in ledger.entries()), default=0)
            sum(1 for _ in ledger.row_outcomes())
        check_order(folder, planned, folder.read_order())
    except LedgerDamagedError as error:
        return error
    return None


def check_order(folder: RunFolder, planned: int, order: pl.DataFrame) -> None:
    """Compare a ledger with the send order: it may lag behind, where a killed process extended it, and not lead.

    Args:
        folder: The run.
        planned: Positions that have a batch.
        order: The send order.

    Raises:
        LedgerDamagedError: it knows positions that no row has.
    """
    if planned > order.height:
        raise LedgerDamagedError(
            f"the ledger {folder.ledger} has {planned} positions, and the send order {order.height}",
            hint=f"{run_command(folder.path, 'resume', '--rebuild-ledger')} makes it anew and sends the run's rows"
            " once more",
        )


def _question(manifest: RunManifest, cause: LedgerDamagedError, rows: int) -> str:
    target = manifest.target
    return (
        f"{cause.message}: which rows arrived is not known. Send all {rows} rows once more to store "
        f"{target.store_name} ({target.store_id}) on {target.host}: at least {rows} billable operations, for rows that "
        "went by import as well. Go on?"
    )


def _answered_once(confirm: Callable[[str], bool]) -> Callable[[str], bool]:
    """The first question is about what somebody just agreed to."""
    answers = [True]
    return lambda question: answers.pop() if answers else confirm(question)


def _rebuild(folder: RunFolder, manifest: RunManifest, index: pl.DataFrame) -> None:
    scratch = RunFolder(folder.path / SCRATCH)
    shutil.rmtree(scratch.path, ignore_errors=True)
    try:
        with writing(scratch.path):
            make_private_folder(scratch.package)
        run = _planned_again(folder, scratch, manifest, index)
        _take_over(folder, scratch, run.manifest)
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)


def _planned_again(folder: RunFolder, scratch: RunFolder, manifest: RunManifest, index: pl.DataFrame) -> Run:
    """Write send order, index and ledger of the same rows into the scratch folder."""
    counts = manifest.counts.model_copy(update={"routes": {}})
    notes = manifest.notes if NOTE in manifest.notes else (*manifest.notes, NOTE)
    stage = manifest.stage if manifest.stage is Stage.PLANNED else Stage.SENDING
    manifest = manifest.model_copy(update={"counts": counts, "notes": notes, "stage": stage})
    groups = read_groups(folder.package)
    run = Run(scratch, manifest, folder.reader(), index.with_columns(position=pl.lit(-1, dtype=pl.Int64)), groups)
    with scratch.create_ledger(manifest) as ledger:
        planned = index.with_row_index("line").filter(pl.col("position") >= 0)
        # Rows of a released group go by Bulk alone, also in a run that was to go by import.
        released = pl.col("state") == "sequence" if manifest.options.via == Via.IMPORT else pl.lit(value=False)
        extend(run, ledger, Choice(lines=planned.filter(~released)["line"]))
        if rest := planned.filter(released)["line"].to_list():
            extend(run, ledger, Choice(lines=pl.Series(rest)), via=Via.AUTO)
    return run


def _take_over(folder: RunFolder, scratch: RunFolder, manifest: RunManifest) -> None:
    """Move the new files to their places, the ledger last: until then the run is one with a damaged ledger."""
    with writing(folder.ledger):
        (folder.package / VERIFIED_FILE).unlink(missing_ok=True)  # it is by position
        for name in (ORDER_FILE, INDEX_FILE):
            (scratch.package / name).replace(folder.package / name)
        sync_folder(folder.package)
        folder.write_manifest(manifest)
        aside = _aside(folder)
        for file, kept in zip(ledger_files(folder.ledger), ledger_files(aside), strict=True):
            if file.exists() or file.is_symlink():
                file.rename(kept)
        scratch.ledger.replace(folder.ledger)
        sync_folder(folder.path)


def _aside(folder: RunFolder) -> Path:
    """Return a name that no damaged ledger has yet."""
    number = 1
    while any(path.exists() for path in ledger_files(folder.path / f"ledger.damaged-{number}.db")):
        number += 1
    return folder.path / f"ledger.damaged-{number}.db"
