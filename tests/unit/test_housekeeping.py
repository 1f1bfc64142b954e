"""Which packages go by themselves, and which stay."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from importer.core.manifest import RunManifest, SourceRecord, Stage, Target
from importer.core.report import Report, full_outcomes
from importer.reports.report_file import REPORT_NAME, write_report
from importer.state.lock import RUN_LOCK, PackagingLock, is_held
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.housekeeping import drop_old_packages

LONG_AFTER = datetime(2026, 3, 1, tzinfo=UTC)
SOON_AFTER = datetime(2026, 1, 3, tzinfo=UTC)
FINISHED_AT = "2026-01-01T00:00:00Z"


def _run(
    runs_dir: Path,
    outcomes: dict[str, int],
    *,
    stage: Stage = Stage.FINISHED,
    limited: int = 0,
    command: str = "import",
    verified: dict[str, int] | None = None,
    exit_code: int | None = None,
) -> RunFolder:
    folder = RunsFolder(runs_dir).create("20260101-000000")
    (folder.package / "valid.arrow").write_bytes(b"rows")
    folder.write_manifest(
        RunManifest(
            run_id=folder.run_id,
            command=command,
            created_at=FINISHED_AT,
            stage=stage,
            target=Target(store_id="mem_store_00000000000000000000000000", store_name="s", host="h", api_url="u"),
            source=SourceRecord(spec=("a.csv",), kind="csv", files=("a.csv",), columns=("a",), fingerprint="f"),
            mapping_name="m.yaml",
            mapping_fingerprint="m",
            schema_fingerprint="s",
            encoder_version=1,
            key=(),
            traits=(),
        )
    )
    skipped = {"limit": limited} if limited else {}
    counts = full_outcomes(outcomes | ({"skipped": limited} if limited else {}))
    write_report(
        folder.path,
        Report(
            run_id=folder.run_id,
            command="import",
            rows_read=sum(counts.values()),
            outcomes=counts,
            skipped=skipped,
            verified=verified or {},
            exit_code=exit_code,
            started_at=FINISHED_AT,
            finished_at=FINISHED_AT,
        ),
    )
    return folder


def test_a_package_goes_a_week_after_its_run_finished(tmp_path: Path) -> None:
    """Rejected rows are in rejected.csv, so they keep no package."""
    folder = _run(tmp_path, {"processed": 5, "rejected": 1})
    assert drop_old_packages(tmp_path, SOON_AFTER) == ()
    assert folder.package.exists()
    assert drop_old_packages(tmp_path, LONG_AFTER) == (folder.run_id,)
    assert not folder.package.exists()
    assert (folder.path / "report.json").exists()


@pytest.mark.parametrize("state", ["held", "failed", "unattributed", "unknown", "not_sent"])
def test_a_package_with_rows_that_need_it_stays(tmp_path: Path, state: str) -> None:
    """A row that can still be released, settled or sent keeps its package."""
    folder = _run(tmp_path, {"processed": 5, state: 1})
    assert drop_old_packages(tmp_path, LONG_AFTER) == ()
    assert folder.package.exists()


def test_rows_that_were_confirmed_by_reading_back_keep_no_package(tmp_path: Path) -> None:
    """Nobody knew what became of them, and now somebody does; a row that was not found is still wanted."""
    fine = _run(tmp_path, {"unattributed": 5}, verified={"confirmed": 5}, exit_code=0)
    lost = _run(tmp_path, {"processed": 5}, verified={"confirmed": 4, "missing": 1}, exit_code=3)
    assert drop_old_packages(tmp_path, LONG_AFTER) == (fine.run_id,)
    assert lost.package.exists()


def test_a_canary_keeps_its_package(tmp_path: Path) -> None:
    """Rows outside of --limit can still be sent."""
    folder = _run(tmp_path, {"processed": 5}, limited=3)
    assert drop_old_packages(tmp_path, LONG_AFTER) == ()
    assert folder.package.exists()


def test_an_unfinished_run_keeps_its_package(tmp_path: Path) -> None:
    """A run that was planned or stopped is not judged by its age."""
    folder = _run(tmp_path, {"processed": 5}, stage=Stage.SENDING)
    assert drop_old_packages(tmp_path, LONG_AFTER) == ()
    assert folder.package.exists()


def test_the_spill_of_a_killed_dry_run_goes_after_a_day(tmp_path: Path) -> None:
    """It holds identifiers, and nothing can be sent from it."""
    folder = _run(tmp_path, {}, stage=Stage.PACKAGING, command="validate")
    assert drop_old_packages(tmp_path, datetime(2026, 1, 1, 12, tzinfo=UTC)) == ()
    assert drop_old_packages(tmp_path, SOON_AFTER) == (folder.run_id,)


def test_a_run_that_a_process_works_on_keeps_its_package(tmp_path: Path) -> None:
    """Somebody reads it back, or retries it, however old it is."""
    folder = _run(tmp_path, {"processed": 5})
    with PackagingLock(folder.path):
        assert drop_old_packages(tmp_path, LONG_AFTER) == ()
    assert drop_old_packages(tmp_path, LONG_AFTER) == (folder.run_id,)


def test_a_run_that_was_taken_up_meanwhile_keeps_its_package(tmp_path: Path) -> None:
    """What counts is what its report says once nobody else works on it: another process may just have ended."""
    folder = _run(tmp_path, {"processed": 5})
    path = folder.path / REPORT_NAME
    finished = path.read_bytes()
    retried = finished.replace(FINISHED_AT.encode(), b"2026-02-28T23:00:00Z")
    path.unlink()
    os.mkfifo(path)  # whose readers get one report before the lock is taken, and another one after
    over = threading.Event()

    def tell() -> None:
        path.write_bytes(finished)
        while not (over.is_set() or is_held(folder.path / RUN_LOCK)):
            pass
        path.write_bytes(retried)

    threading.Thread(target=tell, daemon=True).start()
    dropped = drop_old_packages(tmp_path, LONG_AFTER)
    over.set()
    assert dropped == ()
    assert folder.package.exists()


def test_parts_go_with_the_package(tmp_path: Path) -> None:
    """Files of parts that a killed process left hold cell values as well."""
    folder = _run(tmp_path, {"processed": 5})
    (folder.path / "parts").mkdir()
    (folder.path / "parts" / "part-1.csv").write_text("cells")
    assert drop_old_packages(tmp_path, LONG_AFTER) == (folder.run_id,)
    assert not (folder.path / "parts").exists()
