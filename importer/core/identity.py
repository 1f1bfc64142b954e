"""Who is who within a run: which rows are one profile, which would become one, and what happens to each.

The forecast takes the worst reading of a clash: whatever is linked merges. Rows are judged by whole groups of linked
rows; hashes mark candidates and texts prove them, so no row is ever linked by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.apart import apart_numbers, conflict_colours
from importer.core.forecast import StoreRules
from importer.core.identity_links import LinkedGroups
from importer.core.identity_members import ListedGroups, describe_groups, linking_values
from importer.core.identity_profiles import forecast_profiles
from importer.core.identity_reading import Candidates, candidates_of, read_identity_values
from importer.core.identity_result import (
    DROPS_SCHEMA,
    GROUPS_SCHEMA,
    DecidedBy,
    IdentityResult,
    RowCode,
    RowFates,
    RowState,
    number_waves,
    release,
)
from importer.core.identity_values import (
    KEY_COLUMN,
    BoolArray,
    IdentityRows,
    IdentityValues,
    ReadValues,
    differs,
    identifier_hash,
)
from importer.core.schema import IdentifierConfig
from importer.core.transform import IdentityPolicy, OnDuplicateKey, OnShared
from importer.core.union_find import Positions

__all__ = [
    "DROPS_SCHEMA",
    "GROUPS_SCHEMA",
    "KEY_COLUMN",
    "Candidates",
    "DecidedBy",
    "IdentityResult",
    "IdentityRows",
    "ReadValues",
    "RowCode",
    "RowFates",
    "RowState",
    "candidates_of",
    "identifier_hash",
    "release",
    "resolve_identity",
]


def resolve_identity(
    rows: IdentityRows,
    policy: IdentityPolicy,
    configs: Mapping[str, IdentifierConfig],
    read_values: ReadValues,
    rules: StoreRules | None = None,
    candidates: Iterable[Candidates] | None = None,
) -> IdentityResult:
    """Decide what happens to each row of a run, by the rows it is linked with.

    Rows are linked by an equal key, by an equal identifier of an idType with ``enforceUnique``, or by two equal
    identifiers of idTypes without. Linked rows are *combined* where they have one key (without key columns: always) and
    no column with two values; with one key and such a column `policy.on_duplicate_key` decides; every other group would
    merge profiles and is held, unless all that links it is allowed by `policy.on_shared`.

    Args:
        rows: Hashes; values on the deny list are already without.
        policy: What to do where identity is unclear.
        configs: The store's settings by idType; an idType without has the defaults.
        read_values: Reads the texts of candidates back.
        rules: The reading under which profiles are forecast, and the store's priorities; merge, and no priorities, if
            None. No row's fate depends on it.
        candidates: What `candidates_of` returned; asked for if None.
    """
    rules = rules or StoreRules(configs)
    values = read_identity_values(rows, candidates_of(rows) if candidates is None else candidates, read_values)
    drops = _drop_shared(values, policy)
    linked = LinkedGroups.find(values, configs)
    verdict = _judge(values, linked, policy)
    if policy.on_duplicate_key is OnDuplicateKey.LAST:
        _drop_older(values, linked, verdict.duplicate, drops)
    frame = drops.frame()
    draft = _settle(values, linked, verdict, frame)
    shares = _loose_entries(values, draft, rules)
    apart = apart_numbers(draft.group, *shares)
    listed = ListedGroups(verdict.number, verdict.merge, verdict.action == RowState.SEQUENCE)
    linking = linking_values(values, linked, listed, rules)
    profile = forecast_profiles(values, linked, verdict.number >= 0, rules)
    wave = np.where(apart >= 0, number_waves(draft.state, apart), _colours(values, draft, shares))
    # Up to here rows are numbered among those that share something.
    row = values.rows
    return IdentityResult(
        n=rows.n,
        fates=RowFates(
            row=row,
            state=draft.state,
            carried_by=_placed(draft.carried_by, row),
            group=draft.group,
            apart=_placed(apart, row),
            wave=wave,
            code=draft.code,
            profile=profile,
        ),
        drops=frame.with_columns(row=pl.Series(row[frame["row"].to_numpy()])),
        groups=describe_groups(values, linked, listed, profile, linking),
        links=linking.links,
        loose=(row[shares[0]], shares[1]),
        dropped=dict(frame.group_by("id_type").len().sort("id_type").iter_rows()),
        notes=tuple(
            f"identifier type {name} is matched by the service's fuzzy rules: its merges cannot be forecast"
            for name in values.types
            if name in configs and configs[name].matching_algo == "fuzzy"
        ),
    )


def _placed(places: Positions, rows: Positions) -> Positions:
    """Turn places in `rows` into rows; -1 stays."""
    return np.where(places >= 0, rows[places], -1) if rows.size else places


@dataclass(slots=True)
class _Drops:
    """Values that leave their rows, collected."""

    pieces: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: Positions, column: str, id_type: str, code: RowCode) -> None:
        if not rows.size:
            return
        frame = pl.DataFrame({"row": rows})
        self.pieces.append(frame.with_columns(column=pl.lit(column), id_type=pl.lit(id_type), code=pl.lit(code.code)))

    def frame(self) -> pl.DataFrame:
        if not self.pieces:
            return pl.DataFrame(schema=DROPS_SCHEMA)
        return pl.concat(self.pieces).select(DROPS_SCHEMA.names()).sort("row", maintain_order=True)


def _drop_shared(values: IdentityValues, policy: IdentityPolicy) -> _Drops:
    """Drop the values that `on_shared: drop-value` takes from all of their rows: they no longer count or link."""
    drops = _Drops()
    clashing = {
        id_type: _clashes(values, id_type)
        for id_type in values.types
        if policy.on_shared.get(id_type) is OnShared.DROP_VALUE
    }
    for id_type, dropped in clashing.items():
        shared = values.shared[id_type]
        entries = dropped[shared.value]
        for number, column in enumerate(shared.columns):
            rows = shared.row[entries & (shared.column == number)]
            drops.add(rows, column, id_type, RowCode.SHARED_IDENTIFIER)
            values.codes[column][rows] = -1
        values.shared[id_type] = shared.without(dropped)
    return drops


def _clashes(values: IdentityValues, id_type: str) -> BoolArray:
    """Tell which values of an idType are under two keys; without key columns, in rows that conflict otherwise."""
    shared = values.shared[id_type]
    if values.keys is not None:
        return shared.spread(values.keys)
    result = np.zeros(shared.count, dtype=np.bool_)
    for other, columns in values.types.items():
        for column in columns if other != id_type else ():
            result |= shared.spread(values.codes[column])
    return result


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What each group of linked rows is: `action` and `code` for its rows, `number` if it is listed, else -1."""

    merge: BoolArray
    duplicate: BoolArray
    action: npt.NDArray[np.uint8]
    code: npt.NDArray[np.uint8]
    number: Positions


