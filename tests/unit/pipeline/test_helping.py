"""Helping: a thread does a part of another one's work."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, get_ident
from typing import Final

import pytest

from importer.pipeline.helping import SharedWork

WAIT_S: Final = 30


def test_who_helps_does_a_part_of_the_work() -> None:
    """Two items that wait for each other are done only where two threads do them."""
    shared, both = SharedWork(), Barrier(2)

    def meet(item: int) -> tuple[int, int]:
        both.wait(WAIT_S)
        return item, get_ident()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(shared.map, meet, [1, 2])
        shared.help_until(asked)
        items, threads = zip(*asked.result(), strict=True)
    assert items == (1, 2)
    assert len(set(threads)) == 2
    assert get_ident() in threads


def test_work_is_done_without_help() -> None:
    """Nobody has to help; items come back in their order."""
    assert SharedWork().map(str, range(5)) == ["0", "1", "2", "3", "4"]


def test_helping_ends_with_what_it_waits_for() -> None:
    """Where nothing is asked for there is nothing to do but to wait."""
    shared, done = SharedWork(), Future[None]()
    with ThreadPoolExecutor(1) as pool:
        helping = pool.submit(shared.help_until, done)
        done.set_result(None)
        assert helping.result(WAIT_S) is None


def test_a_failure_comes_out_where_the_work_was_asked_for() -> None:
    """That of the first item, whichever thread met it; who helps goes on."""
    shared, both = SharedWork(), Barrier(2)

    def meet(item: int) -> int:
        both.wait(WAIT_S)
        raise ValueError(f"item {item}")

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(shared.map, meet, [1, 2])
        shared.help_until(asked)
        with pytest.raises(ValueError, match="item 1"):
            asked.result()
