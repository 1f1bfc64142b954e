"""When a sync stops before it sends: a source that shrank, changed as a whole, or would remove too much.

Each brake has a name, by which somebody who looked may let one run pass it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FEWEST_REJECTED: Final = 10
"""Fewer rejected rows never brake: of a window of four rows, one is a quarter."""


class Brake(StrEnum):
    """Name of a brake."""

    EMPTY = "empty"
    ROWS = "rows"
    REJECTED = "rejected"
    CHANGES = "changes"
    REMOVALS = "removals"
    OPERATIONS = "operations"


@dataclass(frozen=True, slots=True)
class Brakes:
    """How much may move in one run.

    Attributes:
        max_row_drop_percent: The source may have this much fewer rows than in the last run.
        max_changed_percent: Of the keys delivered before, so many may have another payload.
        max_rejected_percent: Of the rows read (without blank ones and those `where` drops), so many may be rejected.
        max_removals: Keys that may be removed.
        max_removals_percent: The same, of the keys delivered before; whichever allows more counts.
        max_operations: Billable operations and reads; None does not brake.
        allow_empty: A source without rows is fine.
    """

    max_row_drop_percent: float = 20.0
    max_changed_percent: float = 50.0
    max_rejected_percent: float = 10.0
    max_removals: int = 100
    max_removals_percent: float = 1.0
    max_operations: int | None = None
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """What a run would move.

    Attributes:
        rows_read: Rows of the source, now.
        rows_before: The same in the last run of the same kind; None where there is none to compare with.
        judged: Rows of the source that are neither blank nor dropped by `where`.
        rejected: Those of them that are rejected.
        keys_before: Keys delivered before.
        changed: Those of them whose payload is another now.
        removals: Those of them that are to go.
        operations: Billable operations and reads at most.
    """

    rows_read: int
    rows_before: int | None
    judged: int
    rejected: int
    keys_before: int
    changed: int
    removals: int
    operations: int


@dataclass(frozen=True, slots=True)
class Tripped:
    """A brake that holds, and why in one sentence."""

    brake: Brake
    cause: str


def tripped(extent: Extent, brakes: Brakes, overridden: Collection[Brake] = ()) -> tuple[Tripped, ...]:
    """Return the brakes that hold a run, those left out that somebody overrode.

    Args:
        extent: What the run would move.
        brakes: How much may.
        overridden: Brakes that this run may pass.
    """
    found = [Tripped(brake, cause) for brake, cause in _held(extent, brakes) if cause]
    return tuple(one for one in found if one.brake not in overridden)


def _held(extent: Extent, brakes: Brakes) -> list[tuple[Brake, str]]:
    if extent.rows_read == 0:
        # Everything else follows from it, and says less; but removals are not allowed by allowing this, nor by a limit.
        empty = "" if brakes.allow_empty else "the source has no rows"
        return [(Brake.EMPTY, empty), (Brake.REMOVALS, _removals_of_all(extent))]
    return [
        (Brake.ROWS, _rows(extent, brakes)),
        (Brake.REJECTED, _rejected(extent, brakes)),
        (Brake.CHANGES, _changes(extent, brakes)),
        (Brake.REMOVALS, _removals(extent, brakes)),
        (Brake.OPERATIONS, _operations(extent, brakes)),
    ]


def _rows(extent: Extent, brakes: Brakes) -> str:
    before = extent.rows_before
    if not before or extent.rows_read >= before * (1 - brakes.max_row_drop_percent / 100):
        return ""
    share = _share(before - extent.rows_read, before)
    rows = f"{extent.rows_read:,} row{'' if extent.rows_read == 1 else 's'}"
    return (
        f"the source has {rows}, {share} fewer than the {before:,} of the last run"
        f" (max_row_drop_percent {brakes.max_row_drop_percent:g})"
    )


def _rejected(extent: Extent, brakes: Brakes) -> str:
    if extent.rejected < FEWEST_REJECTED or extent.rejected <= extent.judged * brakes.max_rejected_percent / 100:
        return ""
    return (
        f"{extent.rejected:,} of {extent.judged:,} rows are rejected, {_share(extent.rejected, extent.judged)}"
        f" (max_rejected_percent {brakes.max_rejected_percent:g})"
    )


def _changes(extent: Extent, brakes: Brakes) -> str:
    if extent.changed <= extent.keys_before * brakes.max_changed_percent / 100:
        return ""
    return (
        f"{extent.changed:,} of {extent.keys_before:,} keys changed, {_share(extent.changed, extent.keys_before)}"
        f" (max_changed_percent {brakes.max_changed_percent:g})"
    )


def _removals(extent: Extent, brakes: Brakes) -> str:
    if extent.removals <= max(brakes.max_removals, extent.keys_before * brakes.max_removals_percent / 100):
        return ""
    share = _share(extent.removals, extent.keys_before)
    return (
        f"{extent.removals:,} of {extent.keys_before:,} keys would be removed, {share}"
        f" (max_removals {brakes.max_removals:,}, max_removals_percent {brakes.max_removals_percent:g})"
    )


def _removals_of_all(extent: Extent) -> str:
    if not extent.removals:
        return ""
    return f"{extent.removals:,} of {extent.keys_before:,} keys would be removed by a source without rows"


def _operations(extent: Extent, brakes: Brakes) -> str:
    if brakes.max_operations is None or extent.operations <= brakes.max_operations:
        return ""
    return f"it may cost {extent.operations:,} billable operations (max_operations {brakes.max_operations:,})"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"
