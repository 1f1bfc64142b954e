"""Identity against a slow, plain reading of its rules, on random rows; and what must hold of any answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.combine import CARRIER, combine_rows
from importer.core.identity import (
    KEY_COLUMN,
    IdentityResult,
    IdentityRows,
    RowState,
    identifier_hash,
    release,
    resolve_identity,
)
from importer.core.schema import IdentifierConfig
from importer.core.transform import IdentityPolicy, OnDuplicateKey, OnShared
from importer.core.union_find import union

TYPES = ("email", "phone", "device", "cookie", "card")
LOOSE = ("device", "cookie", "card")
CONFIGS = {name: IdentifierConfig(name, enforce_unique=name not in LOOSE) for name in TYPES}

Row = dict[str, str]


@dataclass
class Case:
    """Rows with identifiers, their keys (None without key columns), and the policy."""

    rows: list[Row]
    keys: list[str | None] | None
    policy: IdentityPolicy


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw few values over many rows, so that all kinds of groups arise."""
    values = draw(st.integers(1, 12))
    text = st.sampled_from([None, None, *(f"v{number}" for number in range(values))])
    rows = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(TYPES, text)), min_size=1, max_size=14))
    key = st.sampled_from([None, *(f"k{number}" for number in range(draw(st.integers(1, 10))))])
    keyed = draw(st.booleans())
    keys = draw(st.lists(key, min_size=len(rows), max_size=len(rows))) if keyed else None
    policy = IdentityPolicy(
        on_duplicate_key=draw(st.sampled_from(OnDuplicateKey)),
        on_shared=draw(st.dictionaries(st.sampled_from(TYPES), st.sampled_from(OnShared))),
    )
    return Case([{name: v for name, v in row.items() if v is not None} for row in rows], keys, policy)


def resolve(case: Case, *, bad_hash: bool = False) -> IdentityResult:
    """Run the code under test; `bad_hash` gives almost every text the same hash."""

    def hashes(series: pl.Series) -> npt.NDArray[np.uint64]:
        good = identifier_hash(series)
        return np.where(good == 0, good, good % np.uint64(2) + np.uint64(1)) if bad_hash else good

    texts = {name: pl.Series([row.get(name) for row in case.rows], dtype=pl.String) for name in TYPES}
    keys = pl.Series(case.keys, dtype=pl.String) if case.keys is not None else None

    def read(column: str, positions: npt.NDArray[np.int64]) -> pl.Series:
        source = keys if column == KEY_COLUMN and keys is not None else texts[column]
        assert (np.diff(positions) > 0).all()
        return source.gather(positions)

    read_key_hash = None if keys is None else lambda: hashes(keys)
    rows = IdentityRows(len(case.rows), read_key_hash, {name: hashes(s) for name, s in texts.items()})
    return resolve_identity(rows, case.policy, CONFIGS, read)


