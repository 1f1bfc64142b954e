"""Finding a run by its name. `last` is the newest one that the command can be about, not the newest of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from importer.core.manifest import RunManifest, Stage
from importer.core.suggested import run_command, runs_command
from importer.errors import ConfigError
from importer.settings import Settings
from importer.state.run_folder import RunFolder, RunsFolder

LAST: Final = "last"


@dataclass(frozen=True)
class Found:
    """A run by its name: the folder, and the record in it."""

    folder: RunFolder
    manifest: RunManifest


def is_dry(manifest: RunManifest) -> bool:
    """Tell whether nothing can ever be sent from a run; a dry run that was killed is still one."""
    return manifest.stage is Stage.CHECKED or manifest.command == "validate"


def find_run(settings: Settings, name: str) -> Found:
    """Return a run that can be sent from; ``last`` is the newest one that is no dry run.

    Args:
        settings: Names the runs folder.
        name: Id of the run, the beginning of it, or ``last``.

    Raises:
        ConfigError: there is no such run, or it was a dry run.
        StateError: its record cannot be read.
    """
    return _found(settings, name, lambda manifest: not is_dry(manifest), "that can be sent from; a dry run is none")


def find_sent_run(settings: Settings, name: str) -> Found:
    """The same; ``last`` is the newest run of which something may have been sent."""
    return _found(settings, name, lambda manifest: manifest.stage in (Stage.SENDING, Stage.FINISHED), "that was sent")


def with_package(found: Found, *, unsent: str, gone: str, instead: str) -> None:
    """Check that a run was sent and still has its package.

    Args:
        found: The run.
        unsent: What follows where nothing was sent.
        gone: What follows where there is no package any more.
        instead: What to do then.

    Raises:
        ConfigError: it was not, or has it no more.
    """
    folder = found.folder
    if folder.read_manifest().stage in (Stage.PACKAGING, Stage.PLANNED):
        raise ConfigError(
            f"nothing of run {folder.run_id} was sent, so {unsent}",
            hint=f"{run_command(folder.path, 'resume')} sends it",
        )
    if not folder.package.exists():
        raise ConfigError(
            f"run {folder.run_id} has no package any more, so {gone}: it was purged, or it went 7 days after a run "
            "that left nothing to do",
            hint=instead,
        )


def find_planned_run(settings: Settings, name: str) -> Found:
    """The same; ``last`` is the newest run that is planned and of which nothing was sent.

    Raises:
        ConfigError: also for a run that is not planned, or was sent already.
    """
    found = _found(settings, name, lambda manifest: manifest.stage is Stage.PLANNED, "that is planned and was not sent")
    run_id, run, stage = found.folder.run_id, found.folder.path, found.manifest.stage
    if stage is Stage.PACKAGING:
        raise ConfigError(
            f"run {run_id} is not planned: it was stopped while its source was read",
            hint=f"{run_command(run, 'resume')} reads the source again",
        )
    if stage is Stage.SENDING:
        raise ConfigError(
            f"run {run_id} was begun to be sent already; --plan sends a run of which nothing was",
            hint=f"{run_command(run, 'resume')} sends what is left of it",
        )
    if stage is Stage.FINISHED:
        raise ConfigError(
            f"run {run_id} was sent already, to its end; --plan sends a run of which nothing was",
            hint=f"{run_command(run, 'retry')} sends rows again that did not arrive, {run_command(run, 'resume')} those"
            " that were held or left out (--release, --all); or plan the source again",
        )
    return found


def _found(settings: Settings, name: str, suits: Callable[[RunManifest], bool], what: str) -> Found:
    runs = RunsFolder(Path(settings.runs_dir))
    if name == LAST:
        # A record that cannot be read is said to be so: the run that is meant may be that one.
        for folder in reversed(runs.all()):
            manifest = folder.read_manifest()
            if suits(manifest):
                return Found(folder, manifest)
        raise ConfigError(
            f"there is no run in {runs.path} {what}", hint=f"{runs_command(runs.path, 'status')} lists the runs"
        )
    folder = runs.find(name)
    manifest = folder.read_manifest()
    if is_dry(manifest):
        raise ConfigError(f"run {folder.run_id} was a dry run; it has nothing to send", hint="use `plan` or `import`")
    return Found(folder, manifest)
