"""Where rows stand: place and key of what was found about lines of the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from importer.core.packing import KEY_PREFIX
from importer.ports import PackageAccess

_FINDINGS_A_TIME: Final = 50_000


def place_findings(package: PackageAccess, index: pl.DataFrame, findings: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Join place and key to what was found about lines of the index, a stretch of findings at a time.

    Args:
        package: Gives the rows read.
        index: `INDEX_SCHEMA`.
        findings: ``line`` (i64) and any other columns.

    Yields:
        ``file``, ``key:`` columns, ``row_number``, ``line`` and the columns of the findings; same rows, same order.
    """
    row = index["row"].to_numpy()
    for found in findings.iter_slices(_FINDINGS_A_TIME):
        places = package.take_rows(row[found["line"].to_numpy()].astype(np.int64))
        keys = [name for name in places.columns if name.startswith(KEY_PREFIX)]
        others = [column for column in found if column.name != "line"]
        yield pl.DataFrame([*places[["file", *keys, "row_number", "line"]], *others])