_ON_DUPLICATE: Final = {
    OnDuplicateKey.LAST: RowState.COMBINED,
    OnDuplicateKey.REJECT: RowState.REJECTED,
    OnDuplicateKey.ALL: RowState.SEQUENCE,
}


def _judge(values: IdentityValues, linked: LinkedGroups, policy: IdentityPolicy) -> _Verdict:
    """Judge each group: combined, held or sent in order, or by the policy for duplicate keys."""
    conflict = np.zeros(linked.starts.size, dtype=np.bool_)
    for codes in values.codes.values():
        conflict |= differs(codes[linked.rows], linked.starts)
    merge = conflict if values.keys is None else differs(values.keys[linked.rows], linked.starts)
    duplicate = conflict & ~merge
    allows = np.array([policy.on_shared.get(name) is OnShared.ALLOW for name in values.types], dtype=np.bool_)
    allowed = ~(linked.linking & ~allows).any(axis=1)
    action = np.full(merge.size, RowState.COMBINED, dtype=np.uint8)
    action[merge] = RowState.HELD
    action[merge & allowed] = RowState.SEQUENCE
    action[duplicate] = _ON_DUPLICATE[policy.on_duplicate_key]
    code = np.where(merge, RowCode.MERGE_GROUP, np.where(duplicate, RowCode.DUPLICATE_KEY, RowCode.NONE))
    listed = merge | (action == RowState.SEQUENCE)
    return _Verdict(merge, duplicate, action, code.astype(np.uint8), np.where(listed, np.cumsum(listed), -1))


