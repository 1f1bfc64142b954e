"""A process at work on a run: it holds the run's lock, and says beside the run how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from importer.reports.progress_file import PROGRESS_NAME, QUESTION, ProgressFile
from importer.state.lock import RUN_LOCK, is_held
from importer.state.run_folder import RunFolder
from importer.wiring.clock import SystemClock
from importer.wiring.logged import log_run
from importer.wiring.requests import Hooks


def at_work(hooks: Hooks, folder: RunFolder) -> Hooks:
    """Return hooks that also keep beside a run how far it is, for `status` in another process.

    Whoever calls this holds the run's lock (`importer.state.lock.RunLock` or `PackagingLock`): by the lock, not by the
    file, others tell whether a process works on the run.
    """
    hooks.begun()
    log_run(folder.run_id)
    said = ProgressFile(hooks.progress, folder.path / PROGRESS_NAME, SystemClock())
    return replace(
        hooks,
        progress=said,
        confirm=_noted(hooks.confirm, said),
        confirm_stale=_noted(hooks.confirm_stale, said),
    )


def _noted(ask: Callable[[str], bool], said: ProgressFile) -> Callable[[str], bool]:
    def noted(question: str) -> bool:
        said.note(QUESTION)
        return ask(question)

    return noted


def is_at_work(folder: Path) -> bool:
    """Tell whether a process works on the run in a folder."""
    return is_held(folder / RUN_LOCK)
