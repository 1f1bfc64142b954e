"""Syncs of large tables: what changed is sent, what did not costs nothing, and memory stays small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.crashes import COLUMNS, write_mapping
from tests.support.journals import Journal, journal_server
from tests.support.postgres import Postgres

MB: Final = 1_000_000
SUITE_ROWS: Final = 200_000
SYNC: Final = {
    "version": 1,
    "source": "env:SYNC_WAREHOUSE",
    "query": "SELECT * FROM many",
    "mapping": "mapping.yaml",
    "mode": "full",
    "brakes": {"max_operations": 2_000_000},
}


@dataclass(frozen=True)
class Run:
    """One run in a process of its own."""

    outcomes: Mapping[str, int]
    applied: int
    peak_bytes: int
    seconds: float


def run(folder: Path, environment: Mapping[str, str], journal: Journal, *options: str) -> Run:
    """Run the sync."""
    before, began = journal.applied(), time.monotonic()
    command = [sys.executable, "-m", "importer", "sync", "run", "many.sync.yaml", "--json", *options]
    report = folder / "report.json"
    with (
        report.open("wb") as stdout,
        subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=stdout, stderr=subprocess.DEVNULL
        ) as process,
    ):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    told: dict[str, Any] = json.loads(report.read_bytes())
    assert process.returncode == 0, told.get("error")
    outcomes = {state: count for state, count in told["outcomes"].items() if count}
    return Run(outcomes, journal.applied() - before, usage.ru_maxrss * 1024, time.monotonic() - began)


def sync_three_times(folder: Path, postgres: Postgres, rows: int) -> list[Run]:
    """Deliver a table; change 1 % of it and run again; run once more."""
    postgres.execute(
        "DROP TABLE IF EXISTS many",
        "CREATE TABLE many AS SELECT 'K' || g AS id, 'p' || g || '@example.com' AS email, "  # noqa: S608 - a number
        f"'note ' || g::bigint * 7919 % 100003 AS note, g AS points FROM generate_series(1, {rows}) g",
    )
    write_mapping(folder / "mapping.yaml", COLUMNS)
    (folder / "many.sync.yaml").write_text(json.dumps(SYNC), encoding="utf-8")
    with journal_server(folder / "journals", latency_s=0.0, settle_s=0.0, seed=1) as server:
        environment = server.environment("many", folder / "runs") | {"SYNC_WAREHOUSE": postgres.uri}
        journal = server.journal("many")
        runs = [run(folder, environment, journal, "--first-run")]
        postgres.execute("UPDATE many SET points = -points WHERE points % 100 = 0")
        runs.append(run(folder, environment, journal))
        changed = journal.rows().tail(rows // 100)
        runs.append(run(folder, environment, journal))
    assert (changed["points"] < 0).all()
    postgres.execute("DROP TABLE many")
    assert [each.applied for each in runs] == [rows, rows // 100, 0]
    sent = [sum(each.outcomes.get(state, 0) for state in ("accepted", "processed")) for each in runs]
    assert sent == [rows, rows // 100, 0]
    assert [each.outcomes.get("unchanged", 0) for each in runs] == [0, rows - rows // 100, rows]
    return runs


def say(capsys: pytest.CaptureFixture[str], rows: int, runs: list[Run]) -> None:
    """Print what was measured."""
    told = ", ".join(f"{each.seconds:.1f} s {each.peak_bytes / MB:.0f} MB" for each in runs)
    with capsys.disabled():
        sys.stdout.write(f"\n{rows:,} rows: {told}\n")


def test_what_changed_of_a_table_is_sent(tmp_path: Path, postgres: Postgres) -> None:
    """The first run sends all rows, the second the 1 % that changed, the third none."""
    sync_three_times(tmp_path, postgres, SUITE_ROWS)


@pytest.mark.soak
def test_a_million_rows_stay_small_in_memory(
    tmp_path: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """No run of a million rows needs more than 800 MB."""
    rows = 1_000_000
    runs = sync_three_times(tmp_path, postgres, rows)
    say(capsys, rows, runs)
    assert max(each.peak_bytes for each in runs) <= 800 * MB
