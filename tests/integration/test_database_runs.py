"""Runs from a database: the same checks, packages and accounts as from a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from importer.errors import SourceError
from importer.ports import SourceOptions
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.runs import plan, validate
from importer.wiring.sending import run_import
from tests.support.postgres import Postgres
from tests.support.runs import DELIVERED, QUICK, Workbench, outcomes_of, workbench

ROWS: Final = 120
MAPPING: Final = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "phone": "Contact.phone",
        "points": {"to": "Loyalty.points", "type": "number"},
        "tags": {"to": "Loyalty.tags", "type": "array"},
        "since": {"to": "Account.since", "parse": "date"},
    },
}
QUERY: Final = "SELECT * FROM crm WHERE id <= $1::int ORDER BY id"


@pytest.fixture(scope="module")
def crm(postgres: Postgres) -> Postgres:
    """Make a table of people; the number of row 7 does not fit its trait."""
    postgres.execute(
        "DROP TABLE IF EXISTS crm",
        "CREATE TABLE crm AS SELECT g AS id, 'p' || g || '@example.com' AS email, '+1206555' || lpad(g::text, 4, '0') "
        "AS phone, (CASE WHEN g = 7 THEN 1.5 ELSE g END)::numeric(10, 2) AS points, ARRAY['a', 'b'] AS tags, "
        "DATE '2026-01-01' + g AS since FROM generate_series(1, 120) g",
    )
    return postgres


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Start a local service that has what the mapping needs."""
    with workbench(tmp_path, MAPPING) as running:
        yield running


def asking(bench: Workbench, source: str, query: str, *parameters: str) -> RunRequest:
    """Return the request of a run over a query."""
    options = SourceOptions(query=query, parameters=parameters)
    return replace(bench.request(Path("unused")), source=(source,), source_options=options)


def test_a_query_is_delivered_row_by_row(bench: Workbench, crm: Postgres) -> None:
    """Typed values arrive as their traits' types, and the row that does not fit is the only one rejected."""
    report = run_import(asking(bench, crm.uri, QUERY, str(ROWS)), Hooks(), QUICK)
    bench.emulator.wait_idle(30)
    assert report.rows_read == ROWS
    assert sum(report.outcomes.get(state, 0) for state in DELIVERED) == ROWS - 1
    outcomes = outcomes_of(report)
    assert outcomes.filter(pl.col("state") == "rejected").select("row_number", "code", "id").rows() == [
        (7, "type-mismatch", "7")
    ]
    stored = {profile["traits"]["Contact"]["email"]: profile["traits"] for profile in bench.stored()}
    assert stored["p8@example.com"]["Loyalty"] == {"points": 8, "tags": ["a", "b"]}
    assert stored["p8@example.com"]["Account"] == {"since": "2026-01-09"}


def test_validate_and_plan_say_of_a_query_what_import_does(bench: Workbench, crm: Postgres) -> None:
    """Nothing is sent; the parameter bounds the rows."""
    request = asking(bench, crm.uri, QUERY, "20")
    for report in (validate(request, Hooks()), plan(request, Hooks())):
        assert report.rows_read == 20
        assert report.outcomes["planned"] == 19
        assert report.issues["type-mismatch"] == 1
    assert bench.writes() == []


def test_what_was_planned_goes_out_without_the_database(bench: Workbench, postgres: Postgres) -> None:
    """The package holds the rows as they were."""
    postgres.execute(
        "DROP TABLE IF EXISTS soon_gone",
        "CREATE TABLE soon_gone AS SELECT 1 AS id, 'a@example.com' AS email, '+12065550001' AS phone, 5 AS points, "
        "ARRAY['a'] AS tags, DATE '2026-01-01' AS since",
    )
    report = plan(asking(bench, postgres.uri, "SELECT * FROM soon_gone"), Hooks())
    postgres.execute("DROP TABLE soon_gone")
    again = bench.go_on(report)
    assert sum(again.outcomes.get(state, 0) for state in DELIVERED) == 1


def test_a_query_that_fails_half_way_sends_nothing_and_keeps_no_run(bench: Workbench, crm: Postgres) -> None:
    """The failing row comes after those of a whole batch."""
    query = (
        "SELECT g AS id, 'p' || g || '@example.com' AS email, '+12065550001' AS phone, 7 / (50000 - g) AS points, "
        "ARRAY['a'] AS tags, DATE '2026-01-01' AS since FROM generate_series(1, 60000) g"
    )
    with pytest.raises(SourceError, match="a value that it cannot convert"):
        run_import(asking(bench, crm.uri, query), Hooks(), QUICK)
    assert bench.writes() == []
    assert not list((bench.folder / "runs").glob("*/run.json"))


def test_a_run_keeps_no_password(bench: Workbench, crm: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record says where the address came from, and neither report nor ledger hold it."""
    monkeypatch.setenv("WAREHOUSE", crm.uri.replace("postgres:@", "postgres:hunter2@"))
    report = run_import(asking(bench, "env:WAREHOUSE", QUERY, "9"), Hooks(), QUICK)
    assert report.outcomes["rejected"] == 1
    held = b"".join(path.read_bytes() for path in (bench.folder / "runs").rglob("*") if path.is_file())
    assert b"hunter2" not in held
    assert b"env:WAREHOUSE" in held


def test_the_same_rows_again_are_known_as_delivered(bench: Workbench, crm: Postgres) -> None:
    """A query has no file to compare, so its rows are."""
    request = asking(bench, crm.uri, QUERY, "5")
    first = run_import(request, Hooks(), QUICK)
    asked: list[str] = []

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    run_import(request, Hooks(confirm=refuse), QUICK)
    assert first.run_id is not None
    assert first.run_id in " ".join(asked)
