"""Where rows stand: place and key of what was found about lines of the index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from importer.core.compact import compact
from importer.core.packing import KEY_PREFIX
from importer.ports import PackageAccess


class FindingPlaces:
    """Gives what was found about lines of the index the place and key of its rows, which pass by in order.

    Args:
        index: `INDEX_SCHEMA`.
        findings: ``line`` (i64, ascending) and any other columns.
    """

    def __init__(self, index: pl.DataFrame, findings: pl.DataFrame) -> None:
        self._rows = index["row"].to_numpy()[findings["line"].to_numpy()].astype(np.int64)
        self._findings = findings.drop("line")
        self._start = 0

    def of(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """Return what was found about the next rows read; None where that is nothing.

        Returns:
            ``file``, ``key:`` columns, ``row_number``, ``line`` and the columns of the findings.
        """
        start, self._start = self._start, self._start + frame.height
        first, last = np.searchsorted(self._rows, [start, self._start]).tolist()
        if last == first:
            return None
        columns = frame.select("file", pl.col(f"^{KEY_PREFIX}.*$"), "row_number", "line")
        places = compact(columns[self._rows[first:last] - start])
        return places.hstack(self._findings.slice(first, last - first))


def place_findings(package: PackageAccess, index: pl.DataFrame, findings: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Join place and key to what was found about lines of the index, chunk by chunk.

    Args:
        package: Gives the rows read.
        index: See `FindingPlaces`.
        findings: See `FindingPlaces`.

    Yields:
        What `FindingPlaces.of` returns.
    """
    if findings.is_empty():
        return
    places = FindingPlaces(index, findings)
    for frame in package.rows_frames():
        placed = places.of(frame)
        if placed is not None:
            yield placed
