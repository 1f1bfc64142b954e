"""A source that cannot be compressed, so that its size is the size of what a run writes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

from tests.support.runs import Workbench

KIB: Final = 1024
MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "note": "Account.note"},
}


def write_noise(bench: Workbench, count: int, *more: str, long_keys: bool = False) -> Path:
    """Write `count` rows of some 300 bytes, and `more` lines; long keys make the outcomes large as well."""
    chance = random.Random(1)  # the same bytes each time
    path = bench.folder / "source.csv"
    rows = [
        f"{chance.randbytes(12).hex() if long_keys else n},p{n}@example.com,{chance.randbytes(140).hex()}"
        for n in range(count)
    ]
    path.write_text("\n".join(["id,email,note", *rows, *more]) + "\n", encoding="utf-8")
    return path
