"""Identity: what happens to rows that share keys and identifiers, rule by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.identity import (
    DROPS_SCHEMA,
    GROUPS_SCHEMA,
    KEY_COLUMN,
    IdentityResult,
    IdentityRows,
    RowCode,
    RowState,
    identifier_hash,
    release,
    resolve_identity,
)
from importer.core.schema import IdentifierConfig
from importer.core.transform import IdentityPolicy, OnDuplicateKey, OnShared
from importer.core.union_find import Positions, repeated, run_starts, union

SEND, COMBINED, HELD, REJECTED, SEQUENCE = RowState
LOOSE = {name: IdentifierConfig(name, enforce_unique=False) for name in ("device", "cookie", "card")}

Row = Mapping[str, str]


def resolve(
    rows: Sequence[Row],
    keys: Sequence[str | None] | None = None,
    policy: IdentityPolicy | None = None,
    configs: Mapping[str, IdentifierConfig] | None = None,
    id_types: Mapping[str, str] | None = None,
) -> IdentityResult:
    """Resolve rows given as their identifiers by column."""
    columns = sorted({column for row in rows for column in row}) or ["email"]
    texts = {column: pl.Series([row.get(column) for row in rows], dtype=pl.String) for column in columns}
    if keys is not None:
        texts[KEY_COLUMN] = pl.Series(keys, dtype=pl.String)
    hashes = {column: identifier_hash(series) for column, series in texts.items()}
    key_hash = hashes.pop(KEY_COLUMN, None)
    return resolve_identity(
        IdentityRows(len(rows), None if key_hash is None else lambda: key_hash, hashes, id_types or {}),
        policy or IdentityPolicy(),
        configs or {},
        lambda column, positions: texts[column].gather(positions),
    )


def row(email: str | None = None, phone: str | None = None, **others: str) -> Row:
    """Name a row's identifiers."""
    return {name: text for name, text in {"email": email, "phone": phone, **others}.items() if text is not None}


def test_rows_without_links_are_sent() -> None:
    """Rows that share nothing are ordinary."""
    result = resolve([row("a"), row("b", "1"), row(None, "2")], ["1", "2", "3"])
    assert result.state.tolist() == [SEND] * 3
    assert result.code.tolist() == [RowCode.NONE] * 3
    assert result.group.tolist() == [-1] * 3
    assert result.wave.tolist() == [0] * 3
    assert result.carried_by.tolist() == [-1] * 3
    assert result.groups.schema == GROUPS_SCHEMA
    assert result.groups.is_empty()
    assert result.drops.schema == DROPS_SCHEMA
    assert result.dropped == {}


@pytest.mark.parametrize("keys", [None, []])
def test_no_rows(keys: list[str] | None) -> None:
    """A run without rows has an answer without rows."""
    assert resolve([], keys).state.size == 0


def test_one_key_without_conflict_is_combined_into_the_newest() -> None:
    """Rows of one key whose identifiers agree are one payload in the newest row's place."""
    result = resolve([row("a"), row("z"), row(None, "1"), row("a", "1")], ["k", "z", "k", "k"])
    assert result.state.tolist() == [COMBINED, SEND, COMBINED, SEND]
    assert result.carried_by.tolist() == [3, -1, 3, -1]


def test_without_keys_agreeing_rows_are_combined() -> None:
    """Without key columns linked rows that agree are one identity."""
    result = resolve([row("a"), row("a", "1"), row(None, "1")])
    assert result.state.tolist() == [COMBINED, COMBINED, SEND]
    assert result.carried_by.tolist() == [2, 2, -1]


def test_without_keys_a_chain_with_conflicts_is_held() -> None:
    """Rows linked through each other with different values are a merge group, the whole chain."""
    result = resolve([row("a", "1"), row("b", "1"), row("b", "3"), row("z")])
    assert result.state.tolist() == [HELD, HELD, HELD, SEND]
    assert result.group.tolist() == [1, 1, 1, -1]
    assert result.code.tolist() == [RowCode.MERGE_GROUP] * 3 + [RowCode.NONE]
    told = ["group", "rows", "keys", "id_types", "kind", "allowed", "hub", "chain", "linking_values", "most_shared"]
    assert result.groups.select(told).rows() == [(1, 3, None, ["email", "phone"], "merge", False, False, True, 2, 2)]


