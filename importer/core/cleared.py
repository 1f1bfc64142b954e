"""Which traits each row clears: an empty text is said of a trait, and is no value of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.filled import FilledSets
from importer.core.transform import OnShared, TransformPlan
from importer.core.wire import WireTrait, wire_traits

CLEARED_SCHEMA: Final = pl.Schema({"line": pl.Int64, "ref": pl.String})
"""A trait that a line clears."""


@dataclass(slots=True)
class ClearedTraits:
    """Grows with the valid rows of a run: a number a row, and nothing where nobody can ask.

    Attributes:
        traits: Those that an empty cell clears.
    """

    traits: tuple[WireTrait, ...]
    _sets: FilledSets = field(init=False)
    _numbers: list[npt.NDArray[np.uint32]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._sets = FilledSets(self.traits)

    @classmethod
    def to_judge_drops(cls, plan: TransformPlan) -> Self:
        """Keep what tells a whole row from one that lost a value; only `on_shared: drop-value` takes values away."""
        drops = OnShared.DROP_VALUE in plan.identity.on_shared.values()
        return cls(tuple(trait for trait in wire_traits(plan) if trait.clears) if drops else ())

    def add(self, column: Callable[[str], pl.Series]) -> None:
        """Take in the next rows, given what returns the column of a trait."""
        if self.traits:
            typed = pl.DataFrame([column(trait.ref) for trait in self.traits])
            cleared = typed.select(pl.when(pl.col(trait.ref) == "").then(trait.ref) for trait in self.traits)
            self._numbers.append(self._sets.intern(cleared).to_numpy())

    def of(self, lines: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Return `CLEARED_SCHEMA` of some lines, counted from 0 over all rows that were added."""
        if not self._numbers:
            return CLEARED_SCHEMA.to_frame()
        numbers = np.concatenate(self._numbers)[lines]
        sets = [list(entry.filled) for entry in self._sets.sets()]
        refs = pl.Series("ref", sets, dtype=pl.List(pl.String)).gather(numbers)
        return pl.DataFrame([pl.Series("line", lines, dtype=pl.Int64), refs]).explode("ref").drop_nulls("ref")
