"""The folder of one run and the folder of all runs."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import BaseModel, ValidationError

from importer.core.index import INDEX_SCHEMA
from importer.core.manifest import MANIFEST_VERSION, RunManifest
from importer.errors import ConfigError, StateError
from importer.state.files import make_private_folder, write_private
from importer.state.package import PackageReader, PackageWriter, read_frame, write_frame

MANIFEST_FILE: Final = "run.json"
PACKAGE_FOLDER: Final = "package"
LEDGER_FILE: Final = "ledger.db"
INDEX_FILE: Final = "index.arrow"
ORDER_FILE: Final = "order.arrow"


class _Versioned(BaseModel):
    """The one field that every version of the manifest has."""

    version: int


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def package(self) -> Path:
        """Folder of the package."""
        return self.path / PACKAGE_FOLDER

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.path / LEDGER_FILE

    def writer(self) -> PackageWriter:
        """Begin the package, replacing what an interrupted run left."""
        make_private_folder(self.package)
        for leftover in self.package.iterdir():
            leftover.unlink()
        return PackageWriter(self.package)

    def reader(self) -> PackageReader:
        """Open the package."""
        return PackageReader(self.package)

    def write_index(self, index: pl.DataFrame) -> None:
        """Replace the package's index."""
        write_frame(self.package / INDEX_FILE, index)

    def read_index(self) -> pl.DataFrame:
        """Read the package's index."""
        return read_frame(self.package / INDEX_FILE).cast(INDEX_SCHEMA)

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
        write_private(self.path / MANIFEST_FILE, manifest.model_dump_json(indent=2).encode() + b"\n")

    def read_manifest(self) -> RunManifest:
        """Read ``run.json``.

        Raises:
            StateError: it is missing, damaged, or of another version.
        """
        try:
            content = (self.path / MANIFEST_FILE).read_bytes()
            version = _Versioned.model_validate_json(content).version
            manifest = RunManifest.model_validate_json(content) if version == MANIFEST_VERSION else None
        except (OSError, ValidationError) as exc:
            raise StateError(
                f"run {self.run_id}: run.json cannot be read ({type(exc).__name__})",
                hint="if the run never sent anything, start it again from its source",
            ) from None
        if manifest is None:
            raise StateError(
                f"run {self.run_id} was written by another version of this tool (format {version})",
                hint="finish it with that version",
            )
        return manifest


class RunsFolder:
    """The folder that holds all runs, ``./runs`` unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, stamp: str) -> RunFolder:
        """Make a new run folder; `stamp` leads its name (``20261122-045727``)."""
        self.prepare()
        run = RunFolder(self.path / f"{stamp}-{secrets.token_hex(3)}")
        make_private_folder(run.path)
        make_private_folder(run.package)
        keep_out_of_git(run.path)
        return run

    def find(self, name: str) -> RunFolder:
        """Return a run by its id, the beginning of its id, or ``last``.

        Raises:
            ConfigError: there is no such run, or more than one.
        """
        runs = self.all()
        if name == "last" and runs:
            return runs[-1]
        matches = [run for run in runs if run.run_id.startswith(name)]
        exact = [run for run in matches if run.run_id == name]
        if len(exact or matches) == 1:
            return (exact or matches)[0]
        found = "no run" if not matches else "more than one run"
        raise ConfigError(f"{found} of that name in {self.path}", hint="`memory-importer status` lists the runs")

    def all(self) -> list[RunFolder]:
        """Return all runs, oldest first."""
        if not self.path.is_dir():
            return []
        folders = sorted(entry for entry in self.path.iterdir() if (entry / MANIFEST_FILE).exists())
        return [RunFolder(folder) for folder in folders]

    def prepare(self) -> None:
        """Make the folder if it is not there, private and out of version control."""
        # A folder that was there before is its owner's: an ignore file in it could hide other things from git.
        if not self.path.exists():
            make_private_folder(self.path)
            keep_out_of_git(self.path)


def keep_out_of_git(folder: Path) -> None:
    """Let git pass over what is in a folder: it holds personal data."""
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
