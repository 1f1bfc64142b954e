"""One pass over text files: Arrow's CSV engine cuts them into stretches of rows, numbered without a gap."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from importer.errors import SourceError
from importer.sources.decode import open_bytes, utf8_stream
from importer.sources.feed import Feed, Seen
from importer.sources.files import shown
from importer.sources.lines import row_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from importer.ports import SourceFile
    from importer.sources.header import Layout
    from importer.sources.raw_file import RawFile

_ROW_SLACK_BYTES = 1024 * 1024
_MANY_FIELDS = 1_000
_MOST_BAD_ROWS = 200_000
_MOST_BAD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FilePlan:
    """How to read one file: what was found when it was described."""

    file: SourceFile
    compression: str | None
    encoding: str
    has_bom: bool
    layout: Layout
    skip_bytes: int


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Sizes of a pass.

    Attributes:
        block_bytes: What the engine parses at once.
        max_field_bytes: A larger field ends the pass; blocks grow up to it before.
        max_decompressed_bytes: Cap of a compressed file.
        chunk_rows: Rows of a chunk, about.
        chunk_bytes: Bytes of a chunk, about, where rows are long.
        chunk_cells: Cells of a chunk, about, where rows are wide: each takes 16 bytes, even an empty one.
    """

    block_bytes: int = 4 * 1024 * 1024
    max_field_bytes: int = 16 * 1024 * 1024
    max_decompressed_bytes: int = 4 * 1024**3
    chunk_rows: int = 100_000
    chunk_bytes: int = 24 * 1024 * 1024
    chunk_cells: int = 2_000_000

    @property
    def widest_block_bytes(self) -> int:
        """The block with which a row that does not fit is tried once more."""
        return max(self.block_bytes, self.max_field_bytes + _ROW_SLACK_BYTES)

    def of_fields(self, field_count: int) -> tuple[int, int]:
        """Return bytes of a block and rows of a chunk for rows of so many fields.

        A column has a price of its own in each chunk, and several chunks are at hand at once: half a chunk of thousands
        of columns holds what a whole one of fewer does.
        """
        part = 2 if field_count > _MANY_FIELDS else 1
        return self.block_bytes // part, min(self.chunk_rows, self.chunk_cells // part // field_count)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row with too few or too many fields; `text` holds the whole row."""

    number: int
    expected: int
    actual: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive rows of one file, `first` to `end` - 1: good ones in columns, and the bad ones between them.

    Attributes:
        file_index: Position of the file.
        first: Number of the first row.
        end: One past the last row.
        columns: Good rows, binary; none if there are none.
        bad: Rows with a wrong number of fields, ascending.
        seen: What has passed in this file so far, or a little further.
        tail: The file's last bytes, when this is its last stretch.
        digest: BLAKE3 of the whole file, when this is its last stretch and somebody wants it.
        lost: Row `end` does not end: an open quote or a field beyond the limit; nothing follows.
    """

    file_index: int
    first: int
    end: int
    columns: tuple[pa.Array, ...]
    bad: tuple[BadRow, ...]
    seen: Seen
    tail: bytes | None = None
    digest: str | None = None
    lost: bool = False


class _RowTooLong(Exception):  # noqa: N818 - a signal inside this module
    """A row does not fit the engine's block."""


class CsvPass:
    """Reads files in order; `stretches` runs in the background thread, `stop` is called from the other one."""

    def __init__(self, plans: tuple[FilePlan, ...], limits: ReadLimits, *, hashed: bool = False) -> None:
        self._plans = plans
        self._limits = limits
        self._is_hashed = hashed
        self._feed: Feed | None = None
        self._stopped = False

    def stop(self) -> None:
        """Let a pass in progress run dry."""
        self._stopped = True
        if self._feed is not None:
            self._feed.leave()

    def stretches(self) -> Generator[Stretch, None, None]:
        """Yield the rows of all files.

        Raises:
            SourceError: a file cannot be read further.
        """
        for index, plan in enumerate(self._plans):
            done = 0
            block_bytes, _ = self._limits.of_fields(plan.layout.field_count)
            try:
                for stretch in self._read_file(index, plan, block_bytes, done):
                    done = stretch.end - 1
                    yield stretch
                    del stretch  # the rows of the next would be held beside its own
            except _RowTooLong:
                yield from self._read_again(index, plan, done)

    def _read_again(self, index: int, plan: FilePlan, done: int) -> Generator[Stretch, None, None]:
        """Go on behind row `done` with the widest block: from the file's start, as the engine cannot seek."""
        try:
            for stretch in self._read_file(index, plan, self._limits.widest_block_bytes, done):
                done = stretch.end - 1
                yield stretch
                del stretch
        except _RowTooLong:
            yield Stretch(index, done + 1, done + 1, (), (), Seen(), lost=True)

    def _read_file(self, index: int, plan: FilePlan, block_bytes: int, done: int) -> Generator[Stretch, None, None]:
        most_bytes = self._limits.max_decompressed_bytes
        raw, stream = open_bytes(plan.file, plan.compression, most_bytes, hashed=self._is_hashed)
        feed = self._feed = Feed(utf8_stream(stream, plan.encoding), plan.skip_bytes)
        rows = _Rows(index, feed, done)
        _, most_rows = self._limits.of_fields(plan.layout.field_count)
        # One block is enough to begin with: whoever takes the rows has nothing else to do yet.
        wanted = most_rows if index or done else 1
        try:
            with closing(_batches(plan, feed, block_bytes, rows)) as batches:
                for batch in batches:
                    rows.add(batch)
                    del batch
                    if rows.row_count >= wanted or rows.size_bytes >= self._limits.chunk_bytes:
                        yield from rows.cut()
                        wanted = most_rows
            if not self._stopped:
                yield from self._last(rows, feed, raw)
        except _RowTooLong:
            rows.pass_bad()
            yield from rows.cut()
            raise
        finally:
            feed.leave()

    def _last(self, rows: _Rows, feed: Feed, raw: RawFile) -> Generator[Stretch, None, None]:
        rows.pass_bad()
        yield from rows.cut(tail=feed.tail, digest=raw.finish())


