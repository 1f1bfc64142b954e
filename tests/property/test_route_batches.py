"""Whatever the rows, routes follow their rules and batches partition the send order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core import limits
from importer.core.filled import FilledSet
from importer.core.route import (
    PATCHED_BATCH_ROWS,
    REASONS,
    ROUTES,
    Reason,
    Route,
    RowsToCut,
    Via,
    choose_routes,
    cut_batches,
    import_refusal,
)
from importer.core.schema import DataType
from importer.core.transform import RoutingPolicy
from importer.core.wire import WireTrait

TRAITS = {
    ref: WireTrait(ref, "G", ref, DataType.ARRAY if ref == "tags" else DataType.STRING, removable=ref in "bc")
    for ref in ("a", "b", "c", "tags")
}


@dataclass(frozen=True)
class Case:
    """Rows by filled set, which rows are grouped, and the policy."""

    sets: tuple[FilledSet, ...]
    set_ids: npt.NDArray[np.uint32]
    grouped: npt.NDArray[np.bool_]
    minimum: int
    via: Via


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case; sets may share their columns."""
    sets = []
    for ref in draw(st.lists(st.sets(st.sampled_from(sorted(TRAITS)), min_size=1), min_size=1, max_size=5)):
        removed = draw(st.sets(st.sampled_from(["b", "c"])))
        filled, gone = tuple(sorted(ref - removed)), tuple(sorted(removed))
        sets += [FilledSet(filled, gone, answer) for answer in draw(st.sampled_from([[True], [False], [True, False]]))]
    unique = tuple(dict.fromkeys(sets))
    count = draw(st.integers(0, 30))

    def flags(chance: float) -> npt.NDArray[np.bool_]:
        return np.array(draw(st.lists(st.floats(0, 1), min_size=count, max_size=count)), dtype=float) < chance

    ids = draw(st.lists(st.integers(0, len(unique) - 1), min_size=count, max_size=count))
    return Case(
        unique,
        np.array(ids, dtype=np.uint32),
        flags(0.1),
        draw(st.integers(1, 8)),
        draw(st.sampled_from(Via)),
    )


@settings(max_examples=120, deadline=None)
@given(cases())
def test_routes_follow_their_rules(case: Case) -> None:
    """Import rows are alike in number, carried, flat and ungrouped; every other row has the reason that kept it."""
    routed = choose_routes(
        case.set_ids,
        case.sets,
        TRAITS,
        RoutingPolicy(import_min_rows=case.minimum),
        via=case.via,
        grouped=case.grouped,
    )
    able = [
        case.via is not Via.BULK
        and not grouped
        and case.sets[number].carried
        and import_refusal(case.sets[number], TRAITS) is None
        for number, grouped in zip(case.set_ids, case.grouped, strict=True)
    ]
    columns = [case.sets[number].columns for number in case.set_ids]
    alike = Counter(names for names, is_able in zip(columns, able, strict=True) if is_able)
    minimum = 1 if case.via is Via.IMPORT else case.minimum
    for row, number in enumerate(case.set_ids):
        route, reason = ROUTES[routed.route[row]], REASONS[routed.reason[row]]
        assert (route is Route.IMPORT) == (able[row] and alike[columns[row]] >= minimum)
        assert (route is Route.BULK_PATCH) == (route is not Route.IMPORT and bool(case.sets[number].removed))
        if case.grouped[row]:
            assert reason is Reason.MERGE_GROUP
        elif route is Route.IMPORT:
            assert reason is (Reason.FORCED if case.via is Via.IMPORT else Reason.UNIFORM)
        elif case.via is Via.IMPORT:
            refusal = import_refusal(case.sets[number], TRAITS)
            assert reason is (refusal or Reason.CHARACTERS)
        elif route is Route.BULK_PATCH:
            assert reason is Reason.REMOVAL
        elif case.via is Via.BULK:
            assert reason is Reason.FORCED
        else:
            assert reason in (Reason.FEW_ALIKE, Reason.CHARACTERS, Reason.ARRAY)


