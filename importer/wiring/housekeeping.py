"""Packages that nobody needs any more: they hold personal data, so they do not stay for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from importer.core.manifest import RunManifest, Stage
from importer.core.report import NOT_FINE, FinalState, Report
from importer.errors import StateError
from importer.reports.report_file import read_report
from importer.state.run_folder import RunFolder, RunsFolder

KEEP_PACKAGE: Final = timedelta(days=7)
"""How long a package stays after its run finished with nothing left to decide or to send."""

KEEP_SPILL: Final = timedelta(days=1)
"""How long a dry run may take: an older one that is still checking was killed, and its spill of identifiers goes."""

_WANTED: Final = (NOT_FINE - {FinalState.REJECTED}) | {FinalState.NOT_SENT}


def drop_old_packages(runs_dir: Path, now: datetime) -> tuple[str, ...]:
    """Delete packages of runs that finished long ago and have no row that could still be sent.

    Args:
        runs_dir: The runs folder.
        now: Aware wall-clock time.

    Returns:
        IDs of the runs that lost their package. Reports and ledgers stay.
    """
    return tuple(folder.run_id for folder in RunsFolder(runs_dir).all() if _drop(folder, now))


def _drop(folder: RunFolder, now: datetime) -> bool:
    if not folder.package.exists():
        return False
    try:
        unneeded = _unneeded(folder, folder.read_manifest(), now)
    except StateError:
        return False
    if unneeded:
        folder.drop_package()
    return unneeded


def _unneeded(folder: RunFolder, manifest: RunManifest, now: datetime) -> bool:
    if manifest.stage is Stage.PACKAGING and manifest.command == "validate":
        return now - datetime.fromisoformat(manifest.created_at) > KEEP_SPILL
    if manifest.stage is not Stage.FINISHED:
        return False
    report = read_report(folder.path)
    if report.finished_at is None or now - datetime.fromisoformat(report.finished_at) <= KEEP_PACKAGE:
        return False
    return not _still_wanted(report)


def _still_wanted(report: Report) -> bool:
    limited = report.skipped.get("limit", 0)
    return bool(limited) or any(report.outcomes[state.value] for state in _WANTED)
