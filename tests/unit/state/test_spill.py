"""Hashes on disk while a source is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from importer.errors import StateError
from importer.pipeline.hashes import HashColumns, HeldHashes
from importer.ports import HashSpill
from importer.state.spill import SpilledHashes
from tests.support.disks import limited_files


def fill(spill: HashSpill) -> None:
    """Write two columns, one of them in pieces."""
    spill.append("email", np.array([1, 2**64 - 1], dtype=np.uint64))
    spill.append("key", np.arange(6, dtype=np.uint64)[::2])
    spill.append("email", np.array([3], dtype=np.uint64))


HELD = pytest.mark.parametrize("held_bytes", [0, 15, 16, 40, 48, 10_000])
"""Room in memory: for none of the hashes that `fill` writes, for some and for all."""


@HELD
def test_hashes_come_back_in_the_order_they_came(tmp_path: Path, held_bytes: int) -> None:
    """Pieces are one column again, read as often as it is asked for; a column of no rows is empty."""
    with SpilledHashes(tmp_path, held_bytes) as spilled:
        for spill in (spilled, HeldHashes()):
            fill(spill)
            for _ in range(2):
                assert spill.read("email").tolist() == [1, 2**64 - 1, 3]
            assert spill.read("key").tolist() == [0, 2, 4]
            assert spill.read("phone").tolist() == []


@HELD
def test_what_is_read_can_be_followed_by_more(tmp_path: Path, held_bytes: int) -> None:
    """Reading does not move the place where the next hashes go."""
    with SpilledHashes(tmp_path, held_bytes) as spill:
        fill(spill)
        spill.read("key")
        spill.append("key", np.array([9], dtype=np.uint64))
        assert spill.read("key").tolist() == [0, 2, 4, 9]


def test_nothing_of_a_spill_is_in_the_folder(tmp_path: Path) -> None:
    """The files have no name: nobody else opens them, and a killed process leaves none."""
    before = open_files()
    with SpilledHashes(tmp_path, held_bytes=0) as spill:
        fill(spill)
        assert list(tmp_path.iterdir()) == []
        assert open_files() == before + 2


def test_a_small_run_needs_no_file(tmp_path: Path) -> None:
    """The first hashes wait in memory, and the folder is not even looked at."""
    before = open_files()
    with SpilledHashes(tmp_path / "none") as spill:
        fill(spill)
        assert open_files() == before
        assert spill.read("email").tolist() == [1, 2**64 - 1, 3]


def test_no_more_than_so_much_waits_in_memory(tmp_path: Path) -> None:
    """What comes later in any column goes to its file, however small it is."""
    before = open_files()
    with SpilledHashes(tmp_path, held_bytes=24) as spill:
        for name, numbers in (("email", [1, 2]), ("key", [3, 4]), ("email", [5]), ("key", [6])):
            spill.append(name, np.array(numbers, dtype=np.uint64))
        assert open_files() == before + 2
        assert (spill.read("email").tolist(), spill.read("key").tolist()) == ([1, 2, 5], [3, 4, 6])


def open_files() -> int:
    """Count the files that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_folder_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    """What the disk answers is told like that of every other file of a run."""
    with SpilledHashes(tmp_path / "gone", held_bytes=0) as spill, pytest.raises(StateError):
        fill(spill)


def test_a_full_disk_is_told_once_the_files_are_closed(tmp_path: Path) -> None:
    """What closing a file cannot write either takes nothing from the error that says so."""
    few = (
        "import sys, numpy as np; from pathlib import Path; from importer.errors import DiskError;"
        "from importer.state.spill import SpilledHashes\n"
        "try:\n"
        "    with SpilledHashes(Path(sys.argv[1]), 0) as spill:\n"
        "        for _ in range(9): spill.append('email', np.ones(300, dtype=np.uint64))\n"
        "        spill.read('email')\n"
        "except DiskError: print('full')\n"
    )
    command = limited_files([sys.executable, "-c", few, str(tmp_path)], 10_000)
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == "full\n"


def test_columns_are_read_when_they_are_looked_at() -> None:
    """A mapping of columns holds none of them."""
    spill = HeldHashes()
    columns = HashColumns(("email",), spill)
    assert (list(columns), len(columns)) == (["email"], 1)
    fill(spill)
    assert columns["email"].tolist() == [1, 2**64 - 1, 3]
    with pytest.raises(KeyError):
        columns["key"]
