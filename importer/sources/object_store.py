"""Objects of S3 as files: fetched to private temporary files, so that every format is read by the reader it has."""

from __future__ import annotations

import os
import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from importer.errors import SourceError
from importer.sources.files import inspect_file, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from importer.ports import SourceFile

S3: Final = "s3://"
_BLOCK_BYTES: Final = 8 * 1024 * 1024
_SPARE_BYTES: Final = 256 * 1024 * 1024
_MAGIC: Final = "*?["


def fetch(spec: str, environment: Mapping[str, str]) -> list[SourceFile]:
    """Fetch the objects that an address names; whoever asked deletes the files.

    Credentials, region and endpoint are those of the environment, as the tools of AWS read them (`AWS_PROFILE`,
    `AWS_ENDPOINT_URL`, an instance's role ...).

    Args:
        spec: ``s3://bucket/key``, or a pattern in the key.
        environment: Of the process.

    Returns:
        The files, named by their address, in the order of their keys.

    Raises:
        SourceError: there is no such object, it cannot be read, or the disk has no room for it.
    """
    bucket, _, key = spec.removeprefix(S3).partition("/")
    if not bucket or not key or "@" in bucket:
        raise SourceError(f"{S3}...: not an object's address", hint="write s3://bucket/key, without credentials")
    fetched: list[SourceFile] = []
    try:
        system = _filesystem(environment)
        for info in _listed(system, f"{bucket}/{key}", spec):
            fetched.append(_fetched(system, info.path, info.size, info.mtime_ns))
            _check_whole(fetched[-1], info.size)
    except BaseException:
        drop(fetched)
        raise
    return fetched


def drop(files: list[SourceFile]) -> None:
    """Delete what was fetched."""
    for file in files:
        Path(file.path).unlink(missing_ok=True)


def _filesystem(environment: Mapping[str, str]) -> Any:
    from pyarrow import fs  # noqa: PLC0415 - loads the client of AWS

    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    scheme, _, host = (endpoint or "").partition("://")
    given = {"endpoint_override": host, "scheme": scheme} if host else {}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(**given, **({"region": region} if region else {}), connect_timeout=10, request_timeout=60)


def _listed(system: Any, path: str, spec: str) -> list[Any]:
    from pyarrow import fs  # noqa: PLC0415

    try:
        exact = system.get_file_info(path)
        if exact.type == fs.FileType.File:
            return [exact]
        place = next((at for at, char in enumerate(path) if char in _MAGIC), None)
        folder = path[:place].rpartition("/")[0] if place is not None else path
        found = system.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True)) if place else []
    except OSError:
        raise _unreadable(spec) from None
    matches = [one for one in found if one.is_file and fnmatchcase(one.path, path)]
    if not matches:
        raise SourceError(f"{shown(spec)}: no such object", hint="check bucket and key; patterns match whole keys")
    return sorted(matches, key=lambda one: str(one.path))


def _check_whole(file: SourceFile, size_bytes: int) -> None:
    if file.size_bytes != size_bytes:
        raise SourceError(f"{shown(file.name)}: changed while it was fetched", hint="run again")


def _fetched(system: Any, path: str, size_bytes: int, mtime_ns: int) -> SourceFile:
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < size_bytes + _SPARE_BYTES:
        raise SourceError(
            f"{S3}{shown(path)}: has {size_bytes:,} bytes, and {folder} has no room for them",
            hint="set TMPDIR to a folder on a larger disk",
        )
    handle, local = tempfile.mkstemp(prefix="memory-importer-")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as spool:
            os.fchmod(handle, 0o600)  # a umask can take the owner's own bits away
            try:
                # As it is: by its name it would come decompressed, and be decompressed a second time.
                with system.open_input_stream(path, compression=None, buffer_size=_BLOCK_BYTES) as content:
                    shutil.copyfileobj(content, spool, _BLOCK_BYTES)
            except OSError:
                raise _unreadable(f"{S3}{path}") from None
        os.utime(local, ns=(mtime_ns, mtime_ns))
        return inspect_file(f"{S3}{path}", local)
    except BaseException:
        Path(local).unlink(missing_ok=True)
        raise


def _unreadable(spec: str) -> SourceError:
    # What the client says may quote keys and signed headers.
    return SourceError(
        f"{shown(spec)}: cannot be read from the object store",
        hint="check bucket, region and credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL)",
    )
