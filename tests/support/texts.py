"""Text files written for a test, and what a source makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from importer.errors import SourceError
from importer.ports import Source, SourceChunk, SourceDescription, SourceOptions
from importer.sources import open_source

Write = Callable[..., Path]


def writer(folder: Path) -> Write:
    """Return what writes a file into a folder and returns its path."""

    def write_file(content: bytes | str, name: str = "table.csv") -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def source_of(path: Path | Sequence[Path], **options: object) -> Source:
    """Open one file or several."""
    spec = str(path) if isinstance(path, Path) else [str(one) for one in path]
    return open_source(spec, SourceOptions(**options))  # type: ignore[arg-type]


def described(path: Path | Sequence[Path], **options: object) -> SourceDescription:
    """Open and describe."""
    return source_of(path, **options).describe()


def chunks_of(path: Path | Sequence[Path], **options: object) -> list[SourceChunk]:
    """Read all chunks."""
    return list(source_of(path, **options).chunks())


def rows_of(path: Path, **options: object) -> list[tuple[object, ...]]:
    """Read row number, line and cells of all good rows."""
    rows: list[tuple[object, ...]] = []
    for chunk in chunks_of(path, **options):
        assert chunk.line is not None
        rows += [
            (number, line, *cells)
            for number, line, cells in zip(chunk.row_number, chunk.line, chunk.frame.rows(), strict=True)
        ]
    return rows


def malformed_of(path: Path, **options: object) -> list[tuple[object, ...]]:
    """Read row number, line, reason and raw text of all malformed rows."""
    frames = [chunk.malformed for chunk in chunks_of(path, **options)]
    return pl.concat(frames).select("row_number", "line", "reason", "raw").rows()


def refusal(path: Path | Sequence[Path], **options: object) -> SourceError:
    """Return why a file is refused, at the latest when it is read."""
    with pytest.raises(SourceError) as caught:
        chunks_of(path, **options)
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value
