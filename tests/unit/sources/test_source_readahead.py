"""Reading ahead: bounded, in order, and without leftovers."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from collections.abc import Generator
from pathlib import Path

import pytest

from importer.sources.readahead import read_ahead


def test_values_come_in_order_and_not_far_ahead() -> None:
    """The producer makes one value while the one before it is worked on, and none beside one that waits."""
    made: list[int] = []

    def produce() -> Generator[int, None, None]:
        for value in range(50):
            made.append(value)
            yield value

    taken = 0
    for value in read_ahead(produce):
        assert value == taken
        taken += 1
        assert len(made) <= taken + 1
    assert taken == 50


class _Value:
    """Something that can be looked after without being held."""


def test_a_value_that_was_taken_is_not_held_while_the_next_is_made() -> None:
    """A stretch of rows is tens of megabytes."""
    held: list[bool] = []

    def produce() -> Generator[_Value, None, None]:
        for _ in range(3):
            value = _Value()
            gone = threading.Event()
            weakref.finalize(value, gone.set)
            yield value
            del value
            held.append(not gone.wait(timeout=3))

    for value in read_ahead(produce):
        del value
    assert held == [False] * 3


def test_a_failure_comes_after_the_values_before_it() -> None:
    """What the producer raises reaches the consumer, and its thread has ended."""

    def produce() -> Generator[int, None, None]:
        yield 1
        message = "broken"
        raise RuntimeError(message)

    values = read_ahead(produce)
    assert next(values) == 1
    with pytest.raises(RuntimeError, match="broken"):
        next(values)
    assert not [thread for thread in threading.enumerate() if thread.name == "source-read-ahead"]


def test_leaving_early_closes_the_producer() -> None:
    """The producer's clean-up runs and the stop hook is called."""
    events: list[str] = []

    def produce() -> Generator[int, None, None]:
        try:
            yield from range(1000)
        finally:
            events.append("closed")

    values = read_ahead(produce, on_stop=lambda: events.append("stop"))
    next(values)
    values.close()  # type: ignore[attr-defined]
    assert sorted(events) == ["closed", "stop"]


def test_the_interpreter_ends_with_a_read_under_way(tmp_path: Path) -> None:
    """A program that exits in the middle of a file exits cleanly."""
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "12345678,12345678\n" * 1_000_000)
    program = (
        "import sys; from importer.sources import open_source; from importer.ports import SourceOptions\n"
        "chunks = open_source(sys.argv[1], SourceOptions()).chunks(); next(chunks)"
    )
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
