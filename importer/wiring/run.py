"""One run while it is worked on."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from importer.core.identity import IdentityResult
from importer.core.manifest import RunManifest, Stage
from importer.pipeline.prepare import Prepared
from importer.ports import PackageAccess
from importer.reports.outcome_files import OutcomesSink
from importer.state.run_folder import RunFolder


@dataclass
class Run:
    """A run while it is worked on.

    Attributes:
        folder: Where it is.
        manifest: What it is made of.
        package: Gives the rows read.
        index: What was decided about the valid rows.
        groups: ``group``, ``kind``, ``id_types``, ``decision``.
        outcomes: The outcome of every row, where that is written already; see `importer.wiring.foretelling`.
    """

    folder: RunFolder
    manifest: RunManifest
    package: PackageAccess
    index: pl.DataFrame
    groups: pl.DataFrame
    outcomes: Future[OutcomesSink] | None = None


class Earlier(Protocol):
    """What was delivered before has a say in what is sent now, as it has in a sync."""

    def revise(self, identity: IdentityResult, prepared: Prepared) -> IdentityResult:
        """Return what is to be done with rows that would join what was delivered apart."""
        ...

    def settle(self, run: Run) -> None:
        """Take rows out of what is sent whose payloads say nothing new."""
        ...


def with_limits(manifest: RunManifest, max_operations: int | None, free_operations: int | None) -> RunManifest:
    """Return a run's record with limits that were given now in the place of its own; None leaves them."""
    given = {"max_operations": max_operations, "free_operations": free_operations}
    changed = {name: value for name, value in given.items() if value is not None}
    return manifest.model_copy(update={"options": manifest.options.model_copy(update=changed)})


def set_stage(run: Run, stage: Stage) -> None:
    """Record how far the run has come."""
    run.manifest = run.manifest.model_copy(update={"stage": stage})
    run.folder.write_manifest(run.manifest)
