"""Scheduling: decided rows get their place in the send order, a route with its reason, and a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from importer.core.filled import FilledSet
from importer.core.route import Via
from importer.core.schema import DataType
from importer.core.transform import RoutingPolicy
from importer.core.wire import WireTrait
from importer.errors import ConfigError
from importer.pipeline.schedule import ORDER_SCHEMA, Choice, Layout, Schedule, schedule_rows
from tests.support.fakes import index_of

EMAIL: Final = WireTrait("Contact.email", "Contact", "email", DataType.STRING, id_type="email")
NOTE: Final = WireTrait("Account.note", "Account", "note", DataType.STRING, removable=True)
GONE: Final = WireTrait("Account.gone", "Account", "gone", DataType.STRING, removable=True)
TAGS: Final = WireTrait("Account.tags", "Account", "tags", DataType.ARRAY)
BOTH: Final = FilledSet(("Contact.email", "Account.note"), (), carried=True)
TAGGED: Final = FilledSet(("Contact.email", "Account.tags"), ())
REMOVING: Final = FilledSet(("Contact.email", "Account.note"), ("Account.gone",), carried=True)
EMPTIED: Final = FilledSet(("Contact.email",), ("Account.note",), carried=True)
ODD: Final = FilledSet(("Contact.email", "Account.note"), ())
SETS: Final = (BOTH, TAGGED, REMOVING, EMPTIED, ODD)
TRAITS: Final = (EMAIL, NOTE, GONE, TAGS)
ALL: Final = Choice()


def schedule(
    *lines: Mapping[str, Any],
    via: Via = Via.AUTO,
    minimum: int = 2,
    part_rows: int = 3,
    first: int = 0,
    choice: Choice = ALL,
) -> Schedule:
    """Schedule the lines of an index."""
    layout = Layout(SETS, TRAITS, RoutingPolicy(import_min_rows=minimum, part_rows=part_rows), via)
    return schedule_rows(index_of(*lines), layout, first=first, choice=choice)


def shape(made: Schedule) -> list[tuple[str, int, int, int]]:
    """Return route, positions and wave of each batch."""
    return [(cut.route.value, cut.start, cut.stop, cut.wave) for cut in made.cuts]


def test_rows_alike_go_by_import_and_the_rest_by_bulk() -> None:
    """Positions run through all batches, and each row's position leads back to its line."""
    made = schedule({}, {"set": 1}, {}, {"set": 2}, {})
    assert shape(made) == [("import", 0, 3, 0), ("bulk", 3, 4, 0), ("bulk+patch", 4, 5, 0)]
    assert made.order.schema == ORDER_SCHEMA
    assert made.order["line"].to_list() == [0, 2, 4, 1, 3]
    assert made.index["position"].to_list() == [0, 3, 1, 4, 2]
    assert {route: counts.reasons for route, counts in made.routes.items()} == {
        "import": {"whose traits enough rows fill": 3},
        "bulk": {"with an array (no CSV cell holds one)": 1},
        "bulk+patch": {"with a trait to remove (Bulk cannot)": 1},
    }
    assert [(counts.rows, counts.batches) for counts in made.routes.values()] == [(1, 1), (3, 1), (1, 1)]


def test_values_the_csv_flow_does_not_carry_keep_their_rows_from_it() -> None:
    """Their traits are those of the others; what they say is not for a file."""
    made = schedule({}, {"set": 4}, {})
    assert shape(made) == [("import", 0, 2, 0), ("bulk", 2, 3, 0)]
    assert made.routes["bulk"].reasons == {"with characters the CSV flow does not carry": 1}


def test_too_few_rows_alike_go_by_bulk() -> None:
    """What is left below the minimum after the values were seen is too few as well."""
    assert shape(schedule({}, {}, minimum=3)) == [("bulk", 0, 2, 0)]
    assert shape(schedule({"set": 4}, {})) == [("bulk", 0, 2, 0)]


