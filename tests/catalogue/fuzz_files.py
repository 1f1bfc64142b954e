"""Sources and mappings that a seed stands for: fine ones, changed some times."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from random import Random
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from tests.catalogue.trial import CANARY

MAPPING: Final = """\
version: 1
source:
  key: [id]
  null_tokens: ["", "-"]
  where: "country <> 'XX'"
defaults: {region: US, on_missing: keep}
columns:
  email: Contact.email
  phone: {to: Contact.phone, region_from: country}
  name: Contact.firstName
  born: {to: Contact.birthDate, parse: date, format: "%d/%m/%Y"}
  points: {to: Loyalty.points, type: number, on_missing: remove}
  vip: {to: Loyalty.vip, type: boolean, true_values: ["yes", "1"], false_values: ["no", "0"]}
  tags: {to: Loyalty.tags, type: array, split: "|"}
computed: {Contact.fullName: "name || ' ' || country"}
constants: {Account.origin: crm}
rules: [{name: not-negative, check: "points >= 0", severity: warning}]
routing: {import_min_rows: 5}
"""
COLUMNS: Final = ("id", "email", "phone", "name", "born", "points", "vip", "tags", "country")
CELLS: Final = {
    "id": ("1", "2", "3", "007", f"{CANARY}7", ""),
    "email": (f"{CANARY}1@example.com", f"{CANARY}2@example.com", CANARY, "a@b@c", "é@example.com", ""),
    "phone": ("+13175551234", "(317) 555-1234", "030 901820", f"{CANARY}5", "1.3E+10", "-"),
    "name": (CANARY, f"{CANARY} José", f'"{CANARY}', f"{CANARY}\n{CANARY}", "a,b", "\u202e\u200bx", "🎉", ""),
    "born": ("01/02/2003", "31/02/2003", CANARY, "45000", ""),
    "points": ("1", "-5", "1.0", "2147483648", "1e400", "nan", CANARY, ""),
    "vip": ("yes", "no", CANARY, "TRUE", ""),
    "tags": ("a|b", f"{CANARY}|x", "|" * 200, '["a"]', ""),
    "country": ("US", "DE", "XX", CANARY, ""),
}
SNIPPETS: Final = (
    *(b'"', b'""', b"'", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"\\", b'\\"', b"\0", b"#"),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xed\xa0\x80",
        b"\xff",
        b"\xc3",
        b"\xf0\x9f\x8e",
        b"\xf4\x8f\xbf\x80",
    ),
    *("\u200b\u202e\u00a0\u2028\x85".encode(), b"=1+1", b"sep=;\n", b"PAR1", b"\x1f\x8b", b"PK\x03\x04", b"x" * 5000),
)
YAML_SNIPPETS: Final = (
    *(
        b"&a ",
        b"*a",
        b"<<: *a\n",
        b"!!python/object:os.system ",
        b"!!binary ",
        b"? ",
        b"- ",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(
        b"|\n",
        b">-\n",
        b"%YAML 1.1\n",
        b"---\n",
        b"...\n",
        b"null",
        b"~",
        b"yes",
        b"0o17",
        b"1e9999",
        b".nan",
        b"'",
        b'"',
    ),
    *(b"\t", b"  ", b"[" * 300, b"{a: " * 300, b"9" * 5000, b"2026-13-40", b"12:30:45", b"version: 2\n", b"columns:\n"),
    *(b"(" * 200, b" || " * 50, b" OVER ", b"SELECT ", b"::int", b"regexp_like(name, '(a{999}){999}')", b"%Q%%"),
)


def table_of(rng: Random) -> list[list[str]]:
    """Return a header and some rows."""
    rows = [[rng.choice(CELLS[name]) for name in COLUMNS] for _ in range(rng.randrange(1, 30))]
    return [list(COLUMNS), *rows]


def csv_of(rng: Random) -> bytes:
    """Return a text file that is fine."""
    delimiter = rng.choice(",,,;\t|")
    end = rng.choice(["\n", "\n", "\r\n", "\r"])

    def cell(text: str) -> str:
        special = any(char in text for char in f'"\r\n{delimiter}')
        return '"' + text.replace('"', '""') + '"' if special or rng.random() < 0.1 else text

    text = "".join(delimiter.join(map(cell, row)) + end for row in table_of(rng))
    return text.encode(rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32"]))


def parquet_of(rng: Random) -> bytes:
    """Return a Parquet file that is fine."""
    header, *rows = table_of(rng)
    columns: dict[str, pa.Array] = {
        name: pa.array([row[place] or None for row in rows]) for place, name in enumerate(header)
    }
    size = len(rows)
    columns["points"] = rng.choice(
        [
            pa.array([rng.choice([1, -5, 2**40, None]) for _ in rows], pa.int64()),
            pa.array([rng.choice([1.0, 2.5, float("nan"), None]) for _ in rows]),
            pa.array([rng.choice([0, 2**64 - 1]) for _ in rows], pa.uint64()),
        ]
    )
    columns["tags"] = rng.choice([columns["tags"], pa.array([[CANARY, "x"]] * size), pa.array([[1, None]] * size)])
    columns["born"] = rng.choice([columns["born"], pa.array([10**12] * size, pa.timestamp("ms"))])
    columns["extra"] = rng.choice([pa.nulls(size), pa.array([{"a": 1}] * size), pa.array([CANARY] * size)])
    content = io.BytesIO()
    pq.write_table(
        pa.table(columns),
        content,
        compression=rng.choice(["none", "snappy", "zstd", "gzip"]),
        use_dictionary=rng.random() < 0.5,
        row_group_size=rng.choice([3, 1000]),
        data_page_version=rng.choice(["1.0", "2.0"]),
    )
    return content.getvalue()


Mutator = Callable[[Random, bytes], bytes]


def flipped(rng: Random, content: bytes) -> bytes:
    """Change a byte."""
    place = rng.randrange(len(content) or 1)
    return content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]


def cut(rng: Random, content: bytes) -> bytes:
    """Cut the end off."""
    return content[: rng.randrange(len(content) + 1)]


def without(rng: Random, content: bytes) -> bytes:
    """Take a slice out."""
    first, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[min(end, first + rng.choice([1, 8, 200])) :]


def doubled(rng: Random, content: bytes) -> bytes:
    """Copy a slice to another place."""
    first, end, place = (rng.randrange(len(content) + 1) for _ in range(3))
    return content[:place] + content[first:end][:2000] * rng.choice([1, 1, 2, 50]) + content[place:]


def inserted(rng: Random, content: bytes) -> bytes:
    """Put in something that means something."""
    place = rng.choice([0, len(content), rng.randrange(len(content) + 1)])
    return content[:place] + rng.choice(SNIPPETS) * rng.choice([1, 1, 1, 2, 40]) + content[place:]


def swapped(rng: Random, content: bytes) -> bytes:
    """Change the order of lines, or of the fields of one."""
    lines = content.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], b",".join(reversed(lines[one].split(b",")))
    return b"\n".join(lines)


def exchanged(rng: Random, content: bytes) -> bytes:
    """Replace one byte throughout."""
    return content.replace(rng.choice([b",", b"\n", b'"', b" "]), rng.choice([*SNIPPETS[:16], b""]))


def packed(rng: Random, content: bytes) -> bytes:
    """Compress it, perhaps damaged, perhaps in members."""
    half = rng.randrange(len(content) + 1)
    if rng.random() < 0.5:
        whole = gzip.compress(content[:half], mtime=0) + gzip.compress(content[half:], mtime=0)
    else:
        whole = pa.Codec("zstd").compress(content or b"\n").to_pybytes()
    return rng.choice([flipped, cut])(rng, whole) if rng.random() < 0.4 else whole


def footer_changed(rng: Random, content: bytes) -> bytes:
    """Change bytes of the footer of a Parquet file."""
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = max(0, len(content) - 1 - rng.randrange(min(len(content), 3000) or 1))
        content = content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]
    return content


def indented(rng: Random, content: bytes) -> bytes:
    """Move a line of a mapping."""
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place] = rng.choice([b" " + lines[place], b"  " + lines[place], lines[place].lstrip(), b""])
    return b"\n".join(lines)


def word_changed(rng: Random, content: bytes) -> bytes:
    """Put something else in the place of a word of a mapping, or before it."""
    words = content.split(b" ")
    place = rng.randrange(len(words))
    words[place] = rng.choice(YAML_SNIPPETS) + rng.choice([b"", words[place], rng.choice(words)])
    return b" ".join(words)


TEXT: Final = (flipped, cut, without, doubled, inserted, inserted, swapped, exchanged)
PARQUET: Final = (flipped, flipped, cut, without, footer_changed, footer_changed, footer_changed)
YAML: Final = (flipped, without, doubled, word_changed, word_changed, indented, swapped)


def mutated(rng: Random, content: bytes, mutators: tuple[Mutator, ...]) -> bytes:
    """Change a file some times."""
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 6])):
        content = rng.choice(mutators)(rng, content)
    return content


def files_of(seed: int) -> tuple[str, bytes, bytes]:
    """Return what a seed is: its kind, source and mapping."""
    rng = Random(seed)
    kind = rng.choice(["csv", "csv", "csv", "parquet", "parquet", "mapping"])
    if kind == "parquet":
        return kind, mutated(rng, parquet_of(rng), PARQUET), MAPPING.encode()
    if kind == "mapping":
        return kind, csv_of(rng), mutated(rng, mutated(rng, MAPPING.encode(), YAML), YAML)
    content = mutated(rng, csv_of(rng), TEXT)
    return kind, packed(rng, content) if rng.random() < 0.2 else content, MAPPING.encode()
