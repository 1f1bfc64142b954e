"""A mirror whose disk gets full while it removes: nothing goes that is not written down, and the next run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.errors import DiskError
from importer.state.removal_log import read_removals
from importer.state.run_folder import RunFolder
from importer.wiring.requests import Hooks
from tests.support.disks import fill, small_disk
from tests.support.mirrors import MIRROR, deleted, is_mirror, mirrored, without
from tests.support.runs import Workbench, workbench
from tests.support.strict_store import POINTERS
from tests.support.syncs import MAPPING, At, Synced


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """Return a workbench on a small disk of its own."""
    with small_disk(tmp_path / "disk", 16 << 20) as disk, workbench(disk / "bench", MAPPING, POINTERS) as made:
        yield made


@pytest.mark.parametrize("leave_bytes", [0, 4096])
def test_a_disk_that_fills_up_while_profiles_go(bench: Workbench, leave_bytes: int) -> None:
    """Each profile that was deleted is in the log, and a key that is not deleted stays known, wherever it stops."""
    synced = Synced(bench, MIRROR)
    rows = mirrored(synced, 130)
    gone = [f"K{number}" for number in range(120)]
    synced.write(without(rows, *gone))
    fillers: list[Path] = []
    stops = Hooks(progress=At("remove", lambda: fillers.append(fill(bench.folder, leave_bytes=leave_bytes))))

    def run() -> None:
        with pytest.raises(DiskError, match="full"):
            synced.run(stops)

    asked = deleted(synced, run)
    fillers[0].unlink()
    assert (len(asked) > 0, len(asked) < len(gone)) == (leave_bytes > 0, True)
    run_folder = RunFolder(max(path for path in synced.folder.runs.glob("2*")))
    assert set(asked) <= set(read_removals(run_folder.path)["profile_id"].drop_nulls())
    while synced.run().exit_code:
        pass
    assert is_mirror(synced, without(rows, *gone))
