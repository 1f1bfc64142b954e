"""Write a file with known flaws, and the list of them: `python -m bench.exactness OUT --rows N --truth TRUTH`."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import BinaryIO, Final

from bench.exactness.flaws import COLUMNS
from bench.exactness.rows import Kind, Row, draw_rows

TRUTH_COLUMNS: Final = ("row_number", "line", "state", "code", "severity", "column")
JUDGED_BYTES: Final = 4 * 1024 * 1024 + 65_536
"""Bytes that are no text refuse a whole file where they are this early; later ones only their row."""

_NEEDLESS: Final = 0.05


@dataclass
class Pen:
    """Writes rows as comma-separated text, and keeps count of bytes and physical lines."""

    out: BinaryIO
    dice: Random
    size: int = 0
    line: int = 1
    ends: tuple[bytes, ...] = field(default=(b"\n", b"\n", b"\n", b"\r\n"))

    def write(self, content: bytes) -> None:
        """Write one record, without its end."""
        whole = content + self.dice.choice(self.ends)
        self.out.write(whole)
        self.size += len(whole)
        # a lone CR inside quotes ends a line as well, as it does in an editor
        self.line += whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")

    def header(self) -> None:
        """Write the names of the columns."""
        self.write(",".join(COLUMNS).encode())

    def row(self, row: Row) -> None:
        """Write a row the way its kind says."""
        self.write(self._blank(row) if row.kind == "blank" else self._record(row))

    def _blank(self, row: Row) -> bytes:
        text = row.cells["name"]
        return ("," * (len(COLUMNS) - 1) if text == "commas" else text).encode()

    def _record(self, row: Row) -> bytes:
        early = self.size < JUDGED_BYTES
        kind = "short" if early and row.kind in {"bytes", "surrogate", "cut", "nul"} else row.kind
        fields = [self._field(row.cells[name]) for name in COLUMNS]
        match kind:
            case "short":
                fields = fields[: self.dice.randrange(2, len(fields))]
            case "stump":
                fields = [b'"a line\nthat ends here"']
            case "long":
                fields.append(b'"one, too\nmany"')
            case "trailing":
                fields.append(b"")
            case "nul":
                fields[-1] = b"a\x00b"
            case "bytes":
                fields[1] = b"Jos\xe9"
            case "surrogate":
                fields[1] = b"\xed\xa0\x80"
            case "cut":
                fields[-1] = "\N{GRINNING FACE}".encode()[:-1]
            case "backslash":
                fields[-1] = b'"say \\"hi\\", and go"'
        return b",".join(fields)

    def _field(self, text: str) -> bytes:
        """Quote where a comma, a quote or a line end asks for it, and now and then for nothing."""
        must = any(sign in text for sign in ",\n\r") or text.startswith('"') or text != text.strip()
        odd = self.dice.random()
        # a quote in the middle of a cell needs no others around the cell; a quoted null token is a text
        if must or (odd < _NEEDLESS and text != "\\N") or ('"' in text and odd < 1 / 2):
            return ('"' + text.replace('"', '""') + '"').encode()
        return text.encode()


def truth_of(row: Row, line: int) -> Iterator[tuple[object, ...]]:
    """Yield the lines that the truth has of a row; a good row that goes as it is has none."""
    for code, severity, column in row.issues:
        yield row.number, line, row.state, code, severity, column
    if not row.issues and row.state != "planned":
        yield row.number, line, row.state, "", "", ""


def main(argv: list[str] | None = None) -> None:
    """Read the command line and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--tables-only", action="store_true", help="nothing that only a text file can have")
    parser.add_argument("--strict", action="store_true", help="the mapping has `required: true` for the badge")
    options = parser.parse_args(argv)
    with options.out.open("wb") as out, options.truth.open("w", encoding="utf-8", newline="") as truth_file:
        truth = csv.writer(truth_file, lineterminator="\n")
        truth.writerow(TRUTH_COLUMNS)
        pen = Pen(out, Random(options.seed))
        pen.header()
        for row in draw_rows(options.rows, options.seed, Kind(options.tables_only, options.strict)):
            truth.writerows(truth_of(row, pen.line))
            pen.row(row)


if __name__ == "__main__":
    main()
