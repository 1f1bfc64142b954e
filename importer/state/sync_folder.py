"""The folder in which a sync keeps what it knows, and nothing elsewhere.

Beside the sync file are a mark, ``.<sync file>.newest``, by which an older copy of the folder is told from the newest
one, and ``<sync file>.state/`` (0700):
  lock              held by the kernel while a process works on the sync
  sync.json         `importer.core.sync_state.SyncState`
  snapshot.parquet  `importer.state.snapshot_file`
  runs/             a runs folder as any other
"""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from importer.core.sync_state import STATE_VERSION, SyncState
from importer.errors import StateError
from importer.files import make_private_folder, write_whole, writing
from importer.state.lock import KernelLock, is_held
from importer.state.mounts import refuse_network
from importer.state.run_folder import keep_out_of_git
from importer.state.sealed import unreadable
from importer.state.snapshot_file import NEWER_HINT, SnapshotFile
from importer.state.versions import parse_versioned

_SUFFIX: Final = ".state"
_RUNS: Final = "runs"


class _Mark(BaseModel):
    name: str
    number: int


class SyncFolder:
    """The state of one sync.

    Args:
        file: The sync file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.path = file.with_name(file.name + _SUFFIX)

    @classmethod
    def of_runs(cls, runs: Path) -> SyncFolder | None:
        """Return the folder that has this runs folder; None where it is of no sync."""
        place = runs if runs.parent.name else runs.absolute()
        file = place.parent.name.removesuffix(_SUFFIX)
        if place.name != _RUNS or file in ("", place.parent.name):
            return None
        folder = cls(place.parent.with_name(file))
        return folder if folder._state.exists() else None

    @property
    def runs(self) -> Path:
        """The runs folder."""
        return self.path / _RUNS

    @property
    def snapshot(self) -> Path:
        """File of the snapshot."""
        return self.path / "snapshot.parquet"

    @property
    def _state(self) -> Path:
        return self.path / "sync.json"

    @property
    def _mark(self) -> Path:
        return self.file.with_name(f".{self.file.name}.newest")

    @property
    def _lock(self) -> Path:
        return self.path / "lock"

    def locked(self) -> KernelLock:
        """Make the folder if it is not there; return the right to work on the sync.

        Raises:
            StateError: the folder cannot be made, or is on a disk of the network.
        """
        with writing(self.path):
            make_private_folder(self.path)
        keep_out_of_git(self.path)
        refuse_network(self.path)
        status = f"`memory-importer sync status {shlex.quote(str(self.file))}`"
        return KernelLock(
            self._lock,
            f"another process is working on the sync {self.file}",
            f"wait for it to end, or stop it; {status} shows its run",
        )

    def is_busy(self) -> bool:
        """Tell whether a process works on the sync."""
        return is_held(self._lock)

    def read_state(self) -> SyncState:
        """Return what the sync remembers; nothing if it never ran.

        Raises:
            StateError: it is damaged, or of a newer version.
        """
        try:
            content = self._state.read_bytes()
        except FileNotFoundError:
            return SyncState()
        except OSError as exc:
            raise unreadable(self._state, exc) from None
        try:
            return parse_versioned(content, SyncState, STATE_VERSION, what=str(self._state), hint=NEWER_HINT)
        except ValidationError:
            raise StateError(
                f"{self._state} is damaged",
                hint="put a copy of the sync's state folder back, or forget what was delivered (`sync reset`)",
            ) from None

    def write_state(self, state: SyncState) -> None:
        """Replace what the sync remembers.

        Raises:
            DiskError, StateError: see `importer.files.WholeFile`.
        """
        write_whole(self._state, state.model_dump_json(indent=2).encode() + b"\n")

    def write_mark(self, state: SyncState) -> None:
        """Say outside the folder how far the sync has come; where that cannot be written, nothing is said."""
        if state.name is None:
            return
        mark = _Mark(name=state.name, number=state.number)
        with suppress(StateError):  # the sync file may be where nothing can be written
            write_whole(self._mark, mark.model_dump_json().encode() + b"\n")

    def marked_number(self, name: str | None) -> int:
        """Return how far the sync of this name has come by the mark; 0 where there is none, or another's."""
        try:
            mark = _Mark.model_validate_json(self._mark.read_bytes())
        except (OSError, ValidationError):
            return 0
        return mark.number if mark.name == name else 0

    def open_snapshot(self) -> SnapshotFile | None:
        """Return the snapshot; None where there is none.

        Raises:
            StateError: it is damaged, or of a newer version.
        """
        try:
            return SnapshotFile(self.snapshot)
        except FileNotFoundError:
            return None

    def forget(self) -> None:
        """Delete snapshot and memory; the runs stay. The caller has the lock.

        Raises:
            DiskError, StateError: they cannot be deleted.
        """
        with writing(self.path):
            # The memory first: without it a snapshot that is left is no one's.
            self._state.unlink(missing_ok=True)
            self.snapshot.unlink(missing_ok=True)
