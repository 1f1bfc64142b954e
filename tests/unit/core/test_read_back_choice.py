"""Which rows are read back, by what they are found, and what ends the reading."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.delivery import ApiFailure, FailureKind
from importer.core.read_back import (
    READ_BACK_SCHEMA,
    counts_of,
    ends_reading,
    identifiers_by_priority,
    merged_results,
    sample_positions,
    without_ranges,
)
from importer.core.schema import DataType, StoreSchema
from importer.core.wire import WireTrait


@given(size=st.integers(0, 300), count=st.integers(0, 300), more=st.integers(0, 50), seed=st.integers(0, 2**24 - 1))
def test_a_sample_is_part_of_every_larger_one(size: int, count: int, more: int, seed: int) -> None:
    """It is ascending, has the size that was asked for, and is the same each time."""
    positions = np.arange(size, dtype=np.int64) * 3
    sample = sample_positions(positions, count, seed)
    assert len(sample) == min(size, count)
    assert np.array_equal(sample, np.unique(sample))
    assert np.isin(sample, positions).all()
    assert np.isin(sample, sample_positions(positions, count + more, seed)).all()
    assert np.array_equal(sample, sample_positions(positions[::-1], count, seed))


def test_samples_of_two_runs_differ_and_reach_everywhere() -> None:
    """Neither the first rows nor those of one batch stand for all."""
    positions = np.arange(100_000, dtype=np.int64)
    one, other = (sample_positions(positions, 1000, seed) for seed in (1, 2))
    assert len(np.intersect1d(one, other)) < 50
    for sample in (one, other):
        assert np.bincount(sample // 10_000, minlength=10).min() > 50


def failure(kind: FailureKind, status: int | None = None, code: int | None = None) -> ApiFailure:
    """Describe a failure."""
    return ApiFailure(kind, status, code)


@pytest.mark.parametrize(
    ("refusal", "ends"),
    [
        (failure(FailureKind.REJECTED, 401), True),
        (failure(FailureKind.REJECTED, 403), True),
        (failure(FailureKind.REJECTED, 403, 520008), False),
        (failure(FailureKind.REJECTED, 404, 520041), True),
        (failure(FailureKind.REJECTED, 404, 20404), False),
        (failure(FailureKind.REJECTED, 400), False),
        (failure(FailureKind.REJECTED), True),  # a certificate
        (failure(FailureKind.RETRYABLE, 503), False),
        (failure(FailureKind.PROTOCOL, 200), False),
    ],
)
def test_what_speaks_against_every_read_ends_them(refusal: ApiFailure, ends: bool) -> None:
    """What speaks of one profile, or may pass, does not."""
    assert ends_reading(refusal) is ends


def trait(ref: str, id_type: str | None) -> WireTrait:
    """Describe a trait."""
    group, name = ref.split(".")
    return WireTrait(ref, group, name, DataType.STRING, id_type)


def test_the_idtype_that_decides_first_is_looked_up_first() -> None:
    """One without a rule of its own comes last, one that the store lost is not looked up at all."""
    schema = StoreSchema(
        "mem_store_00000000000000000000000000",
        "store",
        traits={},
        groups={},
        identifiers=_configs("email", "phone", "crm"),
        matching_rules=("phone", "email"),
    )
    traits = [trait("C.email", "email"), trait("C.name", None), trait("C.crm", "crm"), trait("C.phone", "phone")]
    found = identifiers_by_priority([*traits, trait("C.gone", "gone")], schema)
    assert [one.ref for one in found] == ["C.phone", "C.email", "C.crm"]


def _configs(*id_types: str) -> dict[str, Any]:
    answer = {"identifierConfigs": [{"idType": name} for name in id_types], "matchingRules": list(id_types)}
    store = {"id": "mem_store_00000000000000000000000000", "displayName": "store"}
    return dict(StoreSchema.from_api(store, [], answer).identifiers)


EMPTY: Final = dict.fromkeys(READ_BACK_SCHEMA)


def results(*lines: tuple[int, str]) -> pl.DataFrame:
    """Make results of (position, result)."""
    rows = [EMPTY | {"position": position, "result": result} for position, result in lines]
    return pl.DataFrame(rows, schema=READ_BACK_SCHEMA)


def test_a_later_look_replaces_an_earlier_one() -> None:
    """And leaves alone what it did not look at."""
    merged = merged_results(results((3, "missing"), (5, "confirmed")), results((4, "confirmed"), (3, "confirmed")))
    assert list(merged.select("position", "result").iter_rows()) == [
        (3, "confirmed"),
        (4, "confirmed"),
        (5, "confirmed"),
    ]


def test_counts_name_every_result() -> None:
    """Zero is a count, so that scripts need not ask."""
    assert counts_of(results((1, "missing"), (2, "missing"))) == {"confirmed": 0, "mismatched": 0, "missing": 2}


@given(
    st.sets(st.integers(0, 60)).map(sorted),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6),
)
def test_results_in_ranges_are_left_out(positions: list[int], cuts: list[tuple[int, int]]) -> None:
    """Whatever the order of the ranges, and where they begin; the others stay as they are."""
    ranges: list[tuple[int, int]] = []
    for start, length in cuts:
        if all(start >= stop or start + length <= first for first, stop in ranges):
            ranges.append((start, start + length))
    results = pl.DataFrame({"position": positions}, schema={"position": pl.Int64})
    left = [position for position in positions if not any(first <= position < stop for first, stop in ranges)]
    assert without_ranges(results, ranges)["position"].to_list() == left
