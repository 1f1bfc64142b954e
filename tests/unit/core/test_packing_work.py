"""How much work packing a chunk is, counted in polars queries: that does not depend on the machine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from ruamel.yaml import YAML

from bench.generate_customers import COLUMNS, Recipe, draw_blocks
from importer.core.characters import text_bytes
from importer.core.check import CheckedRows, check_rows
from importer.core.check_values import Checks
from importer.core.filled import FilledSets
from importer.core.packing import ChunkRows, PackedChunk, issue_lines, pack_chunk, rejected_rows
from importer.core.wire import wire_traits
from tests.support.fakes import checks_of
from tests.support.work import calls_of, queries_of

MAPPING: Final = Path(__file__).parents[3] / "mappings" / "bench-customers.yaml"
CHUNK_ROWS: Final = 4_000
MOST_QUERIES: Final = 2


@dataclass(frozen=True)
class Bench:
    """A chunk with bad and malformed rows, checked."""

    checks: Checks
    chunk: ChunkRows
    checked: CheckedRows
    sets: FilledSets

    def pack(self, wanted: Collection[str] | None = None) -> PackedChunk:
        """Pack it."""
        return pack_chunk(self.chunk, self.checked, self.checks.plan, self.sets, rows_before=0, wanted=wanted)


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Check a chunk."""
    frame = next(draw_blocks(Recipe(CHUNK_ROWS, seed=7, bad_rate=0.05, shared_rate=0.05, as_csv=False))).select(COLUMNS)
    checks, _ = checks_of(YAML(typ="safe", pure=True).load(MAPPING), COLUMNS)
    numbers = pl.int_range(1, frame.height + 1, dtype=pl.UInt64, eager=True)
    checked = check_rows(checks, frame, numbers, pl.repeat(False, frame.height, eager=True))
    cut = pl.DataFrame({"row_number": [frame.height + 1], "line": [frame.height + 2], "message": ["cut"]})
    seen = {name: text_bytes(frame[name]) for name in COLUMNS}
    chunk = ChunkRows(0, frame, numbers, numbers + 1, cut.cast({"row_number": pl.UInt64, "line": pl.UInt64}), seen)
    return Bench(checks, chunk, checked, FilledSets(wire_traits(checks.plan), sized=False))


def test_a_chunk_is_packed_with_few_queries(bench: Bench) -> None:
    """Each query has a price of its own, whatever its rows: with bad and malformed rows it is so many at most."""

    def work() -> None:
        packed = bench.pack()
        assert issue_lines(packed, bench.chunk, bench.checked.issues).height > 1
        assert rejected_rows(bench.chunk, bench.checked).frame.height > 1

    work()
    assert queries_of(work) <= MOST_QUERIES
    assert queries_of(lambda: bench.chunk.frame.select(pl.first())) == 1


def test_rejected_rows_are_taken_out_of_the_columns_that_are_kept_alone(bench: Bench) -> None:
    """That copies a column: of a dry run, the identifiers, and the places of all rows."""
    kept = [trait.ref for trait in bench.checks.plan.identifiers]
    few = calls_of(lambda: bench.pack(kept), "PySeries", "'filter'")
    assert few <= len(kept) + 1
    assert calls_of(bench.pack, "PySeries", "'filter'") >= len(bench.checks.plan.traits)


def test_rejected_rows_are_taken_from_all_columns_at_once(bench: Bench) -> None:
    """One call a column is ten thousand a chunk where a file is that wide; the call that is left is for the lines."""
    assert calls_of(lambda: rejected_rows(bench.chunk, bench.checked), "PySeries", "'gather") == 1
    assert calls_of(lambda: bench.chunk.frame["email"][[1, 2]], "PySeries", "'gather") == 1
