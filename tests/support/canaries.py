"""A source whose every cell can be recognised wherever it turns up, and a search that finds it there.

A canary is a text that stands in one cell, or in one credential, and nowhere else. Files are searched as they are and
as what they hold: compressed ones, databases and frames are opened.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import polars as pl

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"], "where": "country <> 'XX'"},
    "defaults": {"region": "US", "on_invalid": "reject"},
    "columns": {
        "email": "Contact.email",
        "mobile": {"to": "Contact.phone"},
        "first": "Contact.firstName",
        "points": {"to": "Loyalty.points", "type": "number"},
        "birthday": {"to": "Contact.birthDate", "parse": "date", "format": "%d/%m/%Y"},
        "vip": {"to": "Loyalty.isVip", "type": "boolean", "true_values": ["yes"], "false_values": ["no"]},
        "colours": {"to": "Loyalty.colours", "type": "array", "split": "|"},
        "note": {"to": "Account.note", "on_missing": "remove"},
    },
    "computed": {"Contact.fullName": "first || ' of ' || country"},
    "constants": {"Account.origin": "canaries"},
    "routing": {"import_min_rows": 6, "part_rows": 4},
}
COLUMNS: Final = ("id", "email", "mobile", "first", "points", "birthday", "vip", "colours", "note", "country", "extra")
LONGEST_NOTE: Final = 40
"""Characters of a note that a service may take without the client knowing of it."""


@dataclass(frozen=True)
class Row:
    """One row of the source.

    Attributes:
        kind: What becomes of it.
        cells: Text by column.
        raw: Its line, where it is not what its cells come to.
    """

    kind: str
    cells: Mapping[str, str]
    raw: str | None = None

    @property
    def line(self) -> str:
        """The row as it stands in the source."""
        if self.raw is not None:
            return self.raw
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow([self.cells[name] for name in COLUMNS])
        return text.getvalue()

    def canaries(self, *columns: str) -> list[str]:
        """Return what can be recognised: of these columns, of all if none is named."""
        shown = [self.cells[name] for name in columns or COLUMNS]
        return [piece for text in shown for piece in text.split("|") if len(piece) > 5]


def row_of(number: int, kind: str, **changed: str) -> Row:
    """Return a row that is fine but for what is changed; no two rows share a cell that is longer than five."""
    at = f"{kind}{number:02d}"
    cells = {
        "id": f"zqkey{at}qz",
        "email": f"zqemail{at}qz@example.com",
        "mobile": f"+4930901820{number:02d}",
        "first": f"zqfirst{at}qz",
        "points": f"19000000{number:02d}",
        "birthday": f"{number % 28 + 1:02d}/03/19{40 + number:02d}",
        "vip": "yes",
        "colours": "",
        "note": f"zqnote{at}qz",
        "country": "DE",
        "extra": f"zqextra{at}qz",
    }
    return Row(kind, cells | changed)


def canary_rows() -> list[Row]:
    """Return rows of every fate."""
    numbers = iter(range(100))

    def one(kind: str, **changed: str) -> Row:
        return row_of(next(numbers), kind, **changed)

    invalid = {
        "email": "zqbademailqz",
        "mobile": "zqbadmobileqz",
        "points": "zqbadpointsqz",
        "birthday": "zqbadbirthdayqz",
        "vip": "zqbadvipqz",
        "first": "zqbadfirst\x07qz",
        "note": "zqbadnoteqz" * 100,
    }
    twice, shared = "zqkeytwiceqz", "zqemailsharedqz@example.com"
    ragged, quoted = one("ragged"), one("quoted")
    return [
        *(one("import") for _ in range(8)),
        *(one("bulk", colours=f"zqred{n}qz|zqblue{n}qz") for n in range(4)),
        one("patch", colours="zqgreenqz", note=""),
        one("refused", colours="zqredqz", note="zqnoterefused".ljust(LONGEST_NOTE, "x") + "qz"),
        *(one("rejected", **{name: text}) for name, text in invalid.items()),
        one("combined", id=twice, email="zqemailtwiceqz@example.com", mobile="+493090182777"),
        one("combined", id=twice, email="zqemailtwiceqz@example.com", mobile="+493090182777"),
        one("held", email=shared),
        one("held", email=shared),
        one("skipped", country="XX"),
        Row("malformed", ragged.cells, f"{ragged.line},zqraggedqz"),
        Row("malformed", quoted.cells, quoted.line.replace(",zqextra", ',"a" zqextra', 1) + ",\\"),
    ]


def source_of(rows: Sequence[Row]) -> str:
    """Return the source."""
    return "\n".join([",".join(COLUMNS), *(row.line for row in rows), ""])


# --- searching -------------------------------------------------------------------------------------------------------


def spellings(text: str) -> tuple[str, ...]:
    """Return ways in which a text may turn up without being it: encoded, quoted, as a date of ours."""
    encoded = text.encode()
    ways = {text, quote(text, safe=""), encoded.hex(), text.replace("+", ""), "-".join(reversed(text.split("/")))}
    for before in range(3):  # base64 of a longer text that holds it, wherever it begins
        whole = base64.b64encode(b"x" * before + encoded).decode()
        ways.add(whole[4 if before else 0 : len(whole) // 4 * 4 - 4])
    return tuple(sorted(way.casefold() for way in ways if len(way) > 5))


def texts_of(path: Path) -> Iterator[str]:
    """Yield a file's content as it is, and whatever it holds in another form."""
    content = path.read_bytes()
    yield from texts_in(content)
    if content.startswith(b"PAR1"):
        yield repr(pl.read_parquet(path).to_dicts())
    elif content.startswith(b"ARROW1"):
        whole = content[: content.rindex(b"ARROW1") + 6]  # what may follow is no part of it
        yield repr(pl.read_ipc(whole).to_dicts())
    elif content.startswith(b"SQLite format 3\0"):
        yield from _tables(path)


def texts_in(content: bytes) -> Iterator[str]:
    """Yield bytes as text in each encoding that a text may be in."""
    yield content.decode("latin-1")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield content.decode("utf-16", "replace")
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content).decode("latin-1")


def _tables(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            yield repr(connection.execute(f'SELECT * FROM "{name}"').fetchall())  # noqa: S608 - the file's own names


def found_in(texts: Iterator[str], canaries: Sequence[str]) -> set[str]:
    """Return the canaries that turn up in any spelling."""
    ways = {canary: spellings(canary) for canary in canaries}
    found: set[str] = set()
    for text in texts:
        plain = text.casefold()
        found |= {canary for canary, spelled in ways.items() if any(way in plain for way in spelled)}
    return found
