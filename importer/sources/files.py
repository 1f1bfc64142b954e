"""Naming files: what the user wrote becomes regular, readable files, or one line saying why not."""

from __future__ import annotations

import glob
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from importer.errors import SourceChangedError, SourceError
from importer.ports import SourceFile

if TYPE_CHECKING:
    from collections.abc import Sequence

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HASH_BLOCK_BYTES = 4 * 1024 * 1024
_KINDS = (
    (stat.S_ISDIR, "a directory", "name a file in it, or a pattern such as 'folder/*.csv'"),
    (stat.S_ISFIFO, "a named pipe", "pipe it in and use '-' as the source"),
    (stat.S_ISCHR, "a device", "name a regular file"),
    (stat.S_ISBLK, "a device", "name a regular file"),
    (stat.S_ISSOCK, "a socket", "name a regular file"),
)


def shown(name: str) -> str:
    """Return a name fit for a terminal: control and other unprintable characters are escaped."""
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def expand(spec: str | Sequence[str]) -> list[str]:
    """Turn what the user wrote into file names, patterns expanded and sorted.

    Raises:
        SourceError: nothing named, nothing matched, an address instead of a path, or one file named twice.
    """
    specs = [spec] if isinstance(spec, str) else list(spec)
    names = [name for one in specs for name in _expand_one(one)]
    if not names:
        raise SourceError("no source file named", hint="name a file, a pattern, or '-' for standard input")
    seen: dict[str, str] = {}
    for name in names:
        real = os.path.realpath(name)
        if real in seen:
            raise SourceError(
                f"{shown(name)}: named twice (also as {shown(seen[real])})", hint="its rows would count twice"
            )
        seen[real] = name
    return names


def _expand_one(spec: str) -> list[str]:
    if _URL.match(spec):
        raise SourceError(
            f"{shown(spec.partition('?')[0])}: an address, not a file",
            hint="download it and name the local file, or an object as s3://bucket/key; a database needs --query",
        )
    if "\0" in spec:
        raise SourceError(f"{shown(spec)}: not a file name", hint="check the path")
    # A file that exists under this very name is meant, whatever brackets or stars the name holds.
    if os.path.lexists(spec) or not glob.has_magic(spec):
        return [spec]
    matches = sorted(name for name in glob.glob(spec, recursive=True) if not Path(name).is_dir())  # noqa: PTH207 - keeps the name as written
    if not matches:
        raise SourceError(f"{shown(spec)}: no file matches this pattern", hint="check the path")
    return matches


def inspect_file(name: str, path: str) -> SourceFile:
    """Check that a path is a regular file that can be opened; never blocks on a pipe or a device.

    Raises:
        SourceError: it is missing, not a regular file, or not readable.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - takes names pathlib would normalise
        for is_kind, what, hint in _KINDS:
            if is_kind(found.st_mode):
                raise SourceError(f"{shown(name)}: {what}, not a file", hint=hint)
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        raise SourceError(f"{shown(name)}: no such file", hint="check the path") from None
    except PermissionError:
        raise SourceError(f"{shown(name)}: no permission to read it", hint="check the file's owner and mode") from None
    except (OSError, ValueError) as exc:
        cause = getattr(exc, "strerror", None) or "not a file name"
        raise SourceError(f"{shown(name)}: cannot be opened: {cause}", hint="check the path") from None
    return _describe(name, path, found)


def _describe(name: str, path: str, found: os.stat_result) -> SourceFile:
    return SourceFile(
        name=name, path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino, digest=None
    )


def check_unchanged(file: SourceFile) -> None:
    """Compare a file with what it was when it was first inspected.

    Raises:
        SourceChangedError: size, time of change or identity differ, or it is gone.
    """
    try:
        found = os.stat(file.path)  # noqa: PTH116
    except OSError:
        found = None
    if found is None or (found.st_size, found.st_mtime_ns, found.st_ino) != (
        file.size_bytes,
        file.mtime_ns,
        file.inode,
    ):
        raise SourceChangedError(
            f"{shown(file.name)}: changed while it was read", hint="run again when nothing writes to it any more"
        )


def io_failure(file: SourceFile, exc: OSError) -> SourceError:
    """Word a failed read; it never passes for the end of the file."""
    return SourceError(
        f"{shown(file.name)}: reading failed: {exc.strerror or 'input/output error'}",
        hint="check the disk or mount, then run again",
    )


def hash_file(file: SourceFile) -> str:
    """Return the BLAKE3 of a file's bytes, in hex.

    Raises:
        SourceError: it cannot be read.
        SourceChangedError: it is not the file it was.
    """
    digest = blake3()
    try:
        with Path(file.path).open("rb", buffering=0) as content:
            while block := content.read(_HASH_BLOCK_BYTES):
                digest.update(block)
    except OSError as exc:
        raise io_failure(file, exc) from None
    check_unchanged(file)
    return digest.hexdigest()


def fingerprint_of(files: list[SourceFile]) -> str:
    """Return one hash over content and size of files, in order; names do not count.

    Args:
        files: One that was not hashed yet is read, and replaced by one with its hash.

    Raises:
        SourceError: one cannot be read.
        SourceChangedError: one is not the file it was.
    """
    digest = blake3()
    for index, file in enumerate(files):
        if file.digest is None:
            files[index] = replace(file, digest=hash_file(file))
        digest.update(f"{file.size_bytes}:{files[index].digest}\n".encode())
    return digest.hexdigest()
