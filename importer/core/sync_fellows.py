"""Keys that are gone together: where a mapping let rows of several keys become one profile, they go as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from importer.core.union_find import union


@dataclass(frozen=True, slots=True)
class Fellows:
    """All that was ever delivered under some keys that are linked by their identifiers.

    Attributes:
        identifiers: idType and normalised value of each.
        traits: ``Group.trait`` each.
    """

    identifiers: frozenset[tuple[str, str]] = frozenset()
    traits: frozenset[str] = frozenset()


def fellows_of(keys: pl.DataFrame, traits: Sequence[frozenset[str]]) -> list[Fellows]:
    """Return what was delivered under each key and those that it is linked with, directly or not.

    Args:
        keys: ``identifiers``, ``traits`` (a number) of keys that are all to go.
        traits: Traits by number.

    Returns:
        For each key, in their order; nothing for a key that is linked with no other.
    """
    alone = Fellows()
    own = keys.select("identifiers").with_row_index("place")
    own = own.explode("identifiers", keep_nulls=False, empty_as_null=False).unnest("identifiers")
    own = own.with_columns(first=pl.col("place").min().over("id_type", "value"))
    links = own.filter(pl.col("first") < pl.col("place"))
    if links.is_empty():
        return [alone] * keys.height
    ends = (links[name].cast(pl.Int64).to_numpy() for name in ("place", "first"))
    root = union(keys.height, *ends)
    found: dict[int, Fellows] = {}
    for place in np.flatnonzero(np.isin(root, root[links["place"].to_numpy()])).tolist():
        row = keys.row(place, named=True)
        before = found.get(int(root[place]), alone)
        found[int(root[place])] = Fellows(
            before.identifiers | {(one["id_type"], one["value"]) for one in row["identifiers"]},
            before.traits | (traits[row["traits"]] if row["traits"] is not None else frozenset()),
        )
    return [found.get(int(number), alone) for number in root]
