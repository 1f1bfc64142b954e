"""Identifiers of rows beside those that other keys were delivered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.forecast import StoreRules
from importer.core.identity import IdentityRows, RowState, resolve_identity
from importer.core.identity_values import identifier_hash
from importer.core.schema import IdentifierConfig
from importer.core.snapshot import SNAPSHOT_SCHEMA
from importer.core.sync_index import foreign_hits, hold_strange, owners_of, rows_in_question
from importer.core.transform import IdentityPolicy, OnShared

COLUMNS: Final = {"Contact.email": "email", "Contact.phone": "phone", "Contact.card": "card"}
CONFIGS: Final = {
    "email": IdentifierConfig("email"),
    "phone": IdentifierConfig("phone"),
    "card": IdentifierConfig("card", enforce_unique=False),
}

Row = Mapping[str, str]
"""idType -> value."""


def held(
    rows: Sequence[tuple[str, Row]], known: Mapping[str, Sequence[tuple[str, str]]], **on_shared: OnShared
) -> list[str]:
    """Return the keys whose rows are held, given what keys were delivered with."""
    texts = {
        column: pl.Series([row.get(id_type) for _, row in rows], dtype=pl.String) for column, id_type in COLUMNS.items()
    }
    hashes = {column: identifier_hash(values) for column, values in texts.items()}
    key_texts = pl.Series([key for key, _ in rows], dtype=pl.String)
    keys = identifier_hash(key_texts)

    def read(column: str, lines: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.Series:
        return texts.get(column, key_texts).gather(lines)

    rules = StoreRules(CONFIGS, ("email", "phone", "card"))
    policy = IdentityPolicy(on_shared=on_shared)
    identity = resolve_identity(IdentityRows(len(rows), lambda: keys, hashes, COLUMNS), policy, CONFIGS, read, rules)
    snapshot = pl.DataFrame(
        [
            {"key": key, "identifiers": [{"id_type": id_type, "value": value} for id_type, value in values]}
            for key, values in sorted(known.items())
        ],
        schema={name: SNAPSHOT_SCHEMA[name] for name in ("key", "identifiers")},
    )
    owners = owners_of(snapshot.iter_slices(2))
    hits = foreign_hits(hashes, COLUMNS, keys, rows_in_question(identity), identity.drops, owners)
    result = hold_strange(identity, hits, on_shared, keys, rules)
    assert "\x1fkey" not in str(result.groups["id_types"].to_list())
    return [key for (key, _), state in zip(rows, result.state, strict=True) if state == RowState.HELD]


def test_what_a_key_had_itself_holds_nothing() -> None:
    """Neither does a value that nobody has."""
    known = {"A": [("email", "a"), ("phone", "1")], "B": [("email", "b")]}
    assert held([("A", {"email": "a", "phone": "2"}), ("B", {"email": "c"}), ("C", {"email": "d"})], known) == []


def test_one_unique_value_of_another_key_holds_a_row() -> None:
    """Whether the row's own key was delivered before or not."""
    known = {"A": [("email", "a")], "B": [("email", "b")]}
    assert held([("B", {"email": "b", "phone": "1"}), ("C", {"email": "a"})], known) == ["C"]
    assert held([("B", {"email": "a", "phone": "1"})], known) == ["B"]


def test_other_values_hold_by_two() -> None:
    """The service matches so."""
    known = {"A": [("card", "1"), ("email", "a")]}
    assert held([("B", {"card": "1", "email": "b"})], known) == []
    assert held([("B", {"card": "1", "email": "a"})], known) == ["B"]


def test_a_value_that_two_keys_were_delivered_with_is_strange_to_a_third() -> None:
    """Somebody let the two go together, so they are together already, whatever else changes of them."""
    known = {"A": [("phone", "1")], "B": [("phone", "1")], "C": [("email", "c")]}
    assert held([("A", {"phone": "1", "email": "a"})], known) == []
    assert held([("C", {"phone": "1", "email": "c"})], known) == ["C"]
    assert held([("C", {"phone": "1"})], known, phone=OnShared.ALLOW) == []


def test_a_first_run_knows_nobody() -> None:
    """Nothing is held for want of a snapshot."""
    assert held([("A", {"email": "a"})], {}) == []


values = st.sampled_from("abcd")
rows_strategy = st.dictionaries(st.sampled_from(["email", "phone"]), values, min_size=1)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from("KLMN"), rows_strategy, max_size=4),
    st.sampled_from("KLMNX"),
    rows_strategy,
)
def test_a_lone_row_is_held_where_a_plain_look_says_so(delivered: dict[str, Row], key: str, row: Row) -> None:
    """One unique value that another key was delivered with, and its own was not, is enough; nothing else holds it."""
    known = {name: list(values.items()) for name, values in delivered.items()}
    strange = any(
        other.get(id_type) == value
        for name, other in delivered.items()
        if name != key
        for id_type, value in row.items()
        if delivered.get(key, {}).get(id_type) != value
    )
    assert held([(key, row)], known) == ([key] if strange else [])
