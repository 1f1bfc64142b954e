"""Which kind of file system a folder is on, as the kernel lists its mounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from importer.errors import StateError

MOUNTS: Final = Path("/proc/self/mountinfo")
"""The kernel's own list (proc(5)); systems without it have no such check."""

_SHARED: Final = "9p afs beegfs ceph cifs coda davfs glusterfs lustre ncpfs nfs nfs4 smb3 smbfs"
_SHARED_BY_FUSE: Final = (
    "blobfuse blobfuse2 ceph curlftpfs davfs2 gcsfuse glusterfs goofys juicefs mount-s3 mountpoint-s3 rclone s3fs sshfs"
)
NETWORK: Final = frozenset({*_SHARED.split(), *(f"fuse.{name}" for name in _SHARED_BY_FUSE.split())})
"""File systems that another machine may write to as well: a lock may not reach it, and the memory that processes share
over a ledger does not."""

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def file_system_of(path: Path, mounts: str) -> str | None:
    """Return the type of the file system a path is on; None where the list does not say.

    Args:
        path: Absolute, without links.
        mounts: Text of `MOUNTS`: mount point in field 5, file system type in the first field after ``-``.
    """
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 6:
            continue
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        # The longest wins, and of several mounts on one point the last, which hides those before it.
        if path.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = len(point.parts), after.split(" ")[0]
    return best[1] if best is not None else None


def refuse_network(folder: Path, mounts: Path = MOUNTS) -> None:
    """Refuse to keep the state of a delivery on a file system that other machines share.

    Args:
        folder: The runs folder; it exists.
        mounts: Where the list of mounts is.

    Raises:
        StateError: it is on such a file system.
    """
    try:
        text = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = file_system_of(folder.resolve(), text)
    if kind in NETWORK:
        raise StateError(
            f"the runs folder {folder} is on a network file system ({kind}), where locks and ledgers cannot be trusted",
            hint="put the runs folder on a local disk (`--runs-dir`)",
        )
