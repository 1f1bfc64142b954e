"""Rejected rows of sources that are no text: rejected.csv has their cells and codes, and can be read again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from importer.ports import SourceOptions
from importer.wiring.requests import Hooks
from importer.wiring.runs import validate
from tests.support.postgres import Postgres
from tests.support.runs import Workbench, bench_of

MAPPING: Final = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "phone": "Contact.phone",
        "points": {"to": "Loyalty.points", "type": "number"},
        "born": {"to": "Contact.birthDate", "parse": "date"},
        "tags": {"to": "Loyalty.tags", "type": "array", "split": "|"},
    },
}
BORN: Final = date(1980, 1, 2)
ROWS: Final[list[dict[str, Any]]] = [
    {"id": n, "email": f"p{n}@example.com", "phone": f"+1206958000{n}", "points": n, "born": BORN, "tags": ["a", "b|c"]}
    for n in range(1, 7)
]
ROWS[1]["phone"] = "12"
ROWS[4]["points"] = 1.5
COLUMNS: Final = ["id", "email", "phone", "points", "born", "tags"]

bench = bench_of(MAPPING)

Make = Callable[[Path, Postgres], tuple[str, SourceOptions]]


def a_query(folder: Path, server: Postgres) -> tuple[str, SourceOptions]:
    """Return the rows as what PostgreSQL selects."""
    tuples = ", ".join(
        f"({r['id']}, '{r['email']}', '{r['phone']}', {r['points']}::numeric, DATE '{r['born']}', ARRAY['a', 'b|c'])"
        for r in ROWS
    )
    query = f"SELECT * FROM (VALUES {tuples}) AS t ({', '.join(COLUMNS)}) ORDER BY id"  # noqa: S608 - the test's own rows
    return server.uri, SourceOptions(query=query)


def json_lines(folder: Path, server: Postgres) -> tuple[str, SourceOptions]:
    """Return the rows as JSON lines, one more of which is broken."""
    texts = [json.dumps(row | {"born": str(row["born"])}) for row in ROWS]
    (folder / "people.ndjson").write_text("\n".join([*texts, '{"id": 7, "email"', ""]), encoding="utf-8")
    return str(folder / "people.ndjson"), SourceOptions()


def a_sheet(folder: Path, server: Postgres) -> tuple[str, SourceOptions]:
    """Return the rows as an Excel sheet, where a list is a text."""
    xlsxwriter = pytest.importorskip("xlsxwriter")
    with xlsxwriter.Workbook(folder / "people.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, COLUMNS)
        days = book.add_format({"num_format": "yyyy-mm-dd"})
        for number, row in enumerate(ROWS, 1):
            sheet.write_row(number, 0, [row["id"], row["email"], row["phone"], row["points"], "", "a|b"])
            sheet.write_datetime(number, 4, row["born"], days)
    return str(folder / "people.xlsx"), SourceOptions()


@pytest.mark.parametrize(
    ("make", "lines", "tags", "malformed"),
    [
        (a_query, ["", ""], '["a","b|c"]', None),
        (json_lines, ["2", "5"], '["a","b|c"]', "# row 7, line 7: the line cannot be read: it is not one JSON object"),
        (a_sheet, ["3", "6"], "a|b", None),
    ],
    ids=["query", "ndjson", "excel"],
)
def test_rejected_rows_can_be_mended_and_read_again(
    bench: Workbench, postgres: Postgres, make: Make, lines: list[str], tags: str, malformed: str | None
) -> None:
    """Each with its key, cells, row number and codes; mended, the file passes with the same mapping, lists and all."""
    source, options = make(bench.folder, postgres)
    request = replace(bench.request(Path("unused")), source=(source,), source_options=options)
    report = validate(request, Hooks())
    folder = Path(report.folder or "")
    with (folder / "rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*COLUMNS, "_row_number", "_line", "_codes"]
    assert [(row["id"], row["_row_number"], row["_codes"]) for row in rows] == [
        ("2", "2", "invalid-phone"),
        ("5", "5", "type-mismatch"),
    ]
    assert [row["_line"] for row in rows] == lines
    assert {row["tags"] for row in rows} == {tags}
    assert {row["born"] for row in rows} == {"1980-01-02"}
    broken = folder / "rejected-malformed.txt"
    assert (broken.read_text(encoding="utf-8").splitlines()[0] if broken.exists() else None) == malformed
    mended = pl.read_csv(folder / "rejected.csv", infer_schema=False)
    mended = mended.with_columns(phone="+1206958001" + pl.col("id"), points=pl.lit("7"))
    mended.write_csv(bench.folder / "mended.csv")
    again = validate(bench.request(bench.folder / "mended.csv"), Hooks())
    assert (again.outcomes["planned"], again.issues) == (2, {})
