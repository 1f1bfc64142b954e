"""Exactness: what `validate` says of a file is its list of flaws, which was written without any of this code."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import Severity
from importer.settings import Settings
from importer.wiring.requests import Hooks, RunRequest
from importer.wiring.runs import validate

ROOT: Final = Path(__file__).parents[2]
GENERATOR: Final = ROOT / "bench" / "exactness"
STORE: Final = GENERATOR / "store.json"
ALONE: Final = (sys.executable, "-S", "-E", "-s")
"""Python with its standard library and the working folder, and nothing that was installed."""

ROWS: Final = 20_000
MILLION: Final = 1_000_000
MOST_SHOWN: Final = 5

STRICT_TABLES: Final = ("--tables-only", "--strict", "--seed", "8")

WARNINGS: Final = {"duplicate-key", "missing-key", "denied-value", "unlikely-phone", "shared-identifier", "merge-group"}
"""All that a file alone can bring about; the other warnings are of a store or of sending."""

NOT_OF_FILES: Final = {"refused-by-service", "not-allowed"}
"""Errors that only the service's answer makes, and one that no trait type of today can have."""

Issue = tuple[int, int | None, str, str, str]
"""Row number, line, code, severity and column."""


@dataclass(frozen=True)
class Truth:
    """What is to be said of a file: issues, and the states of the rows that are not simply planned."""

    rows: int
    issues: frozenset[Issue]
    states: dict[int, str]


def generate(folder: Path, rows: int, *options: str) -> tuple[Path, Truth]:
    """Write a file and its truth in a folder that has the generator and nothing else."""
    shutil.copytree(GENERATOR, folder / "bench" / "exactness", ignore=shutil.ignore_patterns("__pycache__"))
    command = [*ALONE, "-m", "bench.exactness", "rows.csv", "--rows", str(rows), "--truth", "truth.csv", *options]
    subprocess.run(command, check=True, cwd=folder)
    return folder / "rows.csv", read_truth(folder / "truth.csv", rows)