def _drop_older(values: IdentityValues, linked: LinkedGroups, duplicate: BoolArray, drops: _Drops) -> None:
    """Of rows of one key whose identifiers conflict, only the newest value of each column stays."""
    ordinals = np.arange(linked.rows.size)
    for id_type, columns in values.types.items():
        for column in columns:
            codes = values.codes[column][linked.rows]
            newest = np.maximum.reduceat(np.where(codes >= 0, ordinals, -1), linked.starts)
            older = duplicate[linked.at] & (codes >= 0) & (codes != codes[newest][linked.at])
            drops.add(linked.rows[older], column, id_type, RowCode.DUPLICATE_KEY)


@dataclass(frozen=True, slots=True)
class _Draft:
    """State, carrier, group and code of each row."""

    state: npt.NDArray[np.uint8]
    carried_by: Positions
    group: Positions
    code: npt.NDArray[np.uint8]


def _settle(values: IdentityValues, linked: LinkedGroups, verdict: _Verdict, drops: pl.DataFrame) -> _Draft:
    """Give each row what its group was judged to; hold rows that no identifier is left for."""
    rows, at = linked.rows, linked.at
    draft = _Draft(
        state=np.full(values.n, RowState.SEND, dtype=np.uint8),
        carried_by=np.full(values.n, -1, dtype=np.int64),
        group=np.full(values.n, -1, dtype=np.int64),
        code=np.full(values.n, RowCode.NONE, dtype=np.uint8),
    )
    draft.state[rows] = verdict.action[at]
    draft.code[rows] = verdict.code[at]
    draft.group[rows] = verdict.number[at]
    combined = verdict.action == RowState.COMBINED
    carriers = rows[linked.starts + linked.sizes - 1]
    draft.carried_by[rows] = np.where(combined, carriers, -1)[at]
    draft.carried_by[carriers] = -1
    draft.state[carriers[combined]] = RowState.SEND
    stuck = _stuck(values, linked, combined, drops)
    stuck &= draft.state != RowState.REJECTED
    draft.state[stuck] = RowState.HELD
    draft.code[stuck] = RowCode.SHARED_IDENTIFIER
    draft.carried_by[stuck] = -1
    return draft


def _loose_entries(values: IdentityValues, draft: _Draft, rules: StoreRules) -> tuple[Positions, Positions]:
    """Return payloads and their values of idTypes that link nobody alone, each value with a number of its own.

    A combined row's values go with the row that carries it, so that row stands for it.
    """
    payload = np.where(draft.carried_by >= 0, draft.carried_by, np.arange(values.n))
    rows, numbers, first = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)], 0
    for id_type, shared in values.shared.items():
        if not rules.config(id_type).enforce_unique:
            rows.append(payload[shared.row])
            numbers.append(shared.value + first)
            first += shared.count
    return np.concatenate(rows), np.concatenate(numbers)


def _colours(values: IdentityValues, draft: _Draft, shares: tuple[Positions, Positions]) -> npt.NDArray[np.uint32]:
    """Keep payloads that share a value and belong to no group in different bodies, in any order."""
    row, value = (
        entries[(draft.group[shares[0]] < 0) & (draft.state[shares[0]] == RowState.SEND)] for entries in shares
    )
    return conflict_colours(values.n, row, value)


def _stuck(values: IdentityValues, linked: LinkedGroups, combined: BoolArray, drops: pl.DataFrame) -> BoolArray:
    """Tell which rows lost their last identifier, and no row they are combined with has one."""
    identified = values.identified()
    lost = np.zeros(values.n, dtype=np.bool_)
    lost[drops["row"].to_numpy()] = True
    lost &= ~identified
    rows, at = linked.rows, linked.at
    whole = np.logical_or.reduceat(lost[rows], linked.starts) & ~np.logical_or.reduceat(identified[rows], linked.starts)
    lost[rows] = np.where(combined, whole, 0)[at] | (lost[rows] & ~combined[at])
    return lost
