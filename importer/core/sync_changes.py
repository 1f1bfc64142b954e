"""Which rows of a run say something new: payloads beside what was delivered before, and what is decided by it."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import polars_hash as plh

from importer.core.index import INDEX_SCHEMA, RELEASABLE_CODES
from importer.core.snapshot import SENT, Verdict, judge_payloads

PAYLOADS_SCHEMA: Final = pl.Schema({"line": pl.Int64(), "key": pl.String(), "fingerprint": pl.Binary()})
"""Rows that would go out, by line of the index, and what each says."""

KEYS_SCHEMA: Final = pl.Schema({"key": pl.String(), "fingerprint": pl.Binary()})
"""What all rows of a key say together."""

PARKED: Final = "parked"
"""Issue code of a row that was refused in so many runs that it waits until it changes."""


def payload_lines(index: pl.DataFrame) -> pl.Series:
    """Return the lines of rows that would go out, were they not known already; those of held groups are among them."""
    state = pl.col("state").cast(pl.String)
    held = (state == "held") & pl.col("code").is_in(RELEASABLE_CODES)
    going = state.is_in(["send", "sequence"]) | held.fill_null(value=False)
    return index.select(pl.arg_where(going).cast(pl.Int64)).to_series()


def key_fingerprints(payloads: pl.DataFrame) -> pl.DataFrame:
    """Return what each key says, `KEYS_SCHEMA`; rows of one key that go one after the other say it together.

    Args:
        payloads: `PAYLOADS_SCHEMA`, by line.
    """
    repeated = payloads["key"].is_duplicated()
    if not repeated.any():
        return payloads.select("key", "fingerprint")
    together = (
        payloads.filter(repeated)
        .group_by("key", maintain_order=True)
        .agg(plh.col("fingerprint").bin.encode("hex").str.join("\n").alias("all"))
        .select("key", plh.col("all").nchash.xxh3_128(return_binary=True, byte_order="big").alias("fingerprint"))
    )
    return pl.concat([payloads.filter(~repeated).select("key", "fingerprint"), together.cast(KEYS_SCHEMA)])


def judge_keys(keys: pl.DataFrame, snapshot: pl.DataFrame, *, refused_runs: int) -> pl.DataFrame:
    """Return `KEYS_SCHEMA` with the `Verdict` of each key as ``verdict``; see `judge_payloads`."""
    return keys.with_columns(verdict=judge_payloads(keys, snapshot, refused_runs=refused_runs))


def settle_known(index: pl.DataFrame, payloads: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Take rows out of what is sent that say nothing new, or that wait until they change.

    Args:
        index: `INDEX_SCHEMA`.
        payloads: `PAYLOADS_SCHEMA`.
        judged: What `judge_keys` returned.

    Returns:
        The index; unchanged rows are in no group any more: nothing is to be decided about them.
    """
    verdict = payloads.select("line", "key").join(
        judged.select("key", "verdict"), on="key", how="left", maintain_order="left"
    )
    lines = {
        kind: verdict.filter(pl.col("verdict") == kind.value)["line"].to_numpy()
        for kind in (Verdict.UNCHANGED, Verdict.PARKED)
    }
    unchanged, parked = (np.zeros(index.height, dtype=np.bool_) for _ in range(2))
    unchanged[lines[Verdict.UNCHANGED]] = True
    parked[lines[Verdict.PARKED]] = True
    # Of a group that is held, all that is known of a parked row is that it is held.
    is_parked = pl.Series(parked) & (index["state"].cast(pl.String) != "held")
    is_unchanged = pl.Series(unchanged)
    state = INDEX_SCHEMA["state"]
    return index.with_columns(
        state=pl.when(is_unchanged)
        .then(pl.lit("unchanged", dtype=state))
        .when(is_parked)
        .then(pl.lit("held", dtype=state))
        .otherwise("state"),
        code=pl.when(is_parked).then(pl.lit(PARKED)).when(~is_unchanged).then("code"),
        **{
            name: pl.when(is_unchanged | is_parked).then(pl.lit(-1, dtype=pl.Int64)).otherwise(name)
            for name in ("group", "apart")
        },
        wave=pl.when(is_unchanged | is_parked).then(pl.lit(0, dtype=pl.UInt32)).otherwise("wave"),
    )


def open_groups(groups: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return the groups that still have a row about which something is to be decided or done."""
    return groups.filter(pl.col("group").is_in(index["group"].unique().implode()))


def counted(judged: pl.DataFrame) -> dict[Verdict, int]:
    """Count keys by verdict."""
    found = dict(judged["verdict"].value_counts().iter_rows())
    return {verdict: found.get(verdict.value, 0) for verdict in Verdict}


def sent_keys(judged: pl.DataFrame) -> pl.DataFrame:
    """Return what the keys say that go out, `KEYS_SCHEMA`, sorted by key."""
    wanted = [verdict.value for verdict in SENT]
    return judged.filter(pl.col("verdict").is_in(wanted)).select(KEYS_SCHEMA.names()).sort("key")
