"""Runs of a sync that somebody goes on with by hand: under its lock, and its snapshot learns what was delivered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from importer.core.manifest import Stage
from importer.core.report import Report
from importer.core.snapshot import LEAVING
from importer.core.suggested import run_command, sync_command
from importer.errors import ConfigError, GuardError
from importer.settings import Settings
from importer.state.package import VALID_FILE
from importer.state.snapshot_file import SnapshotFile
from importer.state.sync_folder import SyncFolder
from importer.wiring.finding import LAST, find_run
from importer.wiring.sync_beginning import read_standing
from importer.wiring.sync_commit import commit_more


def by_hand(
    settings: Settings, run: str, go_on: Callable[[], Report], *, replan: bool = False, releases: bool = False
) -> Report:
    """Go on with a run; where it is a run of a sync, nobody else works on that meanwhile.

    Args:
        settings: Names the runs folder.
        run: Id of the run, the beginning of it, or ``last``.
        go_on: Goes on with it, and returns its report.
        replan: The package is to be planned anew.
        releases: Rows that were held are to be let go.

    Raises:
        ConfigError: the sync has read its source since, or reads it again instead.
        GuardError: the next run of the sync settles first what rows that are let go could meet.
        LockedError: another process works on the sync.
        StateError: run or snapshot are damaged, cannot be written, or are an older copy.
    """
    sync = SyncFolder.of_runs(Path(settings.runs_dir))
    if sync is None:
        return go_on()
    with sync.locked():
        found = find_run(settings, run)
        packed = found.manifest.stage is not Stage.PACKAGING and (found.folder.package / VALID_FILE).exists()
        if replan or not packed:
            why = "is not planned anew" if packed else "has no package"
            last = run_command(sync.runs / LAST, "resume", "--release", "all")
            raise ConfigError(
                f"run {found.folder.run_id} of the sync {sync.file} {why}: the sync reads its source again instead",
                hint=f"{sync_command(sync.runs / LAST)} does so; what the last run holds can be let go: {last}",
            )
        _refuse_unbegun(sync, found.folder.run_id, found.manifest.stage)
        known = read_standing(sync, resend=False)
        if releases and known.snapshot is not None:
            _refuse_unsettled(sync, known.snapshot)
        report = go_on()
        if report.run_id is not None:
            commit_more(sync, report.run_id)
    return report


def _refuse_unbegun(sync: SyncFolder, run_id: str, stage: Stage) -> None:
    """Refuse a run that was planned, and killed before the sync knew of it: nothing would be learnt of what it sends.

    Raises:
        ConfigError: it is one.
    """
    pending = sync.read_state().pending
    if stage is Stage.PLANNED and (pending is None or pending.run_id != run_id):
        raise ConfigError(
            f"run {run_id} of the sync {sync.file} was planned and not begun: the sync reads its source again instead",
            hint=f"{sync_command(sync.runs / LAST)} does so",
        )


def _refuse_unsettled(sync: SyncFolder, snapshot: SnapshotFile) -> None:
    """Refuse to let rows go while profiles are to be deleted or were just asked to be: rows could go with them.

    A row that waits for such a profile would also become one person with it for ever, against what was decided.

    Raises:
        GuardError: there are some.
    """
    open_ones = sum(
        piece.filter(pl.col("decided").is_not_null() | (pl.col("held") == LEAVING)).height
        for piece in snapshot.pieces(["decided", "held"])
    )
    if open_ones:
        run, keys = sync.runs / LAST, "key" if open_ones == 1 else "keys"
        take_back = sync_command(run, "KEY", "--as", "hold", verb="decide")
        raise GuardError(
            f"the next run of the sync {sync.file} settles first what was decided about {open_ones:,} {keys}, or looks"
            " whether their profiles are gone: a row that is let go now could become one person with such a profile;"
            " nothing was sent",
            hint=f"{sync_command(run)}; {take_back} takes a decision back",
        )
