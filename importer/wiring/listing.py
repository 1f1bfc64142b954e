"""The list of the runs that exist. Nothing here disturbs a process that works on one of them."""

from __future__ import annotations

from pathlib import Path

import orjson

from importer.core.report import NOT_FINE, FinalState
from importer.errors import StateError
from importer.reports.report_file import REPORT_NAME
from importer.reports.run_list import RunLine
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.at_work import is_at_work


def list_runs(runs_dir: Path) -> list[RunLine]:
    """Return what a list shows of each run, newest first."""
    return [_line(folder) for folder in reversed(RunsFolder(runs_dir).all())]


def _line(folder: RunFolder) -> RunLine:
    running = is_at_work(folder.path)
    try:
        manifest = folder.read_manifest()
    except StateError:
        return RunLine(run_id=folder.run_id, stage="damaged", running=running)
    target = manifest.target
    return RunLine(
        run_id=folder.run_id,
        command=manifest.command,
        stage=manifest.stage.value,
        running=running,
        store_id=target.store_id,
        store_name="emulator" if target.emulator else target.store_name,
        rows_read=manifest.counts.rows_read,
        rows_not_fine=None if running else _not_fine(folder.path),
        created_at=manifest.created_at,
        source=manifest.source.files,
    )


def _not_fine(folder: Path) -> int | None:
    """Count the rows of a report that someone should look at; None without one. A list reads no more than it shows."""
    try:
        outcomes = orjson.loads((folder / REPORT_NAME).read_bytes())["outcomes"]
        return sum(int(outcomes[state.value]) for state in (*NOT_FINE, FinalState.NOT_SENT))
    except (OSError, ValueError, KeyError, TypeError):
        return None
