"""How a sync stands, without running it: its snapshot, its cursor, its last runs; and forgetting all that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from importer.core.sync_removals import HELD
from importer.core.sync_state import SyncRun
from importer.errors import ConfigError
from importer.state.snapshot_file import SnapshotFile
from importer.state.sync_folder import SyncFolder
from importer.wiring.sync_opening import read_sync_file

Count = Annotated[int, Field(ge=0)]


class SyncStanding(BaseModel):
    """How a sync stands: counts and names, no value of a row.

    Attributes:
        file: The sync file.
        folder: What it knows is in it.
        mode: ``full``, ``upsert`` or ``mirror``.
        store_id: The store that it delivered to; None before the first run.
        busy: A process works on it.
        keys: Keys that are known; None without a snapshot.
        delivered: Those of them that were delivered.
        due: Those of them that are to be sent again.
        parked: Those of them that were refused so often that they wait until they change.
        held: Those of them that are gone from the source, and whose profile stays for a reason.
        has_cursor: Rows are asked for from where the last run came to.
        pending: A run that the next one makes an end of first.
        last: The last run; None before there was one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    folder: str
    mode: str
    store_id: str | None = None
    busy: bool = False
    keys: Count | None = None
    delivered: Count = 0
    due: Count = 0
    parked: Count = 0
    held: Count = 0
    has_cursor: bool = False
    pending: str | None = None
    last: SyncRun | None = None


def sync_status(file: Path | str) -> SyncStanding:
    """Say how a sync stands; nothing is asked of anybody, and a run that goes on is not disturbed.

    Raises:
        ConfigError: the sync file is refused.
        StateError: what the sync knows is damaged.
    """
    path = Path(file)
    sync = read_sync_file(path)
    folder = SyncFolder(path)
    state, snapshot = folder.read_state(), folder.open_snapshot()
    found = _counted(snapshot, sync.refused_runs) if snapshot is not None else {}
    return SyncStanding(
        file=str(path),
        folder=str(folder.path),
        mode=sync.mode.value,
        store_id=state.target.store_id if state.target is not None else None,
        busy=folder.is_busy(),
        keys=snapshot.height if snapshot is not None else None,
        has_cursor=state.cursor is not None,
        pending=state.pending.run_id if state.pending is not None else None,
        last=state.runs[-1] if state.runs else None,
        **found,
    )


def _counted(snapshot: SnapshotFile, refused_runs: int) -> dict[str, int]:
    due, parked = pl.col("due"), pl.col("refused") >= refused_runs
    lines = snapshot.read(["due", "refused", "delivered_at", "held"])
    counts = lines.select(
        delivered=pl.col("delivered_at").is_not_null().sum(),
        due=(due & ~parked).sum(),
        parked=(due & parked).sum(),
        held=pl.col("held").is_in([one.value for one in HELD]).sum(),
    )
    return {name: int(value) for name, value in counts.row(0, named=True).items()}


def sync_history(file: Path | str) -> tuple[SyncRun, ...]:
    """Return the runs of a sync, newest last.

    Raises:
        StateError: what the sync knows is damaged.
    """
    return SyncFolder(Path(file)).read_state().runs


def sync_reset(file: Path | str) -> None:
    """Forget what a sync delivered; its runs stay, what is in the store stays, and the next run sends everything.

    Raises:
        ConfigError: there is nothing to forget.
        LockedError: a process works on it.
        StateError: it cannot be deleted.
    """
    folder = SyncFolder(Path(file))
    if not folder.path.exists():
        raise ConfigError(f"there is no {folder.path}: the sync never ran", hint="check the path of the sync file")
    with folder.locked():
        folder.forget()
