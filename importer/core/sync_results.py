"""What became of each key in a run: final states of rows to `importer.core.snapshot.RESULT_SCHEMA`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from importer.core.engine_split import SYSTEMIC_ROWS
from importer.core.report import FinalState
from importer.core.snapshot import RESULT_SCHEMA, Result, TraitSets
from importer.core.sync_changes import is_repeated

_RESULTS: Final[Mapping[FinalState, Result]] = {
    FinalState.ACCEPTED: Result.DELIVERED,
    FinalState.PROCESSED: Result.DELIVERED,
    FinalState.FAILED: Result.REFUSED,
    FinalState.UNATTRIBUTED: Result.OPEN,
    FinalState.UNKNOWN: Result.OPEN,
    FinalState.NOT_SENT: Result.OPEN,
}
"""All other states: nothing was to be sent."""

_RANK: Final = (Result.PRESENT, Result.DELIVERED, Result.REFUSED, Result.OPEN)
"""Of several rows of a key the last of these counts."""

ROWS_SCHEMA: Final = pl.Schema({"key": pl.String(), "rank": pl.UInt8(), "line": pl.Int64()})
"""``rank``: place in the order of results. ``line``: of the index, where the row was to go out; null otherwise."""


def row_results(keys: pl.Series, states: pl.Series, lines: pl.Series) -> pl.DataFrame:
    """Return what became of rows, `ROWS_SCHEMA`; rows without a key are left out.

    Args:
        keys: Of each row.
        states: `FinalState` of each row.
        lines: Line of the index of each row; null for rows without one.
    """
    ranks = {state.value: _RANK.index(result) for state, result in _RESULTS.items()}
    rank = states.replace_strict(ranks, default=0, return_dtype=pl.UInt8)
    frame = pl.DataFrame({"key": keys, "rank": rank, "line": lines}).cast(ROWS_SCHEMA)
    return frame.filter(pl.col("key").is_not_null()).with_columns(line=pl.when(pl.col("rank") > 0).then("line"))


def excused(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows without refusals that say nothing about them: the service took none and refused many.

    Such rows stay due, and no refusal is counted; they would be parked for what somebody else did.

    Args:
        rows: `ROWS_SCHEMA`.
    """
    refused, delivered = (_RANK.index(result) for result in (Result.REFUSED, Result.DELIVERED))
    is_refused = rows["rank"] == refused
    if int(is_refused.sum()) < SYSTEMIC_ROWS or (rows["rank"] == delivered).any():
        return rows
    return rows.with_columns(rank=pl.when(is_refused).then(_RANK.index(Result.OPEN)).otherwise("rank").cast(pl.UInt8))


def taken(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of keys that the service took, or of which nobody knows whether it did.

    Args:
        rows: `ROWS_SCHEMA`.
    """
    ranks = [_RANK.index(result) for result in (Result.DELIVERED, Result.OPEN)]
    return rows.filter(pl.col("rank").max().over("key").is_in(ranks))


def key_results(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the result of each key, by key: ``key``, ``rank``.

    Args:
        rows: `ROWS_SCHEMA`, by key.
    """
    if not is_repeated(rows["key"]):
        return rows.select("key", "rank")
    return rows.group_by("key", maintain_order=True).agg(pl.col("rank").max())


def with_payloads(
    results: pl.DataFrame,
    fingerprints: pl.DataFrame,
    identifiers: pl.DataFrame,
    traits: pl.DataFrame,
) -> pl.DataFrame:
    """Return results with what the payloads of their keys were, `RESULT_SCHEMA`.

    Args:
        results: ``key``, ``rank``.
        fingerprints: ``key``, ``fingerprint``.
        identifiers: ``key``, ``id_type``, ``value``.
        traits: ``key``, ``traits``: a number of `TraitSets`.
    """
    values = (
        identifiers.filter(pl.col("value").is_not_null())
        .unique()
        .sort("key", "id_type", "value")
        .group_by("key", maintain_order=True)
        .agg(identifiers=pl.struct("id_type", "value"))
    )
    names = pl.Series([result.value for result in _RANK])
    joined = (
        results.select("key", result=names.gather(results["rank"]))
        .join(fingerprints, on="key", how="left", maintain_order="left")
        .join(values, on="key", how="left", maintain_order="left")
        .join(traits, on="key", how="left", maintain_order="left")
    )
    return joined.select(pl.col(name).cast(dtype) for name, dtype in RESULT_SCHEMA.items())


def trait_numbers(lines: pl.DataFrame, filled: Sequence[Sequence[str]], sets: TraitSets) -> pl.DataFrame:
    """Return the traits that the rows of each key fill, ``key``, ``traits``.

    Args:
        lines: ``key``, ``set``: number of a filled set.
        filled: Traits of each filled set.
        sets: Numbers them.
    """
    of_key = lines.group_by("key").agg(pl.col("set").unique().sort())
    distinct = of_key["set"].unique().to_list()
    numbers = [sets.number({ref for number in entry for ref in filled[number]}) for entry in distinct]
    known = pl.DataFrame(
        {"set": distinct, "traits": numbers}, schema={"set": of_key.schema["set"], "traits": pl.UInt32}
    )
    return of_key.join(known, on="set").select("key", "traits")
