"""Whether there is room for a run, before anything of it is written."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from importer.errors import DiskError, GuardError
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.disk import free_bytes, given_back, resumable, room_needed, with_room
from importer.wiring.opening import Opened, opened
from tests.support.runs import Workbench, workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {"email": "Contact.email", "note": "Account.note"},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A local service that has what the mapping needs."""
    with workbench(tmp_path_factory.mktemp("room") / "bench", MAPPING) as made:
        yield made


@pytest.fixture
def inputs(bench: Workbench) -> Iterator[Opened]:
    """A source of 100,000 bytes, opened; half of its six columns are used."""
    path = bench.folder / "source.csv"
    head = "id,email,note,other,more,most\n1,a@example.com,x,,,"
    path.write_text(head + "y" * (100_000 - len(head) - 1) + "\n", encoding="utf-8")
    with opened(bench.request(path)) as made:
        yield made


def test_what_is_mapped_and_how_it_is_packed_decides() -> None:
    """Columns that are not mapped are not kept; of a compressed file at least as much is kept as it has."""
    assert room_needed(1_000_000, packed=False, mapped=10, columns=10) == 800_000
    assert room_needed(1_000_000, packed=False, mapped=5, columns=10) == 400_000
    assert room_needed(1_000_000, packed=True, mapped=10, columns=10) == 1_000_000
    assert room_needed(1_000_000, packed=True, mapped=12, columns=10) == 1_000_000
    assert room_needed(0, packed=False, mapped=1, columns=0) == 0


def test_a_run_is_refused_where_there_is_clearly_no_room(inputs: Opened, tmp_path: Path) -> None:
    """40,000 bytes will be kept: half of that is too little, less than that is worth a note, more is fine."""
    assert with_room(tmp_path, inputs, free=lambda _: 40_000) == inputs
    noted = with_room(tmp_path, inputs, free=lambda _: 20_000)
    assert "may become full" in noted.notes[-1]
    assert noted.notes[:-1] == inputs.notes
    with pytest.raises(GuardError, match=rf"will be kept in {tmp_path} and 0\.0 MiB are free") as caught:
        with_room(tmp_path, inputs, free=lambda _: 19_999)
    assert "--runs-dir" in caught.value.hint


def test_a_package_that_will_be_replaced_gives_its_room_back(inputs: Opened, tmp_path: Path) -> None:
    """A run that was killed while packaging is not refused for its own leftovers."""
    leftover = tmp_path / "package"
    leftover.mkdir()
    (leftover / "valid.arrow").write_bytes(b"x" * 30_000)
    assert with_room(tmp_path, inputs, leftover=leftover, free=lambda _: 10_000) == inputs


def test_a_compressed_source_is_known_as_one(bench: Workbench, tmp_path: Path) -> None:
    """Its size on disk is the least that will be kept."""
    path = bench.folder / "source.csv.gz"
    rows = "".join(f"{n},p{n}@example.com,note {n}\n" for n in range(20_000))
    path.write_bytes(gzip.compress(f"id,email,note\n{rows}".encode()))
    size = path.stat().st_size
    with opened(bench.request(path)) as inputs:
        assert with_room(tmp_path, inputs, free=lambda _: size) == inputs
        assert with_room(tmp_path, inputs, free=lambda _: size - 1) != inputs


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_nearest(tmp_path: Path) -> None:
    """A runs folder is made only when there is something to put in it."""
    assert free_bytes(tmp_path / "a" / "b") > 0


def test_a_run_without_a_record_leaves_nothing(tmp_path: Path) -> None:
    """Where not even the record could be written, nobody could go on with the run."""
    run = RunsFolder(tmp_path / "runs").create("20261122-000000")
    with pytest.raises(DiskError) as caught:
        _get_full(run)
    assert "run the command again" in caught.value.hint
    assert not run.path.exists()


def _get_full(run: RunFolder) -> None:
    with given_back(run), run.writer():
        raise DiskError("the disk is full")


def test_a_run_that_can_go_on_says_how() -> None:
    """The error that leaves a planned run names its command, not any."""

    def get_full() -> None:
        with resumable(Path("runs/20261122-000000-000-abcdef")):
            raise DiskError("the disk is full", hint="free space there, then resume the run")

    with pytest.raises(DiskError) as caught:
        get_full()
    assert "`memory-importer resume 20261122-000000-000-abcdef`" in caught.value.hint
