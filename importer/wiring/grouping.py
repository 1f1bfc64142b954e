"""The merge groups of a run: what is kept of them beside the package, and what later runs are told about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.group_marks import fingerprint_groups
from importer.core.identity import KEY_COLUMN, DecidedBy, IdentityResult, release
from importer.core.merge_groups import GROUPS_FRAME
from importer.core.transform import TransformPlan
from importer.core.union_find import Positions
from importer.errors import StateError
from importer.pipeline.decide import read_values
from importer.pipeline.prepare import Prepared
from importer.ports import PackageAccess
from importer.state.decisions import Decision, Decisions
from importer.state.frames import FrameWriter, read_frame
from importer.wiring.run import Run

GROUPS_FILE: Final = "groups.arrow"
MEMBERS_FILE: Final = "group-rows.arrow"
MOST_BESIDE: Final = 200_000
"""Rows of groups that are written beside other rows: with more of them, both at once would be a run's most memory."""

_MEMBERS_AT_ONCE: Final = 100_000

MEMBERS_FRAME: Final = pl.Schema(
    {
        "line": pl.Int64(),
        "profile": pl.Int64(),
        "linked_by": pl.List(pl.String()),
        "linking_value": pl.List(pl.String()),
    }
)
"""Rows of groups by line of the index: the profile of its group it would be in, and the idTypes and values that link
it. The values are cell values: the file is the package's, and 0600."""


def read_groups(package: Path) -> pl.DataFrame:
    """Read the groups of a run, `GROUPS_FRAME`; what a run of an earlier version did not keep is null.

    Raises:
        StateError: the file is missing or damaged.
    """
    frame = read_frame(package / GROUPS_FILE)
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in GROUPS_FRAME.items()
    )


def write_members(
    folder: Path, identity: IdentityResult, package: PackageAccess, at_once: int = _MEMBERS_AT_ONCE
) -> None:
    """Keep which rows are in groups, and by which values; nothing where there are none.

    Args:
        folder: Of the package.
        identity: What was decided.
        package: Read for the texts of the groups' rows.
        at_once: Rows whose texts are held together: those of all would be a large run's peak of memory.
    """
    fates = identity.fates
    listed = np.flatnonzero(fates.group >= 0)
    if not listed.size:
        return
    writer = FrameWriter(folder / MEMBERS_FILE)
    try:
        columns = identity.links["column"].unique(maintain_order=True).to_list()
        for start in range(0, listed.size, at_once):
            here = listed[start : start + at_once]
            linked = _linked(fates.row[here], columns, identity.links, package)
            writer.append(_members(fates.row[here], fates.profile[here], linked))
        writer.close()
    finally:
        writer.abort()


def _linked(rows: Positions, columns: Sequence[str], links: pl.DataFrame, package: PackageAccess) -> pl.DataFrame:
    """Return ``row``, ``linked_by``, ``linking_value`` of the linked ones of some rows, columns in order."""
    read = read_values(package)
    pieces = [pl.DataFrame(schema={"row": pl.Int64, "id_type": pl.String, "value": pl.String})]
    here = links.filter(pl.col("row").is_between(rows[0], rows[-1]))
    for column in columns:
        ordered = here.filter(pl.col("column") == column).sort("row")
        texts = read(column, ordered["row"].to_numpy()).cast(pl.String)
        pieces.append(ordered.select("row", "id_type", value=texts))
    return (
        pl.concat(pieces)
        .filter(pl.col("value").is_not_null())
        .group_by("row")
        .agg(linked_by="id_type", linking_value="value")
    )


def _members(rows: Positions, profile: Positions, linked: pl.DataFrame) -> pl.DataFrame:
    """Return `MEMBERS_FRAME` of some rows."""
    members = (
        pl.DataFrame({"line": rows, "profile": profile})
        .join(linked, left_on="line", right_on="row", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("profile") >= 0).then("profile").alias("profile"),
            pl.col("linked_by", "linking_value").fill_null(pl.lit([], dtype=pl.List(pl.String))),
        )
    )
    return members.select(pl.col(name).cast(to) for name, to in MEMBERS_FRAME.items())


def read_members(package: Path) -> pl.DataFrame:
    """Read the rows of a run's groups, `MEMBERS_FRAME`; none where the run kept none, or they cannot be read.

    Nothing depends on them but what `groups.parquet` says about links: a run must not fail for that.
    """
    path = package / MEMBERS_FILE
    with suppress(StateError):
        if path.exists():
            return read_frame(path)
    return pl.DataFrame(schema=MEMBERS_FRAME)


# --- decisions that later runs read ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recalling:
    """Where earlier decisions are, and how groups are told again.

    Attributes:
        plan: Key and identifiers.
        decisions: Of the store.
        keeps: Groups get fingerprints in any case, as they are now: rows may leave them before anybody decides.
    """

    plan: TransformPlan
    decisions: Decisions
    keeps: bool


