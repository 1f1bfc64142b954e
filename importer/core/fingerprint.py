"""What a payload says, as 16 bytes that stay the same as long as it says the same.

Two runs compare them years apart, so nothing goes in that may move: not the order of columns in a mapping, not the
version of an engine's own hash, not what a trait is called in the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import polars as pl
import polars_hash as plh

from importer.core.check import REMOVE_PREFIX
from importer.core.profile_text import encode_profiles
from importer.core.wire import WireTrait

FINGERPRINT_VERSION: Final = 1
"""Moves whenever the same payload would get other bytes; a snapshot of another version matches nothing."""


def payload_fingerprints(traits: Sequence[WireTrait], frame: pl.DataFrame) -> pl.Series:
    """Return the fingerprint of each row's payload.

    Args:
        traits: Of the payload, in any order.
        frame: One typed column a trait, and the removal flags of removable ones; null is no value.

    Returns:
        Binary, 16 bytes each: XXH3 (128 bits, seed 0) of the profile as JSON with traits sorted by group and name,
        followed by the names of removed traits, sorted, and by further values of identifier types, sorted.
    """
    ordered = sorted(traits, key=lambda trait: (trait.group, trait.name))
    removals = [
        pl.when(pl.col(REMOVE_PREFIX + trait.ref).fill_null(value=False))
        .then(pl.lit("\n" + trait.ref))
        .alias(trait.ref)
        for trait in ordered
        if trait.removable
    ]
    text = pl.concat_str(plh.col("profile"), *removals, *_further(ordered), ignore_nulls=True).alias("payload")
    values = frame.select(trait.ref for trait in ordered).to_arrow(compat_level=pl.CompatLevel.oldest())
    profile = cast("pl.Series", pl.from_arrow(encode_profiles(ordered, values)))
    told = frame.with_columns(profile.alias("profile")).select(text)
    return told.select(
        plh.col("payload").nchash.xxh3_128(return_binary=True, byte_order="big").alias("fingerprint")
    ).to_series()


def _further(traits: Sequence[WireTrait]) -> list[pl.Expr]:
    """Return one text of the further values of identifier types; none where the mapping has none, as it is slow."""
    values = [pl.lit(f"\n{trait.id_type}+") + pl.col(trait.ref).cast(pl.String) for trait in traits if trait.further]
    return [pl.concat_list(values).list.drop_nulls().list.sort().list.join("")] if values else []