def test_two_keys_linked_are_held() -> None:
    """Rows of different keys that share an identifier are held, their key's other rows with them."""
    result = resolve([row("a"), row("b"), row("a"), row("c"), row("b")], ["k", "m", "l", "k", "n"])
    assert result.state.tolist() == [HELD] * 5
    assert result.group.tolist() == [1, 2, 1, 1, 2]
    assert result.groups["keys"].to_list() == [2, 2]
    assert result.groups["id_types"].to_list() == [["email"], ["email"]]


def test_a_row_without_a_key_is_somebody_else() -> None:
    """A row whose key is empty does not belong to the key it shares an identifier with, nor to another such row."""
    assert resolve([row("a"), row("a")], [None, "k"]).state.tolist() == [HELD, HELD]
    assert resolve([row("a"), row("a")], [None, None]).state.tolist() == [HELD, HELD]
    assert resolve([row("a"), row("b")], [None, None]).state.tolist() == [SEND, SEND]


def test_duplicate_key_last_drops_older_identifiers() -> None:
    """The newest value of each column stays; older ones are listed and counted."""
    result = resolve([row("a", "1"), row("b"), row("c"), row(None, "1")], ["k"] * 4)
    assert result.state.tolist() == [COMBINED, COMBINED, COMBINED, SEND]
    assert result.code.tolist() == [RowCode.DUPLICATE_KEY] * 4
    assert result.drops.rows() == [(0, "email", "email", "duplicate-key"), (1, "email", "email", "duplicate-key")]
    assert result.dropped == {"email": 2}


def test_duplicate_key_reject() -> None:
    """Rows of a key in conflict are rejected, all of them."""
    policy = IdentityPolicy(on_duplicate_key=OnDuplicateKey.REJECT)
    result = resolve([row("a"), row("b"), row("c")], ["k", "k", "l"], policy)
    assert result.state.tolist() == [REJECTED, REJECTED, SEND]
    assert result.code.tolist() == [RowCode.DUPLICATE_KEY, RowCode.DUPLICATE_KEY, RowCode.NONE]
    assert result.group.tolist() == [-1, -1, -1]


def test_duplicate_key_all_sends_in_order() -> None:
    """All rows of the key go, one after the other."""
    policy = IdentityPolicy(on_duplicate_key=OnDuplicateKey.ALL)
    result = resolve([row("a"), row("c"), row("b")], ["k", "l", "k"], policy)
    assert result.state.tolist() == [SEQUENCE, SEND, SEQUENCE]
    assert result.wave.tolist() == [1, 0, 2]
    told = ["group", "rows", "keys", "id_types", "kind", "allowed", "hub", "chain", "profiles", "decided_by"]
    assert result.groups.select(told).rows() == [(1, 2, 1, [], "sequence", True, False, False, 2, "mapping")]


def test_drop_value_takes_a_shared_value_from_all() -> None:
    """A value under two keys is dropped and links nobody; a row with nothing else is held."""
    policy = IdentityPolicy(on_shared={"phone": OnShared.DROP_VALUE})
    result = resolve([row("a", "1"), row("b", "1"), row(None, "1"), row("d", "2")], ["k", "l", "m", "n"], policy)
    assert result.state.tolist() == [SEND, SEND, HELD, SEND]
    assert result.code.tolist() == [RowCode.NONE, RowCode.NONE, RowCode.SHARED_IDENTIFIER, RowCode.NONE]
    assert result.drops["row"].to_list() == [0, 1, 2]
    assert set(result.drops["code"]) == {"shared-identifier"}
    assert result.dropped == {"phone": 3}


