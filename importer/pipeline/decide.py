"""Who is who within the run: identity groups turned into one decision a valid row.

Rows whose payload changes by it (combined rows, dropped identifiers) are written to the package anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.combine import combine_rows
from importer.core.filled import FilledSets
from importer.core.forecast import Reading, StoreRules
from importer.core.identity import (
    KEY_COLUMN,
    DecidedBy,
    IdentityResult,
    IdentityRows,
    RowCode,
    RowState,
    release,
    resolve_identity,
)
from importer.core.index import INDEX_SCHEMA, RELEASABLE_CODES
from importer.core.packing import KEY_TEXT, with_measures
from importer.core.schema import StoreSchema
from importer.core.transform import TransformPlan
from importer.pipeline.poor_rows import carriers_of, poor_lines
from importer.pipeline.prepare import Prepared
from importer.ports import PackageAccess

_STATE_NAMES: Final = {
    RowState.SEND: "send",
    RowState.COMBINED: "combined",
    RowState.HELD: "held",
    RowState.REJECTED: "rejected",
    RowState.SEQUENCE: "sequence",
}


@dataclass(frozen=True)
class Decided:
    """What identity decided.

    Attributes:
        index: `INDEX_SCHEMA`, no positions yet.
        identity: The groups behind it.
    """

    index: pl.DataFrame
    identity: IdentityResult


Revise = Callable[[IdentityResult, Prepared, PackageAccess], IdentityResult]
"""Returns what is to be done, given what identity decided: what the store has, and earlier decisions, count too."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """How a run's groups are decided about.

    Attributes:
        allow_merges: Merge groups that nobody decided about are sent if there are at most so many.
        reading: Of a clash; says what profiles groups would become, and holds nothing.
        revise: Has a say before groups are allowed.
    """

    allow_merges: int = 0
    reading: Reading = Reading.MERGE
    revise: Revise | None = None


ALONE: Final = Deciding()
"""By the mapping alone."""


def decide(
    prepared: Prepared,
    plan: TransformPlan,
    schema: StoreSchema,
    package: PackageAccess,
    deciding: Deciding = ALONE,
) -> Decided:
    """Decide about every valid row.

    Args:
        prepared: Hashes and measures of the valid rows.
        plan: Policies and the traits that are identifiers.
        schema: Identity settings of the store.
        package: Read for the texts behind equal hashes only: a spill of identifiers and keys is enough.
        deciding: How groups are decided about.
    """
    identity = forecast(prepared, plan, schema, read_values(package), deciding.reading)
    if deciding.revise is not None:
        identity = deciding.revise(identity, prepared, package)
    merges = identity.groups.filter((pl.col("kind") == "merge") & ~pl.col("allowed") & pl.col("decided_by").is_null())
    if 0 < merges.height <= deciding.allow_merges:
        identity = release(identity, merges["group"].to_list(), DecidedBy.ALLOW_MERGES)
    states = pl.Series([_STATE_NAMES[RowState(number)] for number in range(len(RowState))])
    codes = pl.Series([code.code for code in RowCode], dtype=pl.String)
    index = pl.DataFrame(
        {
            "row": prepared.row,
            "set": prepared.set_ids,
            "size": prepared.sizes,
            "state": states.gather(identity.state),
            "code": codes.gather(identity.code),
            "carried_by": identity.carried_by,
            "group": identity.group,
            "apart": identity.apart,
            "wave": identity.wave,
            "slot": np.arange(len(prepared.row), dtype=np.int64),
            "position": np.full(len(prepared.row), -1, dtype=np.int64),
        }
    ).cast(INDEX_SCHEMA)
    # The row that carries a duplicated key is fine; the rows it replaces say so themselves.
    index = index.with_columns(code=pl.when(pl.col("state") != "send").then("code"))
    poor = poor_lines(prepared, identity, plan)
    held = pl.Series(np.isin(np.arange(index.height), poor))
    index = index.with_columns(
        state=pl.when(held).then(pl.lit("held", dtype=INDEX_SCHEMA["state"])).otherwise("state"),
        code=pl.when(held).then(pl.lit(RowCode.SHARED_IDENTIFIER.code)).otherwise("code"),
    )
    return Decided(index, identity)


def forecast(
    prepared: Prepared,
    plan: TransformPlan,
    schema: StoreSchema,
    read: Callable[[str, npt.NDArray[np.int64]], pl.Series],
    reading: Reading = Reading.MERGE,
) -> IdentityResult:
    """Group the valid rows by identity, without changing anything."""
    rows = IdentityRows(
        n=len(prepared.row),
        key_hash=prepared.key_hash,
        hashes=prepared.hashes,
        id_types={trait.ref: trait.id_type for trait in plan.identifiers if trait.id_type is not None},
    )
    rules = StoreRules(schema.identifiers, schema.matching_rules, reading)
    return resolve_identity(rows, plan.identity, schema.identifiers, read, rules)


def read_values(package: PackageAccess) -> Callable[[str, npt.NDArray[np.int64]], pl.Series]:
    """Return a function that reads texts of one column back, given ascending row positions."""

    def read(column: str, rows: npt.NDArray[np.int64]) -> pl.Series:
        name = KEY_TEXT if column == KEY_COLUMN else column
        pieces = [pl.Series(name, [], dtype=pl.String)]
        start = 0
        for frame in package.valid_frames([name]):
            first, last = np.searchsorted(rows, [start, start + frame.height])
            if last > first:
                pieces.append(frame[name].gather(rows[first:last] - start))
            start += frame.height
        return pl.concat(pieces)

    return read


def write_changed(decided: Decided, sets: FilledSets, package: PackageAccess) -> Decided:
    """Write the payloads that identity changed to the package, and point their rows at them.

    A row of a held merge group loses its dropped values as well: once released, it may share no identifier with another
    group. A row that is held for want of an identifier stays whole: nothing releases it, and someone may look at it.

    Args:
        decided: What `decide` returned.
        sets: Interns the filled sets of the changed rows.
        package: Gives the rows and takes the changed ones.
    """
    identity, index = decided.identity, decided.index
    carriers = carriers_of(identity)
    changed = np.zeros(index.height, dtype=np.bool_)
    changed[identity.carried_by[identity.carried_by >= 0]] = True
    changed[carriers[identity.drops["row"].to_numpy()]] = True
    releasable = (pl.col("state") == "held") & pl.col("code").is_in(RELEASABLE_CODES)
    changed &= index.select(pl.col("state").is_in(["send", "sequence"]) | releasable).to_series().to_numpy()
    members = np.flatnonzero(changed[carriers])
    if not len(members):
        return decided
    frame = _without_dropped(package.take(members), members, identity.drops)
    payload = with_measures(combine_rows(frame, members, carriers[members]), sets)
    lines = np.unique(carriers[members])
    first = package.append_extra(payload)
    columns = {name: index[name].to_numpy().copy() for name in ("set", "size", "slot")}
    columns["set"][lines] = payload["set"].to_numpy()
    columns["size"][lines] = payload["size"].to_numpy()
    columns["slot"][lines] = np.arange(first, first + len(lines))
    return Decided(index.with_columns(**{name: pl.Series(values) for name, values in columns.items()}), identity)


def _without_dropped(frame: pl.DataFrame, members: npt.NDArray[np.int64], drops: pl.DataFrame) -> pl.DataFrame:
    for column in drops["column"].unique(maintain_order=True).to_list():
        rows = drops.filter(pl.col("column") == column)["row"].to_numpy()
        gone = pl.Series(np.isin(members, rows))
        frame = frame.with_columns(pl.when(~gone).then(pl.col(column)).alias(column))
    return frame


def identity_findings(identity: IdentityResult, plan: TransformPlan) -> pl.DataFrame:
    """Return what identity found, one line a row and cause.

    Returns:
        ``line`` (i64, ascending), ``code``, ``trait`` (null where the whole row is meant), ``rejected`` (bool),
        ``group`` (i64, -1 for none).
    """
    coded = np.flatnonzero((identity.code != RowCode.NONE) & (identity.state != RowState.SEND))
    names = pl.Series([code.code for code in RowCode], dtype=pl.String)
    whole = pl.DataFrame({"line": coded.astype(np.int64), "code": names.gather(identity.code[coded])})
    drops = identity.drops.select(line="row", code="code", trait="column").filter(
        pl.col("trait").is_in([trait.ref for trait in plan.identifiers])
    )
    rows = whole.join(drops, on=["line", "code"], how="anti").with_columns(trait=pl.lit(None, dtype=pl.String))
    findings = pl.concat([rows, drops]).unique(maintain_order=True).sort("line", maintain_order=True)
    rejected = identity.state == RowState.REJECTED
    lines = findings["line"].to_numpy()
    return findings.with_columns(rejected=pl.Series(rejected[lines]), group=pl.Series(identity.group[lines]))
