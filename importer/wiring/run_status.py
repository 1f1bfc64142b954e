"""What there is to say about runs that exist: the list of them, and the report of one, ended or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from importer.core.lifecycle import BatchState
from importer.core.manifest import RunManifest, Stage
from importer.core.report import Report
from importer.errors import StateError
from importer.reports.report_file import REPORT_NAME, read_report
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.finishing import report_base

_STAGES: Final = {
    Stage.PACKAGING: "its source is being read, or it was stopped while reading; nothing was sent",
    Stage.PLANNED: "it is planned; nothing was sent",
    Stage.SENDING: "it is sending, or it was stopped while sending",
    Stage.FINISHED: "it was sent to its end, but its report is missing",
    Stage.CHECKED: "it is a dry run, but its report is missing",
}


def list_runs(runs_dir: Path) -> list[dict[str, Any]]:
    """Return what a list shows of each run, newest first."""
    lines: list[dict[str, Any]] = []
    for folder in reversed(RunsFolder(runs_dir).all()):
        try:
            manifest = folder.read_manifest()
        except StateError:
            lines.append({"run_id": folder.run_id, "stage": "damaged"})
            continue
        lines.append(
            {
                "run_id": folder.run_id,
                "command": manifest.command,
                "stage": manifest.stage.value,
                "store_id": manifest.target.store_id,
                "rows_read": manifest.counts.rows_read,
                "source": list(manifest.source.files),
            }
        )
    return lines


def run_report(runs_dir: Path, name: str) -> Report:
    """Return the report of a run; one that has not ended gets a report of what is known so far.

    Raises:
        ConfigError: there is no such run, or more than one.
        StateError: it is damaged.
    """
    folder = RunsFolder(runs_dir).find(name)
    manifest = folder.read_manifest()
    if (folder.path / REPORT_NAME).exists() and not _sent_since(folder, manifest):
        return read_report(folder.path)
    return _report_so_far(folder, manifest)


def _sent_since(folder: RunFolder, manifest: RunManifest) -> bool:
    """Tell whether a run went on after its report was written: then it runs now, or was killed."""
    if manifest.stage is not Stage.SENDING:
        return False
    written = (folder.path / REPORT_NAME).stat().st_mtime_ns
    ledger = [folder.ledger, folder.ledger.with_name(f"{folder.ledger.name}-wal")]
    return any(path.stat().st_mtime_ns > written for path in ledger if path.exists())


def _report_so_far(folder: RunFolder, manifest: RunManifest) -> Report:
    sends = manifest.stage in (Stage.PACKAGING, Stage.PLANNED, Stage.SENDING) and manifest.command != "validate"
    return report_base(folder, manifest).model_copy(
        update={
            "notes": (f"this run has not ended: {_STAGES[manifest.stage]}{_progress(folder, manifest)}",),
            "hints": (f"if no process works on it: `memory-importer resume {folder.run_id}`",) if sends else (),
        }
    )


def _progress(folder: RunFolder, manifest: RunManifest) -> str:
    """Say how many rows of the send order have left, as the ledger knows it."""
    if manifest.stage is not Stage.SENDING:
        return ""
    with SqliteLedger.open(folder.ledger, read_only=True) as ledger:
        entries = [entry for entry in ledger.entries() if entry.state is not BatchState.SPLIT]
    rows = sum(entry.spec.stop - entry.spec.start for entry in entries)
    waiting = (BatchState.PENDING, BatchState.OPENED)
    left = sum(entry.spec.stop - entry.spec.start for entry in entries if entry.state not in waiting)
    return f"; {left} of {rows} rows have left"
