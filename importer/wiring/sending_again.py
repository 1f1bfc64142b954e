"""Sending rows of a run again: which of them, what that costs, and their place in the send order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from importer.core.cost import Cost
from importer.core.index import queue_again
from importer.core.manifest import Stage
from importer.core.read_back import Verified
from importer.core.route import Reason, Via
from importer.core.suggested import run_command
from importer.errors import GuardError, PackageChangedError
from importer.pipeline.cost import Made, cost_of_rows
from importer.pipeline.schedule import Choice
from importer.pipeline.sent_again import (
    Lines,
    Selection,
    history,
    lines_read_as,
    places,
    select_again,
    without_overtaken,
)
from importer.reports.wording import counted
from importer.state.ledger import SqliteLedger
from importer.state.verified_file import read_verified
from importer.wiring.finishing import delivered_by
from importer.wiring.later_runs import later_runs, note_of, overtaken_by
from importer.wiring.run import Run, set_stage
from importer.wiring.send_order import extend, payloads_of


@dataclass(frozen=True)
class Chosen:
    """Rows to send again.

    Attributes:
        selection: Lines of the index.
        notes: What was left out, and why.
    """

    selection: Selection
    notes: tuple[str, ...] = ()

    @property
    def asked(self) -> int:
        """How many rows were asked for and go."""
        return len(self.selection.asked)

    @property
    def rows(self) -> int:
        """How many rows go: those and the later ones of their groups."""
        return len(self.selection.lines)


def choose_again(run: Run, states: Collection[str], *, ignore_later: bool = False) -> Chosen:
    """Choose rows by what became of them, but for those that a later run may have delivered.

    Rows that reading back confirmed are where they belong; rows that it found missing or different go where that is
    asked for, whatever the service said of them. What another process delivers meanwhile is not seen: whoever
    sends what was chosen chooses once more under the sending lock of the store (`refuse_changed_choice`).

    Args:
        run: One of which everything was sent.
        states: Final states, and results of reading back.
        ignore_later: Do not look at later runs.

    Raises:
        GuardError: a later run cannot be compared.
        StateError: a file of this run or a later one is damaged.
    """
    with SqliteLedger.open(run.folder.ledger, read_only=True) as ledger:
        delivered = delivered_by(ledger)
    index = history(run.index, run.folder.read_order(), delivered).index
    read = read_verified(run.folder.package)
    wanted = lines_read_as(index, read, [result for result in Verified if result.value in states])
    confirmed = lines_read_as(index, read, [Verified.CONFIRMED])
    selection = select_again(index, places(index, delivered), states, also=wanted, but=confirmed)
    if ignore_later or not len(selection.lines):
        return Chosen(selection)
    notes: list[str] = []
    for later in later_runs(run):
        overtaken = overtaken_by(later, run, selection.company)
        notes += note_of(later, overtaken)
        left = without_overtaken(index, selection, overtaken.lines)
        if count := len(selection.asked) - len(left.asked):
            are = "are left as they are" if count > 1 else "is left as it is"
            notes.append(
                f"{counted(count, 'row')} {are}: run {later.folder.run_id} may have delivered"
                f" {'them' if count > 1 else 'it'} since"
            )
        selection = left
    return Chosen(selection, tuple(notes))


def refuse_changed_choice(run: Run, before: Chosen, now: Chosen) -> None:
    """Refuse where another choice would be made now: the question may have stood for an hour.

    Raises:
        GuardError: it is another one.
    """
    if not np.array_equal(now.selection.lines, before.selection.lines):
        raise GuardError(
            "another run delivered some of these rows meanwhile; nothing was sent again",
            hint=f"{run_command(run.folder.path, 'retry')} leaves them out",
        )


def cost_of(run: Run, chosen: Chosen) -> Cost:
    """Return what sending rows again costs: each creates or updates a profile once more."""
    made = Made(run.manifest.filled_sets(), run.manifest.wire_traits())
    return cost_of_rows(run.index[chosen.selection.lines], made)


def put_in_order(run: Run, ledger: SqliteLedger, chosen: Chosen) -> None:
    """Give the rows a new place at the end of the send order, and batches; the old ones stay as history.

    They go by Bulk, which names a bad row at once; by import they could be refused together once more. A process that
    is killed meanwhile leaves either nothing of this, or batches that a resume sends.

    Raises:
        PackageChangedError: the package does not hold what was sent the first time.
        StateError: a file cannot be written.
    """
    lines = chosen.selection.lines
    _refuse_changed(run, ledger, np.sort(run.index["position"].to_numpy()[lines]))
    # Before there is anything to send, so that nobody takes a run that was killed here for finished.
    set_stage(run, Stage.SENDING)
    run.index = queue_again(run.index, lines)
    extend(run, ledger, Choice(lines=pl.Series(lines)), via=Via.BULK, why=Reason.AGAIN)
    run.folder.write_manifest(run.manifest)


def _refuse_changed(run: Run, ledger: SqliteLedger, positions: Lines) -> None:
    """Compare the rows with the hash under which they were planned: their new batches get one of their own."""
    payloads = payloads_of(run, run.folder.read_order())
    for entry in ledger.entries():
        spec = entry.spec
        first, last = np.searchsorted(positions, [spec.start, spec.stop])
        if last > first and spec.digest and payloads.digest(spec.start, spec.stop) != spec.digest:
            raise PackageChangedError(
                f"the package of run {run.folder.run_id} does not hold what was planned; nothing was sent again",
                hint="the run folder was changed or damaged; import the source again as a new run",
            )
