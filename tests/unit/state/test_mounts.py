"""Where a runs folder may be: the kernel's list of mounts, and locks that do not lock."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from importer.errors import LockedError, StateError
from importer.state.lock import KernelLock
from importer.state.mounts import NETWORK, file_system_of, refuse_network

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
31 27 0:40 / /mnt/team rw,relatime shared:9 master:2 - nfs4 server:/export rw,vers=4.2,addr=10.0.0.1
32 27 0:41 / /mnt/team\\040share rw,nosuid - cifs //server/share rw,vers=3.1.1
33 31 254:0 /scratch /mnt/team/local rw,relatime - ext4 /dev/vda rw
34 27 0:42 / /home/ann/remote rw - fuse.sshfs ann@host:/data rw,user_id=1000
35 27 0:43 / /mnt/c rw,noatime - 9p C:\\134 rw,aname=drvfs
36 27 0:44 / /mnt/usb rw - fuseblk /dev/sdb1 rw
37 27 0:45 / /mnt/twice rw - nfs server:/a rw
38 37 0:46 / /mnt/twice rw - tmpfs tmpfs rw
a line that says nothing
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/runs", "ext4"),
        ("/", "ext4"),
        ("/mnt/team", "nfs4"),
        ("/mnt/team/a/runs", "nfs4"),
        ("/mnt/teams/runs", "ext4"),
        ("/mnt/team/local/runs", "ext4"),
        ("/mnt/team share/runs", "cifs"),
        ("/home/ann/remote/runs", "fuse.sshfs"),
        ("/mnt/c/Users/ann/runs", "9p"),
        ("/mnt/usb/runs", "fuseblk"),
        ("/mnt/twice/runs", "tmpfs"),
    ],
)
def test_a_path_is_on_the_mount_nearest_to_it(path: str, kind: str) -> None:
    """The longest mount point counts, the last of several on one point, and escaped characters are characters."""
    assert file_system_of(Path(path), MOUNTS) == kind


def test_a_list_that_says_nothing_is_no_answer() -> None:
    """Where the kernel does not say what a folder is on, nobody guesses."""
    assert file_system_of(Path("/srv"), "") is None


def test_a_runs_folder_that_other_machines_share_is_refused(tmp_path: Path) -> None:
    """The error names the kind and the option that names another folder; local folders pass, as do unknown systems."""
    mounts = tmp_path / "mountinfo"
    folder = tmp_path / "runs folder"
    folder.mkdir()
    point = str(folder).replace(" ", "\\040")
    for kind in ("nfs4", "cifs", "9p", "fuse.sshfs"):
        mounts.write_text(f"27 1 254:0 / / rw - ext4 /dev/vda rw\n31 27 0:40 / {point} rw - {kind} server rw\n")
        with pytest.raises(StateError, match=rf"network file system \({kind}\)") as caught:
            refuse_network(folder, mounts)
        assert "--runs-dir" in caught.value.hint
    mounts.write_text(f"31 27 0:40 / {point} rw - ext4 /dev/vdb rw\n")
    refuse_network(folder, mounts)
    refuse_network(folder, tmp_path / "nothing")
    refuse_network(tmp_path)


def test_local_kinds_are_not_in_the_list() -> None:
    """What people have on their own machines and in containers is accepted."""
    assert not NETWORK & {"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "fuseblk", "virtiofs", "f2fs"}


def test_a_lock_that_everybody_gets_is_none(tmp_path: Path) -> None:
    """A file system that says yes to everybody is found out and refused."""
    with (
        pytest.raises(StateError, match="does not keep two processes apart") as caught,
        KernelLock(tmp_path / "lock", "held", "wait", flock=lambda _descriptor, _operation: None),
    ):
        pass
    assert not isinstance(caught.value, LockedError)
    assert "--runs-dir" in caught.value.hint


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(tmp_path: Path, number: int) -> None:
    """No lock is not a lock that another process has."""

    def cannot(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    with (
        pytest.raises(StateError, match="cannot lock files") as caught,
        KernelLock(tmp_path / "lock", "held", "wait", flock=cannot),
    ):
        pass
    assert not isinstance(caught.value, LockedError)


def test_a_lock_that_holds_is_taken_and_let_go(tmp_path: Path) -> None:
    """Its file is private, a second taker is told who has it, and afterwards it is free."""
    path = tmp_path / "lock"
    before = os.umask(0o777)
    try:
        with KernelLock(path, "somebody has it", "wait"):
            assert path.stat().st_mode & 0o777 == 0o600
            with pytest.raises(LockedError, match="somebody has it"), KernelLock(path, "somebody has it", "wait"):
                pass
    finally:
        os.umask(before)
    with KernelLock(path, "held", "wait"), path.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
