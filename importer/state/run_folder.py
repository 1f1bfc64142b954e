"""The folder of one run and the folder of all runs."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import ValidationError

from importer.core.index import INDEX_SCHEMA
from importer.core.manifest import MANIFEST_VERSION, RunManifest
from importer.core.suggested import runs_command
from importer.errors import ConfigError, StateError
from importer.files import make_private_folder, storage_error, write_whole, writing
from importer.state.frames import begun_frame, read_frame, write_frame
from importer.state.ledger import SqliteLedger
from importer.state.package import PackageReader, PackageWriter
from importer.state.sealed import damaged, unreadable
from importer.state.spill import SpilledHashes
from importer.state.versions import parse_versioned

MANIFEST_FILE: Final = "run.json"
PACKAGE_FOLDER: Final = "package"
PARTS_FOLDER: Final = "parts"
"""Where import parts are while they are uploaded."""

LEDGER_FILE: Final = "ledger.db"
INDEX_FILE: Final = "index.arrow"
ORDER_FILE: Final = "order.arrow"

RUN_NAME: Final = re.compile(r"\d{8}-\d{6}(-\d+)?-[0-9a-f]{6}")
"""How folders of runs are called."""


class RunFolder:
    """One run on disk.

    Args:
        path: The folder.
        lasting: Its package outlives the command; see `FrameWriter`.
    """

    def __init__(self, path: Path, *, lasting: bool = True) -> None:
        self.path = path
        self._lasting = lasting
        self._written: PackageWriter | None = None

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def seed(self) -> int:
        """The number that samples and jitter of the run are made from."""
        return int(self.run_id.rpartition("-")[2], 16)

    @property
    def package(self) -> Path:
        """Folder of the package."""
        return self.path / PACKAGE_FOLDER

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.path / LEDGER_FILE

    def create_ledger(self, manifest: RunManifest) -> SqliteLedger:
        """Begin the run's ledger, replacing one that an interrupted run left."""
        for leftover in ledger_files(self.ledger):
            leftover.unlink(missing_ok=True)
        return SqliteLedger.create(self.ledger, _facts(manifest))

    def open_ledger(self, manifest: RunManifest, *, read_only: bool = False) -> SqliteLedger:
        """Open the run's ledger after checking all of it, and that it is this run's.

        Raises:
            LedgerDamagedError: it cannot be believed.
            StateError: it may not be opened.
        """
        return SqliteLedger.open(self.ledger, read_only=read_only, facts=_facts(manifest))

    def writer(self) -> PackageWriter:
        """Begin the package, replacing what an interrupted run left."""
        with writing(self.package):
            make_private_folder(self.package)
            for leftover in self.package.iterdir():
                leftover.unlink()
        self._written = PackageWriter(self.package, lasting=self._lasting)
        return self._written

    def reader(self) -> PackageReader:
        """Open the package."""
        return PackageReader(self.package, self._written.seals if self._written is not None else None)

    def spill(self) -> SpilledHashes:
        """Begin a place for what is needed only while rows are decided about."""
        return SpilledHashes(self.path)

    def write_index(self, index: pl.DataFrame) -> None:
        """Replace the package's index."""
        write_frame(self.package / INDEX_FILE, index)

    @contextmanager
    def index_beside(self, index: pl.DataFrame) -> Iterator[None]:
        """Write an index while the block works; it takes the place of the package's when the block ends well."""
        with ThreadPoolExecutor(1, "index") as thread:
            begun = thread.submit(begun_frame, self.package / INDEX_FILE, index)
            try:
                yield
                begun.result().close()
            finally:
                if begun.exception() is None:
                    begun.result().abort()

    def read_index(self) -> pl.DataFrame:
        """Read the package's index.

        Raises:
            StateError: it is missing or damaged.
        """
        path = self.package / INDEX_FILE
        try:
            return read_frame(path).cast(INDEX_SCHEMA)
        except pl.exceptions.PolarsError as exc:
            raise damaged(path, type(exc).__name__) from None

    def has_order(self) -> bool:
        """Tell whether anything was put in the send order yet."""
        return (self.package / ORDER_FILE).exists()

    def write_order(self, order: pl.DataFrame) -> None:
        """Replace the send order."""
        write_frame(self.package / ORDER_FILE, order)

    def read_order(self) -> pl.DataFrame:
        """Read the send order."""
        return read_frame(self.package / ORDER_FILE)

    def delete(self) -> None:
        """Delete the run with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def drop_package(self) -> None:
        """Delete the package; the run can no longer be sent from."""
        shutil.rmtree(self.package, ignore_errors=True)

    def write_manifest(self, manifest: RunManifest) -> None:
        """Replace ``run.json``."""
        write_whole(self.path / MANIFEST_FILE, manifest.model_dump_json(indent=2).encode() + b"\n")

    def read_manifest(self) -> RunManifest:
        """Read ``run.json``.

        Raises:
            StateError: it is missing, damaged, or of a newer version.
        """
        path = self.path / MANIFEST_FILE
        what, hint = f"run {self.run_id}", "go on with it by that version, or a newer one"
        try:
            return parse_versioned(path.read_bytes(), RunManifest, MANIFEST_VERSION, what=what, hint=hint)
        except OSError as exc:
            raise unreadable(path, exc) from None
        except ValidationError as exc:
            raise damaged(path, f"{exc.error_count()} faults") from None


class RunsFolder:
    """The folder that holds all runs, ``./runs`` unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, stamp: str) -> RunFolder:
        """Make a new run folder; `stamp` leads its name (``20261122-045727``).

        Raises:
            ConfigError: the runs folder is no folder.
            StateError: the runs folder cannot be written to; a `DiskError` where the disk is full.
        """
        self.prepare()
        run = RunFolder(self.path / f"{stamp}-{secrets.token_hex(3)}")
        with _making(run.path):
            make_private_folder(run.path)
            make_private_folder(run.package)
            keep_out_of_git(run.path)
        return run

    def find(self, name: str) -> RunFolder:
        """Return a run by its id, the beginning of its id, or ``last``.

        Raises:
            ConfigError: there is no such run, or more than one.
            StateError: there is, and its record is lost.
        """
        runs = self.all()
        matches = called([run.path for run in runs], name)
        if len(matches) == 1:
            return RunFolder(matches[0])
        if not matches:
            self._refuse_lost(name)
        found = "no run" if not matches else "more than one run"
        raise ConfigError(
            f"{found} of that name in {self.path}", hint=f"{runs_command(self.path, 'status')} lists the runs"
        )

    def all(self) -> list[RunFolder]:
        """Return all runs, oldest first.

        Raises:
            StateError: the runs folder may not be looked into.
        """
        if not self.path.is_dir():
            return []
        try:
            entries = sorted(self.path.iterdir())
        except OSError as exc:
            raise StateError(
                f"the runs folder {self.path} cannot be read: {exc.strerror}",
                hint="give it its owner and mode back (0700), or use another one (`--runs-dir`)",
            ) from exc
        # Not pathlib's `exists`: one folder that may not be entered would hide all runs behind an error.
        return [RunFolder(entry) for entry in entries if os.path.exists(entry / MANIFEST_FILE)]  # noqa: PTH110

    def _refuse_lost(self, name: str) -> None:
        """Say that a run is there whose record is not."""
        if not self.path.is_dir():
            return
        for entry in self.path.iterdir():
            if entry.name.startswith(name) and RUN_NAME.fullmatch(entry.name):
                try:
                    (entry / MANIFEST_FILE).stat()
                except OSError as exc:
                    raise unreadable(entry / MANIFEST_FILE, exc) from None

    def prepare(self) -> None:
        """Make the folder if it is not there, private and out of version control.

        Raises:
            ConfigError, StateError: see `create`.
        """
        with _making(self.path):
            # A folder that was there before is its owner's: an ignore file in it could hide other things from git.
            if not self.path.exists():
                make_private_folder(self.path)
                keep_out_of_git(self.path)


