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
from importer.sources.arrow_file import ARROW_MARK, ArrowSource
from importer.sources.csv_file import CsvSource
from importer.sources.database import DatabaseSource
from importer.sources.database_place import database_place, is_database
from importer.sources.excel_file import EXCEL_SUFFIXES, ZIP_MARK, ExcelSource
from importer.sources.files import expand, inspect_file, io_failure, shown
from importer.sources.ndjson_file import NdjsonSource
from importer.sources.object_store import S3, drop, fetch
from importer.sources.parquet_file import ParquetSource
from importer.sources.sniff import Doubt, file_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.ports import Source, SourceFile, SourceOptions

STDIN = "-"
_SNIFFED_BYTES = 4096
_TEXT = "text"
_NDJSON = "JSON lines"
_NDJSON_SUFFIXES = (".ndjson", ".jsonl")
_PACKED_SUFFIXES = (".gz", ".zst")


def is_path(spec: str) -> bool:
    """Tell whether a source is named by a path, or a pattern of paths, that a working folder has a say in."""
    return spec != STDIN and not is_database(spec) and "://" not in spec


def open_source(spec: str | Sequence[str], options: SourceOptions, *, hashed: bool = False) -> Source:
    """Open files, objects or a database as one source, by their content where it tells.

    Args:
        spec: A path, a pattern (an existing file of that very name comes first), ``s3://bucket/key`` or a pattern of
            keys, or ``-`` for standard input; or several of them. Objects and standard input are spooled to private
            temporary files. With a query: one database.
        options: How to read.
        hashed: The fingerprint will be asked for: what can be hashed while it is read, is.

    Raises:
        SourceError: a file is missing, not readable, or holds no table.
    """
    names = [spec] if isinstance(spec, str) else list(spec)
    if options.query:
        return _open_database(names, options)
    if options.parameters:
        raise SourceError("--param belongs to a query, and there is none", hint="give --query, or leave --param out")
    if any(is_database(name) for name in names):
        raise SourceError("a database has no rows of its own", hint="say which to read with --query")
    if names == [STDIN]:
        return _open_stdin(options, hashed=hashed)
    if any(name.startswith(S3) for name in names):
        return _open_objects(names, options, hashed=hashed)
    files = [inspect_file(name, os.path.abspath(name)) for name in expand(spec)]  # noqa: PTH100 - links are kept
    return _open_files(files, options, hashed=hashed)


def _open_database(names: Sequence[str], options: SourceOptions) -> Source:
    if len(names) != 1:
        raise SourceError("--query reads from one database", hint="name one source")
    return DatabaseSource(database_place(names[0], options, os.environ), options)


def _open_objects(names: Sequence[str], options: SourceOptions, *, hashed: bool) -> Source:
    if not all(name.startswith(S3) for name in names):
        raise SourceError("objects of a store and files are different sources", hint="import them apart")
    files: list[SourceFile] = []
    try:
        for name in names:
            files += fetch(name, os.environ)
        source = _open_files(files, options, hashed=hashed)
    except BaseException:
        drop(files)
        raise
    weakref.finalize(source, drop, files)
    return source


def _open_files(files: Sequence[SourceFile], options: SourceOptions, *, hashed: bool) -> Source:
    kinds = [_kind(file) for file in files]
    families = [family for family, _ in kinds]
    odd = next((index for index, family in enumerate(families) if family != families[0]), None)
    if odd is not None:
        raise SourceError(
            f"{shown(files[odd].name)}: not of the kind of {shown(files[0].name)} ({families[odd]} and {families[0]})",
            hint="import files of one kind together",
        )
    packed = [(file, packing) for file, (_, packing) in zip(files, kinds, strict=True)]
    match families[0]:
        case "Parquet":
            return ParquetSource(files, options)
        case "Arrow":
            return ArrowSource(files, options)
        case "Excel":
            return ExcelSource(files, options)
        case "JSON lines":
            return NdjsonSource(packed, options)
        case _:
            return CsvSource(packed, options, hashed=hashed)


def _kind(file: SourceFile) -> tuple[str, str | None]:
    """Return what a file is, and how it is compressed."""
    try:
        with Path(file.path).open("rb", buffering=0) as content:
            head = content.read(_SNIFFED_BYTES)
    except OSError as exc:
        raise io_failure(file, exc) from None
    name = file.name.lower()
    if head.startswith(ZIP_MARK) and name.endswith(EXCEL_SUFFIXES):
        return "Excel", None
    if head.startswith(ARROW_MARK):
        return "Arrow", None
    try:
        kind = file_kind(head)
    except Doubt as doubt:
        raise SourceError(f"{shown(file.name)}: {doubt.cause}", hint=doubt.fix) from None
    if kind == "parquet":
        return "Parquet", None
    packing = None if kind == _TEXT else kind
    plain = Path(name).stem if packing is not None and name.endswith(_PACKED_SUFFIXES) else name
    # By its name: the first bytes of a log-in error saved as a table look the same.
    return (_NDJSON if plain.endswith(_NDJSON_SUFFIXES) else _TEXT), packing


def _open_stdin(options: SourceOptions, *, hashed: bool) -> Source:
    """Spool standard input, because a source is read more than once; the copy goes with the source."""
    handle, path = tempfile.mkstemp(prefix="memory-importer-")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as spool:
            os.fchmod(handle, 0o600)  # a umask can take the owner's own bits away
            shutil.copyfileobj(sys.stdin.buffer, spool, 1024 * 1024)
        source = _open_files([inspect_file(STDIN, path)], options, hashed=hashed)
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
