"""Which way rows go, why, and how they are cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from importer.core import limits
from importer.core.filled import FilledSet
from importer.core.route import (
    BODY_ROOM,
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
    name: WireTrait(name, "G", name, kind)
    for name, kind in [("a", DataType.STRING), ("b", DataType.NUMBER), ("c", DataType.STRING), ("tags", DataType.ARRAY)]
}
AB = FilledSet(("a", "b"), (), carried=True)
ODD_AB = FilledSet(("a", "b"), ())
A_WITHOUT_B = FilledSet(("a",), ("b",), carried=True)
ODD_A_WITHOUT_B = FilledSet(("a",), ("b",))
ABC = FilledSet(("a", "b", "c"), (), carried=True)
TAGGED = FilledSet(("a", "tags"), ())


def choose(
    set_ids: Sequence[int],
    sets: Sequence[FilledSet],
    *,
    minimum: int = 3,
    via: Via = Via.AUTO,
    grouped: Sequence[int] = (),
) -> list[tuple[Route, Reason]]:
    """Choose routes and spell them out."""
    mask = np.zeros(len(set_ids), dtype=np.bool_)
    mask[list(grouped)] = True
    routed = choose_routes(
        np.array(set_ids, dtype=np.uint32),
        sets,
        TRAITS,
        RoutingPolicy(import_min_rows=minimum),
        via=via,
        grouped=mask if grouped else None,
    )
    return [(ROUTES[route], REASONS[reason]) for route, reason in zip(routed.route, routed.reason, strict=True)]


BULK = (Route.BULK, Reason.FEW_ALIKE)
IMPORT = (Route.IMPORT, Reason.UNIFORM)


def test_enough_rows_alike_go_by_import() -> None:
    """Rows go by import when at least the minimum of them fill the same traits, and by Bulk below it."""
    assert choose([0, 1, 0, 1, 0], [AB, ABC]) == [IMPORT, BULK, IMPORT, BULK, IMPORT]
    assert choose([0, 0], [AB]) == [BULK, BULK]


def test_rows_the_csv_flow_does_not_carry_go_by_bulk_and_do_not_count() -> None:
    """A row with other characters says so; where too few are left, the rest goes by Bulk too."""
    odd = (Route.BULK, Reason.CHARACTERS)
    assert choose([0, 1, 0, 0], [AB, ODD_AB]) == [IMPORT, odd, IMPORT, IMPORT]
    assert choose([0, 1, 0], [AB, ODD_AB]) == [BULK, odd, BULK]
    assert choose([0, 1], [AB, ODD_AB]) == [BULK, BULK]


def test_arrays_and_wide_sets_never_go_by_import() -> None:
    """An array, or more than 100 columns, filled or removed, keeps a set on Bulk, with its reason."""
    assert choose([0] * 3, [TAGGED]) == [(Route.BULK, Reason.ARRAY)] * 3
    refs = tuple(f"t{n}" for n in range(101))
    traits = {ref: WireTrait(ref, "G", ref, DataType.STRING) for ref in refs}
    assert import_refusal(FilledSet(refs[:99], refs[99:]), traits) is Reason.COLUMNS
    assert import_refusal(FilledSet(refs[:99], refs[99:100]), traits) is None


def test_sets_with_the_same_columns_share_an_import() -> None:
    """A removal is a cell of its own, so rows that fill a trait and rows that remove it count together."""
    assert choose([0, 1, 1], [AB, A_WITHOUT_B]) == [IMPORT] * 3


def test_rows_with_removals_are_patched_where_they_do_not_go_by_import() -> None:
    """Bulk cannot remove, so such a row is patched afterwards, and says why."""
    patched = (Route.BULK_PATCH, Reason.REMOVAL)
    assert choose([0, 1], [AB, A_WITHOUT_B]) == [BULK, patched]
    assert choose([0, 1], [AB, A_WITHOUT_B], via=Via.BULK) == [(Route.BULK, Reason.FORCED), patched]


def test_a_route_can_be_forced() -> None:
    """--via bulk sends all by Bulk; --via import takes any number of rows and tells which cannot go."""
    assert choose([0] * 5, [AB], via=Via.BULK) == [(Route.BULK, Reason.FORCED)] * 5
    forced = (Route.IMPORT, Reason.FORCED)
    assert choose([0, 1], [AB, ABC], via=Via.IMPORT) == [forced, forced]
    assert choose([0, 1, 2, 3], [AB, TAGGED, ODD_AB, ODD_A_WITHOUT_B], via=Via.IMPORT) == [
        forced,
        (Route.BULK, Reason.ARRAY),
        (Route.BULK, Reason.CHARACTERS),
        (Route.BULK_PATCH, Reason.CHARACTERS),
    ]


def test_rows_of_allowed_merge_groups_go_by_bulk() -> None:
    """A row that must go after another never goes by import, and names its group as the reason."""
    group = (Route.BULK, Reason.MERGE_GROUP)
    assert choose([0] * 5, [AB], grouped=[1, 3]) == [IMPORT, group, IMPORT, group, IMPORT]
    assert choose([0] * 4, [AB], grouped=[1, 3]) == [BULK, group, BULK, group]
    assert choose([1, 0], [AB, A_WITHOUT_B], grouped=[0])[0] == (Route.BULK_PATCH, Reason.MERGE_GROUP)


@pytest.mark.parametrize("via", list(Via))
def test_no_rows_take_no_route(via: Via) -> None:
    """A source without valid rows is no special case."""
    assert choose([], [], via=via) == []


def rows(
    route: Sequence[Route],
    *,
    sets: Sequence[int] | None = None,
    wave: Sequence[int] | None = None,
    body: int = 100,
    line: int = 20,
) -> RowsToCut:
    """Make rows of equal size."""
    count = len(route)
    return RowsToCut(
        np.array([ROUTES.index(each) for each in route], dtype=np.uint8),
        np.array(sets if sets is not None else [0] * count, dtype=np.uint32),
        np.array(wave if wave is not None else [0] * count, dtype=np.uint32),
        np.array([bool(each) for each in wave] if wave is not None else [False] * count, dtype=np.bool_),
        np.full(count, body, dtype=np.uint64),
        np.full(count, line, dtype=np.uint64),
    )


def test_the_send_order_is_imports_bulk_patches_then_waves() -> None:
    """Parts come first, one file's columns at a time, then Bulk, then patched rows, then each wave after the last."""
    bulk, part, patch = Route.BULK, Route.IMPORT, Route.BULK_PATCH
    order, cuts = cut_batches(
        rows(
            [bulk, part, patch, part, bulk, bulk, part, patch],
            sets=[0, 0, 1, 2, 2, 0, 0, 1],
            wave=[0, 0, 0, 0, 2, 1, 0, 2],
        ),
        [AB, A_WITHOUT_B, ABC],
        part_rows=10,
        start=100,
    )
    assert order.tolist() == [1, 6, 3, 0, 2, 5, 4, 7]
    assert [(cut.route, cut.start, cut.stop, cut.wave, cut.size_bytes) for cut in cuts] == [
        (part, 100, 102, 0, 40),
        (part, 102, 103, 0, 20),
        (bulk, 103, 104, 0, 100),
        (patch, 104, 105, 0, 100),
        (bulk, 105, 106, 1, 100),
        (bulk, 106, 107, 2, 100),
        (patch, 107, 108, 2, 100),
    ]


