"""Sets of filled and removed traits."""

from __future__ import annotations

import numpy as np
import polars as pl

from importer.core.filled import FilledSet, FilledSets, rows_of_sets
from importer.core.schema import DataType
from importer.core.wire import WireTrait

A = WireTrait("G.a", "G", "a", DataType.STRING)
B = WireTrait("G.b", "G", "b", DataType.NUMBER, removable=True)


def typed(*rows: tuple[str | None, int | None, bool]) -> pl.DataFrame:
    """Make typed rows of A and B."""
    schema = {"G.a": pl.String, "G.b": pl.Int32, "remove:G.b": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_sets_are_numbered_as_they_appear_over_all_chunks() -> None:
    """Equal sets of different chunks have one number, and new ones take the next."""
    sets = FilledSets((A, B))
    assert sets.intern(typed(("x", 1, False), (None, 2, False), ("y", 3, False))).to_list() == [0, 1, 0]
    assert sets.intern(typed((None, 1, False), ("x", None, False))).to_list() == [1, 2]
    assert sets.sets() == [FilledSet(("G.a", "G.b"), ()), FilledSet(("G.b",), ()), FilledSet(("G.a",), ())]


def test_a_removal_makes_another_set() -> None:
    """A trait that is removed and one that is left alone are told apart, and both give a file the same columns."""
    sets = FilledSets((A, B))
    numbers = sets.intern(typed(("x", None, False), ("x", None, True), ("x", 1, False)))
    assert numbers.to_list() == [0, 1, 2]
    assert numbers.dtype == pl.UInt32
    kept, removed, filled = sets.sets()
    assert removed == FilledSet(("G.a",), ("G.b",))
    assert removed.columns == filled.columns == frozenset({"G.a", "G.b"})
    assert kept.columns == frozenset({"G.a"})


def test_an_empty_text_fills_its_trait() -> None:
    """A cleared value is a value."""
    sets = FilledSets((A, B))
    sets.intern(typed(("", None, False)))
    assert sets.sets() == [FilledSet(("G.a",), ())]


def test_any_number_of_traits_is_told_apart() -> None:
    """More traits than a machine word has bits, each filled alone, are as many sets; removals count beyond them."""
    traits = [WireTrait(f"G.t{n}", "G", f"t{n}", DataType.STRING, removable=True) for n in range(130)]
    columns: dict[str, pl.Series] = {}
    for n, trait in enumerate(traits):
        columns[trait.ref] = pl.Series(["x" if row == n else None for row in range(260)], dtype=pl.String)
        columns[f"remove:{trait.ref}"] = pl.Series([row == 130 + n for row in range(260)])
    sets = FilledSets(traits)
    frame = pl.DataFrame(columns)
    assert sets.intern(frame).to_list() == list(range(260))
    assert sets.intern(frame.reverse()).to_list() == list(range(259, -1, -1))
    found = sets.sets()
    assert found[64] == FilledSet(("G.t64",), ())
    assert found[130 + 64] == FilledSet((), ("G.t64",))


def test_many_traits_in_many_rows_are_told_apart() -> None:
    """However many traits some rows lack, a row's set says which it has; sets are numbered as rows come."""
    traits = [WireTrait(f"G.t{n}", "G", f"t{n}", DataType.NUMBER) for n in range(30)]
    filled = np.random.default_rng(5).integers(0, 300, size=(900, 1)) * 3_589_237 >> np.arange(30) & 1 == 1
    frame = pl.DataFrame([pl.Series(t.ref, [1 if has else None for has in filled[:, n]]) for n, t in enumerate(traits)])
    sets = FilledSets(traits)
    numbers = sets.intern(frame)
    assert numbers.unique(maintain_order=True).to_list() == list(range(numbers.n_unique()))
    found = [sets.sets()[number].filled for number in numbers]
    assert found == [tuple(trait.ref for trait, has in zip(traits, row, strict=True) if has) for row in filled]


def test_chunks_without_rows_add_no_set() -> None:
    """An empty chunk gives an empty answer."""
    sets = FilledSets((A, B))
    assert sets.intern(typed()).to_list() == []
    assert sets.sets() == []


def test_what_a_file_carries_is_told_apart_where_that_is_looked_at() -> None:
    """Rows that fill the same traits are of two sets where a file carries some of them only; rows with arrays never."""
    tags = WireTrait("G.tags", "G", "tags", DataType.ARRAY)
    frame = typed(("plain", 1, False), ("it's", 2, False), ("plain too", None, True), ("plain", None, False))
    listed = frame.with_columns(pl.Series("G.tags", [None, None, None, "[1]"], dtype=pl.String))
    for traits, rows in (((A, B), frame), ((A, B, tags), listed)):
        sets = FilledSets(traits, by_file=True)
        numbers = sets.intern(rows)
        assert numbers.to_list() == [0, 1, 2, 3]
        assert [entry.carried for entry in sets.sets()] == [True, False, True, len(traits) == 2]
        assert sets.sets()[0] == FilledSet(("G.a", "G.b"), (), carried=True)
        assert sets.sets()[2] == FilledSet(("G.a",), ("G.b",), carried=True)
    assert FilledSets((A, B)).intern(frame).to_list() == [0, 0, 1, 2]


def test_rows_of_each_set_are_counted_over_all_stretches() -> None:
    """Of all rows, or of those that count; a set without rows has none."""
    chance = np.random.default_rng(5)
    sets, counted = chance.integers(0, 7, 300_000).astype(np.uint32), chance.random(300_000) < 0.5
    assert rows_of_sets(sets, 9).tolist() == [*(int((sets == number).sum()) for number in range(7)), 0, 0]
    assert rows_of_sets(sets, 7, counted).tolist() == [int((sets[counted] == number).sum()) for number in range(7)]
