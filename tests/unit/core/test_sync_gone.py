"""Who counts as present in the source of a mirror, and when a run may not remove at all."""

from __future__ import annotations

import polars as pl
import pytest

from importer.core.identity_values import identifier_hash
from importer.core.packing import KEY_PREFIX, ROWS_SCHEMA
from importer.core.sync_brakes import Brake, Brakes, Extent, tripped
from importer.core.sync_gone import Elsewhere, identifier_marks, readable_keys


def rows(*lines: tuple[str | None, str | None, str | None, str | None]) -> pl.DataFrame:
    """Return rows read, of state, code and two key columns."""
    names = ["state", "code", KEY_PREFIX + "shop", KEY_PREFIX + "number"]
    frame = pl.DataFrame(lines, schema=dict.fromkeys(names, pl.String), orient="row")
    places = {name: pl.lit(1, dtype=kind) for name, kind in ROWS_SCHEMA.items() if name not in names}
    return frame.with_columns(**places)


@pytest.mark.parametrize(
    ("state", "code"),
    [(None, None), ("rejected", "invalid-email"), ("rejected", "duplicate-key"), ("skipped", "where")],
)
def test_every_row_with_a_key_is_present(state: str | None, code: str | None) -> None:
    """Whatever became of it, also where the mapping's `where` dropped it."""
    keys, without = readable_keys(rows((state, code, "A", "1")), frozenset())
    assert (keys.tolist(), without) == (identifier_hash(pl.Series(["A\x1f1"])).tolist(), 0)


@pytest.mark.parametrize("key", [("A", None), ("A", ""), ("A", "NULL"), (None, None)])
def test_a_row_without_a_whole_key_is_nobody(key: tuple[str | None, str | None]) -> None:
    """A text that stands for no value is none, as it is when rows are packaged; a blank line is no row."""
    found = rows((None, None, "A", "1"), ("rejected", "malformed-row", *key), ("skipped", "blank-line", None, None))
    keys, without = readable_keys(found, frozenset({"NULL"}))
    assert (keys.tolist(), without) == (identifier_hash(pl.Series(["A\x1f1"])).tolist(), 1)


def test_identifiers_are_known_by_type_and_value() -> None:
    """The same text of another idType is another identifier."""
    elsewhere = Elsewhere([identifier_marks(pl.Series(["phone"]), pl.Series(["1"]))])
    assert ("phone", "1") in elsewhere
    assert ("email", "1") not in elsewhere
    assert ("phone", "1") not in Elsewhere()


@pytest.mark.parametrize(
    ("brakes", "overridden", "held"),
    [
        (Brakes(), (), (Brake.EMPTY, Brake.REMOVALS)),
        (Brakes(), (Brake.EMPTY,), (Brake.REMOVALS,)),
        (Brakes(allow_empty=True), (), (Brake.REMOVALS,)),
        (Brakes(allow_empty=True, max_removals=500), (), (Brake.REMOVALS,)),
        (Brakes(max_removals=500), (Brake.EMPTY,), (Brake.REMOVALS,)),
        (Brakes(), (Brake.EMPTY, Brake.REMOVALS), ()),
    ],
)
def test_allowing_an_empty_source_allows_no_removals(
    brakes: Brakes, overridden: tuple[Brake, ...], held: tuple[Brake, ...]
) -> None:
    """They have a brake of their own."""
    extent = Extent(0, 500, judged=0, rejected=0, keys_before=500, changed=0, removals=500, operations=0)
    assert tuple(one.brake for one in tripped(extent, brakes, overridden)) == held
