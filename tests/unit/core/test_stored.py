"""Rows beside stored profiles: who matches, and who is held, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from importer.core.forecast import Reading, StoreRules
from importer.core.identity import IdentityResult, IdentityRows, RowCode, RowState, identifier_hash, resolve_identity
from importer.core.identity_values import KEY_COLUMN
from importer.core.schema import IdentifierConfig
from importer.core.stored import StoredMatches, distinct_values, hits_of, hold_stored, match_stored
from importer.core.transform import IdentityPolicy

TYPES = {name: name for name in ("email", "phone", "device", "cookie")}
RULES = StoreRules({name: IdentifierConfig(name, enforce_unique=name in ("email", "phone")) for name in TYPES})


class Case:
    """Rows with keys, and profiles with the values they hold."""

    def __init__(
        self, rows: Sequence[Mapping[str, str]], profiles: Sequence[Mapping[str, str]], keys: str | None
    ) -> None:
        self.texts = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in TYPES}
        self.hashes = {name: identifier_hash(series) for name, series in self.texts.items()}
        key_text = pl.Series(list(keys)) if keys is not None else None
        self.keys = None if key_text is None else identifier_hash(key_text)
        texts = self.texts if key_text is None else self.texts | {KEY_COLUMN: key_text}
        self.identity = resolve_identity(
            IdentityRows(len(rows), None if key_text is None else lambda: identifier_hash(key_text), self.hashes),
            IdentityPolicy(),
            RULES.configs,
            lambda column, positions: texts[column].gather(positions),
            RULES,
        )
        held = [(name, value, number) for number, one in enumerate(profiles) for name, value in one.items()]
        hashes = identifier_hash(pl.Series([value for _, value, _ in held], dtype=pl.String))
        found = pl.DataFrame(
            {"id_type": [name for name, *_ in held], "hash": hashes, "profile": [number for *_, number in held]}
        )
        everyone = np.ones(len(rows), dtype=np.bool_)
        self.asked = distinct_values(self.hashes, TYPES, everyone, self.identity.drops)
        self.hits = hits_of(self.hashes, TYPES, everyone, self.identity.drops, found)

    def matched(self) -> StoredMatches:
        """Match rows with profiles."""
        return match_stored(self.identity, self.hits, self.keys, RULES)

    def held(self, reading: Reading = Reading.MERGE) -> IdentityResult:
        """Hold what would merge."""
        rules = StoreRules(RULES.configs, reading=reading)
        return hold_stored(self.identity, self.matched(), self.hits, {}, self.keys, rules)


def test_each_value_is_asked_for_once() -> None:
    """A value of two rows is one read; the row that is named has it."""
    case = Case([{"email": "a", "phone": "1"}, {"email": "b"}, {"email": "a", "phone": "2"}], [], "112")
    asked = list(zip(case.asked.id_type, case.asked.row.tolist(), strict=True))
    assert sorted(case.texts[name][row] for name, row in asked) == ["1", "2", "a", "b"]


def test_one_unique_value_or_two_others_match() -> None:
    """A device alone matches nobody; with a cookie of the same profile it does."""
    profiles = [{"email": "a"}, {"device": "d", "cookie": "c"}, {"device": "e"}, {"cookie": "f"}]
    rows = [{"email": "a"}, {"device": "d"}, {"device": "d", "cookie": "c"}, {"device": "e", "cookie": "f"}]
    matches = Case(rows, profiles, "1234").matched().matches
    assert matches.select("payload", "profile").rows() == [(0, 0), (2, 1)]


def test_a_combined_row_counts_with_the_row_that_carries_it() -> None:
    """Two rows of one key are one payload: what the first has and the second has may be two profiles."""
    case = Case([{"email": "a"}, {"phone": "1"}], [{"email": "a"}, {"phone": "1"}], "11")
    assert case.matched().merging.tolist() == [1]
    held = case.held()
    assert held.state.tolist() == [RowState.COMBINED, RowState.HELD]
    assert held.code.tolist()[1] == RowCode.MERGE_WITH_STORED


def test_rows_without_keys_may_meet_in_a_profile() -> None:
    """Without key columns nobody says that they are different people."""
    case = Case([{"email": "a"}, {"phone": "1"}], [{"email": "a", "phone": "1"}], None)
    assert case.held().state.tolist() == [RowState.SEND] * 2


def test_what_profiles_bring_together_is_one_group_in_order() -> None:
    """Rows that hang together by stored profiles go one after the other; so do groups that share a device."""
    rows = [
        {"email": "a", "phone": "1"},
        {"phone": "2", "device": "d"},
        {"email": "x"},
        {"email": "b", "device": "d"},
        {"phone": "3"},
    ]
    profiles = [{"email": "a"}, {"phone": "1", "email": "q"}, {"email": "b", "phone": "3"}]
    rows[1] = {"phone": "2", "device": "d", "email": "q"}
    held = Case(rows, profiles, "12345").held()
    assert held.group.tolist() == [1, 1, -1, 2, 2]
    assert held.groups.select("group", "rows", "keys", "kind", "profiles").rows() == [
        (1, 2, 2, "merge", 1),
        (2, 2, 2, "merge", 1),
    ]
    assert len(set(held.apart[[0, 1, 3, 4]].tolist())) == 1, "two groups have a device in common"
    assert held.apart[2] == -1


def test_what_another_reading_makes_of_stored_profiles_is_not_known() -> None:
    """Under first-match the forecast gives no number of profiles."""
    case = Case([{"email": "a", "phone": "1"}], [{"email": "a"}, {"phone": "1"}], "1")
    assert case.held(Reading.FIRST_MATCH).groups["profiles"].to_list() == [None]
