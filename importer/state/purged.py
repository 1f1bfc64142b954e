"""What is kept of runs that were purged after they sent: that they were there, and where they sent to. Never a value.

``RUNS_DIR/purged/<run>.json`` (0600). An earlier run cannot be compared with such a run any more, and must not take its
rows for the newest ones.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from importer.core.manifest import Target
from importer.errors import StateError
from importer.files import make_private_folder, storage_error, write_whole, writing
from importer.state.run_folder import keep_out_of_git
from importer.state.sealed import damaged, unreadable

FOLDER: Final = "purged"


class PurgedRun(BaseModel):
    """A run that is gone.

    Attributes:
        created_at: When it was made.
        sequence: Its number; None for one of an older version.
        store_id: Where it sent to; None where its record could not be read, so that it may be any store.
        host: The same.
        emulator: The store was the local emulator's.
        database: See `importer.core.manifest.Target`.
        key: Names of its key columns.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    run_id: str
    created_at: str
    sequence: int | None = None
    store_id: str | None = None
    host: str | None = None
    emulator: bool = False
    database: str = ""
    key: tuple[str, ...] = ()

    def may_be_at(self, target: Target) -> bool:
        """Tell whether the run may have sent to a store."""
        if self.store_id is None:
            return True
        return (self.store_id, self.host, self.emulator, self.database) == target.identity


def remember_purged(runs_dir: Path, run: PurgedRun) -> None:
    """Keep that a run was there.

    Raises:
        DiskError, StateError: it cannot be written.
    """
    folder = runs_dir / FOLDER
    with writing(folder):
        make_private_folder(folder)
    keep_out_of_git(folder)
    write_whole(folder / f"{run.run_id}.json", run.model_dump_json(indent=1).encode() + b"\n")


def purged_names(runs_dir: Path) -> list[str]:
    """Return the ids of the runs that are remembered, oldest first."""
    return sorted(path.stem for path in (runs_dir / FOLDER).glob("*.json"))


def read_purged(runs_dir: Path, run_id: str) -> PurgedRun:
    """Return what is kept of a run.

    Raises:
        StateError: the file cannot be read, or is damaged.
    """
    path = runs_dir / FOLDER / f"{run_id}.json"
    try:
        return PurgedRun.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise unreadable(path, exc) from None
    except ValidationError as exc:
        raise damaged(path, f"{exc.error_count()} faults") from None


def highest_purged(runs_dir: Path) -> int:
    """Return the highest number of the runs that are remembered, as far as they can be read; 0 if none has one."""
    highest = 0
    for name in purged_names(runs_dir):
        with suppress(StateError):
            highest = max(highest, read_purged(runs_dir, name).sequence or 0)
    return highest


def forget_purged(runs_dir: Path, run_id: str) -> None:
    """Drop what is kept of a run.

    Raises:
        DiskError, StateError: it cannot be deleted.
    """
    path = runs_dir / FOLDER / f"{run_id}.json"
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise storage_error(exc, path) from exc
