"""Snapshots of a sync, as short as a test can write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from importer.core.snapshot import SNAPSHOT_SCHEMA, Decided


def snapshot(
    keys: Mapping[str, Mapping[str, str]],
    *,
    decided: Decided | None = None,
    held: str | None = None,
    held_at: datetime | None = None,
) -> pl.DataFrame:
    """Return a snapshot of keys that were delivered, with a value by idType each."""
    lines = [
        {
            "key": key,
            "fingerprint": b"delivered",
            "identifiers": [{"id_type": id_type, "value": value} for id_type, value in sorted(values.items())],
            "traits": 0,
            "refused": 0,
            "due": False,
            "seen": 1,
            "decided": decided.value if decided is not None else None,
            "held": held,
            "held_at": held_at,
        }
        for key, values in sorted(keys.items())
    ]
    return pl.DataFrame(lines, schema=SNAPSHOT_SCHEMA)