def called(folders: Sequence[Path], name: str) -> list[Path]:
    """Return which folders of runs, oldest first, a name means: an id, the beginning of one, or ``last``."""
    if name == "last" and folders:
        return [folders[-1]]
    matches = [folder for folder in folders if folder.name.startswith(name)]
    return [folder for folder in matches if folder.name == name] or matches


@contextmanager
def _making(folder: Path) -> Iterator[None]:
    """Say what is wrong where a folder cannot be made."""
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"{folder} cannot be made: a file is in the way", hint="give another --runs-dir") from None
    except OSError as exc:
        raise storage_error(exc, folder) from exc


def ledger_files(ledger: Path) -> tuple[Path, ...]:
    """Return the files of a ledger: its own, and the two that SQLite keeps beside it while it is open."""
    return tuple(ledger.with_name(f"{ledger.name}{suffix}") for suffix in ("", "-wal", "-shm"))


def _facts(manifest: RunManifest) -> dict[str, str]:
    """Return what a ledger says of itself."""
    return {"run_id": manifest.run_id, "store_id": manifest.target.store_id}


def keep_out_of_git(folder: Path) -> None:
    """Let git pass over what is in a folder: it holds personal data."""
    path = folder / ".gitignore"
    if not path.exists():
        write_whole(path, b"*\n")
