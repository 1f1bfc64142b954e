"""What the rows of a run cost that no request has carried."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from importer.core.cost import Cost
from importer.core.filled import FilledSet
from importer.core.schema import DataType
from importer.core.wire import WireTrait
from importer.pipeline.cost import Made, cost_left, cost_of_rows
from importer.pipeline.outcomes import OVERRIDES_SCHEMA, RANGES_SCHEMA, Delivered
from tests.support.fakes import index_of

MADE = Made(
    [FilledSet(("I.mail",), ()), FilledSet(("I.mail",), ("I.name",))],
    [
        WireTrait("I.mail", "I", "mail", DataType.STRING, id_type="email"),
        WireTrait("I.name", "I", "name", DataType.STRING, removable=True),
    ],
)


def left(positions: Sequence[int], batches: Sequence[tuple[int, int, str, str]], given_up: Sequence[int] = ()) -> Cost:
    """Return what is left of rows that all remove a trait; a batch is start, stop, state, route."""
    ranges = [
        dict.fromkeys(RANGES_SCHEMA) | {"start": start, "stop": stop, "state": state, "route": route}
        for start, stop, state, route in batches
    ]
    delivered = Delivered(
        pl.DataFrame(ranges, schema=RANGES_SCHEMA),
        pl.DataFrame([(position, "not_sent", None) for position in given_up], schema=OVERRIDES_SCHEMA, orient="row"),
    )
    return cost_left(index_of(*({"set": 1, "position": position} for position in positions)), delivered, MADE)


def test_rows_of_batches_that_wait_are_left() -> None:
    """A row without a position costs nothing, nor does one that was sent or given up."""
    batches = [(0, 2, "accepted", "bulk"), (2, 5, "not_sent", "bulk")]
    assert left([4, 0, -1, 3, 1, 2], batches).rows == 3
    assert left([4, 0, -1, 3, 1, 2], batches, given_up=[3, 0]).rows == 2
    assert left([-1, -1], batches).rows == 0


def test_rows_that_the_ledger_has_no_batch_for_are_not_left() -> None:
    """A killed process may leave positions without a batch, and results of none are no reason to fail."""
    assert left([0, 1, 2], [(0, 1, "not_sent", "bulk")], given_up=[7]).rows == 1
    assert left([0, 1], []).rows == 0


def test_only_routes_with_requests_of_their_own_are_patched() -> None:
    """Rows that remove a trait are looked up and patched behind Bulk; an import file removes it itself."""
    batches = [(0, 2, "not_sent", "bulk+patch"), (2, 3, "not_sent", "import")]
    cost = left([2, 1, 0], batches)
    assert (cost.rows, cost.patches, cost.lookups_at_most) == (3, 2, 2)


def test_rows_cost_what_their_sets_do() -> None:
    """Removals are looked up by any identifier of a row, further values by its first one; rows of groups may merge."""
    made = Made(
        [*MADE.sets, FilledSet(("I.mail", "I.phone", "I.other"), ("I.name",)), FilledSet(("I.mail", "I.other"), ())],
        [
            *MADE.traits,
            WireTrait("I.phone", "I", "phone", DataType.STRING, id_type="phone"),
            WireTrait("I.other", "I", "other", DataType.STRING, further=True),
        ],
    )
    rows = index_of(
        {"set": 3}, {"set": 2, "state": "sequence"}, {"set": 0}, {"set": 2, "state": "sequence"}, {"set": 1}
    )
    cost = cost_of_rows(rows, made)
    assert (cost.rows, cost.merging, cost.patches, cost.further) == (5, 2, 3, 3)
    assert (cost.lookups_at_least, cost.lookups_at_most) == (6, 8)
    assert cost_of_rows(rows.clear(), made) == Cost()
    waiting = rows.with_columns(position=pl.Series([0, 1, -1, 2, 3], dtype=rows["position"].dtype))
    ranges = [
        dict.fromkeys(RANGES_SCHEMA) | {"start": 0, "stop": 2, "state": "not_sent", "route": "bulk+identifiers"},
        dict.fromkeys(RANGES_SCHEMA) | {"start": 2, "stop": 4, "state": "accepted", "route": "bulk"},
    ]
    some = cost_left(waiting, Delivered(pl.DataFrame(ranges, schema=RANGES_SCHEMA)), made)
    assert some == cost_of_rows(rows[:2], made)
