"""The simulated source: rows that are good, bad, twice there, linked, without values, blank or not rows at all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from importer.errors import SourceChangedError, SourceError
from importer.ports import SourceChunk, SourceDescription, SourceFile
from tests.support.fakes import chunk_of

CANARY: Final = "cnry"
"""In every text cell, in credentials, in presigned URLs and in what the service says of errors."""

PHONE_CANARY: Final = "1317958"
"""In every phone number."""

COLUMNS: Final = ("id", "email", "phone", "ref", "points", "tier", "city", "second", "third")
CHUNK_ROWS: Final = 16
FURTHER: Final = ("second", "third")
"""Columns of further phone numbers; only one of the variants maps them."""

Cells = Mapping[str, str | None]


@dataclass(frozen=True)
class Variant:
    """A mapping, as far as variants differ."""

    keyed: bool
    on_duplicate_key: str
    phone: str
    further: bool = False

    def mapping(self) -> dict[str, Any]:
        """Return the mapping file."""
        return {
            "version": 1,
            "source": {"key": ["id"]} if self.keyed else {},
            "columns": {
                "email": "Contact.email",
                "phone": "Contact.phone",
                "ref": "Account.ref",
                "points": {"to": "Account.points", "type": "number"},
                "tier": {"to": "Account.tier", "on_missing": "keep" if self.further else "remove"},
                "city": {"to": "Account.city", "on_missing": "keep"},
                **({name: {"also": "Contact.phone"} for name in FURTHER} if self.further else {}),
            },
            "identity": {"on_duplicate_key": self.on_duplicate_key, "on_shared": {"phone": self.phone}},
        }


VARIANTS: Final = (
    Variant(keyed=True, on_duplicate_key="last", phone="allow"),
    Variant(keyed=True, on_duplicate_key="all", phone="hold"),
    Variant(keyed=True, on_duplicate_key="reject", phone="drop-value"),
    Variant(keyed=False, on_duplicate_key="last", phone="allow"),
    Variant(keyed=True, on_duplicate_key="last", phone="allow", further=True),
)
REMOVABLE: Final = frozenset({"Account.tier"})


@dataclass(frozen=True)
class Rows:
    """What the source holds.

    Attributes:
        cells: Cells by row number; a blank line has none.
        malformed: Raw text of what could not be read, by row number.
    """

    cells: Mapping[int, Cells]
    malformed: Mapping[int, bytes]

    @property
    def count(self) -> int:
        """Rows, blank and malformed ones included."""
        return len(self.cells) + len(self.malformed)


def row_of_ref(ref: str) -> int:
    """Return the number of the row whose `ref` cell this is."""
    return int(ref.split("-")[1])


def make_rows(rng: random.Random) -> Rows:
    """Draw a source."""
    count = rng.choice([6, 20, 40, 60])
    width = rng.choice([count // 2 + 1, count * 2, count * 8])
    uniform = rng.random() < 0.4
    cells: dict[int, Cells] = {}
    malformed: dict[int, bytes] = {}
    for number in range(1, count + 1):
        kind = rng.random()
        if number > 1 and kind < 0.03:
            malformed[number] = f"{CANARY},{number},too,many".encode()
        elif number > 1 and kind < 0.06:
            cells[number] = {}
        else:
            cells[number] = _row(rng, number, width, uniform=uniform)
            before = rng.choice(list(cells.values()))
            if not uniform and before and rng.random() < 0.3:
                # Somebody the source knew before, under another key, who lost a value since.
                cells[number] = {**cells[number], "phone": before["phone"], "tier": None}
    return Rows(cells, malformed)


def _row(rng: random.Random, number: int, width: int, *, uniform: bool) -> Cells:
    email: str | None = f"{CANARY}{rng.randrange(width)}@example.com"
    phone: str | None = f"+{PHONE_CANARY}{rng.randrange(width):04d}"
    shape = 0 if uniform else rng.random()
    if shape > 0.75:
        email, phone = rng.choice([(email, None), (None, phone), (None, None)])
    return {
        "id": f"K{rng.randrange(width)}",
        "email": email,
        "phone": phone,
        "ref": f"{CANARY}-{number}",
        "points": "many" if rng.random() < 0.03 else str(7_700_000 + number),
        "tier": f"{CANARY} gold {number}" if uniform or rng.random() < 0.7 else None,
        "city": CANARY + "ville" * rng.randrange(1, 12)
        if uniform or rng.random() < 0.8
        else rng.choice([None, 'ñ, "x"']),
        **_further(random.Random(f"further {number} {width}"), width),
    }


def _further(rng: random.Random, width: int) -> Cells:
    """Draw further numbers, some of them somebody's first; no other cell depends on them."""
    shares = (0.4, 0.2)
    numbers = [f"+{PHONE_CANARY}{rng.randrange(rng.choice([width, 9999])):04d}" for _ in FURTHER]
    return {
        name: number if rng.random() < share else None
        for name, number, share in zip(FURTHER, numbers, shares, strict=True)
    }


@dataclass
class SimulatedSource:
    """A source of one file.

    Attributes:
        rows: What it holds.
        fault: ``io`` or ``changed``: what happens in the middle of reading; None for nothing.
    """

    rows: Rows
    fault: str | None = None

    def describe(self) -> SourceDescription:
        """Describe the file."""
        return SourceDescription("csv", (SourceFile("rows.csv", "rows.csv", 1, 1, 1),), COLUMNS)

    def fingerprint(self) -> str:
        """Return a hash that says nothing."""
        return "simulated"

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield the rows, or half of them and an error."""
        for chunk in _chunks(self.rows):
            yield chunk
            if self.fault == "io":
                raise SourceError("rows.csv cannot be read further (Input/output error)")
            if self.fault == "changed":
                raise SourceChangedError("rows.csv changed while it was read")


def _chunks(rows: Rows) -> Iterator[SourceChunk]:
    numbers = np.arange(1, rows.count + 1).tolist()
    for start in range(0, rows.count, CHUNK_ROWS):
        stretch: Sequence[int] = numbers[start : start + CHUNK_ROWS]
        yield chunk_of(
            [rows.cells[number] for number in stretch if number in rows.cells],
            first=stretch[0],
            malformed={number: rows.malformed[number] for number in stretch if number in rows.malformed},
            columns=COLUMNS,
        )