def read_truth(path: Path, rows: int) -> Truth:
    """Read a list of flaws."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    issues = [
        (int(line["row_number"]), int(line["line"]), line["code"], line["severity"], line["column"])
        for line in lines
        if line["code"]
    ]
    assert len(issues) == len(set(issues))
    return Truth(rows, frozenset(issues), {int(line["row_number"]): line["state"] for line in lines})


def without_lines(truth: Truth) -> Truth:
    """Return the truth of a file that has no lines of text."""
    issues = frozenset((row, None, code, severity, column) for row, _, code, severity, column in truth.issues)
    return Truth(truth.rows, issues, truth.states)


def to_parquet(source: Path) -> Path:
    """Write the rows of a CSV file as text columns, an empty cell as null."""
    path = source.with_suffix(".parquet")
    with source.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        schema = pa.schema([(name, pa.string()) for name in next(rows)])
        with pq.ParquetWriter(path, schema) as out:
            while group := list(islice(rows, ROWS)):
                cells = [
                    pa.array([text or None for text in column], pa.string()) for column in zip(*group, strict=True)
                ]
                out.write_table(pa.table(cells, schema=schema))
    return path


def mapping_in(folder: Path, *, strict: bool) -> Path:
    """Write the mapping; a strict one requires a badge."""
    text = (GENERATOR / "mapping.yaml").read_text(encoding="utf-8")
    asked = text.replace("identifier: badge}", "identifier: badge, required: true}")
    assert asked != text
    path = folder / "mapping.yaml"
    path.write_text(asked if strict else text, encoding="utf-8")
    return path


def validated(source: Path, *, strict: bool) -> Path:
    """Validate a file in this process; return the folder of the run."""
    settings, mapping = Settings(runs_dir=str(source.parent / "runs")), mapping_in(source.parent, strict=strict)
    report = validate(RunRequest(source, mapping, settings, schema_file=STORE), Hooks())
    assert report.folder is not None
    return Path(report.folder)


def check(folder: Path, truth: Truth) -> None:
    """Compare a run with the truth, both ways: nothing is missed, nothing is blamed wrongly, every row has its fate."""
    issues = pl.read_parquet(folder / "issues.parquet").select(
        "row_number", "line", "code", "severity", pl.col("column").fill_null("")
    )
    found: set[Issue] = set(issues.iter_rows())
    assert issues.height == len(found), "an issue is named twice"
    assert some(truth.issues - found) == [], "missed"
    assert some(found - truth.issues) == [], "blamed wrongly"
    outcomes = pl.read_parquet(folder / "outcomes.parquet", columns=["row_number", "state"])
    assert outcomes["row_number"].to_list() == list(range(1, truth.rows + 1))
    states = enumerate(outcomes["state"], start=1)
    assert [(row, state) for row, state in states if state != truth.states.get(row, "planned")] == []
    report = json.loads((folder / "report.json").read_bytes())
    assert report["rows_read"] == truth.rows
    assert sum(report["issues"].values()) == len(truth.issues)
    assert report["outcomes"]["rejected"] == sum(state == "rejected" for state in truth.states.values())


def some(issues: frozenset[Issue] | set[Issue]) -> list[Issue]:
    """Return a few of them, for a message that can be read."""
    return sorted(issues, key=str)[:MOST_SHOWN]


def test_the_truth_is_written_by_the_standard_library_alone(tmp_path: Path) -> None:
    """The generator loads no module of the importer, nor any that was installed, and its code names none."""
    shutil.copytree(GENERATOR, tmp_path / "bench" / "exactness")
    script = "import sys, json, bench.exactness.__main__; print(json.dumps([*sys.modules]))"
    ended = subprocess.run([*ALONE, "-c", script], check=True, cwd=tmp_path, capture_output=True, text=True)
    roots = {name.partition(".")[0] for name in json.loads(ended.stdout)}
    assert roots - set(sys.stdlib_module_names) == {"bench"} | (roots & {"__main__", "__mp_main__"})
    sources = [path.read_text(encoding="utf-8") for path in GENERATOR.glob("*.py")]
    assert len(sources) > 1
    assert not [text for text in sources if "import importer" in text or "from importer" in text]


def test_every_flaw_of_a_text_file_is_named_and_no_other(tmp_path: Path) -> None:
    """Row, line, code, severity and column of each issue, and the state of each row."""
    source, truth = generate(tmp_path, ROWS)
    assert set(truth.states.values()) == {"rejected", "skipped", "held", "combined", "planned"}
    assert max(line or 0 for _, line, *_ in truth.issues) > ROWS + 100, "lines differ from row numbers"
    check(validated(source, strict=False), truth)


def test_every_flaw_of_a_parquet_file_is_named_and_no_other(tmp_path: Path) -> None:
    """The same of columns of text, without the rows that only a text file can have, and with a required column."""
    source, truth = generate(tmp_path, ROWS, *STRICT_TABLES)
    check(validated(to_parquet(source), strict=True), without_lines(truth))


def test_the_truth_has_every_issue_that_a_file_can_have(tmp_path: Path) -> None:
    """Each code of the catalogue that is found before anything is sent, in one of the two files or in both."""
    codes = set()
    for name, options in (("text", ()), ("table", STRICT_TABLES)):
        _, truth = generate(tmp_path / name, ROWS // 4, *options)
        codes |= {code for _, _, code, _, _ in truth.issues}
    errors = {code for code, entry in CATALOGUE.items() if entry.severity is Severity.ERROR}
    assert errors - codes == NOT_OF_FILES
    assert codes - errors == WARNINGS


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_flaw_among_a_million_rows_is_named_and_no_other(tmp_path: Path, kind: str) -> None:
    """All bad rows are found and no good one is, by the command a user would type."""
    strict = kind == "parquet"
    source, truth = generate(tmp_path, MILLION, *(STRICT_TABLES if strict else ()))
    if strict:
        source, truth = to_parquet(source), without_lines(truth)
    runs = tmp_path / "runs"
    given = ["-m", str(mapping_in(tmp_path, strict=strict)), "--schema", str(STORE), "--runs-dir", str(runs)]
    command = [sys.executable, "-m", "importer", "validate", str(source), *given]
    ended = subprocess.run(command, check=False, cwd=ROOT, capture_output=True)
    assert ended.returncode == 3
    (folder,) = runs.glob("2*")
    check(folder, truth)
    shutil.rmtree(tmp_path)
