"""The disk under a run: whether there is room before its source is read, and what is given back when it gets full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from importer.core.manifest import Stage
from importer.core.suggested import run_command
from importer.errors import DiskError, GuardError, StateError
from importer.sources.open import STDIN
from importer.state.mounts import refuse_network
from importer.state.run_folder import RunFolder
from importer.wiring.opening import Opened

KEPT_OF_TEXT: Final = 0.8
"""Bytes that a run keeps for a byte of a text source whose columns are all mapped: package, ledger, reports.

Measured on `plan` of `bench/generate_customers.py`, 300,000 rows of 203 bytes in 16 columns, polars 2.1.0 and
pyarrow 26.0.1: 0.84 with 0.1 % of bad rows, 0.98 with 20 %. Columns that are not mapped are not kept."""

KEPT_OF_PACKED: Final = 1.0
"""The same for a byte of a compressed or Parquet file: the least it can be, as nobody knows what is in it.

Measured on the same rows as Parquet: 4.9."""

CLEARLY: Final = 0.5
"""Only where not even this part of the estimate is free a run is refused: cells differ more than columns do."""

FreeBytes = Callable[[Path], int]


def room_needed(size_bytes: int, *, packed: bool, mapped: int, columns: int) -> int:
    """Estimate how many bytes a run will keep.

    Args:
        size_bytes: Of the source's files.
        packed: They are compressed or Parquet.
        mapped: Columns of the source that the mapping names.
        columns: Columns of the source.
    """
    part = min(mapped / columns, 1.0) if columns else 1.0
    return int(size_bytes * part * (KEPT_OF_PACKED if packed else KEPT_OF_TEXT))


def free_bytes(folder: Path) -> int:
    """Return how many bytes may be written where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def with_room(runs_dir: Path, inputs: Opened, *, leftover: Path | None = None, free: FreeBytes = free_bytes) -> Opened:
    """Refuse a run that the disk clearly has no room for, before anything of it is written.

    It ends with exit code 6, as the other guards of a run do: what the user wrote is fine (2), there is nothing yet
    that could be resumed (5), and the same command works once there is room.

    Args:
        runs_dir: The runs folder, which need not be there yet.
        inputs: What is to be read.
        leftover: A package that will be replaced, and gives its room back.
        free: Tells how many bytes may be written where a folder is.

    Returns:
        The same inputs, with a note where the room may not be enough.

    Raises:
        GuardError: less is free than the run will keep.
        StateError: the runs folder is on a file system that a run cannot be sent from.
    """
    folder = runs_dir.absolute()
    if folder.exists():
        refuse_network(folder)
    description = inputs.description
    packed = description.kind != "csv" or (description.dialect is not None and bool(description.dialect.compression))
    size_bytes = sum(file.size_bytes for file in description.files)
    mapped = {trait.column for trait in inputs.plan.traits if trait.column is not None} | set(inputs.plan.key)
    needed = room_needed(size_bytes, packed=packed, mapped=len(mapped), columns=len(description.columns))
    room = free(folder) + (_size_of(leftover) if leftover is not None else 0)
    if room >= needed:
        return inputs
    text = f"about {_size(needed)} will be kept in {folder} and {_size(room)} are free"
    if room < needed * CLEARLY:
        raise GuardError(
            f"the disk has no room for this run: {text}; nothing was done",
            hint="free space there, or put the runs folder on another disk (`--runs-dir`)",
        )
    return replace(inputs, notes=(*inputs.notes, f"the disk may become full: {text}"))


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


@contextmanager
def given_back(folder: RunFolder) -> Iterator[None]:
    """Give the room back that a run took which could not be packaged, or planned, to its end on a full disk.

    What is left of it is its record, from which `resume` reads the source again; a run that nobody could go on with
    leaves nothing.

    Raises:
        DiskError: the one that came, with what to do about it.
    """
    try:
        yield
    except DiskError as error:
        _drop_at_once(folder)
        if _begins_anew(folder):
            error.hint = f"free space there, then {run_command(folder.path, 'resume')} reads the source again"
        else:
            folder.delete()
            error.hint = "free space there, then run the command again"
        raise


def _drop_at_once(folder: RunFolder) -> None:
    """Delete the package; a file that is still open somewhere gives its room back as well."""
    with suppress(OSError):
        for path in folder.package.iterdir():
            os.truncate(path, 0)
    folder.drop_package()


def _begins_anew(folder: RunFolder) -> bool:
    """Make a run one that was stopped while packaging; tell whether that is possible."""
    try:
        manifest = folder.read_manifest()
        if manifest.command == "validate" or STDIN in manifest.source.spec:
            return False  # a dry run sends nothing, and what came in by a pipe does not come again
        folder.write_manifest(manifest.model_copy(update={"stage": Stage.PACKAGING}))
    except StateError:
        return False
    return True


@contextmanager
def resumable(run: Path) -> Iterator[None]:
    """Say how to go on with a run that is planned, when its disk gets full.

    Args:
        run: Its folder.

    Raises:
        DiskError: the one that came.
    """
    try:
        yield
    except DiskError as error:
        error.hint = f"free space there, then {run_command(run, 'resume')} goes on where it stopped"
        raise


@contextmanager
def sending_from(run: Path) -> Iterator[None]:
    """Say how to go on with a run that is being sent, when a file of it cannot be used any more.

    Args:
        run: Its folder.

    Raises:
        DiskError: the one that came, or one for whatever else the system said of a file.
    """
    try:
        with resumable(run):
            yield
    except BrokenPipeError:  # nobody reads what is shown any more
        raise
    except OSError as exc:
        raise DiskError(
            f"a file of the run could not be used: {exc.strerror or type(exc).__name__}",
            hint=f"see to the disk of the runs folder, then {run_command(run, 'resume')} goes on where it stopped",
        ) from exc
