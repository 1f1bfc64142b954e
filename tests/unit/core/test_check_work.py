"""How much work checking a chunk is, counted in calls: that does not depend on the machine, and a slow-down shows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from ruamel.yaml import YAML

from bench.generate_customers import COLUMNS, Recipe, draw_blocks
from importer.core.check import check_rows
from tests.support.fakes import checks_of
from tests.support.work import calls_of, queries_of

MAPPING: Final = Path(__file__).parents[3] / "mappings" / "bench-customers.yaml"
CHUNK_ROWS: Final = 100_000
MOST_QUERIES: Final = 15
MOST_CALLS: Final = 10_000
MOST_QUERIES_BAD: Final = 45
MOST_CALLS_BAD: Final = 20_000


def customers(bad_rate: float) -> pl.DataFrame:
    """Generate a chunk of customers."""
    recipe = Recipe(CHUNK_ROWS, seed=7, bad_rate=bad_rate, shared_rate=0.05, as_csv=True)
    return next(draw_blocks(recipe)).select(COLUMNS)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Generate a chunk without a bad row."""
    return customers(bad_rate=0.0)


def work_of(rows: pl.DataFrame, *, all_good: bool = True) -> tuple[int, int]:
    """Return how many calls it takes to check these rows, and how many polars queries are among them."""
    checks, _ = checks_of(YAML(typ="safe", pure=True).load(MAPPING), COLUMNS)
    blank = pl.repeat(False, rows.height, eager=True)
    numbers = pl.int_range(1, rows.height + 1, dtype=pl.UInt64, eager=True)
    checked = check_rows(checks, rows, numbers, blank)  # number plans are read on first use
    assert (checked.typed.height == rows.height) is all_good
    work = partial(check_rows, checks, rows, numbers, blank)
    return calls_of(work), queries_of(work)


def test_the_calls_of_a_chunk_do_not_grow_with_its_rows(rows: pl.DataFrame) -> None:
    """Forty times the rows take about as many calls: nothing on the way of good rows loops over them."""
    few, _ = work_of(rows.head(2_000))
    many, _ = work_of(rows)
    assert many <= 1.2 * few


def test_a_chunk_takes_few_queries(rows: pl.DataFrame) -> None:
    """Each query has a price of its own, whatever its rows: these 16 columns take so many at most."""
    calls, queries = work_of(rows)
    assert queries <= MOST_QUERIES
    assert calls <= MOST_CALLS


def test_bad_rows_of_every_kind_take_few_queries() -> None:
    """Whoever finds something asks about the few rows it was found in, and says so without a query of its own."""
    calls, queries = work_of(customers(bad_rate=0.02), all_good=False)
    assert queries <= MOST_QUERIES_BAD
    assert calls <= MOST_CALLS_BAD