def test_drop_value_keeps_what_one_key_repeats() -> None:
    """A value that only rows of one key have is not shared."""
    policy = IdentityPolicy(on_shared={"phone": OnShared.DROP_VALUE})
    result = resolve([row("a", "1"), row("a", "1")], ["k", "k"], policy)
    assert result.state.tolist() == [COMBINED, SEND]
    assert result.dropped == {}


def test_drop_value_without_keys_needs_a_conflict() -> None:
    """Without keys a value is shared where its rows differ in another identifier."""
    policy = IdentityPolicy(on_shared={"phone": OnShared.DROP_VALUE})
    rows = [row("a", "1"), row("b", "1"), row(None, "1"), row("c", "2"), row(None, "2")]
    result = resolve(rows, None, policy)
    assert result.state.tolist() == [SEND, SEND, HELD, COMBINED, SEND]
    assert result.dropped == {"phone": 3}


def test_a_row_without_identifier_goes_with_its_key() -> None:
    """A row whose only identifier was dropped is combined with a row of its key that has one."""
    policy = IdentityPolicy(on_shared={"phone": OnShared.DROP_VALUE})
    result = resolve([row(None, "1"), row("a"), row("b", "1")], ["k", "k", "l"], policy)
    assert result.state.tolist() == [COMBINED, SEND, SEND]
    both = resolve([row(None, "1"), row(None, "1"), row("b", "1")], ["k", "k", "l"], policy)
    assert both.state.tolist() == [HELD, HELD, SEND]
    assert both.carried_by.tolist() == [-1, -1, -1]


def test_a_row_without_identifier_is_held_in_a_group() -> None:
    """In a merge group each row is sent for itself: one without an identifier stays held, even when released."""
    policy = IdentityPolicy(on_shared={"phone": OnShared.DROP_VALUE})
    rows = [row(None, "1"), row("a"), row("a"), row("b", "1")]
    result = resolve(rows, ["k", "k", "l", "m"], policy)
    assert result.state.tolist() == [HELD, HELD, HELD, SEND]
    assert result.code.tolist()[:3] == [RowCode.SHARED_IDENTIFIER, RowCode.MERGE_GROUP, RowCode.MERGE_GROUP]
    released = release(result)
    assert released.state.tolist() == [HELD, SEQUENCE, SEQUENCE, SEND]
    assert released.wave.tolist() == [0, 1, 2, 0]


def test_allow_sends_a_group_in_order() -> None:
    """A group is allowed where everything that links its keys is; one other link holds it."""
    policy = IdentityPolicy(on_shared={"phone": OnShared.ALLOW})
    result = resolve([row("a", "1"), row("b", "1"), row("c", "2"), row("c", "2")], ["k", "l", "m", "n"], policy)
    assert result.state.tolist() == [SEQUENCE, SEQUENCE, HELD, HELD]
    assert result.wave.tolist() == [1, 2, 0, 0]
    assert result.groups["allowed"].to_list() == [True, False]


def test_an_allowed_link_may_lie_within_a_key() -> None:
    """A link that only joins rows of one key asks for no decision."""
    policy = IdentityPolicy(on_shared={"phone": OnShared.ALLOW})
    result = resolve([row("a", "1"), row("a"), row("b", "1")], ["k", "k", "l"], policy)
    assert result.state.tolist() == [SEQUENCE] * 3


def test_release_of_some_groups() -> None:
    """Released groups go in waves; the others stay, and so does what was decided before."""
    result = resolve([row("a"), row("b"), row("a"), row("b")], ["k", "l", "m", "n"])
    some = release(result, {2})
    assert some.state.tolist() == [HELD, SEQUENCE, HELD, SEQUENCE]
    assert some.wave.tolist() == [0, 1, 0, 2]
    assert some.groups["allowed"].to_list() == [False, True]
    assert result.state.tolist() == [HELD] * 4
    assert release(result).state.tolist() == [SEQUENCE] * 4
    assert release(result, set()).state.tolist() == [HELD] * 4


