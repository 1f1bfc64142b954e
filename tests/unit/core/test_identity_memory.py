"""What deciding about identities holds in memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from importer.core.identity import (
    IdentityResult,
    IdentityRows,
    RowState,
    candidates_of,
    identifier_hash,
    resolve_identity,
)
from importer.core.transform import IdentityPolicy
from importer.core.union_find import Hashes


def resolved(rows: int, hashes: Mapping[str, Hashes], texts: Mapping[str, pl.Series]) -> IdentityResult:
    """Decide about rows without keys."""
    given = IdentityRows(rows, None, hashes)
    return resolve_identity(given, IdentityPolicy(), {}, lambda column, at: texts[column].gather(at))


def test_nothing_is_kept_of_rows_that_share_nothing() -> None:
    """Most rows of a run are somebody of their own: memory has room for the others alone."""
    texts = {"email": pl.Series(["p1", "p2", "p3", "p2", "p4"])}
    result = resolved(5, {"email": identifier_hash(texts["email"])}, texts)
    assert result.fates.row.tolist() == [1, 3]
    assert result.state.tolist() == [RowState.SEND, RowState.COMBINED, RowState.SEND, RowState.SEND, RowState.SEND]
    assert result.carried_by.tolist() == [-1, 3, -1, -1, -1]


class OneAtATime(Mapping[str, Hashes]):
    """Columns of hashes made when they are looked at; none may be held when the next is."""

    def __init__(self, columns: Mapping[str, Hashes]) -> None:
        self._columns = columns
        self._given: list[weakref.ref[Hashes]] = []

    def __getitem__(self, name: str) -> Hashes:
        """Make a column."""
        assert not any(given() is not None for given in self._given), "a column before it is still held"
        column = self._columns[name].copy()
        self._given.append(weakref.ref(column))
        return column

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Count the columns."""
        return len(self._columns)


def test_hashes_of_one_type_are_held_at_a_time() -> None:
    """A column of hashes is let go before the next one is asked for: of many rows each is large."""
    texts = {name: pl.Series([f"{name}1", f"{name}2", f"{name}1"]) for name in ("email", "phone", "loyalty")}
    hashes = {name: identifier_hash(column) for name, column in texts.items()}
    assert resolved(3, OneAtATime(hashes), texts).carried_by.tolist() == [2, -1, -1]
    with ThreadPoolExecutor(1) as beside:
        ahead = list(candidates_of(IdentityRows(3, None, OneAtATime(hashes)), beside.map))
    assert [found.entries.tolist() for found in ahead] == [[0, 2]] * 3
