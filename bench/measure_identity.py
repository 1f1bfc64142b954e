"""Time the identity step alone: `python bench/measure_identity.py --rows 1000000`.

Each shape runs in a process of its own; the peak of memory has the hashes and texts of the rows in it, which a real run
has in its package.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.forecast import Reading, StoreRules
from importer.core.identity import KEY_COLUMN, IdentityRows, identifier_hash, resolve_identity
from importer.core.schema import IdentifierConfig
from importer.core.transform import IdentityPolicy

Numbers = npt.NDArray[np.int64]

SHARED: Final = 0.05
"""Share of rows that have an identifier of another row."""

_LOOSE: Final = {name: IdentifierConfig(name, enforce_unique=name == "email") for name in ("email", "phone")}


def _own(rows: int) -> tuple[Numbers, Numbers]:
    return np.arange(rows), np.arange(rows)


def pairs(rows: int) -> tuple[Numbers, Numbers]:
    """Let 5 % of the rows share an e-mail or a phone with one other row."""
    email, phone = _own(rows)
    second = np.flatnonzero(np.random.default_rng(7).random(rows) < SHARED / 2)
    second = second[second > 0]
    email[second[::2]] = email[second[::2] - 1]
    phone[second[1::2]] = phone[second[1::2] - 1]
    return email, phone


def chains(rows: int) -> tuple[Numbers, Numbers]:
    """Link every row with the next, a thousand in a row."""
    place = np.arange(rows)
    return (place + 1) // 2, np.where(place % 1000 == 999, -place - 1, place // 2)


def hub(rows: int) -> tuple[Numbers, Numbers]:
    """Give one phone to all rows."""
    email, phone = _own(rows)
    return email, phone * 0


SHAPES: Final[dict[str, tuple[Callable[[int], tuple[Numbers, Numbers]], StoreRules]]] = {
    "pairs": (pairs, StoreRules()),
    "pairs, first-match": (pairs, StoreRules(reading=Reading.FIRST_MATCH)),
    "pairs, phones not unique": (pairs, StoreRules(_LOOSE)),
    "chains of 1000": (chains, StoreRules()),
    "one hub": (hub, StoreRules()),
    "one hub, phones not unique": (hub, StoreRules(_LOOSE)),
}


def measure(shape: str, rows: int) -> dict[str, object]:
    """Resolve a shape in this process; return seconds, peak of memory and what was found."""
    make, rules = SHAPES[shape]
    email, phone = make(rows)
    texts = {
        "email": pl.Series("email", email).cast(pl.String) + "@example.com",
        "phone": "+1" + pl.Series("phone", phone).cast(pl.String),
        KEY_COLUMN: "C-" + pl.Series("key", np.arange(rows)).cast(pl.String),
    }
    hashes = {name: identifier_hash(texts[name]) for name in ("email", "phone")}
    keys = identifier_hash(texts[KEY_COLUMN])
    given = IdentityRows(rows, lambda: keys, hashes)
    started = time.perf_counter()
    result = resolve_identity(
        given, IdentityPolicy(), rules.configs, lambda column, at: texts[column].gather(at), rules
    )
    return {
        "shape": shape,
        "rows": rows,
        "seconds": round(time.perf_counter() - started, 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "groups": result.groups.height,
        "waves": int(result.wave.max()),
    }


def main() -> None:
    """Measure every shape, or the one named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shape", choices=SHAPES)
    options = parser.parse_args()
    if options.shape is not None:
        print(json.dumps(measure(options.shape, options.rows)))
        return
    print(f"{'shape':<28}{'s':>8}{'RSS MB':>9}{'groups':>10}{'waves':>10}")
    for shape in SHAPES:
        command = [sys.executable, __file__, "--rows", str(options.rows), "--shape", shape]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"{shape:<28}{found['seconds']:>8.2f}{found['peak_rss_mb']:>9}{found['groups']:>10,}{found['waves']:>10,}"
        )


if __name__ == "__main__":
    main()
