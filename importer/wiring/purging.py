"""Deleting runs, or the packaged rows of runs, for good: what would go, what is kept and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from importer.core.manifest import RunManifest, Stage
from importer.core.report import Report
from importer.core.suggested import runs_command
from importer.errors import ConfigError, StateError
from importer.reports.report_file import REPORT_NAME, read_report
from importer.state.removal import (
    EMULATOR_FOLDER,
    is_run_folder,
    packed_folders,
    size_of,
)
from importer.state.run_folder import MANIFEST_FILE, RunFolder, called
from importer.wiring.at_work import is_at_work
from importer.wiring.housekeeping import wanted_rows
from importer.wiring.run_status import has_report

AT_WORK: Final = "a process works on it"
_UNENDED: Final = {
    Stage.PACKAGING: "it was stopped while its source was read",
    Stage.PLANNED: "it is planned and was not sent",
    Stage.SENDING: "it was stopped while it was sending",
    Stage.FINISHED: "its report is missing",
}


class Kind(StrEnum):
    """What is deleted."""

    RUN = "run"
    """A run with all its files."""
    PACKAGE = "package"
    """The packaged rows of a run; its reports stay."""
    EMULATOR = "emulator"
    """A store of the local emulator."""


@dataclass(frozen=True)
class PurgeRequest:
    """What to delete.

    Attributes:
        runs_dir: The runs folder.
        runs: Ids of runs, beginnings of ids, or ``last``.
        everything: All runs.
        older_than: Only runs that ended so long ago.
        packages_only: Only their packaged rows.
        emulator: The stores of the local emulator as well.
        force: Also runs with rows that could still be sent, which otherwise go only when they are named.
    """

    runs_dir: Path
    runs: tuple[str, ...] = ()
    everything: bool = False
    older_than: timedelta | None = None
    packages_only: bool = False
    emulator: bool = False
    force: bool = False


@dataclass(frozen=True)
class Item:
    """One thing that goes or is kept.

    Attributes:
        kind: What it is.
        name: The run's id, or the emulator's store.
        path: Where it is.
        size_bytes: What it takes.
        ended_at: When the run ended, or began if it did not; None for a store.
        command: What began the run.
        store: Where it went.
        could_be_sent: Why the run may still be needed, in words; empty where it is not.
        kept: Why it stays; empty where it goes.
        named: Somebody asked for this very run.
        stamp: Of its record and report, to tell whether they changed.
    """

    kind: Kind
    name: str
    path: Path
    size_bytes: int
    ended_at: datetime | None = None
    command: str = ""
    store: str = ""
    could_be_sent: str = ""
    kept: str = ""
    named: bool = False
    stamp: tuple[int, ...] = ()


@dataclass(frozen=True)
class Purge:
    """What goes and what is kept.

    Attributes:
        goes: Deleted, or to be deleted.
        kept: Asked for, and kept.
        freed_bytes: What the deletion freed; 0 before it.
    """

    goes: tuple[Item, ...]
    kept: tuple[Item, ...]
    freed_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """What goes takes so many bytes."""
        return sum(item.size_bytes for item in self.goes)


def plan_purge(request: PurgeRequest, now: datetime) -> Purge:
    """Say what would be deleted; deletes nothing.

    Args:
        request: What is asked for.
        now: Aware wall-clock time.

    Raises:
        ConfigError: a run that is named is not there, or is no run.
    """
    items = [_judged(request, item) for item in _runs(request, now)]
    if request.emulator:
        items += _stores(request.runs_dir)
    return Purge(tuple(item for item in items if not item.kept), tuple(item for item in items if item.kept))


def _runs(request: PurgeRequest, now: datetime) -> Iterator[Item]:
    folders = _chosen(request)
    for folder in folders:
        item = _item(folder, request, named=bool(request.runs))
        is_old = request.older_than is None or (item.ended_at is not None and now - item.ended_at > request.older_than)
        if is_old and (item.kind is Kind.RUN or packed_folders(folder)):
            yield item


def _chosen(request: PurgeRequest) -> list[Path]:
    if not request.runs and not request.everything and request.older_than is None:
        return []
    there = sorted(request.runs_dir.iterdir()) if request.runs_dir.is_dir() else []
    folders = [path for path in there if is_run_folder(path)]
    if not request.runs:
        return folders
    return sorted({_named(name, folders, request.runs_dir) for name in request.runs})


def _named(name: str, folders: Sequence[Path], runs_dir: Path) -> Path:
    matches = called(folders, name)
    if len(matches) == 1:
        return matches[0]
    if not matches and name and (runs_dir / name).is_symlink():
        raise ConfigError(f"{name} is a link; links are not followed", hint="delete it by hand")
    found = "more than one run" if matches else "no run"
    raise ConfigError(
        f"{found} of the name {name!r} in {runs_dir}", hint=f"{runs_command(runs_dir, 'status')} lists the runs"
    )


def _item(path: Path, request: PurgeRequest, *, named: bool) -> Item:
    folder = RunFolder(path)
    kind = Kind.PACKAGE if request.packages_only else Kind.RUN
    size_bytes = sum(map(size_of, packed_folders(path))) if kind is Kind.PACKAGE else size_of(path)
    item = Item(kind, path.name, path, size_bytes, _begun(path.name), named=named, stamp=stamp_of(path))
    try:
        manifest = folder.read_manifest()
        report = read_report(path) if has_report(folder, manifest) else None
    except StateError as error:
        return replace(item, could_be_sent=f"what is in it cannot be read: {error.message}")
    if manifest.run_id != path.name:
        return replace(item, kept="it is a copy of another run, or no run at all")
    ended_at = report.finished_at if report is not None else None
    return replace(
        item,
        ended_at=datetime.fromisoformat(ended_at or manifest.created_at),
        command=manifest.command,
        store="emulator" if manifest.target.emulator else manifest.target.store_name,
        could_be_sent=_could_be_sent(manifest, report),
    )


def _could_be_sent(manifest: RunManifest, report: Report | None) -> str:
    if manifest.command == "validate" or manifest.stage is Stage.CHECKED:
        return ""
    if report is None:
        return _UNENDED[manifest.stage]
    return ", ".join(f"{count:,} {what}" for what, count in wanted_rows(report).items())


def _begun(name: str) -> datetime:
    return datetime.strptime(name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)


def stamp_of(path: Path) -> tuple[int, ...]:
    """Return what tells whether the record or the report of a run changed."""
    found = [file.lstat() for file in (path / MANIFEST_FILE, path / REPORT_NAME) if file.exists()]
    return tuple(number for entry in found for number in (entry.st_mtime_ns, entry.st_ino, entry.st_size))


def _judged(request: PurgeRequest, item: Item) -> Item:
    if item.kept:
        return item
    if is_at_work(item.path):
        return replace(item, kept=AT_WORK)
    if item.could_be_sent and not item.named and not request.force:
        return replace(item, kept=f"{item.could_be_sent}; name the run, or give --force")
    return item


def _stores(runs_dir: Path) -> list[Item]:
    folder = runs_dir / EMULATOR_FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return []
    databases = sorted(path for path in folder.glob("*.db") if path.is_file() and not path.is_symlink())
    return [
        Item(Kind.EMULATOR, path.stem, path, sum(map(size_of, store_files(path))), store="emulator")
        for path in databases
    ]


def store_files(database: Path) -> list[Path]:
    """Return the files of a store in the order in which they can go: a log without its database would spoil another."""
    names = ("-wal", "-shm", "", "-uploads")
    paths = [database.with_name(database.name + name) for name in names]
    return [path for path in paths if path.exists() or path.is_symlink()]