def recall(
    identity: IdentityResult, prepared: Prepared, package: PackageAccess, recalling: Recalling
) -> tuple[IdentityResult, tuple[str, ...]]:
    """Let groups go that an earlier run released, and keep those held that one said to hold.

    Where no row leaves its group and nothing was decided before, nobody asks for fingerprints: `remember` makes those
    of the groups it is told about.

    Args:
        identity: What this run decided so far.
        prepared: Its rows.
        package: Read for the texts of the groups' rows.
        recalling: Where the decisions are.

    Returns:
        The decision now, and what a person should know of it.

    Raises:
        StateError: the earlier decisions cannot be read.
    """
    asked = identity.groups.filter((pl.col("kind") == "merge") & ~pl.col("allowed"))["group"]
    decisions = recalling.decisions
    secret = decisions.key(make=recalling.keeps) if asked.len() else None
    earlier = decisions.read() if secret is not None else {}
    if secret is None or not (earlier or recalling.keeps):
        return identity, ()
    here = np.isin(identity.fates.group, asked.to_numpy())
    id_types = {trait.ref: trait.id_type for trait in recalling.plan.identifiers if trait.id_type is not None}
    has_key = prepared.read_key_hash is not None
    people = _People(identity.fates.group[here], identity.fates.row[here], id_types, has_key)
    marks = people.fingerprints(package, secret)
    groups = identity.groups.with_columns(
        fingerprint=pl.col("group").replace_strict(marks, default=None, return_dtype=pl.String)
    )
    released = [group for group, mark in marks.items() if mark in earlier and earlier[mark].decision == "released"]
    held = [group for group, mark in marks.items() if mark in earlier and earlier[mark].decision == "held"]
    decided = pl.when(pl.col("group").is_in(held)).then(pl.lit(DecidedBy.EARLIER.value)).otherwise("decided_by")
    revised = release(replace(identity, groups=groups.with_columns(decided_by=decided)), released, DecidedBy.EARLIER)
    notes = [
        f"merge groups that {what} by a decision of an earlier run: {len(numbers):,} ({decisions.path.name})"
        for numbers, what in ((released, "go"), (held, "stay held"))
        if numbers
    ]
    return revised, tuple(notes)


@dataclass(frozen=True)
class _People:
    """Who is in some groups.

    Attributes:
        group: Of each row.
        row: Valid rows, ascending.
        id_types: idType of each column of identifiers.
        has_key: Rows have keys.
    """

    group: npt.NDArray[np.integer[Any]]
    row: Positions
    id_types: Mapping[str, str]
    has_key: bool

    def fingerprints(self, package: PackageAccess, secret: bytes) -> dict[int, str]:
        """Return the fingerprint of each group, of the rows as they were read."""
        read = read_values(package)
        identifiers: dict[str, list[pl.Series]] = {}
        for ref, id_type in self.id_types.items():
            identifiers.setdefault(id_type, []).append(read(ref, self.row).cast(pl.String))
        keys = read(KEY_COLUMN, self.row) if self.has_key else None
        return fingerprint_groups(pl.DataFrame({"group": self.group}), keys, identifiers, secret)


def remember(run: Run, groups: pl.DataFrame, decision: Decision) -> None:
    """Tell later runs what was decided about groups; the caller has the store's sending lock.

    What the mapping allows is not kept: it says so itself, as long as it does.

    Args:
        run: Its package has the rows of the groups; the index knows all of those that have no fingerprint yet.
        groups: `GROUPS_FRAME`, merge groups of the run.
        decision: About all of them.

    Raises:
        StateError: the decisions cannot be read or written.
    """
    if groups.is_empty():
        return
    decisions = Decisions(run.folder.path.parent, run.manifest.target)
    unmarked = groups.filter(pl.col("fingerprint").is_null())["group"]
    marks = dict(groups.select("group", "fingerprint").iter_rows())
    secret = decisions.key(make=True) if unmarked.len() else None
    if secret is not None:
        group = run.index["group"].to_numpy()
        here = np.isin(group, unmarked.to_numpy())
        id_types = {trait.ref: trait.id_type for trait in run.manifest.traits if trait.id_type is not None}
        people = _People(group[here], np.flatnonzero(here), id_types, bool(run.manifest.key))
        marks |= people.fingerprints(run.package, secret)
    sizes = groups.select("group", "rows").iter_rows()
    decisions.record([(mark, rows) for number, rows in sizes if (mark := marks[number]) is not None], decision)


def newly_released(groups: pl.DataFrame) -> pl.DataFrame:
    """Return the groups that somebody let go in this run."""
    by = [DecidedBy.ALLOW_MERGES.value, DecidedBy.RELEASE.value]
    return groups.filter((pl.col("decision") != "held") & pl.col("decided_by").is_in(by))
