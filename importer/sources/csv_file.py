"""Delimited text files as a source."""

from __future__ import annotations

import codecs
from dataclasses import replace
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.ports import Dialect, SourceDescription
from importer.sources.assemble import Assembler
from importer.sources.csv_pass import CsvPass, FilePlan, ReadLimits
from importer.sources.decode import BAD_BYTES, UNDECODABLE, open_bytes, read_up_to
from importer.sources.files import check_unchanged, fingerprint_of, shown
from importer.sources.header import find_layout, looks_like_data
from importer.sources.readahead import read_ahead
from importer.sources.sniff import (
    Doubt,
    beginning_of,
    check_utf8,
    choose_encoding,
    refuse_other_formats,
    refuse_other_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from importer.ports import SourceChunk, SourceFile, SourceOptions

_HEAD_BYTES = 4 * 1024 * 1024


class CsvSource:
    """One or more text files of the same columns, read in order.

    Args:
        files: Each with its compression, None for plain text.
        options: What the user asked for.
        limits: Sizes of a pass; from `options` when left out.
        hashed: Hash the files while they are read, for a fingerprint that takes no reading of its own.
    """

    def __init__(
        self,
        files: Sequence[tuple[SourceFile, str | None]],
        options: SourceOptions,
        limits: ReadLimits | None = None,
        *,
        hashed: bool = False,
    ) -> None:
        self._is_hashed = hashed
        self._files = [file for file, _ in files]
        self._compressions = [compression for _, compression in files]
        self._options = options
        self._limits = limits or ReadLimits(
            max_field_bytes=options.max_field_bytes, max_decompressed_bytes=options.max_decompressed_bytes
        )
        self._plans: tuple[FilePlan, ...] | None = None
        self._notes: tuple[str, ...] = ()

    def describe(self) -> SourceDescription:
        """Sniff the files and check their headers; what was found is kept.

        Raises:
            SourceError: a file cannot be read as a table, or files differ.
        """
        first = self._planned()[0]
        return SourceDescription(
            kind="csv",
            files=tuple(self._files),
            columns=first.layout.columns,
            dialect=Dialect(
                delimiter=first.layout.delimiter,
                encoding=first.encoding,
                line_terminator=first.layout.line_terminator,
                compression=first.compression,
                has_bom=first.has_bom,
            ),
            notes=self._notes,
            unsupported=dict(first.layout.odd),
        )

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows of all files; each call is a fresh pass.

        Raises:
            SourceError: a file cannot be read further.
            SourceChangedError: a file changed since it was opened.
        """
        plans = self._planned()
        hashed = self._is_hashed and any(file.digest is None for file in self._files)
        reading = CsvPass(plans, self._limits, hashed=hashed)
        assemblers = [Assembler(index, plan, self._limits.max_field_bytes) for index, plan in enumerate(plans)]
        for stretch in read_ahead(reading.stretches, on_stop=reading.stop):
            if stretch.digest is not None:
                self._files[stretch.file_index] = replace(self._files[stretch.file_index], digest=stretch.digest)
            chunk = assemblers[stretch.file_index].assemble(stretch)
            del stretch  # what is read next would be held beside it, as beside the chunk
            if chunk is not None:
                yield chunk
            del chunk

    def fingerprint(self) -> str:
        """Return a hash over content and size of all files, from the last full pass where there was one.

        Raises:
            SourceError: a file cannot be read.
            SourceChangedError: a file changed since it was opened.
        """
        return fingerprint_of(self._files)

    def _planned(self) -> tuple[FilePlan, ...]:
        if self._plans is None:
            planned = [
                _plan(file, compression, self._options, self._limits)
                for file, compression in zip(self._files, self._compressions, strict=True)
            ]
            plans = tuple(plan for plan, _ in planned)
            _check_alike(plans)
            self._notes = planned[0][1] + _check_rows(plans, allow_empty=self._options.allow_empty)
            self._plans = plans
        return self._plans


def _plan(
    file: SourceFile, compression: str | None, options: SourceOptions, limits: ReadLimits
) -> tuple[FilePlan, tuple[str, ...]]:
    """Read a file's first 4 MiB and decide how to read it."""
    check_unchanged(file)
    _, stream = open_bytes(file, compression, limits.max_decompressed_bytes)
    try:
        head = read_up_to(stream, _HEAD_BYTES + 1)
    finally:
        stream.close()
    at_end = len(head) <= _HEAD_BYTES
    try:
        refuse_other_formats(head[:4096])
        encoding = choose_encoding(head, options.encoding)
        if encoding.name == "utf-8" and options.encoding == "auto":
            check_utf8(head, at_end=at_end)
            beginning = beginning_of(head, options.skip_lines)
            at_end = at_end and len(beginning) == len(head)
            text = beginning.decode(errors="ignore").removeprefix("\ufeff")
        else:
            decoder = codecs.getincrementaldecoder(encoding.name)(UNDECODABLE)
            text = decoder.decode(head[encoding.bom_bytes :], at_end)
        refuse_other_text(text)
        layout = find_layout(text, options, at_end=at_end)
    except Doubt as doubt:
        raise SourceError(f"{shown(file.name)}: {doubt.cause}", hint=doubt.fix) from None
    before = text[: layout.data_start]
    if BAD_BYTES.search(before):
        raise SourceError(
            f"{shown(file.name)}: the header holds bytes that are not {encoding.name}", hint="--encoding with another"
        )
    mark = "\ufeff" if encoding.bom_bytes else ""
    plan = FilePlan(
        file, compression, encoding.name, bool(encoding.bom_bytes), layout, len((mark + before).encode("utf-8"))
    )
    notes = (encoding.note, *layout.notes, *([f"compressed ({compression})"] if compression else []))
    return plan, notes


def _check_alike(plans: Sequence[FilePlan]) -> None:
    """Refuse files that differ in columns, delimiter or encoding, naming the file and the difference."""
    first = plans[0]
    for plan in plans[1:]:
        name, base = shown(plan.file.name), shown(first.file.name)
        difference = column_difference(first.layout.columns, plan.layout.columns)
        if plan.layout.delimiter != first.layout.delimiter:
            difference = "another delimiter"
        elif plan.encoding != first.encoding:
            difference = f"encoding {plan.encoding} instead of {first.encoding}"
        if difference:
            raise SourceError(f"{name}: differs from {base}: {difference}", hint="import files of one kind together")


def column_difference(expected: Sequence[str], found: Sequence[str]) -> str:
    """Say in words how columns differ, nothing if they do not."""
    if looks_like_data(expected) or looks_like_data(found):
        return "" if tuple(expected) == tuple(found) else "other columns"
    missing = [name for name in expected if name not in found]
    if missing:
        return f"column '{missing[0]}' is missing"
    extra = [name for name in found if name not in expected]
    if extra:
        return f"column '{extra[0]}' is new"
    for position, (one, other) in enumerate(zip(expected, found, strict=True), 1):
        if one != other:
            return f"column {position} is '{other}' instead of '{one}'"
    return ""


def _check_rows(plans: Sequence[FilePlan], *, allow_empty: bool) -> tuple[str, ...]:
    empty = [shown(plan.file.name) for plan in plans if not plan.layout.has_rows]
    if len(empty) == len(plans) and not allow_empty:
        raise SourceError(f"{empty[0]}: a header and no rows", hint="check the export, or --allow-empty")
    return tuple(f"{name} has a header and no rows" for name in empty)
