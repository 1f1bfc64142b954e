"""The log of removals says the last word of each line, whatever a kill left at its end."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from importer.core.sync_removals import FATES_SCHEMA, Removal
from importer.errors import DiskError, StateError
from importer.state.removal_log import LOG_NAME, RemovalLog, read_removals
from tests.support.disks import fill, small_disk


def test_the_last_word_of_each_line_counts(tmp_path: Path) -> None:
    """It holds no key, and is private; a second writer goes on behind the first."""
    with RemovalLog(tmp_path) as log:
        log.write([(5, Removal.DELETE, "P1"), (2, Removal.SHARED, None)])
    with RemovalLog(tmp_path) as log:
        log.write([(5, Removal.DELETED, "P1")])
    found = read_removals(tmp_path)
    assert found.schema == FATES_SCHEMA
    assert found.rows() == [(2, "shared", None), (5, "deleted", "P1")]
    assert stat.S_IMODE((tmp_path / LOG_NAME).stat().st_mode) == 0o600


def test_a_torn_end_is_nothing(tmp_path: Path) -> None:
    """What was being written when the process was killed was not done; wherever it was cut."""
    with RemovalLog(tmp_path) as log:
        log.write([(5, Removal.DELETE, "P1"), (5, Removal.DELETED, "P1")])
    whole = (tmp_path / LOG_NAME).read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        (tmp_path / LOG_NAME).write_bytes(whole[:cut])
        assert read_removals(tmp_path)["removal"].to_list() == (["delete"] if cut >= first else [])


def test_no_log_is_no_removal(tmp_path: Path) -> None:
    """As in any run that removes nothing."""
    assert read_removals(tmp_path).is_empty()


@pytest.mark.parametrize("line", [b"no json", b'[1,"gone"]', b'["x","gone",null]', b'[1,"perhaps",null]'])
def test_a_damaged_log_is_refused(tmp_path: Path, line: bytes) -> None:
    """It is never taken for one that says less."""
    (tmp_path / LOG_NAME).write_bytes(b'[1,"gone",null]\n' + line + b'\n[2,"gone",null]\n')
    with pytest.raises(StateError, match="damaged"):
        read_removals(tmp_path)


@pytest.mark.parametrize("torn", [b"[5", b'[5,"delete","P1"]', b""])
def test_what_a_killed_process_left_behind_does_not_spoil_what_follows(tmp_path: Path, torn: bytes) -> None:
    """It goes before anything is written: both would be one line that nobody can read."""
    (tmp_path / LOG_NAME).write_bytes(b'[2,"gone",null]\n' + torn)
    with RemovalLog(tmp_path) as log:
        log.write([(7, Removal.GONE, None)])
    assert read_removals(tmp_path)["line"].to_list() == [2, 7]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """Nothing more is written by this process, room or not; the next one goes on behind the last whole line."""
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        with RemovalLog(disk) as log:
            log.write([(1, Removal.DELETE, "P1")])
            filler = fill(disk, leave_bytes=0)
            with pytest.raises(DiskError, match="full"):
                log.write([(line, Removal.DELETE, "P" * 26) for line in range(2, 500)])
            content = (disk / LOG_NAME).read_bytes()
            assert content == b'[1,"delete","P1"]\n'
            filler.unlink()
            with pytest.raises(DiskError, match="full"):
                log.write([(2, Removal.DELETE, "P2")])
        with RemovalLog(disk) as log:
            log.write([(1, Removal.DELETED, "P1")])
        assert read_removals(disk).rows() == [(1, "deleted", "P1")]