@dataclass
class Plain:
    """The same rules without arrays: sets of row numbers, joined one after the other."""

    case: Case
    rows: list[Row] = field(init=False)
    groups: list[set[int]] = field(init=False)

    def __post_init__(self) -> None:
        """Drop, link, and join until nothing changes."""
        self.rows = [dict(row) for row in self.case.rows]
        self.drops = self.dropped()
        for number, name in self.drops:
            del self.rows[number][name]
        self.groups = [{number} for number in range(len(self.rows))]
        while pair := self.touching():
            self.groups.remove(pair[1])
            pair[0].update(pair[1])

    def key(self, number: int) -> object:
        """Give the key of a row; a row without one is its own."""
        assert self.case.keys is not None
        return number if self.case.keys[number] is None else self.case.keys[number]

    def dropped(self) -> set[tuple[int, str]]:
        """Find the values that are shared where the policy drops them."""
        result: set[tuple[int, str]] = set()
        for name in TYPES:
            if self.case.policy.on_shared.get(name) is not OnShared.DROP_VALUE:
                continue
            for value in {row[name] for row in self.case.rows if name in row}:
                having = [number for number, row in enumerate(self.case.rows) if row.get(name) == value]
                if self.case.keys is not None:
                    shared = len({self.key(number) for number in having}) > 1
                else:
                    shared = any(
                        len({self.case.rows[number][other] for number in having if other in self.case.rows[number]}) > 1
                        for other in TYPES
                        if other != name
                    )
                if shared:
                    result |= {(number, name) for number in having}
        return result

    def values(self, group: set[int], names: Sequence[str]) -> set[tuple[str, str]]:
        """Collect the identifiers of a group."""
        return {(name, self.rows[number][name]) for number in group for name in names if name in self.rows[number]}

    def touching(self) -> tuple[set[int], set[int]] | None:
        """Find two groups to join."""
        for one, other in combinations(self.groups, 2):
            if self.case.keys is not None and {self.key(n) for n in one} & {self.key(n) for n in other}:
                return one, other
            if self.values(one, ["email", "phone"]) & self.values(other, ["email", "phone"]):
                return one, other
            if len(self.values(one, LOOSE) & self.values(other, LOOSE)) > 1:
                return one, other
        return None

    def conflicts(self, group: set[int]) -> set[str]:
        """Name the idTypes with two values in a group."""
        return {name for name in TYPES if len(self.values(group, [name])) > 1}

    def kind(self, group: set[int]) -> str:
        """Say what a group is."""
        if len(group) == 1:
            return "alone"
        if self.case.keys is None:
            return "merge" if self.conflicts(group) else "combined"
        if len({self.key(number) for number in group}) > 1:
            return "merge"
        return self.case.policy.on_duplicate_key.value if self.conflicts(group) else "combined"


STATES = {
    "alone": {RowState.SEND},
    "combined": {RowState.COMBINED},
    "last": {RowState.COMBINED},
    "reject": {RowState.REJECTED},
    "all": {RowState.SEQUENCE},
    "merge": {RowState.HELD, RowState.SEQUENCE},
}


@settings(max_examples=500, deadline=None)
@given(cases())
def test_groups_and_states_are_those_of_the_rules(case: Case) -> None:
    """Every row is in the state its group has by the plain reading, and groups have the same rows."""
    result, plain = resolve(case), Plain(case)
    lost = {number for number, _ in plain.drops if not plain.rows[number]}
    for group in plain.groups:
        kind = plain.kind(group)
        newest = max(group)
        whole = kind in ("combined", "last")
        stuck = (
            (set(group) if group & lost and not any(plain.rows[n] for n in group) else set()) if whole else group & lost
        )
        for number in group:
            state = RowState(int(result.state[number]))
            carrier = newest if whole and number != newest and not stuck else -1
            assert result.carried_by[number] == carrier
            if number in stuck and kind != "reject":
                assert state is RowState.HELD
            elif whole and number == newest:
                assert state is RowState.SEND
            else:
                assert state in STATES[kind]
        listed = {int(number) for number in result.group[list(group)]}
        assert len(listed) == 1
        assert (listed != {-1}) == (kind in ("merge", "all"))


@settings(max_examples=120, deadline=None)
@given(cases())
def test_an_allowed_group_has_only_allowed_links(case: Case) -> None:
    """A merge group goes without a decision only if every idType that can link its keys is allowed."""
    result = resolve(case)
    for group in result.groups.filter(pl.col("kind") == "merge").iter_rows(named=True):
        allows = [case.policy.on_shared.get(name) is OnShared.ALLOW for name in group["id_types"]]
        assert group["id_types"]
        assert group["allowed"] == all(allows)
        states = {int(state) for state in result.state[result.group == group["group"]]}
        assert states <= {RowState.HELD, RowState.SEQUENCE if group["allowed"] else RowState.HELD}
        assert group["rows"] == int((result.group == group["group"]).sum())


