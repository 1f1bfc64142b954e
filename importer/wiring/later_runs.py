"""Runs that came after one: which of its rows they may have delivered, so that nobody sends an old value on top.

Rows are compared by their identifiers, as the service compares them, and by the source's key as well where both runs
have the same key columns. Where the later run's package is gone its keys alone are left. What cannot be compared is an
error: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from importer.core.manifest import RunManifest, Stage
from importer.core.packing import KEY_TEXT, key_text_expr
from importer.core.run_order import is_later
from importer.core.suggested import run_command
from importer.errors import GuardError, StateError
from importer.pipeline.sent_again import (
    KEY,
    MARKS_SCHEMA,
    Lines,
    history,
    matching_lines,
    may_be_delivered_expr,
    places,
    with_positions,
)
from importer.ports import PackageAccess
from importer.reports.outcome_files import OUTCOMES_NAME
from importer.state.package import VALID_FILE
from importer.state.purged import purged_names, read_purged
from importer.state.run_folder import RunFolder, RunsFolder
from importer.wiring.finishing import delivered_by
from importer.wiring.run import Run

_ROWS_A_TIME: Final = 50_000
_SENT: Final = (Stage.SENDING, Stage.FINISHED)


@dataclass(frozen=True)
class LaterRun:
    """A run made after the one in question, to the same store."""

    folder: RunFolder
    manifest: RunManifest


def later_runs(run: Run) -> list[LaterRun]:
    """Return the runs made after this one that sent to the same store, oldest first.

    Raises:
        GuardError: the record of a run that may be one of them cannot be read, or one of them was purged.
    """
    mine = run.manifest
    runs_dir = run.folder.path.parent
    found = []
    for folder in RunsFolder(runs_dir).all():
        try:
            manifest = folder.read_manifest()
        except StateError:
            if folder.run_id > mine.run_id:
                raise _incomparable(folder.run_id, run.folder.path, "its record cannot be read") from None
            continue
        if is_later(manifest, mine) and manifest.target.identity == mine.target.identity and manifest.stage in _SENT:
            found.append(LaterRun(folder, manifest))
    _refuse_purged(run.folder.path, mine)
    return sorted(found, key=cmp_to_key(_by_age))


def _by_age(one: LaterRun, other: LaterRun) -> int:
    return 1 if is_later(one.manifest, other.manifest) else -1


def _refuse_purged(run: Path, mine: RunManifest) -> None:
    """Refuse where a later run is gone: nobody can tell any more what it delivered."""
    runs_dir = run.parent
    for run_id in purged_names(runs_dir):
        if (runs_dir / run_id).exists():
            continue  # whoever was about to purge it was killed
        try:
            purged = read_purged(runs_dir, run_id)
        except StateError:
            if run_id > mine.run_id:
                raise _incomparable(run_id, run, "it was purged") from None
            continue
        if is_later(purged, mine) and purged.may_be_at(mine.target):
            raise _incomparable(run_id, run, "it was purged")


def _incomparable(later: str, run: Path, why: str) -> GuardError:
    return GuardError(
        f"run {later} may have delivered some of these rows since, and cannot be compared: {why}; nothing was sent",
        hint=f"{run_command(run, 'retry', '--ignore-later')} sends them, and may put old values in the place of new",
    )


@dataclass(frozen=True)
class Overtaken:
    """What a later run did to rows of another.

    Attributes:
        lines: Rows that it may have delivered.
        by_key_alone: Its package is gone: the same person under another key would not be seen.
    """

    lines: Lines
    by_key_alone: bool = False


def overtaken_by(later: LaterRun, run: Run, lines: Lines) -> Overtaken:
    """Return the lines of a run that a later one may have delivered.

    Args:
        later: The later run.
        run: The run.
        lines: Of its index: rows that were sent.

    Raises:
        GuardError: the two cannot be compared.
        StateError: a file of this run is damaged.
    """
    if not len(lines):
        return Overtaken(lines)
    mine = _Rows(run.package, run.index["slot"].gather(lines), run.manifest, lines)
    if not run.manifest.key or later.manifest.key != run.manifest.key:
        return Overtaken(_matching(mine.identifiers(), _identifiers(later, run), later, run))
    theirs, own = _Keys(later, run), mine.keys()
    by_key = _matching(own.drop_nulls(), theirs.with_text(), later, run)
    # A row without a key is known by its identifiers alone, to either side.
    keyless = own["text"].null_count() or theirs.some_missing
    if not keyless and not _has_package(later):
        return Overtaken(by_key, by_key_alone=True)
    return Overtaken(np.union1d(by_key, _matching(mine.identifiers(), _identifiers(later, run), later, run)))


def note_of(later: LaterRun, found: Overtaken) -> tuple[str, ...]:
    """Say what was not compared, for the notes of a report."""
    if not found.by_key_alone:
        return ()
    return (
        f"rows of run {later.folder.run_id}, which is later, were compared by key alone: its package is gone, so the"
        " same person under another key would not be seen",
    )


def _matching(mine: pl.DataFrame, theirs: Iterator[pl.DataFrame], later: LaterRun, run: Run) -> Lines:
    try:
        return matching_lines(mine, theirs)
    except (StateError, OSError, pl.exceptions.PolarsError) as damage:
        why = f"its files cannot be read ({type(damage).__name__})"
        raise _incomparable(later.folder.run_id, run.folder.path, why) from damage


class _Rows:
    """Rows of a package, and what they are known by; lines of the index name them."""

    def __init__(self, package: PackageAccess, slots: pl.Series, manifest: RunManifest, lines: Lines) -> None:
        self._package = package
        self._slots = slots.to_numpy()
        self._traits = [trait for trait in manifest.wire_traits() if trait.id_type is not None]
        self._lines = lines

    def _pieces(self) -> Iterator[tuple[pl.Series, pl.DataFrame]]:
        for start in range(0, len(self._lines), _ROWS_A_TIME):
            lines = self._lines[start : start + _ROWS_A_TIME]
            yield pl.Series("line", lines), self._package.take(self._slots[start : start + _ROWS_A_TIME])

    def keys(self) -> pl.DataFrame:
        """Return ``line`` and `MARKS_SCHEMA`; null for a row without a key."""
        pieces = [frame.select(lines, kind=pl.lit(KEY), text=pl.col(KEY_TEXT)) for lines, frame in self._pieces()]
        return pl.concat([_NO_MARKS, *pieces])

    def identifiers(self) -> pl.DataFrame:
        """Return ``line`` and `MARKS_SCHEMA` of every identifier."""
        return pl.concat([_NO_MARKS, *self.identifier_pieces()])

    def identifier_pieces(self) -> Iterator[pl.DataFrame]:
        """Yield the same, a piece at a time."""
        for lines, frame in self._pieces():
            for trait in self._traits:
                values = frame.select(lines, kind=pl.lit(trait.id_type), text=pl.col(trait.ref).cast(pl.String))
                yield values.drop_nulls("text")


_NO_MARKS: Final = pl.DataFrame(schema={"line": pl.Int64, **MARKS_SCHEMA})


class _Keys:
    """The keys of the rows that a later run may have delivered.

    Attributes:
        some_missing: Whether some of these rows has no key; known once all were read.
    """

    def __init__(self, later: LaterRun, run: Run) -> None:
        self._later = later
        self._run = run
        self.some_missing = False

    def with_text(self) -> Iterator[pl.DataFrame]:
        """Yield `MARKS_SCHEMA` in pieces."""
        read = self._from_outcomes if _outcomes_are_current(self._later) else self._from_package
        for frame in read():
            self.some_missing |= bool(frame["text"].null_count())
            yield frame.drop_nulls()

    def _from_outcomes(self) -> Iterator[pl.DataFrame]:
        outcomes = pl.scan_parquet(self._later.folder.path / OUTCOMES_NAME, glob=False)
        # They stand first, under a name of their own where they are called like another column.
        names = outcomes.collect_schema().names()[: len(self._later.manifest.key)]
        keys = outcomes.filter(may_be_delivered_expr()).select(kind=pl.lit(KEY), text=key_text_expr(names))
        yield from keys.collect_batches(chunk_size=_ROWS_A_TIME)

    def _from_package(self) -> Iterator[pl.DataFrame]:
        with _delivered_rows(self._later, self._run) as rows:
            yield rows.keys().drop("line")


def _identifiers(later: LaterRun, run: Run) -> Iterator[pl.DataFrame]:
    """Yield the identifiers of the rows that a later run may have delivered, `MARKS_SCHEMA` in pieces."""
    with _delivered_rows(later, run) as rows:
        yield from (frame.drop("line") for frame in rows.identifier_pieces())


def _outcomes_are_current(later: LaterRun) -> bool:
    """Tell whether a run's outcomes were written after its ledger; those of a killed run, or of its plan, are older."""
    outcomes = later.folder.path / OUTCOMES_NAME
    if later.manifest.stage is not Stage.FINISHED or not outcomes.exists():
        return False
    if not _has_package(later):
        return True  # it is dropped only after the report is written
    ledger = later.folder.ledger
    return ledger.exists() and ledger.stat().st_mtime_ns <= outcomes.stat().st_mtime_ns


def _has_package(later: LaterRun) -> bool:
    return (later.folder.package / VALID_FILE).exists()


@contextmanager
def _delivered_rows(later: LaterRun, run: Run) -> Iterator[_Rows]:
    """Open the rows of a later run that it may have delivered."""
    folder = later.folder
    if not _has_package(later):
        raise _incomparable(folder.run_id, run.folder.path, "its package is gone, and the key columns do not tell")
    with folder.open_ledger(later.manifest, read_only=True) as ledger:
        delivered = delivered_by(ledger)
        planned = max((entry.spec.stop for entry in ledger.entries()), default=0)
    order = folder.read_order().head(planned)
    # A run that was killed may have an index that does not know the newest places yet.
    index = with_positions(folder.read_index(), order)
    found = places(history(index, order, delivered).index, delivered)
    lines = found.filter(may_be_delivered_expr())["line"].to_numpy()
    package = folder.reader()
    try:
        yield _Rows(package, index["slot"].gather(lines), later.manifest, lines)
    finally:
        package.close()