def test_batches_have_at_most_so_many_rows() -> None:
    """1000 rows a Bulk body, 200 where rows are patched, the asked number a part."""
    for route, most in [(Route.BULK, 1000), (Route.BULK_PATCH, PATCHED_BATCH_ROWS), (Route.IMPORT, 700)]:
        _, cuts = cut_batches(rows([route] * (2 * most + 1)), [AB], part_rows=700)
        assert [cut.stop - cut.start for cut in cuts] == [most, most, 1]


def test_batches_have_at_most_so_many_bytes() -> None:
    """Bodies stay below 4 MiB and files below 100 MiB, with what stands around the rows."""
    _, cuts = cut_batches(rows([Route.BULK] * 10, body=1024 * 1024), [AB], part_rows=10)
    assert [cut.stop - cut.start for cut in cuts] == [3, 3, 3, 1]
    assert max(cut.size_bytes for cut in cuts) < limits.BULK_MAX_BODY_BYTES
    _, cuts = cut_batches(rows([Route.IMPORT] * 5, line=limits.IMPORT_MAX_FILE_BYTES // 2), [AB], part_rows=10)
    assert [cut.stop - cut.start for cut in cuts] == [1] * 5
    _, cuts = cut_batches(rows([Route.IMPORT] * 4, line=limits.IMPORT_MAX_FILE_BYTES // 2 - 500), [AB], part_rows=10)
    assert [cut.stop - cut.start for cut in cuts] == [2, 2]


def test_a_row_larger_than_a_batch_goes_alone() -> None:
    """No row is left behind because it is large."""
    _, cuts = cut_batches(rows([Route.BULK] * 3, body=5 * 1024 * 1024), [AB], part_rows=10)
    assert [(cut.start, cut.stop) for cut in cuts] == [(0, 1), (1, 2), (2, 3)]


def test_no_rows_are_no_batches() -> None:
    """Nothing to send is an empty order."""
    order, cuts = cut_batches(rows([]), [], part_rows=10)
    assert order.tolist() == []
    assert cuts == []


def test_a_million_rows_are_cut_as_if_they_were_added_up_at_once() -> None:
    """Sizes are looked at a stretch at a time; where a batch ends does not show where a stretch does."""
    sizes = np.random.default_rng(7).integers(100, 20_000, 1_200_000).astype(np.uint64)
    count = len(sizes)
    rows = RowsToCut(
        np.full(count, ROUTES.index(Route.BULK), dtype=np.uint8),
        np.zeros(count, dtype=np.uint32),
        np.zeros(count, dtype=np.uint32),
        np.zeros(count, dtype=np.bool_),
        sizes,
        sizes,
    )
    _, cuts = cut_batches(rows, [AB], part_rows=50_000)
    most_rows, most_bytes = BODY_ROOM
    total = np.concatenate([[0], np.cumsum(sizes.astype(np.int64))])
    stops = []
    start = 0
    while start < count:
        start = min(int(np.searchsorted(total, total[start] + most_bytes, side="right")) - 1, start + most_rows)
        stops.append(start)
    assert [cut.stop for cut in cuts] == stops
    assert [cut.start for cut in cuts] == [0, *stops[:-1]]
    assert sum(cut.size_bytes for cut in cuts) == total[-1]
