"""How much work reading a chunk is, counted in calls: that does not depend on the machine, and a slow-down shows."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path
from typing import Final

import pytest

from tests.support.texts import Write, source_of, writer

MOST_CALLS: Final = 3_000


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""
    return writer(tmp_path)


def work_of(path: Path) -> tuple[int, int]:
    """Return how many calls it takes to make chunks of a file's rows, and how many polars queries are among them."""
    source = source_of(path)
    source.describe()
    list(source.chunks())  # what is imported on first use
    profile = cProfile.Profile()
    profile.enable()
    list(source.chunks())
    profile.disable()
    calls = pstats.Stats(profile).stats  # type: ignore[attr-defined] # (calls, ...) by (file, line, name)
    queries = sum(count for (_, _, name), (count, *_) in calls.items() if "collect" in name and "PyLazyFrame" in name)
    return sum(count for _, (count, *_) in calls.items()), queries


def test_a_chunk_is_made_without_a_query(write: Write) -> None:
    """Cells of several lines, short rows and columns of many kinds need no query, and no loop over good rows."""
    row = 'a{n},"said ""no"",\nthen left",,2024-01-31,Zoë\n'
    rows = [row.replace("{n}", str(number)) for number in range(20_000)]
    path = write("id,note,empty,day,name\n" + "".join(rows) + "short,row\n" * 20)
    calls, queries = work_of(path)
    assert queries == 0
    assert calls <= MOST_CALLS


def test_rows_come_in_few_chunks(write: Write) -> None:
    """A chunk has a price of its own, whatever its rows: all but the first and the last have 80,000 at least."""
    row = "{n}," + ",".join(["some text of a customer"] * 5) + "\n"
    path = write("id,a,b,c,d,e\n" + "".join(row.replace("{n}", str(number)) for number in range(300_000)))
    heights = [chunk.frame.height for chunk in source_of(path).chunks()]
    assert sum(heights) == 300_000
    assert len(heights) >= 4
    assert min(heights[1:-1]) >= 80_000
