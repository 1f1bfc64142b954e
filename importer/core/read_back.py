"""Reading back: which rows are looked at, by what they are found, and what is kept of it.

Nothing here asks the store. `importer.core.comparison` judges what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.delivery import ApiFailure, FailureKind
from importer.core.failures import PROFILE_ACCESS_DENIED, STOP_CODES
from importer.core.report import FinalState
from importer.core.schema import Normalization, StoreSchema
from importer.core.wire import WireTrait


class Verified(StrEnum):
    """What reading a row back came to."""

    CONFIRMED = "confirmed"
    """Its profile holds all that was sent."""
    MISMATCHED = "mismatched"
    """Its profile holds something else, or has what was to be removed."""
    MISSING = "missing"
    """None of its identifiers finds a profile."""


READ_STATES: Final = frozenset({FinalState.ACCEPTED, FinalState.PROCESSED, FinalState.UNATTRIBUTED, FinalState.UNKNOWN})
"""Final states of rows that left and may be in the store."""

READ_BACK_SCHEMA: Final = pl.Schema(
    {
        "position": pl.Int64(),
        "result": pl.Enum([result.value for result in Verified]),
        "code": pl.String(),
        "profile_id": pl.String(),
        "traits": pl.List(pl.String()),
        "sent": pl.List(pl.String()),
        "stored": pl.List(pl.String()),
    }
)
"""One line a row read back, by its position in the send order. ``code`` says why where there is more to say than the
result does. ``traits``: those that differ; ``sent`` and ``stored``: their values as text, null where there is none."""


@dataclass(frozen=True, slots=True)
class IdentifierTrait:
    """A trait by which profiles are found.

    Attributes:
        ref: ``Group.trait``.
        id_type: Its idType.
        normalization: What the store does to its values.
    """

    ref: str
    id_type: str
    normalization: Normalization


def identifiers_by_priority(traits: Sequence[WireTrait], schema: StoreSchema) -> tuple[IdentifierTrait, ...]:
    """Return the traits that identify, the idType that decides first in front.

    Where the store does not merge what clashes, the match of highest priority took the values.
    """
    ranks = {id_type: rank for rank, id_type in enumerate(schema.matching_rules)}
    found = [
        IdentifierTrait(trait.ref, trait.id_type, schema.identifiers[trait.id_type].normalization)
        for trait in traits
        if trait.id_type is not None and trait.id_type in schema.identifiers
    ]
    return tuple(sorted(found, key=lambda trait: ranks.get(trait.id_type, len(ranks))))


def ends_reading(failure: ApiFailure) -> bool:
    """Tell whether a refusal speaks against every read: credentials, permission, store, certificate."""
    if failure.kind is not FailureKind.REJECTED:
        return False
    if failure.code in STOP_CODES or failure.status is None or failure.status == 401:
        return True
    return failure.status == 403 and failure.code != PROFILE_ACCESS_DENIED


# --- which rows ------------------------------------------------------------------------------------------------------


def sample_positions(positions: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Choose rows that look random and are the same for the same seed; a larger sample holds every smaller one.

    Args:
        positions: To choose from.
        count: How many; all where there are no more.
        seed: Any number.

    Returns:
        Positions, ascending.
    """
    if count >= len(positions):
        return np.sort(positions)
    chosen = np.argsort(_mixed(positions, seed), kind="stable")[:count]
    return np.sort(positions[chosen])


def _mixed(numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """Mix the bits of numbers (splitmix64); overflow is what it is made of."""
    start = np.uint64(seed * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    mixed = numbers.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9) + start
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


# --- results --------------------------------------------------------------------------------------------------------


def merged_results(earlier: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Join what was read back before with what was read back since, `READ_BACK_SCHEMA`; a later look counts."""
    return pl.concat([earlier, later]).unique("position", keep="last").sort("position")


def without_ranges(results: pl.DataFrame, ranges: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """Leave out the results of positions in any of the ranges (first, one past the last), which do not overlap."""
    starts, stops = np.array(sorted(ranges), dtype=np.int64).reshape(-1, 2).T
    positions = results["position"].to_numpy()
    at = np.searchsorted(starts, positions, side="right") - 1
    inside = np.zeros(len(positions), dtype=np.bool_)
    inside[at >= 0] = positions[at >= 0] < stops[at[at >= 0]]
    return results.filter(~pl.Series(inside, dtype=pl.Boolean))


def counts_of(results: pl.DataFrame) -> dict[str, int]:
    """Count results by their name; every result is there, zero where there is none."""
    found = dict(results["result"].cast(pl.String).value_counts().iter_rows())
    return {result.value: found.get(result.value, 0) for result in Verified}
