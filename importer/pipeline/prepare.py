"""The first half of a run: read, map, cast and check the whole source, before anything is sent.

Memory is bounded by the chunk, except for twelve bytes a valid row: its place, its filled set and its size. The hashes
of its identifiers wait until rows are grouped, on disk where there are many.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.check import CheckedRows, check_rows
from importer.core.check_values import Checks
from importer.core.cleared import ClearedTraits
from importer.core.filled import FilledSet, FilledSets
from importer.core.identity import KEY_COLUMN, identifier_hash
from importer.core.index import check_row_count
from importer.core.packing import KEY_TEXT, ChunkRows, PackedChunk, issue_lines, pack_chunk, rejected_rows
from importer.core.text_views import not_null
from importer.core.wire import wire_traits
from importer.errors import RunInterrupted
from importer.pipeline.hashes import HashColumns, Hashes, HeldHashes
from importer.pipeline.helping import SharedWork
from importer.ports import (
    HashSpill,
    IssueWriter,
    PackageSink,
    Progress,
    RejectedWriter,
    Source,
    SourceChunk,
    StopSignal,
)

MEASURES_SCHEMA: Final = pl.Schema({"row": pl.UInt32(), "set": pl.UInt32(), "size": pl.UInt32()})
"""``row``: position among the rows read. ``set``: filled set. ``size``: upper bound of the encoded size in bytes."""

_MEASURED: Final = tuple(MEASURES_SCHEMA)


Look = Callable[[Callable[[str], pl.Series]], None]
"""Takes a look at a chunk's valid rows, given what returns a trait's column of them."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where preparing writes, beside the package."""

    issues: IssueWriter
    rejected: RejectedWriter
    progress: Progress
    stop: StopSignal


@dataclass(frozen=True)
class Prepared:
    """What a whole source came to.

    Attributes:
        rows_read: Rows of all files, blank and malformed ones included.
        early: Rows that ended here, by state: rejected, skipped.
        measures: A line for each valid row, `MEASURES_SCHEMA`.
        hashes: u64 by trait, of each valid row's identifiers; 0 is none. Read anew at each look.
        read_key_hash: Reads u64 of each valid row's key, 0 is none; None without key columns.
        sets: Filled sets by number.
        repairs: Repaired cells by ``column: kind``.
        cleared: Cells that clear a trait, by trait.
        cleared_traits: Which rows they stand in, where that matters.
        filled_sets: The interner, for rows whose payload changes later.
    """

    rows_read: int
    early: Mapping[str, int]
    measures: pl.DataFrame
    hashes: Mapping[str, Hashes]
    read_key_hash: Callable[[], Hashes] | None
    sets: tuple[FilledSet, ...]
    filled_sets: FilledSets
    repairs: Mapping[str, int]
    cleared: Mapping[str, int]
    cleared_traits: ClearedTraits

    @property
    def row(self) -> npt.NDArray[np.uint32]:
        """Position of each valid row among the rows read."""
        return self.measures["row"].to_numpy()

    @property
    def set_ids(self) -> npt.NDArray[np.uint32]:
        """Filled set of each valid row."""
        return self.measures["set"].to_numpy()

    @property
    def key_hash(self) -> Hashes | None:
        """Hash of each valid row's key, read anew at each look; None without key columns."""
        return None if self.read_key_hash is None else self.read_key_hash()


def prepare(  # noqa: PLR0913 - what is read, where it goes, and three things a plan does otherwise than a dry run
    source: Source,
    checks: Checks,
    package: PackageSink,
    sinks: Sinks,
    *,
    look: Look | None = None,
    spill: HashSpill | None = None,
    sets: FilledSets | None = None,
) -> Prepared:
    """Read and check a whole source.

    Args:
        source: Read once.
        checks: The compiled plan. Where it wants the values of some traits alone, keys and those are all that is
            written of valid rows.
        package: Takes the packed chunks.
        sinks: Take the issues and the rejected rows as they come.
        look: Takes a look at every chunk's valid rows.
        spill: Takes the hashes, which are read from it later; they stay in memory if None.
        sets: Interns the filled sets; if None, without a look at what the CSV flow carries.

    Raises:
        SourceError: the source cannot be read to its end.
        RunInterrupted: somebody asked to stop; nothing was sent.
    """
    state = _Growing(checks, spill or HeldHashes(), sets or FilledSets(wire_traits(checks.plan)))
    sinks.progress.stage("read and check", None)
    for chunk, checked in _checked_chunks(source, checks):
        packed = _pack(chunk, checked, state, sinks)
        if look is not None:
            look(checked.column)
        rows, valid = packed.rows, packed.valid if checks.wanted is None else packed.valid.drop(_MEASURED)
        del chunk, checked, packed  # the next ones are on their way, and the last one may still be written
        package.append(rows, valid)
        sinks.progress.advance(rows.height)
        del rows, valid
        if sinks.stop.is_set():
            raise RunInterrupted("stopped while the source was read; nothing was sent", hint="start it again")
    return state.finish()


