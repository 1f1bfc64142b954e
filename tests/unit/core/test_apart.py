"""Rows that share a value without being linked: different bodies, and few of them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.apart import apart_numbers, conflict_colours, fill_up
from importer.core.filled import FilledSet
from importer.core.route import BODY_ROOM, RowsToCut, cut_batches

ENTRIES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 6)), max_size=40)


@given(ENTRIES)
def test_rows_that_share_a_value_have_different_colours(entries: list[tuple[int, int]]) -> None:
    """Only rows that share one have a colour at all, and there are no more colours than rows could need."""
    row, value = (np.array([entry[side] for entry in entries], dtype=np.int64) for side in (0, 1))
    colours = conflict_colours(15, row, value)
    having: dict[int, set[int]] = defaultdict(set)
    for number, one in entries:
        having[one].add(number)
    sharing = set[int]().union(*(rows for rows in having.values() if len(rows) > 1))
    assert {number for number in range(15) if colours[number]} == sharing
    for rows in having.values():
        if len(rows) > 1:
            assert len({int(colours[number]) for number in rows}) == len(rows)
    assert colours.max() <= len(sharing)


def test_a_chain_of_rows_needs_two_colours_and_not_one_a_row() -> None:
    """Each row shares a value with the next: two bodies hold them all, where a body for each was needed before."""
    count = 5000
    row = np.repeat(np.arange(count), 2)
    value = np.stack([np.arange(count), np.arange(count) + 1], axis=1).ravel()
    assert conflict_colours(count, row, value).max() == 2


@pytest.mark.parametrize(("rows", "shared", "bodies"), [(100_000, 1_000, 1_000), (10_000, 500, 500), (3_000, 2, 3)])
def test_ordinary_rows_fill_the_bodies_that_shared_rows_need(rows: int, shared: int, bodies: int) -> None:
    """As many bodies as rows share one value, or as the rows need anyway: none goes out for one row alone."""
    wave = conflict_colours(rows, np.arange(shared), np.zeros(shared, dtype=np.int64))
    size = np.full(rows, 300, dtype=np.uint64)
    no = np.zeros(rows, dtype=np.bool_)
    wave = fill_up(wave, ~no, size, BODY_ROOM)
    zeros = np.zeros(rows, dtype=np.uint8)
    order, cuts = cut_batches(
        RowsToCut(zeros, zeros.astype(np.uint32), wave, no, size, size), [FilledSet(("a",), ())], 50_000
    )
    assert len(cuts) == bodies
    assert sorted(order.tolist()) == list(range(rows))
    assert all((order[cut.start : cut.stop] < shared).sum() <= 1 for cut in cuts)


def test_filling_leaves_rows_alone_that_may_not_share_a_body() -> None:
    """Rows of groups and of other routes keep their wave, and large rows are not put where they have no room."""
    wave = np.array([1, 0, 0, 2], dtype=np.uint32)
    fills = np.array([True, False, True, False])
    assert fill_up(wave, fills, np.full(4, 10, dtype=np.uint64), (1000, 100)).tolist() == [1, 0, 1, 2]
    assert fill_up(wave, fills, np.full(4, 60, dtype=np.uint64), (1000, 100)).tolist() == [1, 0, 0, 2]
    assert fill_up(wave, fills, np.full(4, 10, dtype=np.uint64), (1, 100)).tolist() == [1, 0, 0, 2]


def test_groups_that_share_a_value_go_one_after_the_other() -> None:
    """Rows of one group have one number; so have those of two groups with a value in common; other rows have none."""
    group = np.array([1, 2, 1, -1, 3, 2])
    row, value = np.array([0, 1, 3, 4]), np.array([5, 5, 6, 6])
    assert apart_numbers(group, row, value).tolist() == [0, 0, 0, -1, 4, 0]