@settings(max_examples=120, deadline=None)
@given(cases(), st.booleans())
def test_what_holds_of_every_answer(case: Case, everything: bool) -> None:
    """Carriers are sent, waves are orders, numbers are dense, drops are real; before and after a release."""
    result = resolve(case)
    if everything:
        result = release(result)
    n = len(case.rows)
    assert {a.size for a in (result.state, result.carried_by, result.group, result.wave, result.code)} == {n}
    carried = np.flatnonzero(result.state == RowState.COMBINED)
    assert (result.carried_by[carried] > carried).all()
    assert (result.state[result.carried_by[carried]] == RowState.SEND).all()
    assert (result.carried_by[result.state != RowState.COMBINED] == -1).all()
    going = np.isin(result.state, [RowState.SEND, RowState.SEQUENCE])
    assert (result.apart[result.state == RowState.SEQUENCE] >= 0).all()
    assert (result.wave[~going] == 0).all()
    assert ((result.apart >= 0) == (result.group >= 0)).all()
    waves: dict[int, list[int]] = defaultdict(list)
    for number in np.flatnonzero(going & (result.apart >= 0)):
        waves[int(result.apart[number])].append(int(result.wave[number]))
    assert all(found == list(range(1, len(found) + 1)) for found in waves.values())
    firsts = list(dict.fromkeys(int(number) for number in result.group if number >= 0))
    assert firsts == list(range(1, len(firsts) + 1)) == result.groups["group"].to_list()
    assert result.drops.select("row", "column").is_duplicated().sum() == 0
    assert all(name in case.rows[number] for number, name in result.drops.select("row", "column").iter_rows())
    assert sum(result.dropped.values()) == result.drops.height


@settings(max_examples=120, deadline=None)
@given(cases())
def test_no_two_rows_of_a_wave_share_an_identifier(case: Case) -> None:
    """Whether the value links or not: two profiles of one body that share it may be refused."""
    result = release(resolve(case))
    dropped = set(result.drops.select("row", "column").iter_rows())
    seen: set[tuple[int, str, str]] = set()
    for number, row in enumerate(case.rows):
        if result.state[number] not in (RowState.SEND, RowState.SEQUENCE):
            continue
        for name, value in row.items():
            if value is None or (number, name) in dropped:
                continue
            # ordinary rows and those of a group are never in one body, whatever their waves
            place = (int(result.wave[number]) + 1000 * int(result.group[number] >= 0), name, str(value))
            assert place not in seen
            seen.add(place)


@settings(max_examples=120, deadline=None)
@given(cases())
def test_a_bad_hash_changes_nothing(case: Case) -> None:
    """With collisions everywhere the answer is the same: texts prove every link."""
    good, bad = resolve(case), resolve(case, bad_hash=True)
    for name in ("state", "carried_by", "group", "apart", "wave", "code"):
        assert (getattr(good, name) == getattr(bad, name)).all()
    assert good.drops.equals(bad.drops)
    assert good.groups.equals(bad.groups)


@settings(max_examples=120, deadline=None)
@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_union_joins_what_edges_join(graph: tuple[int, list[tuple[int, int]]]) -> None:
    """Roots are the smallest members of the groups that a dictionary finds."""
    n, edges = graph
    groups = {number: {number} for number in range(n)}
    for one, other in edges:
        joined = groups[one] | groups[other]
        groups.update(dict.fromkeys(joined, joined))
    left, right = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    assert union(n, left, right).tolist() == [min(groups[number]) for number in range(n)]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, False, True])),
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_combining_is_replaying_the_rows(rows: list[tuple[int, str | None, bool | None]], random: object) -> None:
    """The combined row says what applying the rows one after the other would leave."""
    last = {owner: number for number, (owner, _, _) in enumerate(rows)}
    left: dict[int, tuple[str | None, bool]] = {}
    for owner, value, removal in rows:
        before = left.get(last[owner], (None, False))
        left[last[owner]] = (value, False) if value is not None else (None, True) if removal else before
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' random has no public type
    frame = pl.DataFrame(
        {"t": [rows[n][1] for n in shuffled], "remove:t": [rows[n][2] for n in shuffled]},
        schema={"t": pl.String, "remove:t": pl.Boolean},
    )
    carrier = np.array([last[rows[number][0]] for number in shuffled], dtype=np.int64)
    combined = combine_rows(frame, np.array(shuffled, dtype=np.int64), carrier)
    assert combined.rows() == [(owner, *left[owner]) for owner in sorted(left)]
    assert combined.columns[0] == CARRIER
