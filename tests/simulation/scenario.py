"""What a block of seeds sends: one source, packaged once, in a run folder and a ledger that each seed copies.

Packaging costs more than sending does, and knows nothing of what goes wrong later; so neighbouring seeds share it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from importer.core.delivery import BatchSpec
from importer.core.route import Route
from importer.core.wire import removal_column
from importer.files import make_private_folder
from importer.ports import Payloads
from importer.state.ledger import SqliteLedger
from importer.state.payloads import PackagePayloads
from importer.state.run_folder import RunFolder
from importer.wiring.run import Run
from tests.simulation.kept import Kept, KeptPayloads
from tests.simulation.packaging import STORE_ID, Request, package
from tests.simulation.profiles import ID_TYPES, Identifier, identifiers_of
from tests.simulation.rows import REMOVABLE, VARIANTS, Rows, SimulatedSource, make_rows

SEEDS_A_SCENARIO: Final = 20
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system in memory, where there is one: nothing here must last


@lru_cache(maxsize=1)
def _room() -> TemporaryDirectory[str]:
    made = TemporaryDirectory(prefix="simulation-", dir=_MEMORY if _MEMORY.is_dir() else None)
    # The processes of a pool leave without what `atexit` was told.
    Finalize(None, made.cleanup, exitpriority=0)
    return made


def room(name: str) -> Path:
    """Return an empty folder of this process, in memory where there is such a thing."""
    path = Path(_room().name) / name
    shutil.rmtree(path, ignore_errors=True)
    make_private_folder(path)
    return path


@dataclass(frozen=True)
class Scenario:
    """A packaged source.

    Attributes:
        number: Which.
        rows: The source.
        request: How it was packaged.
        run: The packaged run.
        order: Its send order.
        specs: Its batches, cut smaller than the service would take them so that there are more.
        template: A ledger that holds them.
        kept: What was encoded before.
    """

    number: int
    rows: Rows
    request: Request
    run: Run
    order: pl.DataFrame
    specs: tuple[BatchSpec, ...]
    template: Path
    kept: Kept

    @property
    def source(self) -> SimulatedSource:
        """The source, without a fault."""
        return SimulatedSource(self.rows)

    @cached_property
    def row_of(self) -> tuple[int, ...]:
        """Source row number of each position of the send order."""
        numbers = pl.concat(list(self.run.package.rows_frames()))["row_number"]
        lines = self.run.index["row"].gather(self.order["line"]).cast(pl.UInt32)
        return tuple(numbers.gather(lines).to_list())

    @cached_property
    def position_of(self) -> Mapping[int, int]:
        """Position of each source row that is sent."""
        return {row: position for position, row in enumerate(self.row_of)}

    @cached_property
    def removing(self) -> Mapping[int, frozenset[str]]:
        """Traits each position removes, by the flags of its own payload."""
        frame = self.run.package.take(self.order["slot"].to_numpy())
        flags = {ref: frame[removal_column(ref)].to_list() for ref in REMOVABLE if removal_column(ref) in frame.columns}
        return {
            position: frozenset(ref for ref, removed in flags.items() if removed[position])
            for position in range(self.order.height)
        }

    @cached_property
    def adding(self) -> Mapping[int, frozenset[Identifier]]:
        """Further identifiers of each position, by its own payload."""
        refs = [f"Contact.phone+{number}" for number in (2, 3)]
        frame = self.run.package.take(self.order["slot"].to_numpy())
        values = [frame[ref].to_list() if ref in frame.columns else [None] * self.order.height for ref in refs]
        return {
            position: frozenset(("phone", value) for value in found if value is not None)
            for position, found in enumerate(zip(*values, strict=True))
        }

    @cached_property
    def own(self) -> Mapping[int, frozenset[Identifier]]:
        """Identifiers that the body of each position carries, by its own payload."""
        frame = self.run.package.take(self.order["slot"].to_numpy()).select(list(ID_TYPES))
        return {
            position: identifiers_of({ref: value for ref, value in row.items() if value is not None})
            for position, row in enumerate(frame.iter_rows(named=True))
        }

    @cached_property
    def alone(self) -> frozenset[int]:
        """Source rows that are sent and carry no other row's values, nor lost any of their own."""
        index = self.run.index
        slots = pl.Series("line", range(index.height), dtype=pl.Int64)
        lines = index.with_columns(slots).filter((pl.col("slot") == pl.col("line")) & (pl.col("position") >= 0))
        return frozenset(self.row_of[position] for position in lines["position"].to_list())

    def payloads(self, parts: Path) -> Payloads:
        """Return what makes bodies and parts of the package, those in the folder `parts`."""
        return KeptPayloads(_payloads(self.run, self.order, parts), self.kept)


def _payloads(run: Run, order: pl.DataFrame, parts: Path) -> PackagePayloads:
    manifest = run.manifest
    slots = order["slot"].to_numpy()
    return PackagePayloads(
        run.package, slots, manifest.wire_traits(), manifest.filled_sets(), parts=parts, salt="simulated"
    )


@lru_cache(maxsize=1)
def scenario(number: int) -> Scenario:
    """Return a scenario; the same number gives the same one."""
    rng = random.Random(f"scenario {number}")
    rows = make_rows(rng)
    request = Request(
        variant=VARIANTS[number % len(VARIANTS)],
        import_min_rows=rng.choice([4, 4, 1000]),
        part_rows=rng.choice([3, 8]),
        allow_merges=rng.choice([0, 99, 99]),
    )
    folder = RunFolder(room("scenario"))
    make_private_folder(folder.package)
    run = package(folder, SimulatedSource(rows), request)
    order = folder.read_order()
    payloads = _payloads(run, order, folder.path / "parts")
    with SqliteLedger.open(folder.ledger) as ledger:
        entries = list(ledger.entries())
    rows_a_batch = rng.choice([2, 5, 1000])
    specs: list[BatchSpec] = []
    for entry in entries:
        size = entry.spec.rows if entry.spec.route is Route.IMPORT else rows_a_batch
        for start in range(entry.spec.start, entry.spec.stop, size):
            stop = min(start + size, entry.spec.stop)
            digest = payloads.digest(start, stop)
            specs.append(BatchSpec(len(specs), entry.spec.route, start, stop, entry.spec.wave, digest))
    template = folder.path / "template.db"
    with SqliteLedger.create(template, {"run_id": folder.run_id, "store_id": STORE_ID}) as ledger:
        ledger.add_batches(specs)
    return Scenario(number, rows, request, run, order, tuple(specs), template, Kept())
