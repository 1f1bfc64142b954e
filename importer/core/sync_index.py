"""Who has which identifier by what a sync delivered before: rows that would join two keys are found without a request.

The service keeps every identifier a profile ever got, so an old one counts as much as a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from importer.core.forecast import StoreRules
from importer.core.identity_result import IdentityResult, RowCode, RowState
from importer.core.identity_values import KEY_COLUMN, BoolArray, identifier_hash
from importer.core.schema import IdentifierConfig
from importer.core.stored import HITS_SCHEMA, StoredMatches, hold_stored, match_stored, payloads
from importer.core.transform import OnShared
from importer.core.union_find import Hashes, Positions

OWN: Final = "\x1fkey"
"""Stands for an idType where a row meets the profile of its own key."""


@dataclass(frozen=True, slots=True)
class Owned:
    """Values of one idType, each with the line of the snapshot that has it.

    Attributes:
        hash: `identifier_hash` of each, ascending.
        line: i64.
    """

    hash: Hashes
    line: Positions


@dataclass(frozen=True)
class Owners:
    """Keys and identifiers of a snapshot, by number.

    Attributes:
        keys: Hash of each line's key.
        values: By idType.
    """

    keys: Hashes
    values: Mapping[str, Owned]


def owners_of(pieces: Iterable[pl.DataFrame]) -> Owners:
    """Number a snapshot.

    Args:
        pieces: ``key``, ``identifiers`` of `importer.core.snapshot.SNAPSHOT_SCHEMA`, in order.
    """
    found: dict[str, list[tuple[Hashes, Positions]]] = {}
    keys = [np.empty(0, dtype=np.uint64)]
    first = 0
    for piece in pieces:
        keys.append(identifier_hash(piece["key"]))
        values = (
            piece.select("identifiers")
            .with_row_index("line", first)
            .explode("identifiers", keep_nulls=False, empty_as_null=False)
            .unnest("identifiers")
        )
        for (id_type,), part in values.group_by("id_type"):
            lines = part["line"].cast(pl.Int64).to_numpy()
            found.setdefault(str(id_type), []).append((identifier_hash(part["value"]), lines))
        first += piece.height
    return Owners(np.concatenate(keys), {id_type: _sorted(parts) for id_type, parts in found.items()})


def _sorted(parts: Sequence[tuple[Hashes, Positions]]) -> Owned:
    hashes, lines = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(hashes, kind="stable")
    return Owned(hashes[order], lines[order])


def foreign_hits(
    hashes: Mapping[str, Hashes],
    id_types: Mapping[str, str],
    keys: Hashes,
    rows: BoolArray,
    drops: pl.DataFrame,
    owners: Owners,
) -> pl.DataFrame:
    """Return which rows have a value that only other keys have, `HITS_SCHEMA`; the profile is such a key's line.

    Rows that have one meet the profile of their own key as well, by `OWN`: so a row that has one foreign value matches
    two profiles.

    Args:
        hashes: By column, 0 is none.
        id_types: idType of each column.
        keys: Hash of each row's key.
        rows: Which rows count.
        drops: `DROPS_SCHEMA`.
        owners: What was delivered before.
    """
    own = _lines_of(keys, owners.keys)
    pieces = [pl.DataFrame(schema=HITS_SCHEMA)]
    for column, all_hashes in hashes.items():
        owned = owners.values.get(id_types[column])
        if owned is None:
            continue
        has = rows & (all_hashes != 0)
        has[drops.filter(pl.col("column") == column)["row"].to_numpy()] = False
        row = np.flatnonzero(has)
        left, right = (np.searchsorted(owned.hash, all_hashes[row], side=side) for side in ("left", "right"))
        first = owned.line[np.minimum(left, len(owned.line) - 1)]
        # Nearly all rows have what only they have.
        strange = (right > left) & ((right > left + 1) | (first != own[row]))
        row, left, count = row[strange], left[strange], (right - left)[strange]
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        hit = pl.DataFrame({"row": np.repeat(row, count), "profile": owned.line[np.repeat(left, count) + offset]})
        # A value that the row's own key was delivered with, too, joins nothing that is apart.
        mine = hit.filter(pl.col("profile") == pl.Series(own[hit["row"].to_numpy()]))["row"]
        hit = hit.filter(~pl.col("row").is_in(mine.implode()))
        pieces.append(_hits(hit, column, id_types[column]))
    found = pl.concat(pieces)
    if found.is_empty():
        return found
    row = found["row"].unique().sort().to_numpy()
    _, number = np.unique(keys[row], return_inverse=True)
    profile = np.where(own[row] >= 0, own[row], len(owners.keys) + number)
    return pl.concat([found, _hits(pl.DataFrame({"row": row, "profile": profile}), KEY_COLUMN, OWN)])


def _hits(frame: pl.DataFrame, column: str, id_type: str) -> pl.DataFrame:
    named = frame.with_columns(column=pl.lit(column), id_type=pl.lit(id_type))
    return named.select(pl.col(name).cast(dtype) for name, dtype in HITS_SCHEMA.items())


def _lines_of(keys: Hashes, known: Hashes) -> Positions:
    """Return the line of each key; -1 where there is none."""
    if not known.size:
        return np.full(keys.size, -1, dtype=np.int64)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], keys), known.size - 1)
    line: Positions = np.where(known[order][place] == keys, order[place], -1).astype(np.int64)
    return line


def hold_strange(
    identity: IdentityResult,
    hits: pl.DataFrame,
    on_shared: Mapping[str, OnShared],
    keys: Hashes,
    rules: StoreRules,
) -> IdentityResult:
    """Hold the rows that would join two keys; see `hold_stored`.

    Args:
        identity: What was decided.
        hits: What `foreign_hits` returned.
        on_shared: The mapping's.
        keys: Hash of each row's key.
        rules: The store's.
    """
    if hits.is_empty():
        return identity
    rules = replace(rules, configs={**rules.configs, OWN: IdentifierConfig(OWN, enforce_unique=True)})
    policy = {**on_shared, OWN: OnShared.ALLOW}
    found = match_stored(identity, hits, keys, rules)
    held = hold_stored(identity, found, hits, policy, keys, rules)
    held = _with_groups(held, found, [name for name, how in policy.items() if how is OnShared.ALLOW])
    if held is identity:
        return identity
    shown = pl.col("id_types").list.eval(pl.element().filter(pl.element() != OWN))
    return replace(held, groups=held.groups.with_columns(shown), links=held.links.filter(pl.col("id_type") != OWN))


def _with_groups(identity: IdentityResult, found: StoredMatches, allowed: Sequence[str]) -> IdentityResult:
    """Hold whole groups that the mapping lets go, where a row of one would join a key that is not in the group."""
    strange = found.matches.filter(
        pl.col("payload").is_in(pl.Series(np.union1d(found.merging, found.meeting)).implode())
        & ~pl.col("id_types").list.eval(pl.element().is_in(allowed)).list.all()
    )
    row = strange["payload"].unique().to_numpy()
    fates = identity.fates
    groups = np.unique(fates.group[(fates.state == RowState.SEQUENCE) & np.isin(fates.row, row)])
    if not groups.size:
        return identity
    members = np.isin(fates.group, groups) & (fates.state == RowState.SEQUENCE)
    is_held = pl.col("group").is_in(groups.tolist())
    return replace(
        identity,
        fates=replace(
            fates,
            state=np.where(members, np.uint8(RowState.HELD), fates.state),
            code=np.where(members, np.uint8(RowCode.MERGE_WITH_STORED), fates.code),
            wave=np.where(members, np.uint32(0), fates.wave),
        ),
        groups=identity.groups.with_columns(
            allowed=pl.col("allowed") & ~is_held,
            kind=pl.when(is_held).then(pl.lit("merge")).otherwise("kind"),
            decided_by=pl.when(~is_held).then("decided_by"),
        ),
    )


def rows_in_question(identity: IdentityResult) -> BoolArray:
    """Return which rows may go out, or are carried by one that may."""
    state = identity.state[payloads(identity)]
    rows: BoolArray = np.isin(state, [RowState.SEND, RowState.SEQUENCE, RowState.HELD])
    return rows
