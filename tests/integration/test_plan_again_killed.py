"""Planning again, and the process killed on the way: the run is the old one or the new one, never a mixture."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from importer.state.run_folder import RunFolder
from importer.state.takeover import DRAFT, READY, finish_takeover
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan
from tests.integration.test_plan_again import MAPPING, ROWS, SHORT, again, found, moved, source
from tests.support.runs import Workbench, outcomes_of, workbench

MOVED = ("ledger.db", "run.json", "schema.json", "mapping.yaml", "issues.csv", "issues.parquet")
"""Files that take the place of the run's own, beside its package."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A local service that has what the mapping needs."""
    with workbench(tmp_path / "bench", MAPPING) as made:
        yield made


def nothing_moved(run: Path, _new: Path) -> None:
    """Killed right after the commit."""


def package_aside(run: Path, _new: Path) -> None:
    """Killed between the two renames of the package."""
    (run / "package").rename(run / ".package.before")


def package_moved(run: Path, _new: Path) -> None:
    """Killed before the old package was deleted."""
    (run / "package").rename(run / ".package.before")
    (run / READY / "package").rename(run / "package")


def half_moved(run: Path, _new: Path) -> None:
    """Killed between two files."""
    package_moved(run, _new)
    for name in MOVED[:2]:
        (run / READY / name).replace(run / name)


@pytest.mark.parametrize("killed", [nothing_moved, package_aside, package_moved, half_moved])
def test_what_was_made_whole_takes_its_place(bench: Workbench, killed: Callable[[Path, Path], None]) -> None:
    """From the moment all new files are there, whoever opens the run next finishes the move, and sends the new plan."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    run, old = Path(planned.folder or ""), bench.folder / "old"
    shutil.copytree(run, old)
    with moved(bench, {"Contact.nick": SHORT}) as other:
        again(other, planned, Hooks(confirm=lambda _: False))
        ready = old / READY
        ready.mkdir()
        shutil.copytree(run / "package", ready / "package")
        for name in MOVED:
            shutil.copy2(run / name, ready / name)
        shutil.rmtree(run)
        old.rename(run)
        killed(run, ready)
        report = other.go_on(planned)
    assert found(report) == {"rejected": 2, "processed": 2}
    assert outcomes_of(report)["code"].to_list()[1] == "too-long"
    assert [path.name for path in run.iterdir() if path.name.startswith((".re", ".package"))] == []


def test_what_was_not_made_whole_is_thrown_away(bench: Workbench) -> None:
    """Before that moment the run is the old one, and the cell values in the new files are gone with the next look."""
    planned = plan(bench.request(source(bench, *ROWS)), Hooks())
    folder = RunFolder(Path(planned.folder or ""))
    shutil.copytree(folder.package, folder.path / DRAFT / "package")
    assert found(bench.go_on(planned)) == {"rejected": 1, "processed": 3}
    assert not (folder.path / DRAFT).exists()
    assert not finish_takeover(folder)
