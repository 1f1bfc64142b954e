"""A run that is killed at a chosen moment loses no row: `resume` goes on, and sends little twice.

Random moments, both routes and many kills are in `test_crashes.py`.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from importer.core.manifest import Stage
from importer.emulator import EmulatorSettings
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from importer.wiring.resuming import ResumeRequest, resume
from tests.support.commands import kill_when, only_run, run, start
from tests.support.runs import QUICK, Workbench, is_write, outcomes_of, workbench

ROWS: Final = 50_000
BATCHES: Final = ROWS // 1000
CONCURRENCY: Final = 8

COLUMNS: Final[dict[str, Any]] = {
    "email": "Contact.email",
    "note": "Account.note",
    "points": {"to": "Account.points", "type": "number"},
}


def write_source(path: Path, rows: int, bad: frozenset[int] = frozenset()) -> None:
    """Write rows that all fill the same traits, one profile each; the e-mail address of some is none."""
    with path.open("w", encoding="utf-8") as file:
        file.write("id,email,note,points\n")
        file.writelines(
            f"K{number},{'nobody' if number in bad else f'p{number}@example.com'},note {number},{number}\n"
            for number in range(rows)
        )


@contextmanager
def bench_of(folder: Path, settings: EmulatorSettings) -> Iterator[Workbench]:
    """Start a local service for rows of `COLUMNS`."""
    mapping = {"version": 1, "source": {"key": ["id"]}, "columns": COLUMNS}
    with workbench(folder, mapping, settings) as bench:
        yield bench


def served(bench: Workbench, method: str, ending: str) -> int:
    """Count requests that the service took."""
    entries = [entry for entry in bench.emulator.journal() if entry["method"] == method and entry["status"] < 300]
    return sum(str(entry["path"]).endswith(ending) for entry in entries)


def check_profiles(bench: Workbench, rows: int, bad: frozenset[int] = frozenset()) -> None:
    """Every good row has its profile, with its values, once; nothing else is there."""
    bench.emulator.wait_idle(60)
    found = {}
    profiles = bench.emulator.profiles()
    for profile in profiles:
        account = profile["traits"]["Account"]
        found[profile["identifiers"]["email"][0]] = (account["note"], account["points"])
    assert len(found) == len(profiles)
    assert found == {
        f"p{number}@example.com": (f"note {number}", number) for number in range(rows) if number not in bad
    }


def check_outcomes(folder: Path, report: dict[str, Any], states: dict[str, int]) -> None:
    """Every row is in one final state, and the report says the same."""
    frame = pl.read_parquet(folder / "outcomes.parquet")
    assert frame["row_number"].to_list() == list(range(1, sum(states.values()) + 1))
    assert Counter(frame["state"].to_list()) == states
    assert {state: count for state, count in report["outcomes"].items() if count} == states
    assert report["rows_read"] == sum(states.values())


def test_killed_in_the_middle_of_bulk_batches(tmp_path: Path) -> None:
    """After SIGKILL between batches, `resume` delivers all rows and repeats no more than was in flight."""
    bad = frozenset(range(7, ROWS, 5000))
    with bench_of(tmp_path, EmulatorSettings(status_url=False)) as bench:
        source = tmp_path / "source.csv"
        write_source(source, ROWS, bad)
        process = start(bench, "import", str(source), "-m", str(bench.mapping), "--via", "bulk", "--yes")
        kill_when(process, lambda: served(bench, "PUT", "/Bulk") >= 5)
        before = served(bench, "PUT", "/Bulk")
        assert 5 <= before < BATCHES, "it was not killed in the middle"
        source.unlink()  # what is packaged needs no source

        code, report = run(bench, "resume", "last", "--yes")
        assert code == report["exit_code"] == 3, report["error"]
        check_outcomes(only_run(bench), report, {"accepted": ROWS - len(bad), "rejected": len(bad)})
        check_profiles(bench, ROWS, bad)
        assert BATCHES <= served(bench, "PUT", "/Bulk") <= BATCHES + CONCURRENCY


@pytest.fixture
def packaging(tmp_path: Path) -> Iterator[Workbench]:
    """A run that was killed while it read its source; it would have sent 50 rows of 30,000."""
    with bench_of(tmp_path, EmulatorSettings(status_url=False)) as bench:
        source = tmp_path / "source.csv"
        write_source(source, 30_000)
        runs = tmp_path / "runs"
        mapping = str(bench.mapping.relative_to(tmp_path))
        process = start(bench, "import", source.name, "-m", mapping, "--limit", "50", "--yes", folder=tmp_path)
        kill_when(process, lambda: any(runs.glob("*/run.json")))
        assert RunFolder(only_run(bench)).read_manifest().stage is Stage.PACKAGING
        assert bench.writes() == []
        yield bench


def test_killed_while_packaging(packaging: Workbench) -> None:
    """A run that was killed before it sent anything starts again from its source, wherever it is resumed."""
    elsewhere = packaging.folder / "elsewhere"
    elsewhere.mkdir()
    code, report = run(packaging, "resume", "last", "--yes", folder=elsewhere)
    assert code == report["exit_code"] == 0, report["error"]
    assert report["outcomes"]["accepted"] == 50
    assert report["skipped"] == {"limit": 29_950}
    packaging.emulator.wait_idle()
    assert len(packaging.emulator.profiles()) == 50


def append_a_row(bench: Workbench) -> None:
    """Let the source grow."""
    with (bench.folder / "source.csv").open("a", encoding="utf-8") as file:
        file.write("K30000,p30000@example.com,late,1\n")


def replace_the_source(bench: Workbench) -> None:
    """Put another file of the same size and time in the source's place."""
    source = bench.folder / "source.csv"
    stamp = source.stat()
    other = source.with_suffix(".new")
    other.write_bytes(source.read_bytes().replace(b"note 1,", b"edit 1,"))
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(source)


