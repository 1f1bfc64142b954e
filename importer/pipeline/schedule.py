"""From decided rows to the send order: route, cut into batches, and account for every reason.

The send order only grows: releasing held groups or sending the rest after a canary appends to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.apart import fill_up
from importer.core.filled import FilledSet, rows_of_sets
from importer.core.manifest import RouteCounts
from importer.core.route import (
    BODY_ROOM,
    REASONS,
    ROUTES,
    Cut,
    Reason,
    Route,
    Routed,
    RowsToCut,
    Via,
    choose_routes,
    cut_batches,
)
from importer.core.transform import RoutingPolicy
from importer.core.wire import WireTrait
from importer.errors import ConfigError

ORDER_SCHEMA: Final = pl.Schema({"line": pl.Int32, "slot": pl.Int32})
"""Position in the send order (the line number of this frame) -> line of the index, slot of its payload."""

_STRETCH_ROWS: Final = 1 << 18


@dataclass(frozen=True)
class Schedule:
    """Rows put in order and cut.

    Attributes:
        index: The index with positions, `INDEX_SCHEMA`.
        order: New lines of the send order, `ORDER_SCHEMA`.
        cuts: New batches over positions from `first`.
        first: Position of the first new line.
        routes: What was added, by route.
    """

    index: pl.DataFrame
    order: pl.DataFrame
    cuts: tuple[Cut, ...]
    first: int
    routes: Mapping[str, RouteCounts]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the rows are made of."""

    sets: Sequence[FilledSet]
    traits: Sequence[WireTrait]
    policy: RoutingPolicy
    via: Via = Via.AUTO


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows without a position are put in the send order.

    Attributes:
        limit: At most so many, the first of the source.
        groups: Rows of these merge groups alone.
        lines: These lines of the index alone.
    """

    limit: int | None = None
    groups: frozenset[int] | None = None
    lines: pl.Series | None = None


def schedule_rows(index: pl.DataFrame, layout: Layout, *, first: int = 0, choice: Choice) -> Schedule:
    """Put every row that goes out and has no position yet in the send order.

    Args:
        index: `INDEX_SCHEMA`.
        layout: Sets, traits and policy.
        first: Length of the send order so far.
        choice: Which of them.

    Raises:
        ConfigError: `--via import` was asked for and rows cannot go by import.
    """
    line = _chosen_lines(index, choice).to_numpy()
    order, cuts, reasons = _cut(index, line, layout, first)
    line = _taken(line, order, np.int32)
    del order  # numbers of all rows, as are the ones that follow
    return Schedule(
        index=_with_positions(index, line, first),
        order=pl.DataFrame({"line": line, "slot": _taken(index["slot"].to_numpy(), line, np.int32)}, ORDER_SCHEMA),
        cuts=tuple(cuts),
        first=first,
        routes=_route_counts(reasons, cuts),
    )


def _chosen_lines(index: pl.DataFrame, choice: Choice) -> pl.Series:
    wanted = pl.col("state").is_in(["send", "sequence"]) & (pl.col("position") < 0)
    if choice.groups is not None:
        wanted &= (pl.col("state") == "sequence") & pl.col("group").is_in(sorted(choice.groups))
    lines = index.select(pl.arg_where(wanted)).to_series()
    if choice.lines is not None:
        lines = lines.filter(lines.is_in(choice.lines.implode()))
    return lines if choice.limit is None else lines.head(choice.limit)


def _cut(
    index: pl.DataFrame, line: npt.NDArray[np.uint32], layout: Layout, first: int
) -> tuple[npt.NDArray[np.int32], list[Cut], dict[str, dict[str, int]]]:
    """Route lines and cut them into batches; return their order, the batches, and rows by route and reason."""
    # Numbers of all rows: each is taken from the index when it is needed, no wider than it must be, and let go with
    # this function.
    set_ids = _taken(index["set"].to_numpy(), line, np.min_scalar_type(len(layout.sets)))
    grouped = _taken((index["state"] == "sequence").to_numpy(), line, np.bool_)
    routed = choose_routes(
        set_ids,
        layout.sets,
        {trait.ref: trait for trait in layout.traits},
        layout.policy,
        via=layout.via,
        grouped=grouped,
    )
    if layout.via is Via.IMPORT:
        _refuse_unimportable(routed)
    route, reasons = routed.route, _reasons(routed)
    del routed
    # Only the profiles of one Bulk body must not share an identifier; an import file may hold them together.
    waves = index["wave"].to_numpy()
    wave = _taken(waves, line, np.min_scalar_type(waves.max(initial=0)))
    wave[route == ROUTES.index(Route.IMPORT)] = 0
    size = _taken(index["size"].to_numpy(), line, np.uint32)
    wave = fill_up(wave, (route == ROUTES.index(Route.BULK)) & ~grouped, size, BODY_ROOM)
    order, cuts = cut_batches(
        RowsToCut(route, set_ids, wave, grouped, size, size), layout.sets, layout.policy.part_rows, start=first
    )
    return order, cuts, reasons


def _taken(numbers: npt.NDArray[Any], rows: npt.NDArray[np.integer[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the numbers of rows, a stretch of them at a time: to look up all at once makes places of 64 bits."""
    taken = np.empty(len(rows), dtype=dtype)
    for start in range(0, len(rows), _STRETCH_ROWS):
        stretch = slice(start, start + _STRETCH_ROWS)
        taken[stretch] = numbers.take(rows[stretch])
    return taken


def _refuse_unimportable(routed: Routed) -> None:
    bad = routed.route != ROUTES.index(Route.IMPORT)
    if not bad.any():
        return
    numbers, counts = np.unique(routed.reason[bad], return_counts=True)
    why = "; ".join(
        f"{count:,} row{'' if count == 1 else 's'} {_refusal(REASONS[number])}"
        for number, count in zip(numbers, counts, strict=True)
    )
    raise ConfigError(
        f"--via import: not every row can go by import ({why})",
        hint="use --via auto, or --via bulk",
    )


def _refusal(reason: Reason) -> str:
    return "with fewer columns than an import needs" if reason is Reason.FEW_ALIKE else reason.value


def _with_positions(index: pl.DataFrame, line: npt.NDArray[np.int32], first: int) -> pl.DataFrame:
    positions = index["position"].to_numpy().copy()
    for start in range(0, len(line), _STRETCH_ROWS):
        stretch = line[start : start + _STRETCH_ROWS]
        positions[stretch] = np.arange(first + start, first + start + len(stretch), dtype=positions.dtype)
    return index.with_columns(pl.Series("position", positions))


def _reasons(routed: Routed) -> dict[str, dict[str, int]]:
    pairs = routed.route * np.uint8(len(REASONS)) + routed.reason
    reasons: dict[str, dict[str, int]] = {}
    for pair, count in enumerate(rows_of_sets(pairs, len(ROUTES) * len(REASONS)).tolist()):
        if count:
            route, reason = divmod(pair, len(REASONS))
            reasons.setdefault(ROUTES[route].value, {})[REASONS[reason].value] = count
    return reasons


def _route_counts(reasons: Mapping[str, dict[str, int]], cuts: Sequence[Cut]) -> dict[str, RouteCounts]:
    return {
        route: RouteCounts(
            rows=sum(by_reason.values()),
            batches=sum(cut.route.value == route for cut in cuts),
            size_bytes=sum(cut.size_bytes for cut in cuts if cut.route.value == route),
            reasons=by_reason,
        )
        for route, by_reason in reasons.items()
    }
