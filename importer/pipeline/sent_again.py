"""Rows that are sent again: which of them, in what company, and what is known of them from before.

The send order only grows, so a row that is sent again stands in it more than once. Its newest place is in the index;
the older ones are history, of which the ledger still knows what it cost and what came of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.read_back import Verified
from importer.core.report import FinalState
from importer.core.route import Route
from importer.pipeline.outcomes import Delivered, batch_of_position

Lines = npt.NDArray[np.int64]

PLACES_SCHEMA: Final = pl.Schema(
    {
        "line": pl.Int64(),
        "position": pl.Int64(),
        "state": pl.Enum([state.value for state in FinalState]),
        "route": pl.Enum([route.value for route in Route]),
    }
)
"""Places of the send order, with what came of the row there."""

_APPLIED: Final = (FinalState.ACCEPTED, FinalState.PROCESSED)
_DOUBTFUL: Final = (FinalState.UNATTRIBUTED, FinalState.UNKNOWN)
_MAY_BE_DELIVERED: Final = (*_APPLIED, *_DOUBTFUL)


def may_be_delivered_expr() -> pl.Expr:
    """Tell from ``state`` and ``route`` whether the service may hold a row's values.

    A row that fails where other requests follow its values may have failed at these: the values may be there.
    """
    followed = pl.col("route").is_in([Route.BULK_PATCH.value, Route.BULK_IDENTIFIERS.value])
    removals_failed = (pl.col("state") == FinalState.FAILED.value) & followed
    return pl.col("state").is_in([state.value for state in _MAY_BE_DELIVERED]) | removals_failed.fill_null(value=False)


@dataclass(frozen=True)
class History:
    """Rows that were sent more than once.

    Attributes:
        index: The index, each row at the newest place that says something of it: a row that waits to be sent again is
            still what its last sending made of it.
        applied: Sendings before that one that cost an operation each.
        doubtful: Sendings before that one that may have cost one.
        merging: How many of both were of a row of a merge group, and may have merged its profile.
    """

    index: pl.DataFrame
    applied: int = 0
    doubtful: int = 0
    merging: int = 0


def history(index: pl.DataFrame, order: pl.DataFrame, delivered: Delivered) -> History:
    """Look for what is known of rows from earlier sendings.

    Args:
        index: `INDEX_SCHEMA`.
        order: `ORDER_SCHEMA`, as many lines as the ledger has positions.
        delivered: What the ledger knows.
    """
    placed = index["position"].to_numpy()
    if order.height <= int((placed >= 0).sum()):
        return History(index)
    line = order["line"].to_numpy()
    repeated = np.flatnonzero(np.bincount(line, minlength=index.height)[line] > 1)
    sendings = outcomes_at(line[repeated], repeated, delivered)
    # Places ascend, so of several values for one line the newest is the one that stays.
    position, said = placed.copy(), sendings.filter(pl.col("state") != FinalState.NOT_SENT.value)
    position[line[repeated]] = repeated
    position[said["line"].to_numpy()] = said["position"].to_numpy()
    before = sendings.filter(pl.Series(position[line[repeated]] != repeated))
    applied = before.filter(pl.col("state").is_in([state.value for state in _APPLIED]))
    doubtful = before.filter(pl.col("state").is_in([state.value for state in _DOUBTFUL]))
    merging = index["state"].gather(pl.concat([applied["line"], doubtful["line"]])) == "sequence"
    return History(
        index.with_columns(pl.Series("position", position)), applied.height, doubtful.height, int(merging.sum())
    )


def with_positions(index: pl.DataFrame, order: pl.DataFrame) -> pl.DataFrame:
    """Return the index with the places that the send order says.

    Args:
        index: `INDEX_SCHEMA`.
        order: `ORDER_SCHEMA`; of a line that stands in it more than once the last place counts.
    """
    position = np.full(index.height, -1, dtype=np.int32)
    position[order["line"].to_numpy()] = np.arange(order.height)
    return index.with_columns(pl.Series("position", position))


def outcomes_at(lines: Lines, positions: Lines, delivered: Delivered) -> pl.DataFrame:
    """Return what came of rows at places of the send order.

    Args:
        lines: Lines of the index.
        positions: A place of each.
        delivered: What the ledger knows.

    Returns:
        `PLACES_SCHEMA`, the same rows in the same order; state and route are null where no batch has the place.
    """
    batch = pl.Series(batch_of_position(positions, delivered.ranges))
    found = pl.select(pl.when(batch >= 0).then(batch)).to_series()
    known = delivered.ranges.select(
        pl.col("state").cast(PLACES_SCHEMA["state"]), pl.col("route").cast(PLACES_SCHEMA["route"])
    )
    frame = pl.DataFrame(
        {
            "line": lines,
            "position": positions,
            "state": known["state"].gather(found),
            "route": known["route"].gather(found),
        },
        schema=PLACES_SCHEMA,
    )
    if delivered.overrides.is_empty():
        return frame
    own = delivered.overrides.select("position", own=pl.col("state").cast(PLACES_SCHEMA["state"]))
    joined = frame.join(own, on="position", how="left", maintain_order="left")
    return joined.select("line", "position", state=pl.coalesce("own", "state"), route="route")


def places(index: pl.DataFrame, delivered: Delivered) -> pl.DataFrame:
    """Return every row in the send order with what came of it, `PLACES_SCHEMA`, by line.

    Args:
        index: As `History` has it.
        delivered: What the ledger knows.
    """
    position = index["position"].to_numpy()
    lines = np.flatnonzero(position >= 0).astype(np.int64)
    return outcomes_at(lines, position[lines], delivered)


@dataclass(frozen=True)
class Selection:
    """Rows to send again.

    Attributes:
        asked: Lines of the rows that were asked for.
        lines: These, and the rows that must follow them; ascending.
        company: All rows of their groups that may be delivered, and they themselves: whoever overtook one of them
            overtook the whole group. Ascending.
    """

    asked: Lines = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    lines: Lines = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    company: Lines = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def select_again(
    index: pl.DataFrame,
    found: pl.DataFrame,
    states: Collection[str],
    *,
    also: pl.Series | None = None,
    but: pl.Series | None = None,
) -> Selection:
    """Choose rows to send again.

    Rows of a merge group become one profile, in which the newest row counts. So where a row of a group goes again,
    every later row of it that may be delivered goes again behind it.

    Args:
        index: As `History` has it.
        found: `places` of it.
        states: Final states of the rows that are asked for.
        also: Lines that are asked for whatever their state.
        but: Lines that nobody need send again, unless they follow.
    """
    asked = pl.col("state").cast(pl.String).is_in(list(states))
    if also is not None:
        asked |= pl.col("line").is_in(also.cast(pl.Int64).implode())
    if but is not None:
        asked &= ~pl.col("line").is_in(but.cast(pl.Int64).implode())
    marked = found.with_columns(asked=asked.fill_null(value=False), there=may_be_delivered_expr())
    lines = marked.filter("asked")["line"].to_numpy()
    grouped = _grouped(index, marked)
    if grouped.is_empty():
        return Selection(lines, lines, lines)
    first = pl.col("line").filter("asked").min().over("group")
    touched = grouped.with_columns(first=first).filter(pl.col("first").is_not_null())
    following = touched.filter(pl.col("there") & (pl.col("line") > pl.col("first")))["line"].to_numpy()
    company = touched.filter(pl.col("there") | pl.col("asked"))["line"].to_numpy()
    return Selection(lines, np.union1d(lines, following), np.union1d(lines, company))


def lines_read_as(index: pl.DataFrame, read: pl.DataFrame, results: Collection[Verified]) -> pl.Series:
    """Return the lines of which reading back found some results.

    Args:
        index: As `History` has it.
        read: `importer.core.read_back.READ_BACK_SCHEMA`.
        results: Which.
    """
    positions = read.filter(pl.col("result").is_in([result.value for result in results]))["position"]
    return index.select(pl.col("position").is_in(positions.implode()).arg_true()).to_series()


def _grouped(index: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of a frame that go one after the other, with their group."""
    lines = frame["line"]
    sequence = (index["state"] == "sequence").gather(lines) & (index["group"] >= 0).gather(lines)
    rows = frame.filter(sequence)
    return rows.with_columns(group=index["group"].gather(rows["line"]))