def change_the_mapping(bench: Workbench) -> None:
    """Let a missing value mean something else."""
    text = bench.mapping.read_text(encoding="utf-8")
    bench.mapping.write_text(text.replace('"version": 1', '"version": 1, "defaults": {"on_missing": "remove"}'))


@pytest.mark.parametrize("change", [append_a_row, replace_the_source, change_the_mapping])
def test_killed_while_packaging_and_changed_since(packaging: Workbench, change: Callable[[Workbench], None]) -> None:
    """Where source or mapping is not what it was, the run is refused: its rows would be others."""
    change(packaging)
    code, report = run(packaging, "resume", "last", "--yes")
    assert code == report["exit_code"] == 6
    assert "changed" in report["error"]["message"]
    assert not any(is_write(entry) for entry in packaging.emulator.journal())


ORDER, LEDGER, INDEX = "package/order.arrow", "ledger.db", "package/index.arrow"


@pytest.mark.parametrize("written", [(ORDER,), (ORDER, LEDGER), (ORDER, LEDGER, INDEX)])
@pytest.mark.parametrize("release", [None, frozenset[int]()])
def test_killed_while_releasing(tmp_path: Path, written: tuple[str, ...], release: frozenset[int] | None) -> None:
    """Whichever of its files a killed release had written, no row is lost, doubled or left without a batch.

    The files of the run are put together from before and after a release that was stopped before it sent anything.
    """
    with bench_of(tmp_path / "bench", EmulatorSettings(status_url=False)) as bench:
        source = bench.folder / "source.csv"
        source.write_text("id,email,note,points\nA,x@example.com,a,1\nB,x@example.com,b,2\nC,c@example.com,c,3\n")
        report = bench.deliver(source)
        assert report.outcomes["held"] == 2
        folder, before, after = Path(report.folder or ""), tmp_path / "before", tmp_path / "after"
        shutil.copytree(folder, before)
        stopped = Hooks()
        stopped.stop.set()
        resume(ResumeRequest(report.run_id, bench.settings, release=frozenset()), stopped, QUICK)
        shutil.copytree(folder, after)
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        for name in written:
            shutil.copy(after / name, folder / name)

        report = bench.go_on(report, release=release)
        committed = LEDGER in written
        assert report.exit_code == (0 if release is not None or committed else 3), report.error
        done = 3 if release is not None or committed else 1
        assert outcomes_of(report)["state"].to_list().count("accepted") == done == report.outcomes["accepted"]
        assert report.merge_groups.held == (0 if done == 3 else 1)
        assert len(bench.stored()) == (2 if done == 3 else 1)
        assert served(bench, "PUT", "/Bulk") == done
        if done == 3:
            assert {profile["traits"]["Account"]["note"] for profile in bench.stored()} == {"b", "c"}
            again = bench.go_on(report, release=frozenset())
            assert served(bench, "PUT", "/Bulk") == done
            assert again.outcomes == report.outcomes