def _checked_chunks(source: Source, checks: Checks) -> Iterator[tuple[SourceChunk, CheckedRows]]:
    """Yield chunks with what became of their rows: one is checked while the next is read and the last is written.

    When everything is read, the thread that read has nothing to do any more: another one helps with the checks.
    """
    shared = SharedWork()
    with ThreadPoolExecutor(1, "check") as pool, ThreadPoolExecutor(1, "help") as helpers:
        ahead: deque[tuple[SourceChunk, Future[CheckedRows]]] = deque()
        for chunk in source.chunks():
            checking = pool.submit(
                check_rows, checks, chunk.frame, chunk.row_number, chunk.blank, chunk.seen, shared.map
            )
            ahead.append((chunk, checking))
            del chunk, checking
            if len(ahead) > 1:
                yield _first(ahead)
        if ahead:
            helpers.submit(shared.help_until, ahead[-1][1])
        while ahead:
            yield _first(ahead)


def _first(ahead: deque[tuple[SourceChunk, Future[CheckedRows]]]) -> tuple[SourceChunk, CheckedRows]:
    chunk, checking = ahead.popleft()
    return chunk, checking.result()


def _pack(chunk: SourceChunk, checked: CheckedRows, state: _Growing, sinks: Sinks) -> PackedChunk:
    rows = ChunkRows(chunk.file_index, chunk.frame, chunk.row_number, chunk.line, chunk.malformed, chunk.seen)
    packed = pack_chunk(
        rows, checked, state.checks.plan, state.sets, rows_before=state.rows_read, wanted=state.checks.wanted
    )
    state.add(packed, checked)
    lines = issue_lines(packed, rows, checked.issues)
    if lines.height:
        sinks.issues.append(lines)
    rejected = rejected_rows(rows, checked)
    if rejected.frame.height:
        sinks.rejected.append(
            rejected.frame, rejected.row_number, rejected.line, rejected.codes, file_index=chunk.file_index
        )
    if chunk.malformed.height:
        sinks.rejected.append_malformed(chunk.malformed, file_index=chunk.file_index)
    return packed


class _Growing:
    """What grows with the rows while a source is read."""

    def __init__(self, checks: Checks, spill: HashSpill, sets: FilledSets) -> None:
        self.rows_read = 0
        self.checks = checks
        self.sets = sets
        self._cleared_traits = ClearedTraits.to_judge_drops(checks.plan)
        self._identifiers = [trait.ref for trait in checks.plan.identifiers]
        self._keyed = bool(checks.plan.key)
        self._early: Counter[str] = Counter()
        self._repairs: Counter[str] = Counter()
        self._cleared: Counter[str] = Counter()
        self._measures = [pl.DataFrame(schema=MEASURES_SCHEMA)]
        self._spill = spill

    def add(self, packed: PackedChunk, checked: CheckedRows) -> None:
        """Take in one chunk."""
        self.rows_read += packed.rows.height
        check_row_count(self.rows_read)
        ended = pl.Series(np.flatnonzero(not_null(packed.rows["state"])).astype(np.uint32))
        if ended.len():
            self._early.update(dict(packed.rows["state"][ended].value_counts().iter_rows()))
        self._repairs.update(checked.repairs)
        for trait in self.sets.traits:
            if trait.clears:
                self._cleared[trait.ref] += int((checked.column(trait.ref) == "").sum())
        valid = packed.valid
        self._cleared_traits.add(checked.column)
        self._measures.append(pl.DataFrame([valid[name].cast(dtype) for name, dtype in MEASURES_SCHEMA.items()]))
        for ref in self._identifiers:
            self._spill.append(ref, identifier_hash(valid[ref]))
        if self._keyed:
            self._spill.append(KEY_COLUMN, identifier_hash(valid[KEY_TEXT]))

    def finish(self) -> Prepared:
        """Join what grew."""
        measures = pl.concat(self._measures, rechunk=True)
        self._measures.clear()
        return Prepared(
            rows_read=self.rows_read,
            early=dict(sorted(self._early.items())),
            measures=measures,
            hashes=HashColumns(self._identifiers, self._spill),
            read_key_hash=partial(self._spill.read, KEY_COLUMN) if self._keyed else None,
            sets=tuple(self.sets.sets()),
            filled_sets=self.sets,
            repairs=dict(sorted(self._repairs.items())),
            cleared=dict(self._cleared),
            cleared_traits=self._cleared_traits,
        )