def without_overtaken(index: pl.DataFrame, selection: Selection, overtaken: Lines) -> Selection:
    """Leave out the rows that a later run delivered, and every row that would become one profile with such a row.

    Args:
        index: `INDEX_SCHEMA`.
        selection: What was chosen.
        overtaken: Lines of `Selection.company`.
    """
    if not len(overtaken):
        return selection
    group = index["group"].to_numpy()
    sequence = (index["state"] == "sequence").to_numpy()
    groups = np.unique(group[overtaken[sequence[overtaken] & (group[overtaken] >= 0)]])

    def kept(lines: Lines) -> Lines:
        gone = np.isin(lines, overtaken) | (sequence[lines] & np.isin(group[lines], groups))
        left: Lines = lines[~gone]
        return left

    return Selection(kept(selection.asked), kept(selection.lines), kept(selection.company))


# --- comparing with another run --------------------------------------------------------------------------------------

MARKS_SCHEMA: Final = pl.Schema({"kind": pl.String(), "text": pl.String()})
"""What a row is known by: ``kind`` is an idType, or `KEY` for the source's key."""

KEY: Final = ""

_SEED: Final = 7


def matching_lines(own: pl.DataFrame, theirs: Iterable[pl.DataFrame]) -> Lines:
    """Return the lines that share a mark with some row of another run.

    Memory: `own`, and the rows of the other run that match.

    Args:
        own: ``line`` (i64) and `MARKS_SCHEMA`.
        theirs: `MARKS_SCHEMA`, in pieces.
    """
    wanted = np.unique(_hashes(own))
    if not len(wanted):
        return np.zeros(0, dtype=np.int64)
    # A hash only sorts out; what is left is compared as text.
    pieces = [pl.DataFrame(schema=MARKS_SCHEMA)]
    for piece in theirs:
        hashes = _hashes(piece)
        at = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        pieces.append(piece.filter(pl.Series(wanted[at] == hashes)))
    candidates = pl.concat(pieces).unique()
    lines = own.join(candidates, on=MARKS_SCHEMA.names(), how="semi")["line"].unique().sort()
    return lines.to_numpy().astype(np.int64)


def _hashes(marks: pl.DataFrame) -> npt.NDArray[np.uint64]:
    return marks.select(*MARKS_SCHEMA.names()).hash_rows(_SEED).to_numpy()
