"""How much work reading a chunk is, counted in calls: that does not depend on the machine, and a slow-down shows."""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.support.texts import Write, source_of, writer

MOST_CALLS: Final = 3_000


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""
    return writer(tmp_path)


def calls_of(path: Path) -> Counter[tuple[str, str]]:
    """Count the calls that make one chunk of a file's rows, by module and name."""
    source = source_of(path)
    source.describe()
    assert len(list(source.chunks())) == 1  # and what is imported on first use
    profile = cProfile.Profile()
    profile.enable()
    list(source.chunks())
    profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined] # (calls, ...) by (file, line, name)
    calls: Counter[tuple[str, str]] = Counter()
    for (file, _, name), (count, *_) in stats.items():
        calls[Path(file).name, name] += count
    return calls


def write_people(write: Write) -> Path:
    """Write rows whose cells have several lines, and short rows behind them."""
    row = 'a{n},"said ""no"",\nthen left",,2024-01-31,Zoë\n'
    rows = [row.replace("{n}", str(number)) for number in range(20_000)]
    return write("id,note,empty,day,name\n" + "".join(rows) + "short,row\n" * 20)


def test_a_chunk_is_made_without_a_query(write: Write) -> None:
    """Cells of several lines, short rows and columns of many kinds need no query, and no loop over good rows."""
    calls = calls_of(write_people(write))
    assert not [name for _, name in calls if "collect" in name and "PyLazyFrame" in name]
    assert sum(calls.values()) <= MOST_CALLS


def test_a_column_is_looked_at_once(write: Write) -> None:
    """Whoever gives the interpreter back waits for it: for each column as seldom as can be."""
    calls = calls_of(write_people(write))
    columns = 5
    assert calls["characters.py", "bytes_held"] == columns
    assert calls["lines.py", "values_of"] <= columns + 2  # line ends are looked for where there may be some
    assert calls["compute.py", "cast"] == 1  # of Arrow: all columns at once


def test_rows_come_in_few_chunks(write: Write) -> None:
    """A chunk has a price of its own, whatever its rows: all but the first and the last have 100,000 at least."""
    row = "{n}," + ",".join(["some text of a customer"] * 5) + "\n"
    path = write("id,a,b,c,d,e\n" + "".join(row.replace("{n}", str(number)) for number in range(400_000)))
    heights = [chunk.frame.height for chunk in source_of(path).chunks()]
    assert sum(heights) == 400_000
    assert len(heights) >= 4
    assert min(heights[1:-1]) >= 100_000
