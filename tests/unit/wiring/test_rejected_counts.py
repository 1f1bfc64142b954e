"""How many rows of a run are rejected, of all that were judged."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from importer.core.manifest import Counts, RunManifest, SourceRecord, Stage, Target
from importer.state.run_folder import RunFolder
from importer.wiring.counting import guard_trips, rejected_rows
from importer.wiring.run import Run
from tests.support.fakes import FakePackage, index_of

ROWS = pl.DataFrame({"state": ["rejected", None, "skipped", None, "rejected", None]})


def run_of(early: dict[str, int] | None, package: FakePackage) -> Run:
    """Make a run of six rows: two were rejected as they were read, one was skipped, one is rejected by identity."""
    manifest = RunManifest(
        run_id="r",
        command="plan",
        created_at="2026-11-22T04:57:27Z",
        stage=Stage.PLANNED,
        target=Target(store_id="s", store_name="shop", host="localhost", api_url="http://localhost"),
        source=SourceRecord(spec=("a.csv",), kind="csv", files=("a.csv",), columns=("x",), fingerprint="f"),
        mapping_name="m.yaml",
        mapping_fingerprint="m",
        schema_fingerprint="s",
        encoder_version=1,
        key=("x",),
        traits=(),
        counts=Counts(rows_read=6, early=early),
    )
    index = index_of({"state": "rejected", "code": "duplicate-key"}, {}, {})
    return Run(RunFolder(Path("r")), manifest, package, index, pl.DataFrame())


def test_rejected_rows_are_known_without_reading_them_again() -> None:
    """What reading counted is enough: the rows themselves are not asked for."""
    assert rejected_rows(run_of({"rejected": 2, "skipped": 1}, FakePackage())) == (3, 5)
    assert rejected_rows(run_of({}, FakePackage())) == (1, 6)


@pytest.mark.parametrize("pieces", [1, 3])
def test_rejected_rows_of_an_older_run_are_counted_where_they_stand(pieces: int) -> None:
    """A run planned by a version that did not count them is judged as it was then."""
    run = run_of(None, FakePackage(rows=list(ROWS.iter_slices(6 // pieces))))
    assert rejected_rows(run) == (3, 5)
    assert str(guard_trips(run)).startswith("3 of 5 rows are rejected")


def test_a_run_without_rows_trips_nothing() -> None:
    """Of no row at all, none is rejected."""
    run = run_of(None, FakePackage())
    run.index = run.index.clear()
    run.manifest = run.manifest.model_copy(update={"counts": Counts()})
    assert rejected_rows(run) == (0, 0)
    assert guard_trips(run) is None
