"""Who is who within the run: identity groups turned into one decision a valid row.

Rows whose payload changes by it (combined rows, dropped identifiers) are written to the package anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.combine import combine_rows
from importer.core.filled import FilledSets
from importer.core.findings import nulls
from importer.core.forecast import Reading, StoreRules
from importer.core.identity import (
    KEY_COLUMN,
    Candidates,
    DecidedBy,
    IdentityResult,
    IdentityRows,
    RowCode,
    RowFates,
    RowState,
    release,
    resolve_identity,
)
from importer.core.index import INDEX_SCHEMA, RELEASABLE_CODES
from importer.core.packing import KEY_TEXT, with_measures
from importer.core.schema import StoreSchema
from importer.core.transform import TransformPlan
from importer.pipeline.poor_rows import poor_lines
from importer.pipeline.prepare import Prepared
from importer.ports import PackageAccess

_STATES: Final = pl.Series([state.name.lower() for state in RowState], dtype=INDEX_SCHEMA["state"])
_CODES: Final = pl.Series([code.code for code in RowCode], dtype=INDEX_SCHEMA["code"])


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
    candidates: Iterable[Candidates] | None = None,
) -> Decided:
    """Decide about every valid row.

    Args:
        prepared: Hashes and measures of the valid rows.
        plan: Policies and the traits that are identifiers.
        schema: Identity settings of the store.
        package: Read for the texts behind equal hashes only: a spill of identifiers and keys is enough.
        deciding: How groups are decided about.
        candidates: Found already, of `identity_rows`.
    """
    identity = forecast(prepared, plan, schema, read_values(package), deciding.reading, candidates)
    if deciding.revise is not None:
        identity = deciding.revise(identity, prepared, package)
    merges = identity.groups.filter((pl.col("kind") == "merge") & ~pl.col("allowed") & pl.col("decided_by").is_null())
    if 0 < merges.height <= deciding.allow_merges:
        identity = release(identity, merges["group"].to_list(), DecidedBy.ALLOW_MERGES)
    return Decided(_index(prepared, identity.fates, poor_lines(prepared, identity, plan)), identity)


def _index(prepared: Prepared, fates: RowFates, poor: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Return a line for each valid row; those in `poor` are held."""
    lines = prepared.measures.height
    held = np.isin(fates.row, poor)
    # The row that carries a duplicated key is fine; the rows it replaces say so themselves.
    code = np.where(fates.state == RowState.SEND, RowCode.NONE, fates.code)

    def of_all(values: npt.NDArray[Any], others: int, dtype: type[np.generic]) -> npt.NDArray[Any]:
        column = np.full(lines, others, dtype=dtype)
        column[fates.row] = values
        return column

    def named(name: str, values: pl.Series, others: str | None) -> pl.Series:
        # Gathering the names of all rows takes ten times as long as putting the few others in their places.
        return pl.Series(name, [others], dtype=INDEX_SCHEMA[name]).new_from_index(0, lines).scatter(fates.row, values)

    # One column at a time: of all of them at once, arrays and columns together would be the run's peak of memory.
    return pl.DataFrame(
        [
            *prepared.measures,
            named("state", _STATES.gather(np.where(held, RowState.HELD, fates.state)), "send"),
            named("code", _CODES.gather(np.where(held, RowCode.SHARED_IDENTIFIER, code)), None),
            pl.Series("carried_by", of_all(fates.carried_by, -1, np.int32)),
            pl.Series("group", of_all(fates.group, -1, np.int32)),
            pl.Series("apart", of_all(fates.apart, -1, np.int32)),
            pl.Series("wave", of_all(fates.wave, 0, np.uint32)),
            pl.Series("slot", np.arange(lines, dtype=np.int32)),
            pl.Series("position", np.full(lines, -1, dtype=np.int32)),
        ],
        schema=INDEX_SCHEMA,
    )


def forecast(
    prepared: Prepared,
    plan: TransformPlan,
    schema: StoreSchema,
    read: Callable[[str, npt.NDArray[np.int64]], pl.Series],
    reading: Reading = Reading.MERGE,
    candidates: Iterable[Candidates] | None = None,
) -> IdentityResult:
    """Group the valid rows by identity, without changing anything."""
    rows = identity_rows(prepared, plan)
    rules = StoreRules(schema.identifiers, schema.matching_rules, reading)
    return resolve_identity(rows, plan.identity, schema.identifiers, read, rules, candidates)


def identity_rows(prepared: Prepared, plan: TransformPlan) -> IdentityRows:
    """Return the valid rows as identity sees them."""
    return IdentityRows(
        n=prepared.measures.height,
        read_key_hash=prepared.read_key_hash,
        hashes=prepared.hashes,
        id_types={trait.ref: trait.id_type for trait in plan.identifiers if trait.id_type is not None},
    )


def read_values(package: PackageAccess) -> Callable[[str, npt.NDArray[np.int64]], pl.Series]:
    """Return a function that reads texts of one column back, given ascending row positions."""

    def read(column: str, rows: npt.NDArray[np.int64]) -> pl.Series:
        name = KEY_TEXT if column == KEY_COLUMN else column
        return package.take(rows, [name])[name] if len(rows) else pl.Series(name, [], dtype=pl.String)

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
    fates = identity.fates
    of_dropped = fates.carrier[np.searchsorted(fates.row, identity.drops["row"].to_numpy())]
    changed = np.union1d(fates.carried_by[fates.carried_by >= 0], of_dropped)
    releasable = (pl.col("state") == "held") & pl.col("code").is_in(RELEASABLE_CODES)
    goes = index[changed].select(pl.col("state").is_in(["send", "sequence"]) | releasable).to_series().to_numpy()
    lines = changed[goes]
    here = np.isin(fates.carrier, lines)
    members, carriers = fates.row[here], fates.carrier[here]
    if not len(members):
        return decided
    frame = _without_dropped(package.take(members), members, identity.drops)
    payload = with_measures(combine_rows(frame, members, carriers), sets)
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
        ``line`` (i64, ascending), ``code`` (Enum), ``trait`` (null where the whole row is meant), ``rejected`` (bool),
        ``group`` (i64, -1 for none).
    """
    fates = identity.fates
    coded = (fates.code != RowCode.NONE) & (fates.state != RowState.SEND)
    lines = fates.row[coded]
    findings = pl.DataFrame({"line": lines, "code": _CODES[fates.code[coded]], "trait": nulls(pl.String(), lines.size)})
    if identity.drops.height:
        drops = identity.drops.select(line="row", code=pl.col("code").cast(_CODES.dtype), trait="column").filter(
            pl.col("trait").is_in([trait.ref for trait in plan.identifiers])
        )
        rows = findings.join(drops, on=["line", "code"], how="anti")
        findings = pl.concat([rows, drops]).unique(maintain_order=True).sort("line", maintain_order=True)
    at = np.searchsorted(fates.row, findings["line"].to_numpy())
    rejected = fates.state == RowState.REJECTED
    return findings.hstack([pl.Series("rejected", rejected[at]), pl.Series("group", fates.group[at])])
