"""The first half of a simulated run: a source is read, checked, decided about, routed and written to a real run folder.

The code is that of `import`; only the source is simulated, and the disk and the process may fail at any file.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import Final

import orjson
import polars as pl

from importer.core.check_values import Checks, compile_checks
from importer.core.manifest import RunManifest, RunOptions, Target
from importer.core.mapping import MappingFile
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import seed_for
from importer.core.mapping_yaml import parse_mapping
from importer.core.schema import StoreSchema
from importer.core.transform import RoutingPolicy
from importer.memory_api.client import MemoryClient
from importer.ports import PackageSink, SourceOptions
from importer.settings import Settings
from importer.state.package import PackageReader
from importer.state.run_folder import RunFolder
from importer.wiring.opening import Opened
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.run import Run
from importer.wiring.runs import packaged_run
from importer.wiring.targets import OpenTarget
from tests.simulation.rows import COLUMNS, SimulatedSource, Variant
from tests.simulation.trace import Killed

STORE_ID: Final = "mem_store_00000000000000000000000000"
WHOLE: Final = "packaged"
KILLED: Final = "killed"
ENDS: Final[dict[str, tuple[str, ...]]] = {
    "io": ("SourceError",),
    "changed": ("SourceChangedError",),
    "full": ("OSError", "DiskError", WHOLE),
    "killed": (KILLED, WHOLE),
    "stopped": ("RunInterrupted",),
}
"""What may go wrong while a run is packaged, and how packaging may end then."""


@dataclass(frozen=True)
class Request:
    """What is packaged, and how rows are routed."""

    variant: Variant
    import_min_rows: int
    part_rows: int
    allow_merges: int


@lru_cache(maxsize=8)
def _compiled(variant: Variant) -> tuple[MappingFile, Checks, StoreSchema]:
    mapping = parse_mapping(orjson.dumps(variant.mapping()), "mapping.yaml")
    seed = seed_for(mapping)
    schema = StoreSchema.from_api(
        {"id": STORE_ID, "displayName": "simulated"},
        [group | {"version": 1} for group in seed["traitGroups"]],
        {"identifierConfigs": seed["identifierConfigs"], "matchingRules": seed["matchingRules"]},
    )
    return mapping, compile_checks(resolve_mapping(mapping, COLUMNS, schema)), schema


def package(
    folder: RunFolder,
    source: SimulatedSource,
    request: Request,
    stop: Event | None = None,
    client: MemoryClient | None = None,
) -> Run:
    """Package a source in a folder as `import` does, up to the point where sending would begin.

    `client` is within reach of all that runs, as in a real dry run; whoever gives it sees what is done with it.
    """
    mapping, checks, schema = _compiled(request.variant)
    plan = replace(checks.plan, routing=RoutingPolicy(request.import_min_rows, request.part_rows))
    target = Target(store_id=STORE_ID, store_name="simulated", host="api.example.com", api_url="https://x")
    inputs = Opened(
        source=source,
        description=source.describe(),
        source_options=SourceOptions(),
        mapping=mapping,
        plan=plan,
        checks=replace(checks, plan=plan),
        schema=schema,
        target=target,
        store=OpenTarget(client, target, schema) if client is not None else None,
        notes=(),
    )
    options = RunOptions(allow_merges=request.allow_merges, max_rejected_percent=100.0)
    asked = RunRequest(
        source="rows.csv",
        mapping=Path("mapping.yaml"),
        settings=Settings(runs_dir=str(folder.path.parent)),
        options=options,
    )
    return packaged_run(asked, Hooks(stop=stop or Event()), inputs, folder, "import")


class BrittleFolder(RunFolder):
    """A run folder whose disk fills up, or whose process dies, at one of the things written to it.

    Args:
        path: Where it is.
        fault: ``full`` or ``killed``.
        at: How many writes succeed before.
    """

    def __init__(self, path: Path, fault: str, at: int) -> None:
        super().__init__(path)
        self._fault = fault
        self._left = at

    def step(self) -> None:
        """Count one write; fail at the last that is granted."""
        self._left -= 1
        if self._left < 0 and self._fault == "killed":
            raise Killed
        if self._left < 0 and self._fault == "full":
            raise OSError(errno.ENOSPC, "No space left on device")

    @contextmanager
    def writer(self) -> Iterator[PackageSink]:  # type: ignore[override]  # a port's sink is enough
        """Begin the package."""
        self.step()
        with super().writer() as sink:
            yield _BrittleSink(sink, self)
            self.step()

    def reader(self) -> PackageReader:
        """Open the package."""
        self.step()
        return _BrittleReader(self)

    def write_order(self, order: pl.DataFrame) -> None:
        """Replace the send order."""
        self.step()
        super().write_order(order)
        self.step()

    def write_index(self, index: pl.DataFrame) -> None:
        """Replace the index."""
        self.step()
        super().write_index(index)
        self.step()

    def write_manifest(self, manifest: RunManifest) -> None:
        """Replace the record."""
        self.step()
        super().write_manifest(manifest)


class _BrittleSink:
    def __init__(self, inner: PackageSink, folder: BrittleFolder) -> None:
        self._inner = inner
        self._folder = folder

    @property
    def row_count(self) -> int:
        """Rows appended so far."""
        return self._inner.row_count

    def append(self, rows: pl.DataFrame, valid: pl.DataFrame) -> None:
        """Add one packed chunk."""
        self._folder.step()
        self._inner.append(rows, valid)


class _BrittleReader(PackageReader):
    def __init__(self, folder: BrittleFolder) -> None:
        super().__init__(folder.package)
        self._owner = folder

    def append_extra(self, frame: pl.DataFrame) -> int:
        """Keep changed rows."""
        self._owner.step()
        first = super().append_extra(frame)
        self._owner.step()
        return first


def packaged_with(
    fault: str, path: Path, source: SimulatedSource, request: Request, rng: random.Random, client: MemoryClient
) -> str:
    """Package a source while something goes wrong.

    Returns:
        The error that ended it, `KILLED`, or `WHOLE` if the fault came too late to matter.
    """
    stop = Event()
    if fault == "stopped":
        stop.set()
    folder = BrittleFolder(path, fault, rng.randrange(14))
    broken = SimulatedSource(source.rows, fault) if fault in ("io", "changed") else source
    try:
        package(folder, broken, request, stop, client)
    except Killed:
        return KILLED
    except Exception as error:  # noqa: BLE001 - whoever asked judges which it is
        return f"{type(error).__name__}: {error}"
    return WHOLE