def test_a_value_in_many_rows_is_a_hub() -> None:
    """A group with a value in more than two rows is marked."""
    result = resolve([row("a"), row("a"), row("b"), row("b"), row("b")], ["1", "2", "3", "4", "5"])
    assert result.groups["hub"].to_list() == [False, True]


def test_one_loose_identifier_links_nobody() -> None:
    """An idType without enforceUnique links only together with another one."""
    rows = [row("a", device="d"), row("b", device="d"), row("c", device="e", cookie="x")]
    assert resolve(rows, ["k", "l", "m"], configs=LOOSE).state.tolist() == [SEND] * 3
    assert resolve(rows, None, configs=LOOSE).state.tolist() == [SEND] * 3


def test_two_loose_identifiers_link() -> None:
    """Two equal identifiers link their rows."""
    rows = [row("a", device="d", cookie="x"), row("b", device="d", cookie="x"), row("c", device="d", cookie="y")]
    result = resolve(rows, ["k", "l", "m"], configs=LOOSE)
    assert result.state.tolist() == [HELD, HELD, SEND]
    assert result.groups["id_types"].to_list() == [["cookie", "device"]]
    policy = IdentityPolicy(on_shared={"cookie": OnShared.ALLOW, "device": OnShared.ALLOW})
    assert resolve(rows, ["k", "l", "m"], policy, LOOSE).state.tolist() == [SEQUENCE, SEQUENCE, SEND]


def test_loose_identifiers_of_one_profile_count_together() -> None:
    """A profile has the identifiers of all its rows: a row that agrees with two of them may merge, and chains go on."""
    rows = [
        row("a", device="d"),
        row("a", cookie="x", card="1"),
        row("b", device="d", cookie="x"),
        row("c", device="d", card="1"),
        row("d", device="d"),
    ]
    result = resolve(rows, ["k", "k", "l", "m", "n"], configs=LOOSE)
    assert result.state.tolist() == [HELD, HELD, HELD, HELD, SEND]


def test_loose_identifiers_of_a_very_large_group() -> None:
    """A group of very many values is compared without writing out its pairs."""
    rows = [row("hub", device=f"d{i}", cookie=f"c{i}") for i in range(150)]
    rows += [row(f"e{i}", device=f"d{i}", cookie=f"c{i + 1}") for i in range(149)] + [row("z", device="d1")]
    rows += [row(f"f{i}", device=f"d{i}") for i in range(3, 9)]
    keys = ["hub"] * 150 + [f"k{i}" for i in range(156)]
    result = resolve(rows, keys, configs=LOOSE)
    assert result.state.tolist() == [HELD] * 299 + [SEND] * 7


def test_columns_of_one_id_type_link_each_other() -> None:
    """Two traits promoted to one idType hold values of one kind; drops name the column."""
    rows = [row(**{"A.mail": "a", "B.mail": "b"}), row(**{"A.mail": "b"}), row(**{"A.mail": "c", "B.mail": "c"})]
    id_types = {"A.mail": "email", "B.mail": "email"}
    assert resolve(rows, ["k", "l", "m"], id_types=id_types).state.tolist() == [HELD, HELD, SEND]
    policy = IdentityPolicy(on_shared={"email": OnShared.DROP_VALUE})
    dropped = resolve(rows, ["k", "l", "m"], policy, id_types=id_types)
    assert dropped.state.tolist() == [SEND, HELD, SEND]
    assert dropped.drops.select("row", "column", "id_type").rows() == [(0, "B.mail", "email"), (1, "A.mail", "email")]


def test_two_columns_of_a_loose_id_type() -> None:
    """Two values of one loose idType are two identifiers, in whichever column they stand."""
    rows = [
        row(**{"A.dev": "a", "B.dev": "b"}),
        row(**{"A.dev": "b", "B.dev": "a"}),
        row(**{"A.dev": "a", "B.dev": "a"}),
    ]
    id_types = {"A.dev": "device", "B.dev": "device"}
    result = resolve(rows, ["k", "l", "m"], configs=LOOSE, id_types=id_types)
    assert result.state.tolist() == [HELD, HELD, SEND]


