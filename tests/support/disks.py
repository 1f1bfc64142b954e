"""Disks that get full, may not be written to, or are shared, and processes that are not allowed everything."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

_NO_OVERRIDE: Final = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""
_LIMITED: Final = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


def bound_by_modes(command: Sequence[str]) -> list[str]:
    """Return a command line that runs another one for which the modes of files count, also where root runs it."""
    return [sys.executable, "-c", _NO_OVERRIDE, *command]


def limited_files(command: Sequence[str], size_bytes: int) -> list[str]:
    """Return a command line that runs another one which cannot make a file larger than so many bytes.

    The kernel answers EFBIG, as Python ignores the signal that comes with it.
    """
    return [sys.executable, "-c", _LIMITED, str(size_bytes), *command]


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a file system of its own that holds so many bytes; skips the test where mounting is not permitted."""
    folder.mkdir()
    mounted = _mount(folder, f"size={size_bytes}")
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, options: str) -> None:
    """Change a mounted file system: `ro`, `rw`, or `size=N`."""
    _mount(folder, f"remount,{options}").check_returncode()


def _mount(folder: Path, options: str) -> subprocess.CompletedProcess[str]:
    command = ["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as exc:
        return subprocess.CompletedProcess(command, 1, "", str(exc))


def fill(folder: Path, *, leave_bytes: int) -> Path:
    """Fill the disk a folder is on but for so many bytes; return the file that does."""
    room = os.statvfs(folder)
    filler = folder / "filler"
    with filler.open("wb") as stream:
        stream.write(b"\0" * max(room.f_bavail * room.f_frsize - leave_bytes, 0))
    return filler
