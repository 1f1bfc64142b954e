"""From what the user wrote to a source."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.csv_file import CsvSource
from importer.sources.files import expand, inspect_file, io_failure, shown
from importer.sources.parquet_file import ParquetSource
from importer.sources.sniff import Doubt, file_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.ports import Source, SourceFile, SourceOptions

STDIN = "-"
_SNIFFED_BYTES = 4096


def open_source(spec: str | Sequence[str], options: SourceOptions) -> Source:
    """Open files as one source, by their content and not by their names.

    Args:
        spec: A path, a pattern (an existing file of that very name comes first), or ``-`` for standard input, which is
            spooled to a private temporary file; or several of them.
        options: How to read.

    Raises:
        SourceError: a file is missing, not readable, or holds no table.
    """
    if spec == STDIN or list(spec) == [STDIN]:
        return _open_stdin(options)
    files = [inspect_file(name, os.path.abspath(name)) for name in expand(spec)]  # noqa: PTH100 - links are kept
    return _open_files(files, options)


def _open_files(files: Sequence[SourceFile], options: SourceOptions) -> Source:
    kinds = [_kind(file) for file in files]
    odd = next((index for index, kind in enumerate(kinds) if (kind == "parquet") != (kinds[0] == "parquet")), None)
    if odd is not None:
        raise SourceError(
            f"{shown(files[odd].name)}: not of the kind of {shown(files[0].name)} (text or Parquet)",
            hint="import files of one kind together",
        )
    if kinds[0] == "parquet":
        return ParquetSource(files, options)
    compressions = [None if kind == "text" else kind for kind in kinds]
    return CsvSource(list(zip(files, compressions, strict=True)), options)


def _kind(file: SourceFile) -> str:
    try:
        with Path(file.path).open("rb", buffering=0) as content:
            head = content.read(_SNIFFED_BYTES)
    except OSError as exc:
        raise io_failure(file, exc) from None
    try:
        return file_kind(head)
    except Doubt as doubt:
        raise SourceError(f"{shown(file.name)}: {doubt.cause}", hint=doubt.fix) from None


def _open_stdin(options: SourceOptions) -> Source:
    """Spool standard input, because a source is read more than once; the copy goes with the source."""
    handle, path = tempfile.mkstemp(prefix="memory-importer-")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as spool:
            os.fchmod(handle, 0o600)  # a umask can take the owner's own bits away
            shutil.copyfileobj(sys.stdin.buffer, spool, 1024 * 1024)
        source = _open_files([inspect_file(STDIN, path)], options)
    except OSError as exc:
        Path(path).unlink(missing_ok=True)
        raise SourceError(
            f"standard input: spooling failed: {exc.strerror or 'input/output error'}",
            hint="check the space in the temporary folder",
        ) from None
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    weakref.finalize(source, Path(path).unlink, missing_ok=True)
    return source
