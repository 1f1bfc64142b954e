"""Catalogue of bad input, files and their bytes: what is no table, encodings, compression, sizes, names."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from tests.catalogue.trial import CANARY, Case, Read, Refused, parameters, try_out

HEAD: Final = "email,name\n"


def row(number: int, name: str = CANARY) -> str:
    """Return a row that is fine, with its line end."""
    return f"{CANARY}{number}@example.com,{name}\n"


def email(number: int) -> str:
    """Return the e-mail address of such a row."""
    return f"{CANARY}{number}@example.com"


TABLE: Final = HEAD + row(1) + row(2)
TWO: Final = Read(2, cells={"email": [email(1), email(2)]})
FIRST_MIB: Final = 4 * 1024 * 1024


def far_down(bad: bytes) -> bytes:
    """Return a table whose last but one row, beyond the first 4 MiB, holds these bytes."""
    filler = (f",{CANARY}" + "x" * 65_000 + "\n") * 66
    table = HEAD.replace("\n", ",note\n") + "".join(
        f"{CANARY}{n}@example.com,a{line}" for n, line in enumerate(filler.splitlines(keepends=True))
    )
    return table.encode() + f"{email(900)},".encode() + bad + f",x\n{email(901)},b,c\n".encode()


def named(name: str, content: bytes) -> object:
    """Return what writes a file of this name."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def pipe(folder: Path) -> Path:
    """Make a named pipe that nobody writes to."""
    os.mkfifo(folder / "table.csv")
    return folder / "table.csv"


NO_TABLE: Final = "whatever its name says"

