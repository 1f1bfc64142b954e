"""What reading back leaves on disk: results beside the package, and the rows that are not as they were sent."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.core.read_back import READ_BACK_SCHEMA
from importer.errors import StateError
from importer.reports.mismatch_file import MISMATCHES_CAP, write_mismatches
from importer.state.verified_file import VERIFIED_FILE, read_verified, write_verified

LINE: dict[str, Any] = {
    "file": 0,
    "key:id": "K1",
    "row_number": 3,
    "line": 4,
    "result": "mismatched",
    "code": None,
    "profile_id": "mem_profile_1",
    "trait": "Contact.name",
    "sent": "J••• (4 chars)",
    "stored": None,
}


def write(folder: Path, *lines: dict[str, Any]) -> tuple[str, ...]:
    """Write lines."""
    frame = pl.DataFrame([LINE | line for line in lines], schema_overrides={"file": pl.UInt16, "stored": pl.String})
    return write_mismatches(folder, frame, ["id"], ["rows.csv"])


def test_rows_are_named_for_people(tmp_path: Path) -> None:
    """In a file that a spreadsheet opens and that cannot run anything there."""
    assert write(tmp_path, {"key:id": "=1+1"}, {"trait": "Contact.email", "stored": "a,b"}) == ("mismatches.csv",)
    path = tmp_path / "mismatches.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8-sig").splitlines() == [
        "file,id,row_number,line,result,code,profile_id,trait,sent,stored",
        "rows.csv,'=1+1,3,4,mismatched,,mem_profile_1,Contact.name,J••• (4 chars),",
        'rows.csv,K1,3,4,mismatched,,mem_profile_1,Contact.email,J••• (4 chars),"a,b"',
    ]


def test_the_file_is_bounded(tmp_path: Path) -> None:
    """outcomes.parquet has every row."""
    write(tmp_path, *[{}] * (MISMATCHES_CAP + 5))
    assert len((tmp_path / "mismatches.csv").read_text(encoding="utf-8-sig").splitlines()) == MISMATCHES_CAP + 1


def test_the_file_goes_when_there_is_nothing_to_say(tmp_path: Path) -> None:
    """What it said is not true any more."""
    write(tmp_path, {})
    assert write_mismatches(tmp_path, pl.DataFrame(), ["id"], ["rows.csv"]) == ()
    assert list(tmp_path.iterdir()) == []


def test_results_are_kept_and_private(tmp_path: Path) -> None:
    """They may hold values of the store."""
    assert read_verified(tmp_path).schema == READ_BACK_SCHEMA
    line = {"position": 3, "result": "mismatched", "traits": ["C.a", "C.b"], "sent": ["x", None], "stored": [None, "y"]}
    frame = pl.DataFrame([dict.fromkeys(READ_BACK_SCHEMA) | line], schema=READ_BACK_SCHEMA)
    write_verified(tmp_path, frame)
    assert read_verified(tmp_path).equals(frame)
    assert stat.S_IMODE((tmp_path / VERIFIED_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"no arrow at all"])
def test_a_damaged_file_says_how_to_go_on(tmp_path: Path, content: bytes) -> None:
    """What was read back can be read back again."""
    (tmp_path / VERIFIED_FILE).write_bytes(content)
    with pytest.raises(StateError) as caught:
        read_verified(tmp_path)
    assert "delete" in caught.value.hint


def test_a_file_of_another_kind_is_damage(tmp_path: Path) -> None:
    """Whatever its columns are."""
    pl.DataFrame({"position": ["x"]}).write_ipc(tmp_path / VERIFIED_FILE)
    with pytest.raises(StateError):
        read_verified(tmp_path)
