"""Runs of a sync that somebody goes on with by hand: under its lock, and its snapshot learns what was delivered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from importer.core.manifest import Stage
from importer.core.report import Report
from importer.core.suggested import run_command, sync_command
from importer.errors import ConfigError
from importer.settings import Settings
from importer.state.package import VALID_FILE
from importer.state.sync_folder import SyncFolder
from importer.wiring.finding import LAST, find_run
from importer.wiring.sync_commit import commit_more


def by_hand(settings: Settings, run: str, go_on: Callable[[], Report], *, replan: bool = False) -> Report:
    """Go on with a run; where it is a run of a sync, nobody else works on that meanwhile.

    Args:
        settings: Names the runs folder.
        run: Id of the run, the beginning of it, or ``last``.
        go_on: Goes on with it, and returns its report.
        replan: The package is to be planned anew.

    Raises:
        ConfigError: the sync has read its source since, or reads it again instead.
        LockedError: another process works on the sync.
        StateError: run or snapshot are damaged, or cannot be written.
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
