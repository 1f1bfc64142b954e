"""Rows of a run beside what the store has of them now: which are read, and where what was found is kept."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.pacing import Pacer
from importer.core.read_back import IdentifierTrait, counts_of, identifiers_by_priority, merged_results
from importer.pipeline.cost import Made
from importer.pipeline.outcomes import Delivered
from importer.pipeline.paced_reads import Pace
from importer.pipeline.read_back import MOST_CANDIDATES, ReadBack, ReadingPorts, Sent, carriers, read_back
from importer.pipeline.sent_again import history, places
from importer.reports.masks import mask_expr
from importer.reports.wording import counted
from importer.state.ledger import SqliteLedger
from importer.state.verified_file import read_verified, write_verified
from importer.wiring.clock import CLOCK
from importer.wiring.finishing import delivered_by
from importer.wiring.requests import Hooks, SendOptions
from importer.wiring.run import Run
from importer.wiring.targets import OpenTarget

SAVE_EVERY_S: Final = 10.0
"""A killed process loses what it read in so long."""

_IDLE_S: Final = 60.0


@dataclass(frozen=True)
class Reading:
    """A run whose rows are read back, and everything that takes.

    Attributes:
        sent: What was sent, and what came of it.
    """

    run: Run
    store: OpenTarget
    hooks: Hooks
    options: SendOptions
    delivered: Delivered
    sent: Sent
    show_values: bool

    @classmethod
    def of(cls, run: Run, store: OpenTarget, hooks: Hooks, options: SendOptions, *, show_values: bool) -> Reading:
        """Look at a run, which this process has the lock of.

        Args:
            run: Packaged.
            store: Where its rows went.
            hooks: Progress and stopping.
            options: How hard to read.
            show_values: Keep values that differ as they are; masked otherwise.

        Raises:
            StateError: ledger or send order cannot be read.
        """
        with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
            delivered = delivered_by(ledger)
        order = run.folder.read_order()
        index = history(run.index, order, delivered).index
        return cls(run, store, hooks, options, delivered, Sent(index, order, places(index, delivered)), show_values)

    def read(self, positions: npt.NDArray[np.int64], known: Pacer | None = None) -> ReadBack:
        """Read rows back, and keep what was found whatever happens.

        Args:
            positions: Of the rows, ascending.
            known: What requests before these learned of the service's patience.
        """
        if self.store.emulator is not None:
            with suppress(TimeoutError):  # what is not applied by then is missing, which is what will be said
                self.store.emulator.wait_idle(_IDLE_S)
        kept = _Kept(self.run.folder.package, show_values=self.show_values)
        progress = self.hooks.progress
        progress.stage("verify", len(positions))
        ports = ReadingPorts(
            self.run.package,
            self.store.client,
            CLOCK,
            self.hooks.stop,
            self.hooks.stop.wait,
            kept.keep,
            lambda rows, retries, wait_s: progress.advance(rows, retries=retries, wait_s=int(wait_s)),
        )
        traits = self.run.manifest.wire_traits()
        identifiers = _looked_up(self.run, self.store)
        rows = self.sent.to_read(positions, traits, self.run.manifest.filled_sets(), identifiers)
        pace = Pace(self.options.max_rps, seed=self.run.folder.seed, known=known)
        try:
            return read_back(ports, rows, concurrency=self.options.concurrency, pace=pace)
        finally:
            kept.save()

    def results(self, positions: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return what is known by now of rows, by place."""
        known = read_verified(self.run.folder.package)
        return known.filter(pl.col("position").is_in(pl.Series(positions).implode()))

    def counts(self, positions: npt.NDArray[np.int64]) -> dict[str, int]:
        """Count what is known by now of rows, by result."""
        return counts_of(self.results(positions))


class _Kept:
    """Results on their way to the run's folder, saved now and then."""

    def __init__(self, package: Path, *, show_values: bool) -> None:
        self._package = package
        self._show_values = show_values
        self._waiting: list[pl.DataFrame] = []
        self._saved_s = CLOCK.monotonic_s()

    def keep(self, results: pl.DataFrame) -> None:
        """Take results."""
        if not self._show_values:
            masked = mask_expr(pl.element())
            results = results.with_columns(pl.col("sent").list.eval(masked), pl.col("stored").list.eval(masked))
        self._waiting.append(results)
        if CLOCK.monotonic_s() - self._saved_s >= SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Join what is waiting with what was found before."""
        if self._waiting:
            write_verified(self._package, merged_results(read_verified(self._package), pl.concat(self._waiting)))
        self._waiting = []
        self._saved_s = CLOCK.monotonic_s()


def _looked_up(run: Run, store: OpenTarget) -> tuple[IdentifierTrait, ...]:
    """Return the identifiers by which profiles are found: not the further values, which are read with the profile."""
    return identifiers_by_priority([trait for trait in run.manifest.wire_traits() if not trait.further], store.schema)


def places_to_read(run: Run, lines: npt.NDArray[np.int64]) -> int:
    """Count the places of the send order that reading rows back reads: rows that one carries are read as that one."""
    return len(np.unique(carriers(run.index, lines)))


def reads_text(run: Run, store: OpenTarget, rows: int) -> str:
    """Say what reading rows back costs at most, in billable reads: a lookup an identifier, and profiles beyond one."""
    traits = tuple(trait for trait in run.manifest.wire_traits() if not trait.further)
    id_types = [trait.id_type for trait in _looked_up(run, store)]
    shared = any(not store.schema.identifiers[id_type].enforce_unique for id_type in id_types)
    lookups = int(Made(run.manifest.filled_sets(), traits).identifiers().max(initial=1))
    most = rows * (lookups + (MOST_CANDIDATES - 1 if shared else 0))
    more = f", {rows:,} where one profile has each row's first identifier" if most > rows else ""
    return f"up to {counted(most, 'billable profile read')}{more} (a profile looked up or read is billed once a day)"


def add_requests(run: Run, made: dict[str, int]) -> dict[str, int]:
    """Add requests to those of the run so far; return them all."""
    with SqliteLedger.open(run.folder.ledger) as ledger:
        total = Counter(ledger.requests())
        total.update(made)
        ledger.set_requests(total)
    return dict(total)
