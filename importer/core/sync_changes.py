"""Which rows of a run say something new: payloads beside what was delivered before, and what is decided by it."""

from __future__ import annotations

from collections.abc import Iterable
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

VERDICT: Final = pl.Enum([verdict.value for verdict in Verdict])
"""Type of a column of verdicts."""

PARKED: Final = "parked"
"""Issue code of a row that was refused in so many runs that it waits until it changes."""


def payload_lines(index: pl.DataFrame) -> pl.Series:
    """Return the lines of rows that would go out, were they not known already; those of held groups are among them."""
    state = pl.col("state").cast(pl.String)
    held = (state == "held") & pl.col("code").is_in(RELEASABLE_CODES)
    going = state.is_in(["send", "sequence"]) | held.fill_null(value=False)
    return index.select(pl.arg_where(going).cast(pl.Int64)).to_series()


def is_repeated(keys: pl.Series) -> bool:
    """Tell whether sorted keys have one twice."""
    return bool((keys == keys.shift(1)).any())


def key_fingerprints(payloads: pl.DataFrame) -> pl.DataFrame:
    """Return what each key says, `KEYS_SCHEMA`; rows of one key that go one after the other say it together.

    Args:
        payloads: `PAYLOADS_SCHEMA`, by key and line.
    """
    if not is_repeated(payloads["key"]):
        return payloads.select("key", "fingerprint")
    said = pl.col("fingerprint")
    together = plh.col("all").nchash.xxh3_128(return_binary=True, byte_order="big")
    return (
        payloads.group_by("key", maintain_order=True)
        .agg(said.first(), all=said.bin.encode("hex").str.join("\n"), rows=pl.len())
        .select("key", fingerprint=pl.when(pl.col("rows") > 1).then(together).otherwise("fingerprint"))
    )


def judge_keys(keys: pl.DataFrame, before: Iterable[pl.DataFrame], *, refused_runs: int) -> pl.Series:
    """Return the `Verdict` of each key, `VERDICT`.

    Args:
        keys: `KEYS_SCHEMA`, by key.
        before: The snapshot in pieces, by key; each is let go before the next one comes.
        refused_runs: See `judge_payloads`.
    """
    pieces = [pl.Series("verdict", [], dtype=VERDICT)]
    start = 0
    for piece in before:
        stop = int(keys["key"].search_sorted(piece["key"][-1], side="right"))
        part = keys.slice(start, stop - start)
        pieces.append(judge_payloads(part, piece, refused_runs=refused_runs).cast(VERDICT))
        start = stop
    new = pl.Series([Verdict.NEW.value], dtype=VERDICT).new_from_index(0, keys.height - start)
    return pl.concat([*pieces, new]).alias("verdict")


def settle_known(index: pl.DataFrame, payloads: pl.DataFrame, verdicts: pl.Series) -> pl.DataFrame:
    """Take rows out of what is sent that say nothing new, or that wait until they change.

    Args:
        index: `INDEX_SCHEMA`.
        payloads: `PAYLOADS_SCHEMA`, by key and line.
        verdicts: What `judge_keys` returned.

    Returns:
        The index; unchanged rows are in no group any more: nothing is to be decided about them. One that would be held
        if it changed keeps the code that says why.
    """
    if len(verdicts) < payloads.height:
        number = payloads.select((pl.col("key") != pl.col("key").shift(1)).fill_null(value=False).cum_sum()).to_series()
        verdicts = verdicts.gather(number)
    lines = payloads["line"]
    is_unchanged, is_parked = (
        _marked(index.height, lines.filter(verdicts == kind.value)) for kind in (Verdict.UNCHANGED, Verdict.PARKED)
    )
    is_held = index["state"].cast(pl.String) == "held"
    # Of a group that is held, all that is known of a parked row is that it is held.
    is_parked &= ~is_held
    settled = is_unchanged | is_parked
    if not settled.any():
        return index
    state = INDEX_SCHEMA["state"]
    return index.with_columns(
        state=pl.when(is_unchanged)
        .then(pl.lit("unchanged", dtype=state))
        .when(is_parked)
        .then(pl.lit("held", dtype=state))
        .otherwise("state"),
        code=pl.when(is_parked).then(pl.lit(PARKED)).when(~is_unchanged | is_held).then("code"),
        **{
            name: pl.when(settled).then(pl.lit(-1, dtype=INDEX_SCHEMA[name])).otherwise(name)
            for name in ("group", "apart")
        },
        wave=pl.when(settled).then(pl.lit(0, dtype=pl.UInt32)).otherwise("wave"),
    )


def _marked(height: int, lines: pl.Series) -> pl.Series:
    mask = np.zeros(height, dtype=np.bool_)
    mask[lines.to_numpy()] = True
    return pl.Series(mask)


def open_groups(groups: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return the groups that still have a row about which something is to be decided or done."""
    return groups.filter(pl.col("group").is_in(index["group"].unique().implode()))


def counted(verdicts: pl.Series) -> dict[Verdict, int]:
    """Count keys by verdict."""
    found = dict(verdicts.value_counts().iter_rows())
    return {verdict: found.get(verdict.value, 0) for verdict in Verdict}


def sent_keys(keys: pl.DataFrame, verdicts: pl.Series) -> pl.DataFrame:
    """Return what the keys say that go out, `KEYS_SCHEMA`, by key."""
    return keys.filter(verdicts.is_in([verdict.value for verdict in SENT]))
