"""A file that a newer version wrote is told from a damaged one, whatever that version put into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from importer.core.sync_state import STATE_VERSION, SyncRun, SyncState
from importer.errors import StateError
from importer.state.snapshot_file import META, SnapshotFile, SnapshotMeta, SnapshotWriter
from importer.state.sync_folder import SyncFolder
from importer.state.versions import parse_versioned


class Page(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid")

    version: int
    text: str = ""


def parse(content: Any) -> Page:
    """Read what a version up to 2 may have written."""
    return parse_versioned(json.dumps(content).encode(), Page, 2, what="page.json", hint="use that version")


@pytest.mark.parametrize("version", [1, 2])
def test_earlier_versions_are_read(version: int) -> None:
    """What they did not know of has its default."""
    assert parse({"version": version}).text == ""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"version": 3}, r"\(format 3; this one reads up to 2\)"),
        ({"version": 3, "text": 4, "more": 1}, r"\(format 3; this one reads up to 2\)"),
        ({"version": 2, "more": 1}, r"\(format 2, with keys that this one does not know\)"),
    ],
)
def test_a_newer_version_is_called_one(content: Any, why: str) -> None:
    """By its number, or by keys that nobody writes by chance; the way out is said."""
    with pytest.raises(StateError, match=f"page.json was written by a newer version of this tool {why}") as refused:
        parse(content)
    assert refused.value.hint == "use that version"


@pytest.mark.parametrize("content", [{}, [], {"version": "x"}, {"version": 2, "text": 4, "more": 1}])
def test_damage_is_no_version(content: Any) -> None:
    """Neither where there is no number, nor where more than a key is strange."""
    with pytest.raises(ValidationError):
        parse(content)


@pytest.mark.parametrize("change", [{"version": STATE_VERSION + 1}, {"runs": [{"more": 1}]}])
def test_a_sync_that_a_newer_version_ran_says_so(tmp_path: Path, change: dict[str, Any]) -> None:
    """Its memory is not called damaged, also where a run in its history says more."""
    folder = SyncFolder(tmp_path / "a.sync.yaml")
    run = SyncRun(started_at="x", finished_at="x", exit_code=0)
    with folder.locked():
        folder.write_state(SyncState(runs=(run,)))
    path = folder.path / "sync.json"
    content = json.loads(path.read_bytes())
    runs = [run.model_dump() | one for one in change.get("runs", [])]
    path.write_text(json.dumps(content | change | {"runs": runs}), encoding="utf-8")
    with pytest.raises(StateError, match=r"sync\.json was written by a newer version") as refused:
        folder.read_state()
    assert "sync reset" in refused.value.hint


def test_a_snapshot_that_a_newer_version_wrote_says_so(tmp_path: Path) -> None:
    """Also where its metadata has more than this version knows."""
    path = tmp_path / "snapshot.parquet"
    with SnapshotWriter(path) as writer:
        writer.commit(SnapshotMeta(run=1))
    meta = SnapshotMeta(run=1).model_dump() | {"version": 2, "more": True}
    pq.write_table(pq.read_table(path).replace_schema_metadata({META: json.dumps(meta).encode()}), path)
    with pytest.raises(StateError, match=r"newer version of this tool \(format 2; this one reads up to 1\)") as refused:
        SnapshotFile(path)
    assert "sync reset" in refused.value.hint
