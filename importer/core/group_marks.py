"""How a group is told again in a later run: a keyed hash over who is in it, which nobody can read a value from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import polars as pl

_GROUPS_AT_ONCE: Final = 20_000
_MARK_BYTES: Final = 16


def fingerprint_groups(
    members: pl.DataFrame, keys: pl.Series | None, identifiers: Mapping[str, list[pl.Series]], secret: bytes
) -> dict[int, str]:
    """Return a fingerprint of each group, the same whenever the same keys have the same identifiers in it.

    The order of rows, and how often one is repeated, does not matter; another member, or an identifier more or less,
    gives another fingerprint.

    Args:
        members: ``group``, one line a row.
        keys: Joined key of each row, null where it has none; None without key columns.
        identifiers: Normalised values of each row by idType, a column each; null is none.
        secret: Key of the hash, at most 64 bytes.
    """
    key = pl.lit("", dtype=pl.String) if keys is None else keys.fill_null("")
    pieces = [
        members.select("group", key=key, id_type=pl.lit(id_type), value=values).filter(pl.col("value").is_not_null())
        for id_type, columns in identifiers.items()
        for values in columns
    ]
    if not pieces:
        return {}
    # With its length before it no text can pass for two others.
    text = pl.concat_str(
        part for name in ("key", "id_type", "value") for part in (pl.col(name).str.len_bytes(), pl.lit(":"), name)
    )
    marks: dict[int, str] = {}
    groups = members["group"].unique().sort()
    for first in range(0, len(groups), _GROUPS_AT_ONCE):
        here = pl.col("group").is_between(groups[first], groups[min(first + _GROUPS_AT_ONCE, len(groups)) - 1])
        joined = (
            pl.concat(piece.filter(here) for piece in pieces)
            .select("group", text=text)
            .unique()
            .sort("group", "text")
            .group_by("group", maintain_order=True)
            .agg(pl.col("text").str.join("\n"))
        )
        for group, content in joined.iter_rows():
            marks[group] = hashlib.blake2b(content.encode(), key=secret, digest_size=_MARK_BYTES).hexdigest()
    return marks
