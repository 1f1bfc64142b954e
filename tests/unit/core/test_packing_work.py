"""How much work packing a chunk is, counted in polars queries: that does not depend on the machine."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl
from ruamel.yaml import YAML

from bench.generate_customers import COLUMNS, Recipe, draw_blocks
from importer.core.characters import text_bytes
from importer.core.check import check_rows
from importer.core.filled import FilledSets
from importer.core.packing import ChunkRows, issue_lines, pack_chunk, rejected_rows
from importer.core.wire import wire_traits
from tests.support.fakes import checks_of

MAPPING: Final = Path(__file__).parents[3] / "mappings" / "bench-customers.yaml"
CHUNK_ROWS: Final = 4_000
MOST_QUERIES: Final = 2


def test_a_chunk_is_packed_with_few_queries() -> None:
    """Each query has a price of its own, whatever its rows: with bad and malformed rows it is so many at most."""
    frame = next(draw_blocks(Recipe(CHUNK_ROWS, seed=7, bad_rate=0.05, shared_rate=0.05, as_csv=False))).select(COLUMNS)
    checks, _ = checks_of(YAML(typ="safe", pure=True).load(MAPPING), COLUMNS)
    numbers = pl.int_range(1, frame.height + 1, dtype=pl.UInt64, eager=True)
    checked = check_rows(checks, frame, numbers, pl.repeat(False, frame.height, eager=True))
    cut = pl.DataFrame({"row_number": [frame.height + 1], "line": [frame.height + 2], "message": ["cut"]})
    seen = {name: text_bytes(frame[name]) for name in COLUMNS}
    chunk = ChunkRows(0, frame, numbers, numbers + 1, cut.cast({"row_number": pl.UInt64, "line": pl.UInt64}), seen)
    sets = FilledSets(wire_traits(checks.plan), sized=False)

    def work() -> None:
        packed = pack_chunk(chunk, checked, checks.plan, sets, rows_before=0)
        assert issue_lines(packed, chunk, checked.issues).height > 1
        assert rejected_rows(chunk, checked).frame.height > 1

    work()
    assert queries_of(work) <= MOST_QUERIES
    assert queries_of(lambda: frame.select(pl.first())) == 1


def queries_of(work: Callable[[], object]) -> int:
    """Count the polars queries of something."""
    profile = cProfile.Profile()
    profile.runcall(work)
    calls = pstats.Stats(profile).stats  # type: ignore[attr-defined] # (calls, ...) by (file, line, name)
    return sum(count for (_, _, name), (count, *_) in calls.items() if "collect" in name and "PyLazyFrame" in name)
