"""The PostgreSQL example of samples/ and mappings/, with the real server and the real commands, as its files say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.cli import MAPPINGS, SAMPLES, Ended, outcomes, report_of
from tests.support.here import run_here
from tests.support.postgres import Postgres

QUERY: Final = "@samples/postgres/customers.sql"
MAPPING: Final = "mappings/postgres-customers.yaml"
ROWS: Final = 301
"""Customers without the test ones; two are rejected, two are held."""

CHANGED: Final = (1007, 1010, 1250)


@dataclass(frozen=True)
class Clone:
    """A copy of what a clone has, beside a database that has the sample in it."""

    folder: Path
    server: Postgres

    def run(self, *arguments: str) -> Ended:
        """Run a command of the example."""
        return run_here(self.folder, *arguments, environment={"WAREHOUSE_URL": self.server.uri})

    def outcomes_of(self, *arguments: str) -> dict[str, int]:
        """Run a command and return the rows it had in each state."""
        ended = self.run(*arguments, "--emulator", "--json")
        assert ended.code == 3, ended.stderr
        found: dict[str, int] = ended.report["outcomes"]
        return {state: rows for state, rows in found.items() if rows}


@pytest.fixture
def clone(tmp_path: Path, postgres: Postgres) -> Iterator[Clone]:
    """Lay the sample out, and its data into the database."""
    shutil.copytree(SAMPLES / "postgres", tmp_path / "samples" / "postgres", ignore=shutil.ignore_patterns("*.state"))
    (tmp_path / "mappings").symlink_to(MAPPINGS)
    text = (SAMPLES / "postgres" / "schema.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    postgres.execute(*filter(None, map(str.strip, "\n".join(lines).split(";\n"))))
    yield Clone(tmp_path, postgres)
    postgres.execute("DROP SCHEMA shop CASCADE")


def test_plan_and_import_do_what_the_sample_is_made_for(clone: Clone) -> None:
    """Each seeded row is found and named by its key; the others arrive, with the types of their traits."""
    database = ("env:WAREHOUSE_URL", "--query", QUERY, "--mapping", MAPPING)
    planned = clone.outcomes_of("plan", *database)
    sent = clone.outcomes_of("import", *database)
    assert planned == {"rejected": 2, "held": 2, "planned": ROWS - 4}
    assert sent == {"rejected": 2, "held": 2, "processed": ROWS - 4}
    run = sorted((clone.folder / "runs").glob("2*"))[-1]
    odd = outcomes(run).filter(~outcomes(run)["state"].is_in(["processed"]))
    assert {(row["customer_id"], row["state"], row["code"]) for row in odd.iter_rows(named=True)} == {
        ("2001", "rejected", "missing-identifier"),
        ("2002", "rejected", "invalid-phone"),
        ("2003", "held", "merge-group"),
        ("2004", "held", "merge-group"),
    }
    assert set(report_of(run)["issues"]) == {"missing-identifier", "invalid-phone", "merge-group"}
    rejected = (run / "rejected.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in rejected] == ["customer_id", "2001", "2002"]
    assert rejected[0].endswith("_row_number,_line,_codes")
    assert clone.server.uri not in (run / "report.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["full", "changed"])
def test_the_sync_files_send_what_changed_and_nothing_else(clone: Clone, name: str) -> None:
    """Nothing without --first-run; all of it then, nothing next, then the rows that were changed."""
    sync = ("sync", "run", f"samples/postgres/{name}.sync.yaml")
    assert clone.run(*sync, "--emulator").code == 2
    odd = {"rejected": 2, "held": 2}
    assert clone.outcomes_of(*sync, "--first-run") == odd | {"processed": ROWS - 4}
    assert clone.outcomes_of(*sync) == odd | {"unchanged": ROWS - 4}
    clone.server.execute(
        f"UPDATE shop.customer SET points = 7, updated_at = now() WHERE customer_id IN {CHANGED}"  # noqa: S608 - numbers
    )
    assert clone.outcomes_of(*sync) == odd | {"unchanged": ROWS - 4 - len(CHANGED), "processed": len(CHANGED)}
    history = clone.run("sync", "history", sync[2], "--json")
    assert [json.loads(line)["exit_code"] for line in history.stdout.splitlines()] == [2, 3, 3, 3]
