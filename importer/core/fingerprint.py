"""What a payload says, as 16 bytes that stay the same as long as it says the same.

Two runs compare them years apart, so nothing goes in that may move: not the order of columns in a mapping, not the
version of an engine's own hash, not what a trait is called in the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import polars as pl
import polars_hash as plh
import pyarrow as pa

from importer.core.profile_text import encode_profiles
from importer.core.wire import WireTrait, removal_column

FINGERPRINT_VERSION: Final = 1
"""Moves whenever the same payload would get other bytes; a snapshot of another version matches nothing."""


def payload_columns(traits: Sequence[WireTrait]) -> list[str]:
    """Return the columns that `payload_fingerprints` reads: traits, and removal flags of those that have them."""
    return [trait.ref for trait in traits] + [removal_column(trait.ref) for trait in traits if trait.removable]


def payload_fingerprints(traits: Sequence[WireTrait], rows: pa.Table) -> pl.Series:
    """Return the fingerprint of each row's payload.

    Args:
        traits: Of the payload, in any order.
        rows: `payload_columns`, typed; null is no value.

    Returns:
        Binary, 16 bytes each: XXH3 (128 bits, seed 0) of the profile as JSON with traits sorted by group and name,
        followed by the names of removed traits, sorted, and by further values of identifier types, sorted.
    """
    ordered = sorted(traits, key=lambda trait: (trait.group, trait.name))
    flags = {removal_column(trait.ref): trait.ref for trait in ordered if trait.removable}
    removals = [
        pl.when(pl.col(flag).fill_null(value=False)).then(pl.lit("\n" + ref)).alias(ref) for flag, ref in flags.items()
    ]
    others = rows.select([*flags, *(trait.ref for trait in ordered if trait.further)])
    profile = cast("pl.Series", pl.from_arrow(encode_profiles(ordered, rows))).alias("profile")
    told = pl.DataFrame([profile, *cast("pl.DataFrame", pl.from_arrow(others)).get_columns()])
    text = pl.concat_str(plh.col("profile"), *removals, *_further(ordered), ignore_nulls=True).alias("payload")
    return (
        told.select(text)
        .select(plh.col("payload").nchash.xxh3_128(return_binary=True, byte_order="big").alias("fingerprint"))
        .to_series()
    )


def _further(traits: Sequence[WireTrait]) -> list[pl.Expr]:
    """Return one text of the further values of identifier types; none where the mapping has none, as it is slow."""
    values = [pl.lit(f"\n{trait.id_type}+") + pl.col(trait.ref).cast(pl.String) for trait in traits if trait.further]
    return [pl.concat_list(values).list.drop_nulls().list.sort().list.join("")] if values else []
