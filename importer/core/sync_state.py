"""What a sync remembers beside its snapshot: which store, how far the cursor is, which runs there were."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from importer.core.manifest import Target
from importer.core.sync_counts import Removals, SyncCounts

STATE_VERSION: Final = 1
KEPT_RUNS: Final = 300
"""So many runs the history tells of."""

Count = Annotated[int, Field(ge=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class SyncRun(_Frozen):
    """One run, for the history.

    Attributes:
        number: 0 where it did not come to that.
        run_id: None where it ended before it had a folder, or its folder was deleted because it was refused.
        outcomes: Rows by final state, those that are not zero.
        keys: What it found; None where it did not come to that.
        removals: What became of profiles whose keys are gone; None where nothing is to be removed.
        error: Why it ended early.
    """

    number: Count = 0
    run_id: str | None = None
    started_at: str
    finished_at: str
    exit_code: int
    rows_read: Count = 0
    outcomes: dict[str, Count] = Field(default_factory=dict)
    keys: SyncCounts | None = None
    removals: Removals | None = None
    error: str | None = None


class PendingRun(_Frozen):
    """A run that may have sent something, and whose outcomes the snapshot does not know yet.

    Attributes:
        number: Of the run.
        run_id: Of its folder.
        reading: What it read and how; see `importer.core.sync_file.SyncFile.reading`.
        cursor: Highest value that its rows had; None without a cursor.
        refused_runs: See the sync file.
        whole: See `SyncCounts`.
        of_copy: It began with an older copy of the snapshot: what it did not deliver is due.
    """

    number: Count
    run_id: str
    reading: str
    cursor: str | None = None
    refused_runs: Count = 3
    whole: bool = True
    of_copy: bool = False


class SyncState(_Frozen):
    """The content of ``sync.json``.

    Attributes:
        target: The store, as it was when the sync began.
        reading: What the cursor belongs to.
        cursor: Rows below it were delivered; None before there is one.
        name: Tells this memory, and all copies of it, from that of other syncs; None before the first run.
        number: Of the last run that has one.
        committed: Number of the last run whose outcomes the snapshot has.
        rows_whole: Rows of the last run that read all of the source and ended.
        pending: A run to be made an end of first.
        runs: Newest last, `KEPT_RUNS` at most.
    """

    version: int = STATE_VERSION
    target: Target | None = None
    reading: str = ""
    cursor: str | None = None
    name: str | None = None
    number: Count = 0
    committed: Count = 0
    rows_whole: Count | None = None
    pending: PendingRun | None = None
    runs: tuple[SyncRun, ...] = ()

    def begun(self, pending: PendingRun, target: Target) -> SyncState:
        """Return the state once a run is about to send."""
        return self.model_copy(update={"pending": pending, "number": pending.number, "target": target})

    def ended(self, rows_read: int, *, moves: bool) -> SyncState:
        """Return the state once the snapshot has what became of the pending run.

        Args:
            rows_read: Rows it read.
            moves: Nothing below its cursor is still to be delivered.
        """
        pending = self.pending
        if pending is None:
            return self
        # What is read in another way begins anew, whether its own cursor may move or not.
        before = self.cursor if self.reading == pending.reading else None
        return self.model_copy(
            update={
                "pending": None,
                "committed": pending.number,
                "reading": pending.reading,
                "cursor": (pending.cursor or before) if moves else before,
                "rows_whole": rows_read if pending.whole else self.rows_whole,
            }
        )

    def unsent(self) -> SyncState:
        """Return the state once it is known that nothing of the pending run was sent."""
        pending = self.pending
        # An older copy is one still, though this run's number is the memory's now.
        lost = pending.number if pending is not None and pending.of_copy else self.committed
        return self.model_copy(update={"pending": None, "committed": lost})

    def told(self, run: SyncRun) -> SyncState:
        """Return the state with one more run in its history."""
        return self.model_copy(update={"runs": (*self.runs, run)[-KEPT_RUNS:]})
