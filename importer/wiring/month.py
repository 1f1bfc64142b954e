"""The month's operations so far, of every run of the runs folder to a live store, deleted ones among them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from importer.core.cost import Billed, Cost, allowance, month_of, too_dear
from importer.core.manifest import RunManifest
from importer.core.report_parts import Allowance
from importer.core.suggested import run_command
from importer.errors import GuardError, StateError
from importer.state.billed import ledger_stamp, remember, tallies
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.clock import SystemClock


def allowance_now(runs_dir: Path, free: int, coming: Cost) -> Allowance:
    """Return the allowance of this month beside what is to come.

    What the ledgers say is read anew where it changed since the last look, so a process that was killed is in it.

    Args:
        runs_dir: The runs folder.
        free: Free operations of a month.
        coming: What a run still sends.
    """
    month = month_of(SystemClock().utc_now_iso())
    unread = 0
    with suppress(StateError):  # then there is nothing to look at
        for folder in RunsFolder(runs_dir).all():
            unread += not keep_operations(folder, month)
    found = tallies(runs_dir, month)
    used = sum((tally.billed for tally in found.values()), Billed())
    runs = len({tally.run_id for tally in found.values() if tally.billed != Billed()})
    return allowance(month, free, used, coming, runs=runs, unread=unread)


def keep_operations(folder: RunFolder, month: str | None = None) -> bool:
    """Keep what a run cost beside the runs: whoever deletes a run calls this before.

    Args:
        folder: Any run.
        month: The month it is; found out if None.

    Returns:
        False where the run may have cost something this month and cannot be read.
    """
    month = month or month_of(SystemClock().utc_now_iso())
    stamp: tuple[int, ...] = ()
    try:
        stamp = ledger_stamp(folder)
        # A run may have looked rows up before it had a ledger; a dry run never has one.
        last = _month_of_ns(max(stamp[::2])) if stamp else f"{folder.run_id[:4]}-{folder.run_id[4:6]}"
        if last < month:
            return True
        manifest = folder.read_manifest()
        looked_up = manifest.stored.requests if manifest.stored is not None else 0
        if not manifest.target.emulator:
            remember(folder.path.parent, folder, manifest.target.store_id, month, looked_up)
    except StateError:
        return not stamp  # without a ledger it was killed while it read its source, or never sent
    except OSError:
        return False
    return True


def refuse_too_dear(manifest: RunManifest, coming: Cost, run: Path, verb: str, *options: str) -> None:
    """Stop before something is sent that may cost more than was allowed.

    Args:
        manifest: Its options hold the limit.
        coming: What is about to be sent.
        run: The run's folder.
        verb: What sends it, for the hint.
        options: Of that.

    Raises:
        GuardError: it may cost more.
    """
    tripped = too_dear(coming, manifest.options.max_operations)
    if tripped is not None:
        allowed = run_command(run, verb, *options, "--max-operations", str(coming.billable_at_most))
        raise GuardError(f"{tripped}; nothing was sent", hint=f"{allowed} allows it")


def _month_of_ns(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns / 1e9, tz=UTC).strftime("%Y-%m")
