"""A disk that gets full: the run stops, says so, keeps what was saved, and goes on once there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from importer.cli.exits import exit_code_for
from importer.core.report import Report
from importer.emulator import EmulatorSettings
from importer.errors import DiskError, GuardError, StateError
from importer.reports.progress import NoProgress
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.run_status import status
from importer.wiring.runs import plan, validate
from importer.wiring.sending import run_import
from tests.support.disks import fill, remount, small_disk
from tests.support.noise_file import KIB, MAPPING, write_noise
from tests.support.runs import IDLE_S, QUICK, Workbench, bench_of, outcomes_of

ROWS: Final = 2500


bench = bench_of(MAPPING, EmulatorSettings(status_url=False))


@pytest.fixture
def disk(bench: Workbench) -> Iterator[Path]:
    """A runs folder with a disk of its own."""
    with small_disk(bench.folder / "runs", 1250 * KIB) as folder:
        yield folder


def write_source(bench: Workbench) -> Path:
    """Write some 800 kilobytes that cannot be compressed."""
    return write_noise(bench, ROWS, long_keys=True)


def unfinished(disk: Path) -> list[Path]:
    """Return the files that were begun and not completed."""
    return list(disk.rglob("*.part"))


def sent_rows(bench: Workbench) -> int:
    """Count the profiles of all Bulk requests so far."""
    return sum(int(entry["profile_count"] or 0) for entry in bench.writes())


def resumed(bench: Workbench, run_id: str, progress: NoProgress | None = None) -> Report:
    """Go on with a run, and wait until the service has applied all of it."""
    report = resume(ResumeRequest(run_id, bench.settings), Hooks(progress=progress or NoProgress()), QUICK)
    bench.emulator.wait_idle(IDLE_S)
    return report


def test_full_while_packaging(bench: Workbench, disk: Path) -> None:
    """Exit code 5 names folder and way out, the room is given back, and `resume` begins anew."""
    source = write_source(bench)
    remount(disk, f"size={560 * KIB}")
    with pytest.raises(DiskError, match="the disk is full") as caught:
        run_import(bench.request(source), Hooks(), QUICK)
    assert exit_code_for(caught.value) == 5
    assert str(disk) in caught.value.message
    (run,) = disk.glob("2*")
    assert f"`memory-importer resume {run.name} --runs-dir " in caught.value.hint
    assert sum(path.stat().st_size for path in disk.rglob("*") if path.is_file()) < 50 * KIB
    assert bench.writes() == []
    with pytest.raises(DiskError):
        resumed(bench, run.name)
    remount(disk, f"size={9000 * KIB}")
    report = resumed(bench, run.name)
    assert (report.exit_code, report.outcomes["accepted"]) == (0, ROWS)


@pytest.mark.parametrize("begin", [validate, plan])
def test_full_while_nothing_is_to_be_sent(bench: Workbench, disk: Path, begin: Callable[..., Report]) -> None:
    """Of a dry run nothing is left, a plan is planned again from its source; neither sends anything."""
    source = write_source(bench)
    filler = fill(disk, leave_bytes=900 * KIB if begin is plan else 120 * KIB)
    with pytest.raises(DiskError) as caught:
        begin(bench.request(source), Hooks())
    assert exit_code_for(caught.value) == 5
    assert unfinished(disk) == []
    filler.unlink()
    if begin is validate:
        assert list(disk.glob("2*")) == []
    else:
        remount(disk, f"size={9000 * KIB}")
        (run,) = disk.glob("2*")
        assert resumed(bench, run.name).outcomes["planned"] == ROWS
    assert bench.writes() == []


class FillWhen(NoProgress):
    """Fills a disk at a certain moment of a run, but for so many bytes."""

    def __init__(self, disk: Path, moment: str, leave_bytes: int) -> None:
        self._disk = disk
        self._moment = moment
        self._leave_bytes = leave_bytes

    def stage(self, name: str, total: int | None) -> None:  # noqa: ARG002 - shown to people only
        """Begin a stage."""
        self._reached(name)

    def finish(self) -> None:
        """End the last one: what follows are the reports."""
        self._reached("report")

    def _reached(self, moment: str) -> None:
        if moment == self._moment and not (self._disk / "filler").exists():
            fill(self._disk, leave_bytes=self._leave_bytes)


@pytest.mark.parametrize(
    ("via", "moment", "leave_kib", "written"),
    [
        ("bulk", "send", 0, "ledger.db"),
        ("bulk", "report", 4, "outcomes.parquet"),
        ("import", "send", 240, "part-0.csv"),
        ("import", "report", 4, "outcomes.parquet"),
    ],
)
def test_full_while_sending(bench: Workbench, disk: Path, via: str, moment: str, leave_kib: int, written: str) -> None:
    """Whatever cannot be written, nothing is half there, and the rest goes once there is room."""
    remount(disk, f"size={20000 * KIB}")
    planned = plan(bench.request(write_source(bench), via=via), Hooks())
    code, cause = stopped(bench, planned, FillWhen(disk, moment, leave_kib * KIB))
    assert (code, written in cause) == (5, True), cause
    assert unfinished(disk) == []
    (disk / "filler").unlink()
    before = len(bench.writes())
    report = resumed(bench, planned.run_id or "")
    assert report.exit_code == 0
    assert outcomes_of(report)["state"].unique().to_list() == ["accepted" if via == "bulk" else "processed"]
    assert len(bench.stored()) == ROWS
    assert not list((Path(planned.folder or "") / "parts").glob("*"))
    assert (len(bench.writes()) == before) is (moment == "report"), "only what is missing is done"


def test_full_before_anything_was_sent(bench: Workbench, disk: Path) -> None:
    """A run that cannot even note that it begins does not begin."""
    planned = plan(bench.request(write_source(bench)), Hooks())
    filler = fill(disk, leave_bytes=0)
    code, cause = stopped(bench, planned)
    assert code == 5, cause
    assert bench.writes() == []
    filler.unlink()
    assert resumed(bench, planned.run_id or "").outcomes["accepted"] == ROWS


def stopped(bench: Workbench, planned: Report, progress: NoProgress | None = None) -> tuple[int | None, str]:
    """Send what was planned; return how that ended, and why."""
    try:
        report = resumed(bench, planned.run_id or "", progress)
    except StateError as error:
        code, cause, fix = exit_code_for(error), error.message, error.hint
    else:
        if report.error is None:
            return report.exit_code, ""
        code, cause, fix = report.exit_code or 0, report.error.message, report.error.hint
    assert f"resume {planned.run_id}" in fix
    return code, cause


def test_full_in_the_middle_of_the_ledger(bench: Workbench, disk: Path) -> None:
    """Nothing leaves that could not be written down: sending stops at once, and no row is lost or forgotten."""
    source = bench.folder / "source.csv"
    count = 80
    source.write_text("id,email,note\n" + "".join(f"{n},one@example.com,note {n}\n" for n in range(count)))
    planned = plan(bench.request(source, allow_merges=1), Hooks())
    code, cause = stopped(bench, planned, FillWhen(disk, "send", 100 * KIB))
    assert code == 5, cause
    assert "SQLITE_FULL" in cause or "SQLITE_IOERR" in cause
    left = sent_rows(bench)
    assert 0 < left < count, "it stops in the middle"
    (disk / "filler").unlink()
    report = resumed(bench, planned.run_id or "")
    assert (report.exit_code, report.outcomes["accepted"]) == (0, count)
    assert count <= sent_rows(bench) <= count + 1, "what was in flight is sent again, and no more"
    (profile,) = bench.stored()
    assert profile["traits"]["Account"]["note"] == f"note {count - 1}"


def test_too_little_room_is_seen_before_anything_is_read(bench: Workbench, disk: Path) -> None:
    """Exit code 6 with numbers and the option that names another disk; where it may be too little, a note says so."""
    source = write_source(bench)
    remount(disk, f"size={100 * KIB}")
    for begin in (plan, run_import):
        with pytest.raises(GuardError, match=r"about 0\.[4-9] MiB will be kept in .* and 0\.1 MiB are free") as caught:
            begin(bench.request(source), Hooks())
        assert exit_code_for(caught.value) == 6
        assert "--runs-dir" in caught.value.hint
    assert list(disk.glob("2*")) == []


def test_a_disk_that_is_read_only_is_no_full_one(bench: Workbench, disk: Path) -> None:
    """Exit code 7 with the way out, before anything is sent; what is there can still be looked at."""
    source = write_source(bench)
    remount(disk, f"size={20000 * KIB}")
    planned = plan(bench.request(source), Hooks())
    remount(disk, "ro")
    request = ResumeRequest(planned.run_id or "", bench.settings)
    begins: tuple[Callable[[], Report], ...] = (
        lambda: run_import(bench.request(source), Hooks(), QUICK),
        lambda: resume(request, Hooks(), QUICK),
    )
    for begin in begins:
        with pytest.raises(StateError, match="Read-only file system") as caught:
            begin()
        assert exit_code_for(caught.value) == 7
        assert "--runs-dir" in caught.value.hint
    assert bench.writes() == []
    assert status(planned.run_id or "", bench.settings).outcomes == planned.outcomes