class _Rows:
    """Gathers batches and bad rows until they are cut into a stretch, passing over rows already delivered."""

    def __init__(self, file_index: int, feed: Feed, done: int) -> None:
        self._file_index, self._feed, self._done = file_index, feed, done
        self._first = self._end = 1
        self._batches: list[pa.RecordBatch] = []
        self._bad: list[BadRow] = []
        self.row_count = self.size_bytes = 0
        self.all_bad = False

    def take_bad(self, row: arrow_csv.InvalidRow) -> str:
        self._bad.append(BadRow(row.number, row.expected_columns, row.actual_columns, row.text))
        self.row_count += 1
        self.size_bytes += len(self._bad[-1].text)
        # Until the first good row the engine hands out no batch, and all of them would pile up here.
        self.all_bad = self._end == 1 and (len(self._bad) > _MOST_BAD_ROWS or self.size_bytes > _MOST_BAD_BYTES)
        return "error" if self.all_bad else "skip"

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch and the bad rows before and directly behind it."""
        numbers = np.array([row.number for row in self._bad if row.number >= self._end], np.int64)
        good = row_numbers(self._end, batch.num_rows, numbers)
        if good.size:
            self._end = int(good[-1]) + 1
        self.pass_bad()
        fresh = batch.slice(int(np.searchsorted(good, self._done, side="right")))
        if fresh.num_rows:
            self._batches.append(fresh)
            self.row_count += fresh.num_rows
            self.size_bytes += fresh.nbytes

    def pass_bad(self) -> None:
        """Count the bad rows behind the last good one."""
        for row in self._bad:
            if row.number == self._end:
                self._end += 1

    def cut(self, *, tail: bytes | None = None, digest: str | None = None) -> Generator[Stretch, None, None]:
        """Yield what was gathered, nothing if that is nothing and the file goes on."""
        first = max(self._first, self._done + 1)
        end = max(self._end, first)
        bad = tuple(row for row in self._bad if first <= row.number < end)
        stretch = Stretch(
            self._file_index,
            first,
            end,
            self._columns(),
            bad,
            self._feed.seen(),
            tail=tail,
            digest=digest,
        )
        self._bad = [row for row in self._bad if row.number >= self._end]
        self._first = self._end
        self.row_count = self.size_bytes = 0
        if end > first or tail is not None:
            yield stretch

    def _columns(self) -> tuple[pa.Array, ...]:
        """Put what was gathered together and let go of it: whoever holds the stretch holds these rows once."""
        gathered, self._batches = self._batches, []
        if not gathered:
            return ()
        return tuple(pa.concat_batches(gathered).columns if len(gathered) > 1 else gathered[0].columns)


def _batches(plan: FilePlan, feed: Feed, block_bytes: int, rows: _Rows) -> Generator[pa.RecordBatch, None, None]:
    """Run the engine over one file.

    Raises:
        SourceError: the file cannot be read further; the engine's own words stay here, as they may hold cells.
    """
    if not plan.layout.has_rows:
        return
    try:
        with feed.wanted():
            reader = _open(feed, plan.layout, block_bytes, rows.take_bad)
        while True:
            with feed.wanted():
                batch = next(reader, None)
            if batch is None:
                return
            try:
                yield batch
            except GeneratorExit:
                _run_dry(feed, reader)
                raise
            del batch
    except pa.ArrowException as exc:
        if feed.failure is not None:
            raise feed.failure from None
        if rows.all_bad:
            raise SourceError(
                f"{shown(plan.file.name)}: no row has the {plan.layout.field_count} fields of the header",
                hint="check --delimiter and --skip-lines",
            ) from None
        if "straddling" in str(exc):
            raise _RowTooLong from None
        raise SourceError(
            f"{shown(plan.file.name)}: the CSV engine cannot read this file further",
            hint="check the quotes of the file",
        ) from None


def _run_dry(feed: Feed, reader: arrow_csv.CSVStreamingReader) -> None:
    """End a pass in the middle: behind its last batch Arrow's reading thread is idle for certain."""
    feed.leave()
    with suppress(pa.ArrowException):
        while next(reader, None) is not None:
            pass


def _open(
    feed: Feed, layout: Layout, block_bytes: int, take_bad: Callable[[arrow_csv.InvalidRow], str]
) -> arrow_csv.CSVStreamingReader:
    # Names of our own: the header was read before, and a name may stand for a column that has none.
    names = [f"c{position}" for position in range(layout.field_count)]
    return arrow_csv.open_csv(
        feed,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=block_bytes, column_names=names),
        parse_options=arrow_csv.ParseOptions(
            delimiter=layout.delimiter,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=take_bad,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=False,
        ),
    )
