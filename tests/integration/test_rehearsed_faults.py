"""A run through the emulator's own faults, by both routes: every row arrives once, whatever was lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from importer.emulator import EmulatorSettings
from tests.support.runs import outcomes_of, workbench

ROWS: Final = 30
MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "name": "Contact.firstName"},
}
BULK: Final = ["UpdateProfilesBulk"]
UPLOAD: Final = ["Upload"]


def write_people(folder: Path) -> Path:
    """Write a source of good rows."""
    lines = [f"{number},p{number}@example.com,Person{number}" for number in range(ROWS)]
    source = folder / "people.csv"
    source.write_text("\n".join(["id,email,name", *lines, ""]), encoding="utf-8")
    return source


@pytest.mark.parametrize(
    ("via", "faults"),
    [
        (
            "bulk",
            [
                {"fault": "reset", "operations": BULK, "after": True, "count": 1},
                {"fault": "truncated", "operations": BULK, "count": 1},
                {"fault": "429", "operations": BULK, "count": 1, "retry_after": "0"},
            ],
        ),
        (
            "import",
            [
                {"fault": "reset", "operations": UPLOAD, "count": 1},
                {"fault": "503", "operations": UPLOAD, "count": 1},
                {"fault": "expired-url", "count": 1},
                {"fault": "503", "operations": ["FetchProfileImportV2"], "count": 1},
            ],
        ),
    ],
)
def test_a_run_outlives_what_can_be_rehearsed(tmp_path: Path, via: str, faults: list[dict[str, Any]]) -> None:
    """All rows are processed and stored once; every fault was met."""
    with workbench(tmp_path / "bench", MAPPING, EmulatorSettings(faults=tuple(faults))) as bench:
        report = bench.deliver(write_people(bench.folder), via=via, import_min_rows=1)
        hits = [shown["hits"] for shown in bench.emulator.faults()]
        emails = [profile["identifiers"]["email"] for profile in bench.stored()]
    assert outcomes_of(report)["state"].unique().to_list() == ["processed"]
    assert hits == [1] * len(faults)
    assert sorted(emails) == sorted([f"p{number}@example.com"] for number in range(ROWS))
