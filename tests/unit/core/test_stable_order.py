"""Rows ordered by few numbers, a stretch of rows at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.stable_order import stable_order


def ordered(numbers: Sequence[int], stretch_rows: int) -> tuple[list[int], list[int]]:
    """Order rows that have these numbers."""
    kinds = np.array(numbers, dtype=np.int64)
    order, starts = stable_order(len(numbers), lambda stretch: kinds[stretch], stretch_rows)
    return order.tolist(), starts.tolist()


@given(st.lists(st.integers(0, 9) | st.integers(0, 2**62), max_size=60), st.integers(1, 70))
def test_rows_stand_by_number_and_then_as_they_did(numbers: list[int], stretch_rows: int) -> None:
    """However many rows are looked at together, the order is that of a stable sort of all of them."""
    order, starts = ordered(numbers, stretch_rows)
    assert order == sorted(range(len(numbers)), key=lambda row: numbers[row])
    assert starts == [sorted(numbers).index(number) for number in sorted(set(numbers))]


@pytest.mark.parametrize("different", [10, 70_000])
def test_many_different_numbers_are_ordered_too(different: int) -> None:
    """Beyond 16 bits of different numbers rows are ordered as well."""
    numbers = np.random.default_rng(7).integers(0, different, 200_000) * 3
    order, starts = stable_order(numbers.size, lambda stretch: numbers[stretch])
    assert np.array_equal(order, np.argsort(numbers, kind="stable"))
    assert starts.size == np.unique(numbers).size