@st.composite
def rows_to_cut(draw: st.DrawFn) -> tuple[RowsToCut, list[FilledSet], int, int]:
    """Draw routed rows with sizes, many of them alike and some of them huge."""
    sets = [FilledSet(("a",), ()), FilledSet(("a", "b"), ()), FilledSet(("a",), ("b",))]
    count = draw(st.integers(0, 40)) * draw(st.sampled_from([1, 1, 60]))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    wave = chance.integers(1, 4, count) * (chance.random(count) < draw(st.sampled_from([0, 0.3, 1])))
    route = np.where(wave > 0, chance.choice([0, 2], count), chance.integers(0, 3, count))
    large = draw(st.sampled_from([100, 100_000, 3_000_000]))
    rows = RowsToCut(
        route.astype(np.uint8),
        chance.integers(0, 3, count).astype(np.uint32),
        wave.astype(np.uint32),
        wave > 0,
        chance.integers(1, large, count).astype(np.uint64),
        chance.integers(1, large * 20, count).astype(np.uint64),
    )
    return rows, sets, draw(st.integers(1, 50)), draw(st.integers(0, 10**6))


@settings(max_examples=80, deadline=None)
@given(rows_to_cut())
def test_batches_partition_the_rows(case: tuple[RowsToCut, list[FilledSet], int, int]) -> None:
    """Every row is in one batch, of its route and wave; waves come in order, and within a batch the source's order."""
    rows, sets, part_rows, start = case
    order, cuts = cut_batches(rows, sets, part_rows, start=start)
    assert sorted(order.tolist()) == list(range(len(rows.route)))
    assert [(cut.start, cut.stop) for cut in cuts] == list(
        pairwise([start, *(cut.stop for cut in cuts)]) if cuts else []
    )
    assert (cuts[-1].stop if cuts else start) == start + len(order)
    assert [cut.wave for cut in cuts] == sorted(cut.wave for cut in cuts)
    for cut in cuts:
        inside = order[cut.start - start : cut.stop - start]
        assert inside.tolist() == sorted(inside.tolist())
        assert {ROUTES[route] for route in rows.route[inside]} == {cut.route}
        assert set(rows.wave[inside].tolist()) == {cut.wave}
        if cut.route is Route.IMPORT:
            assert len({sets[number].columns for number in rows.set_ids[inside]}) == 1
    lanes = [(cut.wave, (Route.IMPORT, Route.BULK, Route.BULK_PATCH).index(cut.route)) for cut in cuts]
    assert lanes == sorted(lanes)


@settings(max_examples=80, deadline=None)
@given(rows_to_cut())
def test_batches_keep_to_their_sizes(case: tuple[RowsToCut, list[FilledSet], int, int]) -> None:
    """Rows and bytes stay within the limits, but for a row that is too large alone; and no batch is cut early."""
    rows, sets, part_rows, start = case
    order, cuts = cut_batches(rows, sets, part_rows, start=start)
    most_rows = {Route.IMPORT: part_rows, Route.BULK: limits.BULK_MAX_PROFILES, Route.BULK_PATCH: PATCHED_BATCH_ROWS}
    for cut in cuts:
        is_import = cut.route is Route.IMPORT
        size = rows.csv_bytes if is_import else rows.body_bytes
        most = limits.IMPORT_MAX_FILE_BYTES if is_import else limits.BULK_MAX_BODY_BYTES
        inside = order[cut.start - start : cut.stop - start]
        assert cut.size_bytes == size[inside].sum()
        assert 1 <= len(inside) <= most_rows[cut.route]
        assert cut.size_bytes < most or len(inside) == 1
        following = order[cut.stop - start : cut.stop - start + 1]
        same = following.size and all(
            (rows.route[following] == rows.route[inside[0]], rows.wave[following] == rows.wave[inside[0]])
        )
        if same and not is_import and len(inside) < most_rows[cut.route]:
            assert cut.size_bytes + size[following].sum() > most - 64
