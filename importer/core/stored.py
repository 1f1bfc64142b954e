"""Rows beside the profiles that the store has: who is known there, and which rows would merge what is there.

Reading is done elsewhere; this judges what was found. A row matches a profile by one unique identifier, or by two
others, as the service does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from importer.core.apart import apart_numbers
from importer.core.forecast import Reading, StoreRules
from importer.core.identity_members import HUB_ROWS, LINKS_SCHEMA
from importer.core.identity_result import GROUPS_SCHEMA, IdentityResult, RowCode, RowState, number_waves
from importer.core.identity_values import BoolArray
from importer.core.transform import OnShared
from importer.core.union_find import Hashes, Positions, union

HITS_SCHEMA: Final = pl.Schema(
    {"row": pl.Int64(), "column": pl.String(), "id_type": pl.String(), "profile": pl.Int64()}
)
"""A value of a row that a stored profile has; profiles are numbered."""

_COMPOUND: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """Distinct identifier values of some rows, each once.

    Attributes:
        id_type: idType of each value.
        column: A column that has it.
        row: A row that has it there: its text is read from there.
        hash: `identifier_hash` of each value.
    """

    id_type: tuple[str, ...]
    column: tuple[str, ...]
    row: Positions
    hash: Hashes


def distinct_values(
    hashes: Mapping[str, Hashes], id_types: Mapping[str, str], rows: BoolArray, drops: pl.DataFrame
) -> Asked:
    """List the values of rows that are to be asked for, those that identity dropped left out.

    Args:
        hashes: By column, 0 is none.
        id_types: idType of each column.
        rows: Which rows count.
        drops: `DROPS_SCHEMA`.
    """
    seen: dict[str, list[Hashes]] = {}
    types: list[str] = []
    columns: list[str] = []
    pieces: list[tuple[Positions, Hashes]] = []
    for column, all_hashes in hashes.items():
        has = rows & (all_hashes != 0)
        has[drops.filter(pl.col("column") == column)["row"].to_numpy()] = False
        place = np.flatnonzero(has)
        values, first = np.unique(all_hashes[place], return_index=True)
        earlier = seen.setdefault(id_types[column], [])
        new = ~np.isin(values, np.concatenate(earlier)) if earlier else np.ones(values.size, dtype=np.bool_)
        earlier.append(values)
        pieces.append((place[first[new]], values[new]))
        types += [id_types[column]] * int(new.sum())
        columns += [column] * int(new.sum())
    row = np.concatenate([np.empty(0, dtype=np.int64), *(place for place, _ in pieces)])
    return Asked(tuple(types), tuple(columns), row, np.concatenate([np.empty(0, np.uint64), *(v for _, v in pieces)]))


def payloads(identity: IdentityResult) -> Positions:
    """Return the row that goes out for each row: its own, or the one that carries it."""
    carrier = np.arange(identity.n)
    carrier[identity.fates.row] = identity.fates.carrier
    return carrier


def hits_of(
    hashes: Mapping[str, Hashes], id_types: Mapping[str, str], rows: BoolArray, drops: pl.DataFrame, found: pl.DataFrame
) -> pl.DataFrame:
    """Return which rows have a value that a stored profile has, `HITS_SCHEMA`.

    Args:
        hashes: By column.
        id_types: idType of each column.
        rows: Which rows count.
        drops: `DROPS_SCHEMA`.
        found: ``id_type``, ``hash`` (u64), ``profile``: what the store answered.
    """
    pieces = [pl.DataFrame(schema=HITS_SCHEMA)]
    for column, all_hashes in hashes.items():
        known = found.filter(pl.col("id_type") == id_types[column])
        has = rows & np.isin(all_hashes, known["hash"].to_numpy())
        has[drops.filter(pl.col("column") == column)["row"].to_numpy()] = False
        row = np.flatnonzero(has)
        frame = pl.DataFrame({"row": row, "hash": all_hashes[row]}, schema={"row": pl.Int64, "hash": pl.UInt64})
        joined = frame.join(known, on="hash", how="inner").with_columns(column=pl.lit(column))
        pieces.append(joined.select(pl.col(name).cast(dtype) for name, dtype in HITS_SCHEMA.items()))
    return pl.concat(pieces)


@dataclass(frozen=True)
class StoredMatches:
    """What rows would do to stored profiles.

    Attributes:
        matches: ``payload``, ``profile``, ``id_types``: profiles that a row to be sent matches.
        merging: Rows that match two or more profiles.
        meeting: Rows of different keys that match one profile.
    """

    matches: pl.DataFrame
    merging: Positions
    meeting: Positions


def match_stored(identity: IdentityResult, hits: pl.DataFrame, keys: Hashes | None, rules: StoreRules) -> StoredMatches:
    """Match rows with stored profiles by the store's settings.

    Args:
        identity: What was decided; a combined row counts with the row that carries it.
        hits: `HITS_SCHEMA`.
        keys: Hash of each row's key, 0 where it has none; None without key columns.
        rules: The store's.
    """
    carrier = payloads(identity)
    unique = [name for name in hits["id_type"].unique().to_list() if rules.config(name).enforce_unique]
    matches = (
        hits.with_columns(payload=pl.Series(carrier[hits["row"].to_numpy()]))
        .unique(["payload", "profile", "column", "row"])
        .group_by("payload", "profile")
        .agg(
            id_types=pl.col("id_type").unique().sort(),
            strong=pl.col("id_type").is_in(unique).any(),
            values=pl.col("column").n_unique(),
        )
        .filter(pl.col("strong") | (pl.col("values") >= _COMPOUND))
        .select("payload", "profile", "id_types")
        .sort("payload", "profile")
    )
    merging = matches.filter(pl.len().over("payload") > 1)["payload"].unique().sort().to_numpy()
    if keys is None:
        return StoredMatches(matches, merging, np.empty(0, dtype=np.int64))
    payload = matches["payload"].to_numpy()
    group = identity.group[payload]
    # a row without a key is somebody of its own; rows of one group are judged as that group
    own = np.where(keys[payload] == 0, payload.astype(np.uint64) | np.uint64(1 << 63), keys[payload])
    unit = pl.DataFrame({"group": group, "key": np.where(group >= 0, np.uint64(0), own)}).to_struct("unit")
    meeting = matches.with_columns(unit).filter(pl.col("unit").n_unique().over("profile") > 1)
    return StoredMatches(matches, merging, meeting["payload"].unique().sort().to_numpy())


def hold_stored(
    identity: IdentityResult,
    found: StoredMatches,
    hits: pl.DataFrame,
    on_shared: Mapping[str, OnShared],
    keys: Hashes | None,
    rules: StoreRules,
) -> IdentityResult:
    """Hold the rows that would merge stored profiles, or different keys by way of a stored profile.

    Rows of a group stay as they are: the group is held, or somebody allowed it. A row stays, too, whose idTypes are all
    allowed by `on_shared`. Rows that one profile brings together are one new group, released together.

    Args:
        identity: What was decided.
        found: What `match_stored` returned.
        hits: `HITS_SCHEMA`.
        on_shared: The mapping's.
        keys: Hash of each row's key; None without key columns.
        rules: The store's, with the reading of the forecast.
    """
    allowed = [name for name, policy in on_shared.items() if policy is OnShared.ALLOW]
    asked = np.union1d(found.merging, found.meeting).astype(np.int64)
    asked = asked[((identity.state == RowState.SEND) & (identity.group < 0))[asked]]
    links = found.matches.filter(pl.col("payload").is_in(pl.Series(asked).implode())).filter(
        ~pl.col("id_types").list.eval(pl.element().is_in(allowed)).list.all().all().over("payload")
    )
    if links.is_empty():
        return identity
    n = identity.n
    row, profile = links["payload"].to_numpy(), links["profile"].to_numpy()
    root = union(n + int(profile.max()) + 1, row, profile + n)[row]
    first = int(identity.groups["group"].max() or 0) + 1  # type: ignore[arg-type]  # a column of numbers
    links = links.with_columns(group=pl.Series(np.unique(root, return_inverse=True)[1].astype(np.int64) + first))
    fates = identity.fates.of_rows(np.union1d(identity.fates.row, row))
    at = np.searchsorted(fates.row, row)
    fates.state[at], fates.code[at] = RowState.HELD, RowCode.MERGE_WITH_STORED
    fates.group[at], fates.profile[at] = links["group"].to_numpy(), 1
    sharing, value = identity.loose
    first_of = apart_numbers(fates.group, np.searchsorted(fates.row, sharing), value)
    apart = np.where(first_of >= 0, fates.row[first_of], -1)
    wave = np.where(apart >= 0, number_waves(fates.state, apart), fates.wave)
    return replace(
        identity,
        fates=replace(fates, apart=apart, wave=wave),
        groups=pl.concat([identity.groups, _stored_groups(links, keys, rules)]),
        links=pl.concat([identity.links, _stored_links(links, hits)]).sort("row", maintain_order=True),
    )


def _stored_groups(links: pl.DataFrame, keys: Hashes | None, rules: StoreRules) -> pl.DataFrame:
    """Describe the new groups, `GROUPS_SCHEMA`: one profile under `Reading.MERGE`, not known under the others."""
    key = pl.Series(links["payload"].to_numpy() if keys is None else keys[links["payload"].to_numpy()])
    frame = (
        links.with_columns(key=key, meeting=pl.col("payload").n_unique().over("profile").cast(pl.Int64))
        .group_by("group", maintain_order=True)
        .agg(
            rows=pl.col("payload").n_unique(),
            keys=pl.col("key").n_unique(),
            id_types=pl.col("id_types").list.explode().unique().sort(),
            hub=pl.col("meeting").max() >= HUB_ROWS,
            chain=(pl.col("profile").n_unique() > 1) & (pl.col("payload").n_unique() > 1),
            linking_values=pl.col("profile").n_unique(),
            most_shared=pl.col("meeting").max(),
        )
        .sort("group")
        .with_columns(
            kind=pl.lit("merge"),
            allowed=pl.lit(value=False),
            profiles=pl.lit(1 if rules.reading is Reading.MERGE else None, dtype=pl.Int64),
            decided_by=pl.lit(None, dtype=pl.String),
            fingerprint=pl.lit(None, dtype=pl.String),
        )
    )
    if keys is None:
        frame = frame.with_columns(keys=pl.lit(None, dtype=pl.Int64))
    return frame.select(pl.col(name).cast(dtype) for name, dtype in GROUPS_SCHEMA.items())


def _stored_links(links: pl.DataFrame, hits: pl.DataFrame) -> pl.DataFrame:
    """Return the values by which the held rows meet a profile, `LINKS_SCHEMA`."""
    meeting = links.select("group", "profile", row="payload", rows=pl.col("payload").n_unique().over("profile"))
    found = hits.join(meeting, on=["row", "profile"]).unique(["row", "column"], maintain_order=True)
    return found.select(pl.col(name).cast(dtype) for name, dtype in LINKS_SCHEMA.items())