def test_fuzzy_matching_is_noted() -> None:
    """An idType matched by fuzzy rules is named as beyond the forecast."""
    result = resolve([row("a")], configs={"email": IdentifierConfig("email", matching_algo="fuzzy")})
    assert len(result.notes) == 1
    assert "email" in result.notes[0]


def test_equal_hashes_of_different_texts_link_nobody() -> None:
    """With a hash that is always the same, texts alone decide."""
    emails = pl.Series(["a", "b", "a", None, "c"])
    phones = pl.Series(["1", None, None, "2", "2"])
    texts = {"email": emails, "phone": phones, KEY_COLUMN: pl.Series(["k", "l", "k", "m", "m"])}
    same = {name: np.where(series.is_null().to_numpy(), 0, 7).astype(np.uint64) for name, series in texts.items()}
    key_hash = same.pop(KEY_COLUMN)
    result = resolve_identity(
        IdentityRows(5, lambda: key_hash, same),
        IdentityPolicy(),
        {},
        lambda column, positions: texts[column].gather(positions),
    )
    assert result.state.tolist() == [COMBINED, SEND, SEND, COMBINED, SEND]
    assert result.carried_by.tolist() == [2, -1, -1, 4, -1]


def test_hash_of_null_is_reserved() -> None:
    """Null hashes to 0 and nothing else does; equal texts hash alike in any series."""
    hashes = identifier_hash(pl.Series(["a", None, "b", "a", ""]))
    assert hashes.dtype == np.uint64
    assert (hashes == 0).tolist() == [False, True, False, False, False]
    assert hashes[0] == hashes[3] == identifier_hash(pl.Series(["x", "a"]))[1]


def test_row_codes_have_catalogue_names() -> None:
    """Every code of a row is an entry of the catalogue."""
    from importer.core.issue_catalogue import CATALOGUE

    assert RowCode.NONE.code is None
    assert all(code.code in CATALOGUE for code in RowCode if code is not RowCode.NONE)


def test_union_gives_the_smallest_member() -> None:
    """Every node points at the smallest node of its group, whatever the order of the edges."""
    chain = np.arange(1, 1000, dtype=np.int64)
    shuffled = np.random.default_rng(1).permutation(chain)
    assert union(1000, shuffled, shuffled - 1).tolist() == [0] * 1000
    star = np.full(9, 9, dtype=np.int64)
    assert union(11, star, np.arange(9, dtype=np.int64)).tolist() == [0] * 10 + [10]
    nothing: Positions = np.empty(0, dtype=np.int64)
    assert union(3, nothing, nothing).tolist() == [0, 1, 2]


def test_repeated_and_runs() -> None:
    """Repeated hashes are all found beside each other, zeros never; runs begin where the value changes."""
    hashes = np.array([5 << 60, 0, 9 << 60, 5 << 60, 7 << 60, 0, 9 << 60, 5 << 60], dtype=np.uint64)
    positions, starts = repeated(hashes)
    assert (positions.tolist(), starts.tolist()) == ([0, 3, 7, 2, 6], [0, 3])
    assert repeated(hashes[:3])[0].size == 0
    assert repeated(hashes[:0])[1].size == 0
    assert run_starts(np.array([1, 1, 2, 3, 3])).tolist() == [0, 2, 3]
    assert run_starts(np.array([])).size == 0


@given(st.lists(st.integers(0, 5).map(lambda number: number << 61) | st.integers(0, 5), max_size=30))
def test_no_repeated_hash_is_missed(numbers: list[int]) -> None:
    """However small hashes are, those that occur twice are found, in one run; too many may be."""
    positions, starts = repeated(np.array(numbers, dtype=np.uint64))
    runs = [run.tolist() for run in np.split(positions, starts[1:])]
    assert all(run == sorted(set(run)) for run in runs)
    for number in {number for number, count in Counter(numbers).items() if number and count > 1}:
        assert sum({at for at, other in enumerate(numbers) if other == number} <= set(run) for run in runs) == 1
    assert all(numbers[at] for run in runs for at in run)
