"""What identity decided about the rows of a run, and how held groups are let go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.union_find import Positions, run_starts


class RowState(IntEnum):
    """What happens to a row."""

    SEND = 0
    COMBINED = 1
    HELD = 2
    REJECTED = 3
    SEQUENCE = 4


class RowCode(IntEnum):
    """Issue code of a row; `code` is its name in the catalogue."""

    NONE = 0
    SHARED_IDENTIFIER = 1
    MERGE_GROUP = 2
    DUPLICATE_KEY = 3
    MERGE_WITH_STORED = 4

    @property
    def code(self) -> str | None:
        """The issue code, None for `NONE`."""
        return None if self is RowCode.NONE else self.name.lower().replace("_", "-")


DROPS_SCHEMA: Final = pl.Schema({"row": pl.Int64, "column": pl.String, "id_type": pl.String, "code": pl.String})
"""Identifier values that leave their row: its position, the column of `IdentityRows.hashes`, and why."""

GROUPS_SCHEMA: Final = pl.Schema(
    {
        "group": pl.Int64(),
        "rows": pl.Int64(),
        "keys": pl.Int64(),
        "id_types": pl.List(pl.String()),
        "kind": pl.String(),
        "allowed": pl.Boolean(),
        "hub": pl.Boolean(),
        "chain": pl.Boolean(),
        "linking_values": pl.Int64(),
        "most_shared": pl.Int64(),
        "profiles": pl.Int64(),
        "decided_by": pl.String(),
        "fingerprint": pl.String(),
    }
)
"""``kind``: ``merge`` or ``sequence`` (one key, all rows sent in order). ``keys``: null without key columns.
``id_types``: what links different keys (without key columns: rows). ``allowed``: sent in order without a decision.
``hub``: one value links three rows or more. ``chain``: no one value (of idTypes without ``enforceUnique``: no two) is
in all of its keys (rows), so that it takes two links or more from one end to the other. ``linking_values``: how many
values link it. ``most_shared``: rows that have the commonest of them.
``profiles``: what its rows would become under the reading that was asked for. ``decided_by``: `DecidedBy`, null while
nobody decided. ``fingerprint``: tells the same group in a later run; null where nobody asked for it."""


class DecidedBy(StrEnum):
    """Who said what is done about a group."""

    MAPPING = "mapping"
    """All that links it is allowed by `on_shared`, or `on_duplicate_key` sends all."""
    ALLOW_MERGES = "allow-merges"
    RELEASE = "release"
    HOLD = "hold"
    EARLIER = "earlier"
    """A decision about the same group in an earlier run."""


RELEASABLE: Final = (RowCode.MERGE_GROUP, RowCode.MERGE_WITH_STORED)
"""Why a row of a group is held that may be let go."""


@dataclass(frozen=True, slots=True)
class RowFates:
    """What was decided about rows that share a value or a key with another row, one entry a row.

    Every other row goes as it is: most rows of a run share nothing, and nothing is kept of them.

    Attributes:
        row: The rows, ascending.
        state: u8, `RowState`.
        carried_by: The row whose payload carries this one; -1 for none.
        group: Number of the row's merge or sequence group, from 1 in order of first rows; -1 for none.
        apart: Listed rows with the same number share an identifier, linked by it or not, and go one after the other;
            -1 for rows of no group.
        wave: u32; rows of one wave share no identifier, so they may go in one body. Those of a group's rows follow each
            other. 0 for ordinary rows.
        code: u8, `RowCode`.
        profile: Which profile of those that its group would become the row is in, from 1; -1 without a group.
    """

    row: Positions
    state: npt.NDArray[np.uint8]
    carried_by: Positions
    group: Positions
    apart: Positions
    wave: npt.NDArray[np.uint32]
    code: npt.NDArray[np.uint8]
    profile: Positions

    @property
    def carrier(self) -> Positions:
        """The row whose payload stands for each row; its own where nobody carries it."""
        return np.where(self.carried_by >= 0, self.carried_by, self.row)

    def of_rows(self, rows: Positions) -> RowFates:
        """Return what was decided about other rows: that they go as they are, where there is nothing about them.

        Args:
            rows: Ascending, all of `row` among them.
        """
        at = np.searchsorted(rows, self.row)
        columns = {
            name: _spread(getattr(self, name), at, rows.size, nothing) for name, nothing in _NOTHING_DECIDED.items()
        }
        return RowFates(row=rows, **columns)


_NOTHING_DECIDED: Final = {
    "state": RowState.SEND,
    "carried_by": -1,
    "group": -1,
    "apart": -1,
    "wave": 0,
    "code": RowCode.NONE,
    "profile": -1,
}


def _spread(values: npt.NDArray[Any], at: Positions, size: int, nothing: int) -> npt.NDArray[Any]:
    whole = np.full(size, nothing, dtype=values.dtype)
    whole[at] = values
    return whole


@dataclass(frozen=True, slots=True)
class IdentityResult:
    """What identity decided.

    Attributes:
        n: Rows of the run.
        fates: Of the rows that share something.
        drops: `DROPS_SCHEMA`, by row.
        groups: `GROUPS_SCHEMA`, by group.
        links: `importer.core.identity_members.LINKS_SCHEMA`, by row.
        loose: Rows that go out and their values of idTypes that link nobody alone, an entry each.
        dropped: Dropped values by idType.
        notes: What a person should know.
    """

    n: int
    fates: RowFates
    drops: pl.DataFrame
    groups: pl.DataFrame
    links: pl.DataFrame
    loose: tuple[Positions, Positions]
    dropped: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def of_all(self, name: str) -> npt.NDArray[Any]:
        """Return a column of `fates` for all rows of the run, made anew each time."""
        return _spread(getattr(self.fates, name), self.fates.row, self.n, _NOTHING_DECIDED[name])

    @property
    def state(self) -> npt.NDArray[np.uint8]:
        """`RowFates.state` of all rows."""
        return self.of_all("state")

    @property
    def carried_by(self) -> Positions:
        """`RowFates.carried_by` of all rows."""
        return self.of_all("carried_by")

    @property
    def group(self) -> Positions:
        """`RowFates.group` of all rows."""
        return self.of_all("group")

    @property
    def apart(self) -> Positions:
        """`RowFates.apart` of all rows."""
        return self.of_all("apart")

    @property
    def wave(self) -> npt.NDArray[np.uint32]:
        """`RowFates.wave` of all rows."""
        return self.of_all("wave")

    @property
    def code(self) -> npt.NDArray[np.uint8]:
        """`RowFates.code` of all rows."""
        return self.of_all("code")

    @property
    def profile(self) -> Positions:
        """`RowFates.profile` of all rows."""
        return self.of_all("profile")


def release(
    result: IdentityResult, groups: Collection[int] | None = None, by: DecidedBy = DecidedBy.RELEASE
) -> IdentityResult:
    """Let held merge groups go: their rows are sent one after the other.

    Args:
        result: What was decided before.
        groups: Numbers of the groups to let go; None for all. Rows held for want of an identifier stay held.
        by: Who decided so.
    """
    fates = result.fates
    chosen = (fates.state == RowState.HELD) & np.isin(fates.code, RELEASABLE)
    numbers = result.groups["group"]
    released = numbers.is_not_null() if groups is None else numbers.is_in(list(groups))
    chosen &= np.isin(fates.group, numbers.filter(released).to_numpy())
    state = np.where(chosen, np.uint8(RowState.SEQUENCE), fates.state)
    wave = np.where(fates.apart >= 0, number_waves(state, fates.apart), fates.wave)
    return replace(
        result,
        fates=replace(fates, state=state, wave=wave),
        groups=result.groups.with_columns(
            pl.col("allowed") | released,
            decided_by=pl.when(released & ~pl.col("allowed")).then(pl.lit(by.value)).otherwise("decided_by"),
        ),
    )


def number_waves(state: npt.NDArray[np.uint8], apart: Positions) -> npt.NDArray[np.uint32]:
    """Number the rows that are to be kept apart from 1, in source order; 0 for all other rows.

    Args:
        state: `RowState` of each row; only rows that are sent count.
        apart: See `IdentityResult`.
    """
    wave = np.zeros(state.size, dtype=np.uint32)
    rows = np.flatnonzero(np.isin(state, [RowState.SEND, RowState.SEQUENCE]) & (apart >= 0))
    rows = rows[np.argsort(apart[rows], kind="stable")]
    starts = run_starts(apart[rows])
    sizes = np.diff([*starts, rows.size])
    wave[rows] = np.arange(rows.size) - np.repeat(starts, sizes) + 1
    return wave
