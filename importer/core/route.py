"""Which way each row goes, and why; and how routed rows are cut into batches and parts.

Rules (design): Bulk, unless at least `import_min_rows` rows fill the same traits and the CSV flow carries their values
exactly; those go as import parts. Small parts, because the service answers counts: one bad row makes a whole part
unattributed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from importer.core import limits
from importer.core.filled import FilledSet, Numbers, rows_of_sets
from importer.core.schema import DataType
from importer.core.stable_order import stable_order
from importer.core.transform import RoutingPolicy
from importer.core.wire import WireTrait

PATCHED_BATCH_ROWS: Final = 200
"""Rows of a batch whose rows are looked up and patched one by one: small, so that little is repeated after a crash."""

_BODY_FRAME_BYTES: Final = 64
"""Bytes of a Bulk body around its profiles."""

_STRETCH_ROWS: Final = 500_000

BODY_ROOM: Final = (limits.BULK_MAX_PROFILES, limits.BULK_MAX_BODY_BYTES - _BODY_FRAME_BYTES)
"""Profiles of a Bulk body, and bytes of them."""


class Route(StrEnum):
    """The way a row goes."""

    BULK = "bulk"
    IMPORT = "import"
    BULK_PATCH = "bulk+patch"
    BULK_IDENTIFIERS = "bulk+identifiers"


class Via(StrEnum):
    """What the user asked for."""

    AUTO = "auto"
    BULK = "bulk"
    IMPORT = "import"


class Reason(StrEnum):
    """Why a row goes its way, to be read behind a number of rows."""

    UNIFORM = "whose traits enough rows fill"
    FORCED = "asked for by --via"
    FEW_ALIKE = "whose traits too few rows fill"
    ARRAY = "with an array (no CSV cell holds one)"
    CHARACTERS = "with characters the CSV flow does not carry"
    COLUMNS = "with more than 100 columns"
    MERGE_GROUP = "of an allowed merge group"
    REMOVAL = "with a trait to remove (Bulk cannot)"
    FURTHER = "with a further value of an identifier (added to its profile)"
    AGAIN = "sent again"
    BEFORE = "sent before it was planned again"


@dataclass(frozen=True, slots=True)
class Routed:
    """Routed rows, columnar.

    Attributes:
        route: Position in `ROUTES` of each row, uint8.
        reason: Position in `REASONS` of each row, uint8.
    """

    route: npt.NDArray[np.uint8]
    reason: npt.NDArray[np.uint8]


ROUTES: Final = tuple(Route)
REASONS: Final = tuple(Reason)
_LANES: Final = (Route.IMPORT, Route.BULK, Route.BULK_PATCH, Route.BULK_IDENTIFIERS)
"""The order in which routes stand in the send order."""


def import_refusal(filled: FilledSet, traits: Mapping[str, WireTrait]) -> Reason | None:
    """Tell why rows of a set can never go by import; None where they can."""
    if any(traits[ref].data_type is DataType.ARRAY for ref in filled.columns):
        return Reason.ARRAY
    if len(filled.columns) > limits.IMPORT_MAX_COLUMNS:
        return Reason.COLUMNS
    if filled.adds(traits):
        return Reason.FURTHER
    return None


def choose_routes(
    set_ids: Numbers,
    sets: Sequence[FilledSet],
    traits: Mapping[str, WireTrait],
    policy: RoutingPolicy,
    *,
    via: Via = Via.AUTO,
    grouped: npt.NDArray[np.bool_] | None = None,
) -> Routed:
    """Choose a route for each row.

    Args:
        set_ids: Filled set of each row.
        sets: The filled sets by number.
        traits: Traits by ``Group.trait``.
        policy: Thresholds.
        via: A forced route. With `Via.IMPORT` rows that cannot go by import still come back as Bulk, with their
            reason: the caller refuses the run.
        grouped: Rows that must go one after the other.

    Returns:
        Route and reason of each row.
    """
    beside_bulk = np.full(len(sets), ROUTES.index(Route.BULK), dtype=np.uint8)
    beside_bulk[[entry.adds(traits) for entry in sets]] = ROUTES.index(Route.BULK_IDENTIFIERS)
    beside_bulk[[bool(entry.removed) for entry in sets]] = ROUTES.index(Route.BULK_PATCH)
    reason = np.full(len(sets), REASONS.index(Reason.FORCED if via is Via.BULK else Reason.FEW_ALIKE), dtype=np.uint8)
    imported = np.zeros(len(sets), dtype=np.bool_)
    if via is not Via.BULK:
        rows = rows_of_sets(set_ids, len(sets), None if grouped is None else ~grouped)
        imported = _choose_imports(rows, sets, traits, policy, via, reason)
    # A forced import is refused by its caller, who then needs to know why a row could not go by import.
    if via is not Via.IMPORT:
        for route, why in ((Route.BULK_PATCH, Reason.REMOVAL), (Route.BULK_IDENTIFIERS, Reason.FURTHER)):
            reason[~imported & (beside_bulk == ROUTES.index(route))] = REASONS.index(why)
    # All rows of a set go one way, but for those of groups: they wait for each other, and no import waits.
    routes = np.where(imported, np.uint8(ROUTES.index(Route.IMPORT)), beside_bulk).take(set_ids)
    reasons = reason.take(set_ids)
    if grouped is not None:
        routes[grouped] = beside_bulk[set_ids[grouped]]
        reasons[grouped] = REASONS.index(Reason.MERGE_GROUP)
    return Routed(routes, reasons)


def _choose_imports(
    rows: npt.NDArray[np.int64],
    sets: Sequence[FilledSet],
    traits: Mapping[str, WireTrait],
    policy: RoutingPolicy,
    via: Via,
    reason: npt.NDArray[np.uint8],
) -> npt.NDArray[np.bool_]:
    """Tell which sets go by import, and say in `reason` why each does or does not; `rows` has the rows of each."""
    columns = [entry.columns for entry in sets]
    groups = {names: number for number, names in enumerate(dict.fromkeys(columns))}
    group = np.array([groups[names] for names in columns], dtype=np.int64)
    refusals = [import_refusal(entry, traits) for entry in sets]
    minimum = 1 if via is Via.IMPORT else policy.import_min_rows

    def enough(possible: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        found = np.bincount(group[possible], weights=rows[possible], minlength=len(groups)) >= minimum
        return possible & found[group]

    possible = np.array([refusal is None for refusal in refusals], dtype=np.bool_)
    reason[~possible] = [REASONS.index(refusal) for refusal in refusals if refusal is not None]
    candidates = enough(possible)
    carries = np.array([entry.carried for entry in sets], dtype=np.bool_)
    reason[candidates & ~carries] = REASONS.index(Reason.CHARACTERS)
    imported = enough(candidates & carries)
    reason[imported] = REASONS.index(Reason.FORCED if via is Via.IMPORT else Reason.UNIFORM)
    return imported


@dataclass(frozen=True, slots=True)
class Cut:
    """A batch or part: positions ``[start, stop)`` of the send order."""

    route: Route
    start: int
    stop: int
    wave: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RowsToCut:
    """Rows to put in order, columnar.

    Attributes:
        route: Position in `ROUTES`.
        set_ids: Filled set.
        wave: Rows of different waves are in different batches.
        ordered: Rows whose wave waits for the one before; the waves of the others only keep them out of one body.
        body_bytes: Upper bound of the size in a Bulk body.
        csv_bytes: Upper bound of the size in a file; only read for rows that go by import.
    """

    route: npt.NDArray[np.uint8]
    set_ids: Numbers
    wave: Numbers
    ordered: npt.NDArray[np.bool_]
    body_bytes: npt.NDArray[np.uint64]
    csv_bytes: npt.NDArray[np.uint64]


def cut_batches(
    rows: RowsToCut, sets: Sequence[FilledSet], part_rows: int, *, start: int = 0
) -> tuple[npt.NDArray[np.int32], list[Cut]]:
    """Put rows in send order and cut them.

    Import parts come first, then Bulk, then rows with requests of their own behind it, then the waves of allowed merge
    groups; within each, rows keep the source's order.

    Args:
        rows: The rows, in source order.
        sets: The filled sets by number.
        part_rows: Rows of an import part.
        start: Position of the first row in the send order.

    Returns:
        The rows' indices in send order, and the batches over positions from `start`.
    """
    columns = [entry.columns for entry in sets]
    part_group = {names: number for number, names in enumerate(dict.fromkeys(columns))}
    # Numbers of what a row of a wave may share a batch with: the parts of each group of sets, then the other lanes.
    lanes = len(part_group) + len(_LANES)
    waves = int(rows.wave.max(initial=0)) + 1
    dtype = np.promote_types(np.uint16, np.min_scalar_type(2 * waves * lanes))
    lane = np.empty((len(ROUTES), len(sets)), dtype=dtype)
    for number, route in enumerate(ROUTES):
        lane[number] = len(part_group) + _LANES.index(route)
    lane[ROUTES.index(Route.IMPORT)] = [part_group[names] for names in columns]

    def kinds(stretch: slice) -> Numbers:
        """Say in one number what a row may share a batch with; in the order of these numbers they go."""
        kind: Numbers = rows.ordered[stretch] * dtype.type(waves)
        kind += rows.wave[stretch]
        kind *= dtype.type(lanes)
        kind += lane.take(rows.route[stretch] * np.intp(len(sets)) + rows.set_ids[stretch])
        return kind

    order, starts = stable_order(len(rows.route), kinds)
    cuts: list[Cut] = []
    for first, last in pairwise([*starts.tolist(), len(order)]):
        row = order[first]
        route = ROUTES[rows.route[row]]
        wave = int(rows.wave[row]) if rows.ordered[row] else 0
        sizes = rows.csv_bytes if route is Route.IMPORT else rows.body_bytes
        cuts += _cut_run(sizes, order[first:last], route, wave, start + first, part_rows)
    return order, cuts


def _cut_run(
    sizes: npt.NDArray[np.uint64], order: npt.NDArray[np.int32], route: Route, wave: int, start: int, part_rows: int
) -> list[Cut]:
    max_rows = {Route.IMPORT: part_rows, Route.BULK: limits.BULK_MAX_PROFILES}.get(route, PATCHED_BATCH_ROWS)
    limit = (limits.IMPORT_MAX_FILE_BYTES if route is Route.IMPORT else limits.BULK_MAX_BODY_BYTES) - _BODY_FRAME_BYTES
    if route is Route.IMPORT:
        limit -= 8 * limits.IMPORT_MAX_COLUMNS
    cuts = []
    first = 0
    while first < len(order):
        # sizes are added up for many rows at once, but never for all of them: that is memory a row
        stretch = sizes.take(order[first : first + max(_STRETCH_ROWS, max_rows)])
        total = np.zeros(len(stretch) + 1, dtype=np.int64)
        np.cumsum(stretch, out=total[1:])
        at = 0
        while at < len(stretch) and (at + max_rows <= len(stretch) or first + len(stretch) == len(order)):
            fits = int(np.searchsorted(total, total[at] + limit, side="right")) - 1
            stop = max(at + 1, min(fits, at + max_rows, len(stretch)))
            cuts.append(Cut(route, start + first + at, start + first + stop, wave, int(total[stop] - total[at])))
            at = stop
        first += at
    return cuts