def test_only_rows_that_go_out_get_a_place() -> None:
    """Held, combined and rejected rows have none; the slot of a changed payload is followed."""
    made = schedule({"state": "held"}, {"slot": 3}, {"state": "combined"}, {"state": "rejected"}, minimum=9)
    assert made.index["position"].to_list() == [-1, 0, -1, -1]
    assert made.order.rows() == [(1, 3)]


def test_a_canary_takes_the_first_rows_of_the_source() -> None:
    """The others keep no position, so that a later round can send them."""
    made = schedule({}, {"set": 1}, {}, {}, choice=Choice(limit=3))
    assert made.index["position"].to_list() == [0, 2, 1, -1]


def test_a_later_round_goes_on_where_the_order_ends() -> None:
    """Rows that have a position keep it; the new ones follow."""
    made = schedule({"position": 0}, {"position": 1}, {}, {}, {"set": 1}, first=2)
    assert made.first == 2
    assert made.index["position"].to_list() == [0, 1, 2, 3, 4]
    assert shape(made) == [("import", 2, 4, 0), ("bulk", 4, 5, 0)]
    assert made.order["line"].to_list() == [2, 3, 4]


def test_released_groups_go_alone_where_only_they_are_asked_for() -> None:
    """A canary stays one when a group is released."""
    made = schedule({}, {"state": "sequence", "group": 1, "wave": 1}, choice=Choice(groups=frozenset({1})))
    assert made.index["position"].to_list() == [-1, 0]


def test_rows_of_a_group_go_by_bulk_in_waves() -> None:
    """Never by import, and each wave in batches of its own, after everything else."""
    group = {"state": "sequence", "group": 1}
    made = schedule(group | {"wave": 1}, {}, group | {"wave": 2}, {}, group | {"wave": 3, "set": 2})
    assert shape(made) == [("import", 0, 2, 0), ("bulk", 2, 3, 1), ("bulk", 3, 4, 2), ("bulk+patch", 4, 5, 3)]
    assert made.routes["bulk"].reasons == {"of an allowed merge group": 2}


def test_forced_bulk_takes_all_rows() -> None:
    """Rows that need a removal are patched after."""
    made = schedule({}, {}, {"set": 2}, via=Via.BULK)
    assert shape(made) == [("bulk", 0, 2, 0), ("bulk+patch", 2, 3, 0)]
    assert made.routes["bulk"].reasons == {"asked for by --via": 2}


def test_forced_import_takes_what_a_file_holds_however_few() -> None:
    """A removal is a cell like any other; rows with other columns get another file."""
    made = schedule({}, {"set": 2}, {"set": 3}, via=Via.IMPORT, minimum=50)
    assert shape(made) == [("import", 0, 2, 0), ("import", 2, 3, 0)]
    assert made.order["line"].to_list() == [0, 2, 1]
    assert made.routes["import"].reasons == {"asked for by --via": 3}


def test_forced_import_is_refused_with_counted_reasons() -> None:
    """All reasons at once, with how many rows each of them is true of."""
    group = {"state": "sequence", "group": 1, "wave": 1}
    with pytest.raises(ConfigError) as refusal:
        schedule({"set": 4}, {"set": 1}, {}, {"set": 1}, group, via=Via.IMPORT)
    text = str(refusal.value)
    assert "2 rows with an array (no CSV cell holds one)" in text
    assert "1 row with characters" in text
    assert "1 row of an allowed merge group" in text
    assert refusal.value.hint


def test_parts_and_batches_are_cut_by_their_limits() -> None:
    """A part has at most so many rows, a body at most a thousand."""
    assert shape(schedule(*[{}] * 7))[:3] == [("import", 0, 3, 0), ("import", 3, 6, 0), ("import", 6, 7, 0)]
    bulk = schedule(*[{}] * 1001, via=Via.BULK)
    assert shape(bulk) == [("bulk", 0, 1000, 0), ("bulk", 1000, 1001, 0)]
    assert bulk.routes["bulk"].size_bytes == 1001 * 100
    assert bulk.routes["bulk"].batches == 2


def test_nothing_to_send_is_an_empty_schedule() -> None:
    """No rows, no batches, no routes."""
    made = schedule({"state": "held"})
    assert (made.cuts, made.order.height, dict(made.routes)) == ((), 0, {})
