"""How a sync stands, without running it: its snapshot, its cursor, its last runs; and forgetting all that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from importer.core.snapshot import is_parked_expr
from importer.core.sync_file import SyncFile
from importer.core.sync_handed import shown_key
from importer.core.sync_removals import HELD
from importer.core.sync_state import SyncRun, SyncState
from importer.errors import ConfigError
from importer.state.snapshot_file import SnapshotFile
from importer.state.sync_folder import SyncFolder
from importer.wiring.sync_handed import latest_handed, with_choices, with_values
from importer.wiring.sync_opening import read_sync_file

Count = Annotated[int, Field(ge=0)]


class HandedOnStanding(BaseModel):
    """A key whose identifiers a held row of another key has.

    Attributes:
        known: The key that was delivered with them.
        gone: The source does not have it any more; None where not all of the source was read.
        key: Of the row.
        file: Of the row.
        row_number: Of the row.
        id_types: Of the identifiers.
        values: The identifiers themselves, as far as they were asked for.
        decided: What somebody said: ``removed`` or ``anew``; the next run does it.
        choices: What can be said of the key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    known: str
    gone: bool | None = None
    key: str
    file: str
    row_number: int
    id_types: tuple[str, ...]
    values: tuple[str, ...] | None = None
    decided: str | None = None
    choices: tuple[str, ...] = ()


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
        handed_on: Keys whose identifiers the last run found in held rows of other keys, row by row.
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
    handed_on: tuple[HandedOnStanding, ...] = ()
    has_cursor: bool = False
    pending: str | None = None
    last: SyncRun | None = None


def sync_status(file: Path | str, *, show_values: bool = False) -> SyncStanding:
    """Say how a sync stands; nothing is asked of anybody, and a run that goes on is not disturbed.

    Args:
        file: The sync file.
        show_values: Add the identifiers that were handed on.

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
        handed_on=_handed_on(folder, state, snapshot, sync, show_values=show_values),
        has_cursor=state.cursor is not None,
        pending=state.pending.run_id if state.pending is not None else None,
        last=state.runs[-1] if state.runs else None,
        **found,
    )


def _counted(snapshot: SnapshotFile, refused_runs: int) -> dict[str, int]:
    due, parked = pl.col("due"), is_parked_expr(refused_runs)
    lines = snapshot.read(["due", "refused", "delivered_at", "held"])
    counts = lines.select(
        delivered=pl.col("delivered_at").is_not_null().sum(),
        due=(due & ~parked).sum(),
        parked=parked.sum(),
        held=pl.col("held").is_in([one.value for one in HELD]).sum(),
    )
    return {name: int(value) for name, value in counts.row(0, named=True).items()}


def _handed_on(
    folder: SyncFolder, state: SyncState, snapshot: SnapshotFile | None, sync: SyncFile, *, show_values: bool
) -> tuple[HandedOnStanding, ...]:
    if snapshot is None:
        return ()
    handed = with_choices(snapshot, sync, latest_handed(folder, state, snapshot))
    values = with_values(snapshot, handed) if show_values else handed.with_columns(values=pl.lit(None))
    return tuple(
        HandedOnStanding(
            known=shown_key(row["known"]),
            gone=row["is_gone"],
            key=shown_key(row["key"]),
            file=row["file"],
            row_number=row["row_number"],
            id_types=tuple(row["id_types"]),
            values=tuple(row["values"]) if row["values"] is not None else None,
            decided=row["decided"],
            choices=tuple(row["choices"]),
        )
        for row in values.iter_rows(named=True)
    )


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
