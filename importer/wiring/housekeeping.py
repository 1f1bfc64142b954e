"""Packages that nobody needs any more: they hold personal data, so they do not stay for ever."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from importer.core.manifest import Stage
from importer.core.read_back import Verified
from importer.core.report import ExitCode, FinalState, Report, Skipped
from importer.errors import StateError
from importer.reports.report_file import read_report
from importer.state.lock import RunLock
from importer.state.removal import is_run_folder, packed_folders, remove, remove_leftovers
from importer.state.run_folder import RunFolder, RunsFolder

KEEP_PACKAGE: Final = timedelta(days=7)
"""How long a package stays after its run finished with nothing left to decide or to send."""

KEEP_SPILL: Final = timedelta(days=1)
"""How long a dry run may take: an older one that is still checking was killed, and its spill of identifiers goes."""

_WANTED: Final = (
    FinalState.HELD,
    FinalState.PLANNED,
    FinalState.NOT_SENT,
    FinalState.FAILED,
    FinalState.UNATTRIBUTED,
    FinalState.UNKNOWN,
)


def drop_old_packages(runs_dir: Path, now: datetime) -> tuple[str, ...]:
    """Delete packages of runs that finished long ago and have no row that could still be sent.

    What an earlier deletion that was killed left goes as well. What cannot be deleted, or belongs to a run that a
    process works on, waits for another time: nobody asked for this.

    Args:
        runs_dir: The runs folder.
        now: Aware wall-clock time.

    Returns:
        IDs of the runs that lost their package. Reports and ledgers stay.
    """
    with suppress(StateError):
        remove_leftovers(runs_dir)
    return tuple(folder.run_id for folder in RunsFolder(runs_dir).all() if _drop(folder, now))


def _drop(folder: RunFolder, now: datetime) -> bool:
    if not is_run_folder(folder.path) or not packed_folders(folder.path):
        return False
    try:
        if not _unneeded(folder, now):  # most runs: no need for a lock
            return False
        with RunLock(folder.path):
            if not _unneeded(folder, now):
                return False  # somebody took it up since, and had it until now
            for path in packed_folders(folder.path):
                remove(path)
    except StateError:
        return False
    return True


def _unneeded(folder: RunFolder, now: datetime) -> bool:
    manifest = folder.read_manifest()
    if manifest.stage is Stage.PACKAGING and manifest.command == "validate":
        return now - datetime.fromisoformat(manifest.created_at) > KEEP_SPILL
    if manifest.stage is not Stage.FINISHED:
        return False
    report = read_report(folder.path)
    if report.finished_at is None or now - datetime.fromisoformat(report.finished_at) <= KEEP_PACKAGE:
        return False
    return not wanted_rows(report)


def wanted_rows(report: Report) -> dict[str, int]:
    """Count the rows that a run may still be needed for: to decide, to send, to settle, or to send again.

    Returns:
        Rows by what they are; empty where nobody needs the run's package any more. Rows of which the service did not
        say what became, and that reading back confirmed, need nothing: the exit code of such a run says so.
    """
    states = _WANTED if report.exit_code != ExitCode.OK else (FinalState.PLANNED,)
    counts = {state.value.replace("_", " "): report.outcomes[state.value] for state in states}
    counts["outside of --limit"] = report.skipped.get(Skipped.LIMIT.value, 0)
    for result in (Verified.MISMATCHED, Verified.MISSING):
        counts[f"{result.value} when read back"] = report.verified.get(result.value, 0)
    return {what: count for what, count in counts.items() if count}
