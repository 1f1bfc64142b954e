"""The merge groups of a run as a frame, and what is decided about them."""

from __future__ import annotations

from typing import Final

import polars as pl

from importer.core.identity_result import DecidedBy, IdentityResult

GROUPS_FRAME: Final = pl.Schema(
    {
        "group": pl.Int64(),
        "kind": pl.String(),
        "id_types": pl.List(pl.String()),
        "decision": pl.String(),
        "rows": pl.Int64(),
        "keys": pl.Int64(),
        "hub": pl.Boolean(),
        "chain": pl.Boolean(),
        "linking_values": pl.Int64(),
        "most_shared": pl.Int64(),
        "profiles": pl.Int64(),
        "decided_by": pl.String(),
        "fingerprint": pl.String(),
    }
)
"""The groups as a run keeps them; ``decision``: ``held``, ``allowed`` or ``released``."""


def groups_frame(identity: IdentityResult) -> pl.DataFrame:
    """Return the groups as a run keeps them, `GROUPS_FRAME`."""
    decision = pl.when("allowed").then(pl.lit("allowed")).otherwise(pl.lit("held"))
    return identity.groups.with_columns(decision=decision).select(GROUPS_FRAME.names())


def with_decision(groups: pl.DataFrame, chosen: pl.Expr, by: DecidedBy) -> pl.DataFrame:
    """Note who decided about groups; what `DecidedBy.RELEASE` decided is let go.

    Args:
        groups: `GROUPS_FRAME`.
        chosen: Which of them.
        by: Who.
    """
    changed = groups.with_columns(decided_by=pl.when(chosen).then(pl.lit(by.value)).otherwise("decided_by"))
    if by is not DecidedBy.RELEASE:
        return changed
    return changed.with_columns(decision=pl.when(chosen).then(pl.lit("released")).otherwise("decision"))
