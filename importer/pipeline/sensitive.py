"""A small sample of what a run would send, taken while its first rows pass by: the hot path has no part in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from importer.core.schema import DataType
from importer.core.sensitive import sensitive_notes
from importer.core.transform import TransformPlan

_VALUES: Final = 2_000
"""Values of a trait that are enough to judge it by."""

_VALUES_IN_ALL: Final = 200_000
"""Values of all traits together, whatever their number."""

_VALUES_AT_LEAST: Final = 50

_CHUNKS: Final = 8
"""Chunks that are looked at; what is empty so far down is judged by its name."""


class SensitiveSample:
    """Keeps the first values of every text trait.

    Args:
        plan: Of the run.
    """

    def __init__(self, plan: TransformPlan) -> None:
        self._plan = plan
        self._kept: dict[str, list[pl.Series]] = {
            trait.ref: []
            for trait in plan.traits
            if trait.data_type is DataType.STRING and trait.constant is None and trait.parse is None
        }
        self._size = max(_VALUES_AT_LEAST, min(_VALUES, _VALUES_IN_ALL // max(1, len(self._kept))))
        self._chunks_left = _CHUNKS

    def look(self, column: Callable[[str], pl.Series]) -> None:
        """Take a look at valid rows, given what returns a trait's column of them."""
        if not self._chunks_left:
            return
        self._chunks_left -= 1
        for ref, pieces in self._kept.items():
            wanted = self._size - sum(map(len, pieces))
            if wanted > 0:
                # Copied: a slice would keep the whole chunk in memory.
                pieces.append(pl.Series(column(ref).drop_nulls().head(wanted).to_list(), dtype=pl.String))

    def notes(self) -> tuple[str, ...]:
        """Return what a person should know before anything is sent."""
        samples = {ref: pl.concat(pieces) for ref, pieces in self._kept.items() if pieces}
        return sensitive_notes(self._plan, {ref: values for ref, values in samples.items() if len(values)})