CASES: Final = {
    1: [Case("nothing", b"", Refused(("empty",)))],
    2: [
        Case("header-only", HEAD.encode(), Refused(("a header and no rows",), "--allow-empty")),
        Case("allowed", HEAD.encode(), Read(0, notes=("a header and no rows",)), options={"allow_empty": True}),
    ],
    3: [Case("bom", TABLE.encode("utf-8-sig"), TWO)],
    4: [
        Case(f"utf-16-{order}", f"\ufeff{TABLE}".encode(f"utf-16-{order}"), Read(2, cells=TWO.cells, notes=("utf-16",)))
        for order in ("le", "be")
    ],
    5: [
        Case(f"utf-16-{order}", TABLE.encode(f"utf-16-{order}"), Refused(("UTF-16",), f"--encoding utf-16-{order}"))
        for order in ("le", "be")
    ],
    6: [
        Case(
            "latin-1",
            (HEAD + row(1, "José")).encode("latin-1"),
            Refused(("byte 38 (line 2)", "latin-1"), "--encoding latin-1"),
        ),
        Case("cp1252", (HEAD + row(1, "“x”")).encode("cp1252"), Refused(("line 2", "cp1252"), "--encoding cp1252")),
        Case(
            "asked-for",
            (HEAD + row(1, "José")).encode("latin-1"),
            Read(1, cells={"name": ["José"]}),
            options={"encoding": "latin-1"},
        ),
    ],
    7: [Case("far-down", far_down(b"Jos\xe9"), Read(67, [(67, 68, "malformed-row")], says="bytes"))],
    8: [
        Case("surrogate", HEAD.encode() + b"x@example.com,\xed\xa0\x80\n", Refused(("not UTF-8", "line 2"))),
        Case("far-down", far_down(b"\xed\xa0\x80"), Read(67, [(67, 68, "malformed-row")])),
    ],
    9: [Case("cr", TABLE.replace("\n", "\r").encode(), TWO)],
    10: [
        Case("crlf", TABLE.replace("\n", "\r\n").encode(), Read(2, cells={"name": [CANARY, CANARY]})),
        Case("mixed", (HEAD + row(1)[:-1] + "\r\n" + row(2)).encode(), Read(2, cells={"name": [CANARY, CANARY]})),
        Case("no-end", TABLE[:-1].encode(), Read(2, cells={"name": [CANARY, CANARY]})),
        Case("crlf-no-end", TABLE.replace("\n", "\r\n")[:-2].encode(), Read(2, cells={"name": [CANARY, CANARY]})),
    ],
    28: [
        Case("png", b"\x89PNG\r\n\x1a\n" + bytes(200), Refused(("PNG", NO_TABLE))),
        Case("pdf", b"%PDF-1.7\n" + bytes(200), Refused(("PDF", NO_TABLE))),
    ],
    29: [
        Case("xlsx", b"PK\x03\x04\x14\x00" + bytes(200), Refused(("Excel", NO_TABLE), "export it as CSV")),
        Case("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200), Refused(("Excel",), "export it as CSV")),
        Case("in-gz", gzip.compress(b"PK\x03\x04\x14\x00" + bytes(200)), Refused(("Excel",))),
    ],
    30: [
        Case("gif", b"GIF89a" + bytes(200), Refused(("GIF",))),
        Case("nul", bytes(5000), Refused(("NUL",))),
        Case("nul-utf-16", bytes(9000), Refused(("NUL",))),
    ],
    31: [
        Case("login", f"<!DOCTYPE html><html><p>{CANARY}".encode(), Refused(("HTML",), "log-in page")),
        Case("json", f'{{"error": "{CANARY}"}}\n'.encode(), Refused(("JSON",))),
        Case("xml", f"<?xml version='1.0'?><e>{CANARY}</e>".encode(), Refused(("XML",))),
    ],
    32: [
        Case("gz", gzip.compress(TABLE.encode()), TWO),
        Case("gz-name", named("table.csv.gz", gzip.compress(TABLE.encode())), TWO),  # type: ignore[arg-type]
        Case("zst", pa.Codec("zstd").compress(TABLE.encode()).to_pybytes(), TWO),
        Case("members", gzip.compress(HEAD.encode()) + gzip.compress((row(1) + row(2)).encode()), TWO),
        Case("gz-name-only", named("table.csv.gz", TABLE.encode()), TWO),  # type: ignore[arg-type]
    ],
    33: [
        Case("cut", gzip.compress(far_down(b"x"))[:-9], Refused(("the gz file ends too early",))),
        Case("crc", gzip.compress(TABLE.encode())[:-8] + bytes(8), Refused(("the gz file is damaged",))),
        Case("after", gzip.compress(TABLE.encode()) + b"\x1f\x8b\x08cut", Refused(("the gz file",))),
    ],
    34: [
        Case("bomb", gzip.compress((HEAD + "," * 70_000_000).encode(), 9), Refused(("more than 200 times",))),
        Case(
            "members",
            gzip.compress(HEAD.encode()) + gzip.compress((",\n" * 10_000).encode(), 9) * 6000,
            Refused(("more than 200 times",)),
        ),
    ],
    35: [
        Case(
            "field",
            (HEAD + row(1) + row(2, "x" * 3_000_000) + row(3)).encode(),
            Refused(("line 3", "2 MiB"), "--max-field"),
            options={"max_field_bytes": 2 * 1024 * 1024},
        ),
        Case("line", (HEAD + row(1) + "x" * 20_000_000).encode(), Refused(("line 3", "16 MiB"))),
        Case("raised", (HEAD + row(1, "x" * 17_000_000)).encode(), Refused(("line 2",), "--max-field")),
    ],
    37: [
        Case("folder", lambda folder: folder, Refused(("a directory",))),
        Case("missing", lambda folder: folder / "no.csv", Refused(("no such file",))),
        Case("pipe", pipe, Refused(("a named pipe",))),
        Case("device", lambda _: Path("/dev/zero"), Refused(("a device",))),
    ],
    38: [Case("brackets", named("a[1].csv", TABLE.encode()), TWO)],  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_what_comes_of_a_file(case: Case, tmp_path: Path) -> None:
    """Each file of the catalogue is answered as its line says, and no cell is shown."""
    try_out(case, tmp_path)
