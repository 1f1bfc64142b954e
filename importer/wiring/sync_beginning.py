"""What a run of a sync begins with, and when it may not begin: above all with an older copy of what it knew.

A backup puts such a copy back, or another machine brings it along. It takes for unchanged what changed since and
changed back, and does not know who came after it. Three things tell of what it does not know: runs that were sent
later, the mark beside the sync file, and a snapshot and a memory of two moments. Where none of them is there, the copy
is believed. A missing snapshot, a first run that is none, and another store are refused as well.
"""

from __future__ import annotations

import secrets
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from importer.core.manifest import Stage, Target
from importer.core.sync_state import SyncState
from importer.errors import ConfigError, GuardError, StateError
from importer.state.run_folder import RunsFolder
from importer.state.snapshot_file import SnapshotFile
from importer.state.sync_folder import SyncFolder

_NAME_BYTES: Final = 8


@dataclass(frozen=True)
class Standing:
    """What a run of a sync begins with.

    Attributes:
        state: Its memory.
        snapshot: What was delivered; None before the first run.
        newest: Number of the newest run that anything tells of.
        is_copy: Memory or snapshot are older than that.
    """

    state: SyncState
    snapshot: SnapshotFile | None
    newest: int
    is_copy: bool

    @property
    def named(self) -> SyncState:
        """The memory, with a name by which its copies are told."""
        return self.state.model_copy(update={"name": self.state.name or secrets.token_hex(_NAME_BYTES)})


def read_standing(folder: SyncFolder, *, resend: bool) -> Standing:
    """Read what a sync knows; nothing that is to be made an end of is left in an older copy.

    Args:
        folder: Of the sync; the caller has its lock.
        resend: Take an older copy, too: all rows are sent once more.

    Raises:
        StateError: it is damaged, or an older copy that is not to be taken.
    """
    state, snapshot = folder.read_state(), folder.open_snapshot()
    written = snapshot.meta.run if snapshot is not None else 0
    newest = max(state.number, state.committed, written, folder.marked_number(state.name), _sent_number(folder))
    is_copy = snapshot is not None and (newest > state.number or written < state.committed)
    if not is_copy:
        return Standing(state, snapshot, newest, is_copy)
    if not resend:
        raise _old_copy(folder, min(state.number, written), newest)
    # What it was about to send is older than what was sent since.
    return Standing(state.model_copy(update={"pending": None}), snapshot, newest, is_copy)


def _sent_number(folder: SyncFolder) -> int:
    """Return the number of the newest run that was sent; one that was not may have the number of the next."""
    for run in reversed(RunsFolder(folder.runs).all()):
        with suppress(StateError):  # a run whose record is lost tells nothing
            manifest = run.read_manifest()
            if manifest.stage in (Stage.SENDING, Stage.FINISHED) and manifest.sync is not None:
                return manifest.sync.number
    return 0


def _old_copy(folder: SyncFolder, known: int, newest: int) -> StateError:
    file = shlex.quote(str(folder.file))
    return StateError(
        f"{folder.path} is an older copy: it knows what was delivered up to run {known:,}, and there was a run"
        f" {newest:,}; nothing was sent",
        hint="put the newest copy back; or send all rows once more, which makes right what changed since"
        f" (`memory-importer sync run {file} --full-refresh`; brakes may ask first); or forget what was delivered"
        f" (`memory-importer sync reset {file}`)",
    )


def refuse_second_first(folder: SyncFolder) -> None:
    """Refuse a first run that is none, before an interrupted run is made an end of: that may have been the first one.

    Raises:
        ConfigError: there is a snapshot.
    """
    if folder.snapshot.exists():
        raise ConfigError(
            f"this is not the first run: there is {folder.snapshot}",
            hint="leave --first-run out; `sync reset` forgets what was delivered",
        )


def need_snapshot(folder: SyncFolder, known: Standing, *, dry_run: bool) -> tuple[str, ...]:
    """Refuse a run that is not the first, and knows nothing; return the notes of a dry one, which only says so.

    Raises:
        ConfigError: there is no snapshot.
    """
    if known.snapshot is not None:
        return ()
    cause = f"{folder.snapshot} is missing: nothing is known of what was delivered before"
    hint = "is this the first run? then give --first-run, once; if not, put the state folder back"
    if dry_run:
        return (f"it would stop with exit code 2: {cause} ({hint})",)
    raise ConfigError(cause, hint=hint)


def check_store(state: SyncState, target: Target, folder: SyncFolder) -> None:
    """Refuse a store that is not the one the snapshot is of: nothing it knows would be true.

    Raises:
        GuardError: it is another one.
    """
    if state.target is None or state.target.identity == target.identity:
        return
    raise GuardError(
        f"the sync delivered to store {state.target.store_id} on {state.target.host} so far, and this is"
        f" {target.store_id} on {target.host}; nothing was sent",
        hint=f"name the former store; or forget what was delivered with `sync reset {shlex.quote(str(folder.file))}`",
    )
