"""What the rows of a run cost, by their places in the send order and the ways they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.cost import DELETE_PROFILE, GET_IDENTIFIERS, GET_PROFILE, Cost, reads_at_most
from importer.core.delivery import RequestKind
from importer.core.filled import FilledSet, rows_of_sets
from importer.core.manifest import RouteCounts
from importer.core.report import FinalState
from importer.core.report_parts import Operations
from importer.core.route import Route
from importer.core.stored_lookup import StoredLookup
from importer.core.wire import WireTrait
from importer.pipeline.outcomes import Delivered
from importer.pipeline.sent_again import History

Counts = npt.NDArray[np.int64]
"""Rows of each filled set, by number."""

_STRETCH_ROWS: Final = 500_000
"""Lines looked at together."""

_ROW_BY_ROW: Final = (Route.BULK_PATCH.value, Route.BULK_IDENTIFIERS.value)
"""Routes on which requests about single rows follow their values."""

_PATCHED: Final = 2
"""Marks a position that waits on such a route; 1 one that waits on another, 0 all others."""


@dataclass(frozen=True, slots=True)
class Made:
    """What the rows of a run are made of: filled sets by number, and all traits."""

    sets: Sequence[FilledSet]
    traits: Sequence[WireTrait]

    def removing(self) -> npt.NDArray[np.bool_]:
        """Tell which sets remove a trait."""
        return np.array([bool(entry.removed) for entry in self.sets], dtype=np.bool_)

    def further(self) -> npt.NDArray[np.int64]:
        """Count the further identifiers of each set."""
        names = {trait.ref for trait in self.traits if trait.further}
        return np.array([len(names.intersection(entry.filled)) for entry in self.sets], dtype=np.int64)

    def identifiers(self) -> npt.NDArray[np.int64]:
        """Count the identifiers of each set."""
        names = {trait.ref for trait in self.traits if trait.id_type is not None}
        return np.array([len(names.intersection(entry.filled)) for entry in self.sets], dtype=np.int64)


def cost_of_rows(rows: pl.DataFrame, made: Made) -> Cost:
    """Return what sending rows costs; all that need requests of their own have them.

    Args:
        rows: Lines of the index (``set``, ``state``) that go.
        made: Sets and traits.
    """
    counts = rows_of_sets(rows["set"].to_numpy(), len(made.sets))
    return _cost_of(counts, counts, int((rows["state"] == "sequence").sum()), made)


def _cost_of(counts: Counts, patched: Counts, merging: int, made: Made) -> Cost:
    """Return what sending rows costs, given how many there are of each set, and how many of these go row by row."""
    removing, further = made.removing(), made.further()
    # A row's further identifiers go to one profile, which is found by its first identifier.
    added_to = int(patched[further > 0].sum())
    patches = int(patched[removing].sum())
    return Cost(
        rows=int(counts.sum()),
        merging=merging,
        patches=patches,
        further=int((patched * further).sum()),
        lookups_at_least=patches + added_to,
        lookups_at_most=int((patched * made.identifiers())[removing].sum()) + added_to,
    )


def cost_left(index: pl.DataFrame, delivered: Delivered, made: Made) -> Cost:
    """Return what sending the rest of a run costs: rows in the send order that no request has carried.

    Args:
        index: `INDEX_SCHEMA`.
        delivered: What the ledger knows; rows whose own result says they are not sent are given up.
        made: Sets and traits.
    """
    waiting = _waiting(delivered)
    set_ids, position = index["set"].to_numpy(), index["position"].to_numpy()
    in_groups = index["state"] == "sequence"  # a bit a row
    counts, patched = np.zeros((2, len(made.sets)), dtype=np.int64)
    merging = 0
    # Of all rows together the numbers made here would be more than the index.
    for start in range(0, index.height, _STRETCH_ROWS):
        here = slice(start, start + _STRETCH_ROWS)
        waits = waiting.take(np.minimum(position[here], waiting.size - 1))
        counts += rows_of_sets(set_ids[here], len(made.sets), waits > 0)
        patched += rows_of_sets(set_ids[here], len(made.sets), waits == _PATCHED)
        merging += int((in_groups[here].to_numpy() & (waits > 0)).sum())
    return _cost_of(counts, patched, merging, made)


def _waiting(delivered: Delivered) -> npt.NDArray[np.uint8]:
    """Tell of each position whether it waits to be sent, and how; the last one stands for no position."""
    ranges = delivered.ranges
    waiting = np.zeros(int(ranges["stop"].to_numpy().max(initial=0)) + 1, dtype=np.uint8)
    for start, stop, state, route in ranges.select("start", "stop", "state", "route").iter_rows():
        if state == FinalState.NOT_SENT.value:
            waiting[start:stop] = _PATCHED if route in _ROW_BY_ROW else 1
    waiting[np.minimum(delivered.overrides["position"].to_numpy(), waiting.size - 1)] = 0
    return waiting


def operations_of(
    outcomes: Mapping[str, int],
    past: History,
    requests: Mapping[str, int],
    coming: Cost,
    stored: StoredLookup | None = None,
) -> Operations:
    """Count billable operations: rows that were sent, or would be, and nothing for rows that stay here.

    A row that was sent again counts each time. Every row creates or updates a profile; a removal patches it again, a
    row of a merge group may merge it, and whether a row without an answer or in a part with errors was applied is not
    known. Whether the deletion of a profile is billed is not documented.

    Args:
        outcomes: Rows by final state.
        past: What is known of earlier sendings.
        requests: HTTP requests made, by kind.
        coming: What planned rows cost.
        stored: What `--lookup` read before anything was planned, which is not in `requests`.
    """
    stored = stored or StoredLookup(rows=0, of_rows=0)
    if outcomes[FinalState.PLANNED.value] or coming.deletes:
        return Operations(
            at_least=coming.at_least,
            at_most=coming.at_most,
            reads_at_least=coming.lookups_at_least + stored.profiles,
            reads_at_most=coming.lookups_at_most + stored.requests,
        )
    sure = outcomes[FinalState.ACCEPTED.value] + outcomes[FinalState.PROCESSED.value] + past.applied
    doubtful = outcomes[FinalState.UNATTRIBUTED.value] + outcomes[FinalState.UNKNOWN.value] + past.doubtful
    reads = {"reads_at_least": stored.profiles, "reads_at_most": reads_at_most(requests) + stored.requests}
    deletes = requests.get(DELETE_PROFILE, 0)
    if not sure + doubtful:
        return Operations(at_most=deletes, **reads)
    index = past.index
    merging = index.filter((pl.col("state") == "sequence") & (pl.col("position") >= 0)).height + past.merging
    follow_ups = requests.get(RequestKind.PATCH, 0) + requests.get(RequestKind.ADD_IDENTIFIER, 0)
    most = sure + doubtful + merging + follow_ups + deletes
    return Operations(at_least=sure, at_most=most, **reads)


def planned_requests(routes: Mapping[str, RouteCounts], coming: Cost) -> dict[str, int]:
    """Count the HTTP requests that sending takes at least: looks at imports and operations, and retries, come on top.

    Args:
        routes: What is in the send order.
        coming: What it costs.
    """
    parts = routes.get(Route.IMPORT.value, RouteCounts()).batches
    bodies = sum(entry.batches for entry in routes.values()) - parts
    counts: dict[str, int] = {
        RequestKind.BULK: bodies,
        RequestKind.CREATE: parts,
        RequestKind.UPLOAD: parts,
        RequestKind.GET_IMPORT: parts,
        RequestKind.LOOKUP: coming.lookups_at_least,
        RequestKind.ADD_IDENTIFIER: coming.further,
    }
    counts |= dict.fromkeys((GET_IDENTIFIERS, DELETE_PROFILE), coming.deletes)
    counts[GET_PROFILE] = 2 * coming.deletes  # once more to see that it is gone
    return {str(kind): count for kind, count in counts.items() if count}
