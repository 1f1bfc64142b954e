"""The command against a service that loses profiles behind its 202 and says nothing: it names exactly those."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Final

import polars as pl

from importer.emulator import EmulatorSettings
from tests.support.commands import run
from tests.support.runs import IDLE_S, workbench

ROWS: Final = 10_000
LOST: Final = 7

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "name": "Contact.name", "points": {"to": "Loyalty.points", "type": "number"}},
}


def test_exactly_the_rows_that_were_silently_lost_are_named(tmp_path: Path) -> None:
    """All ten thousand were accepted and processed, as far as anybody said."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(drop_every=ROWS // LOST)) as bench:
        source = bench.folder / "source.csv"
        lines = [f"K{number},p{number}@example.com,Name {number},{number}" for number in range(ROWS)]
        source.write_text("\n".join(["id,email,name,points", *lines, ""]), encoding="utf-8")
        code, report = run(bench, "import", "source.csv", "-m", "mapping.yaml", "--yes")
        assert (code, report["outcomes"]["processed"]) == (0, ROWS)
        bench.emulator.wait_idle(IDLE_S)
        there = {profile["traits"]["Contact"]["email"] for profile in bench.emulator.profiles()}
        lost = [number + 1 for number in range(ROWS) if f"p{number}@example.com" not in there]
        assert len(lost) == LOST
        code, report = run(bench, "verify", "last", "--all", "--yes", "--concurrency", "4")
        assert code == report["exit_code"] == 3
        assert report["verified"] == {"confirmed": ROWS - LOST, "mismatched": 0, "missing": LOST}
        outcomes = pl.read_parquet(Path(report["folder"]) / "outcomes.parquet")
        assert outcomes.filter(pl.col("verified") == "missing")["row_number"].to_list() == lost
        with (Path(report["folder"]) / "mismatches.csv").open(encoding="utf-8-sig", newline="") as file:
            named = [(int(line["row_number"]), line["id"], line["result"]) for line in csv.DictReader(file)]
        assert named == [(number, f"K{number - 1}", "missing") for number in lost]
