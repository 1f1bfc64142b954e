"""Planning a run again: what of it left already and stays as it is, and what becomes of the rows beside that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.delivery import BatchEntry, BatchSpec
from importer.core.identity_result import RowCode
from importer.core.index import INDEX_SCHEMA
from importer.core.issues import Severity
from importer.core.lifecycle import BatchState
from importer.core.manifest import RouteCounts
from importer.core.route import Reason, Route

_NOT_BEGUN: Final = frozenset({BatchState.PENDING, BatchState.OPENED, BatchState.CREATING, BatchState.SPLIT})
"""States of batches whose rows have not left."""

_ON_THE_WAY: Final = frozenset({BatchState.SENT, BatchState.PATCHING, BatchState.UPLOADING})
"""States of batches that would have to be sent again as they were: nobody can say what became of them."""

DROPPED_NOTE: Final = "values that no longer fit are left out, while their rows go: "
"""How the note begins that names them, a warning: nobody was asked about these values when the run was planned."""

_NAMED: Final = 3


@dataclass(frozen=True)
class Past:
    """What left already.

    Attributes:
        kept: Batches that stay, as they stay.
        lines: Of the index: which rows stay as they are, because they or the row that carries them left.
        lost: Rows that were on their way when the run stopped.
    """

    kept: tuple[BatchEntry, ...]
    lines: npt.NDArray[np.bool_]
    lost: int

    @property
    def places(self) -> int:
        """How long the part of the send order is that stays."""
        return max((entry.spec.stop for entry in self.kept), default=0)


def past_of(index: pl.DataFrame, entries: Sequence[BatchEntry]) -> Past:
    """Return what left of a run.

    Args:
        index: `INDEX_SCHEMA`.
        entries: All its batches.
    """
    begun = [entry for entry in entries if entry.state not in _NOT_BEGUN]
    # Their hash was taken over by rows of an earlier plan; nothing of them is sent any more.
    kept = tuple(
        replace(
            entry,
            spec=replace(entry.spec, digest="", parent_id=None),
            state=BatchState.UNKNOWN if entry.state in _ON_THE_WAY else entry.state,
        )
        for entry in begun
    )
    position = index["position"].to_numpy()
    left = np.zeros(max((entry.spec.stop for entry in entries), default=0) + 1, dtype=np.bool_)
    for entry in begun:
        left[entry.spec.start : entry.spec.stop] = True
    lines = (position >= 0) & left[np.maximum(position, 0)]
    carrier = index["carried_by"].to_numpy()
    lines |= (carrier >= 0) & lines[np.maximum(carrier, 0)]
    lost = sum(entry.spec.rows for entry in begun if entry.state in _ON_THE_WAY)
    return Past(kept, lines, lost)


def with_rejected(index: pl.DataFrame, code: pl.Series) -> pl.DataFrame:
    """Take the rows out that do not fit any more.

    Args:
        index: `INDEX_SCHEMA`.
        code: Why a row does not fit, by line; null where it fits.
    """
    gone = pl.Series(code.is_not_null())
    return index.with_columns(
        state=pl.when(gone).then(pl.lit("rejected", dtype=INDEX_SCHEMA["state"])).otherwise("state"),
        code=pl.when(gone).then(code).otherwise("code"),
    )


def with_past(
    index: pl.DataFrame, before: pl.DataFrame, past: Past, sets_of_slots: npt.NDArray[np.uint32]
) -> pl.DataFrame:
    """Leave what was sent as it was, and hold what would go beside it or was held before.

    A row that is linked with one that left comes too late to be decided about together with it. A row that was held for
    a reason that is not known here, such as a decision, does not go because it was planned again.

    Args:
        index: `INDEX_SCHEMA`, as decided anew.
        before: The same of the earlier plan.
        past: What left.
        sets_of_slots: Filled set of each payload, by slot.
    """
    stays = pl.Series(past.lines)
    slot = before["slot"].to_numpy()
    kept = before.with_columns(set=pl.Series(sets_of_slots[np.where(past.lines, slot, 0)]) if len(slot) else "set")
    carrier = index["carried_by"].to_numpy()
    late = pl.Series(~past.lines & (carrier >= 0) & past.lines[np.maximum(carrier, 0)])
    group = index["group"].to_numpy()
    sent_groups = np.unique(group[past.lines & (group >= 0)])
    beside = pl.Series(~past.lines & np.isin(group, sent_groups)) & index["state"].is_in(["send", "sequence"])
    going = index["state"].is_in(["send", "sequence"])
    held = (before["state"] == "held") & going & ~stays
    hold = late | beside | held
    why = (
        pl.when(held & before["code"].is_not_null())
        .then(before["code"])
        .when(beside)
        .then(pl.lit(RowCode.MERGE_GROUP.code))
        .otherwise(pl.lit(RowCode.SHARED_IDENTIFIER.code))
    )
    index = index.with_columns(
        state=pl.when(hold).then(pl.lit("held", dtype=INDEX_SCHEMA["state"])).otherwise("state"),
        code=pl.when(hold).then(why).otherwise("code"),
        carried_by=pl.when(late).then(pl.lit(-1, dtype=pl.Int64)).otherwise("carried_by"),
        position=pl.lit(-1, dtype=pl.Int64),
    )
    columns = ("state", "code", "carried_by", "wave", "set", "size", "slot", "position")
    return index.with_columns(kept[name].zip_with(stays, index[name]) for name in columns).cast(INDEX_SCHEMA)


def order_of(order: pl.DataFrame, past: Past) -> pl.DataFrame:
    """Return the part of the send order that stays.

    Batches that never left may stand between others that did. Nothing has their places any more, and no row may be
    found there: they get the row of the last place, whose own place that is.

    Args:
        order: ``line`` and ``slot`` of each place.
        past: What left.
    """
    order = order.head(past.places)
    taken = np.zeros(past.places, dtype=np.bool_)
    for entry in past.kept:
        taken[entry.spec.start : entry.spec.stop] = True
    line, slot = (order[name].to_numpy().copy() for name in ("line", "slot"))
    line[~taken], slot[~taken] = line[-1], slot[-1]
    return pl.DataFrame({"line": line, "slot": slot}, schema=order.schema)


def fillers(past: Past) -> list[BatchEntry]:
    """Return batches of nothing for the places between batches that left: a ledger has no gaps."""
    number = max(entry.spec.batch_id for entry in past.kept) + 1
    found: list[BatchEntry] = []
    stop = 0
    for entry in sorted(past.kept, key=lambda entry: entry.spec.start):
        if entry.spec.start > stop:
            spec = BatchSpec(number + len(found), Route.BULK, stop, entry.spec.start, 0, "")
            found.append(BatchEntry(spec, BatchState.EMPTIED))
        stop = entry.spec.stop
    return found


def routes_of(past: Past, size: npt.NDArray[np.uint64]) -> dict[str, RouteCounts]:
    """Count what was sent by route: its reasons are of an earlier plan.

    Args:
        past: What left.
        size: Bytes of the row at each place of the send order, at most.
    """
    routes: dict[str, RouteCounts] = {}
    for entry in past.kept:
        route = entry.spec.route
        added = RouteCounts(
            rows=entry.spec.rows,
            batches=1,
            size_bytes=int(size[entry.spec.start : entry.spec.stop].sum()),
            reasons={Reason.BEFORE.value: entry.spec.rows},
        )
        routes[route.value] = routes.get(route.value, RouteCounts()).plus(added)
    return routes


def notes_of(
    moves: Sequence[str],
    past: Past,
    before: pl.DataFrame,
    index: pl.DataFrame,
    code: pl.Series,
    issues: pl.DataFrame,
) -> tuple[str, ...]:
    """Say what planning again came to.

    Args:
        moves: What moved in the store, in words.
        past: What left.
        before: `INDEX_SCHEMA` of the earlier plan.
        index: The same now.
        code: Why a row does not fit any more, by line; null where it fits.
        issues: What was found: ``line``, ``severity``, ``code`` and ``trait``.
    """
    gone = code.drop_nulls()
    # What is dropped of a row that does not go makes no difference.
    dropped = issues.filter((pl.col("severity") == Severity.WARNING.value) & code.is_null().gather(issues["line"]))
    held = index.filter(pl.col("state") == "held").height - before.filter(pl.col("state") == "held").height
    said = ["no row is rejected" if dropped.height else "every row fits"]
    if len(gone):
        said = [f"{_rows(len(gone))} no longer fit{'s' if len(gone) == 1 else ''} ({', '.join(gone.unique().sort())})"]
    if held:
        said.append(f"{abs(held):,} {'more' if held > 0 else 'fewer'} rows are held")
    if past.lines.any():
        sent = int(past.lines.sum())
        said.append(f"{_rows(sent)} {'was' if sent == 1 else 'were'} sent before and stay as they are")
    if past.lost:
        said.append(f"{past.lost:,} of them were on their way when the run stopped, and are unknown")
    notes = [f"planned again, as the store changed ({'; '.join(moves)}): {', '.join(said)}"]
    if dropped.height:
        counts = dropped.group_by("trait").len().sort("len", "trait", descending=[True, False])
        named = [f"{count:,} of {trait}" for trait, count in counts.head(_NAMED).iter_rows()]
        more = f" and {counts.height - _NAMED:,} more traits" if counts.height > _NAMED else ""
        why = ", ".join(dropped["code"].unique().sort())
        notes.append(f"{DROPPED_NOTE}{', '.join(named)}{more} ({why}; `on_invalid: drop`, see issues.csv)")
    if len(gone):
        notes.append("rows that no longer fit are in issues.csv and outcomes.parquet, not in rejected.csv")
    return tuple(notes)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
