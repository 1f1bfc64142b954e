"""What each month was billed by the runs of a folder: read from their ledgers, and kept when a run is deleted.

``RUNS_DIR/operations/<month>/<run>.<n>.json`` (0600) holds the numbers of one run in one calendar month (UTC): counts
only. `n` counts the ledgers that were put aside as damaged: a new ledger knows nothing of what the old one cost.
A file is only a copy of what the ledger says, made anew whenever that has changed; once the run is gone, it stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from importer.core.cost import DELETE_PROFILE, Billed, reads_at_most
from importer.core.lifecycle import OUTCOME, ROW_OUTCOME, BatchState, RowState
from importer.core.report import FinalState
from importer.core.route import Route
from importer.files import make_private_folder, write_whole, writing
from importer.state.ledger_check import ledger_error
from importer.state.run_folder import RunFolder, keep_out_of_git, ledger_files

FOLDER: Final = "operations"
_BUSY_TIMEOUT_S: Final = 2.0
_APPLIED: Final = (FinalState.ACCEPTED.value, FinalState.PROCESSED.value)

_QUERY: Final = """
    SELECT
        COALESCE(substr(max(CASE WHEN a.carried THEN a.at END), 1, 7), :fallback),
        b.state, b.route, b.wave, b.stop - b.start,
        COALESCE(SUM(a.carried), 0),
        (SELECT COUNT(*) FROM rows r WHERE r.position >= b.start AND r.position < b.stop AND r.state IN (:own)),
        (SELECT COUNT(*) FROM rows r WHERE r.position >= b.start AND r.position < b.stop AND r.state = :patched)
            + COALESCE(SUM(a.added), 0)
    FROM batches b LEFT JOIN (
        SELECT batch_id, at, kind IN ('bulk', 'upload') AND outcome IN ('accepted', 'uploaded', 'ambiguous') AS carried,
            kind = 'add-identifier' AND outcome IN ('added', 'ambiguous') AS added
        FROM attempts
    ) a ON a.batch_id = b.batch_id
    WHERE b.state <> :waiting OR a.batch_id IS NOT NULL
    GROUP BY b.batch_id
"""


class Tally(BaseModel):
    """One run in one month.

    Attributes:
        stamp: Size and time of change of the ledger's files when this was read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    run_id: str
    store_id: str
    stamp: tuple[int, ...]
    at_least: int
    at_most: int
    reads: int

    @property
    def billed(self) -> Billed:
        """The numbers."""
        return Billed(self.at_least, self.at_most, self.reads)


def ledger_stamp(folder: RunFolder) -> tuple[int, ...]:
    """Return what changes with the ledger of a run; empty where there is none.

    Raises:
        OSError: it may not be looked at.
    """
    main, log, _ = ledger_files(folder.ledger)
    if not main.exists():
        return ()
    found = [main.stat()]
    # A look at a ledger may leave an empty log beside it.
    found += [log.stat()] if log.exists() and log.stat().st_size else []
    return tuple(number for entry in found for number in (entry.st_mtime_ns, entry.st_size))


def read_billed(ledger: Path, fallback: str) -> tuple[dict[str, Billed], int]:
    """Read from a ledger what its run was billed: one pass over batches, whatever another process does meanwhile.

    Args:
        ledger: Its file.
        fallback: Month of what the ledger has no time of.

    Returns:
        Operations by month, that of `fallback` in any case, and billable reads in all at most.

    Raises:
        StateError: it cannot be read.
    """
    try:
        # Without a log nobody has it open: then the look leaves no files beside it.
        alone = not ledger_files(ledger)[1].exists()
        address = f"{ledger.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)) as connection:
            connection.execute("BEGIN")
            own = ", ".join(f"'{state.value}'" for state in ROW_OUTCOME)
            query = _QUERY.replace(":own", own)
            values = {"fallback": fallback, "patched": RowState.PATCHED, "waiting": BatchState.PENDING}
            months = {fallback: Billed()}
            for month, *found in connection.execute(query, values):
                months[month] = months.get(month, Billed()) + _of_batch(found)
            text = connection.execute("SELECT value FROM meta WHERE name = 'requests'").fetchone()
    except sqlite3.Error as exc:
        raise ledger_error(exc, ledger, "read") from exc
    requests = orjson.loads(text[0]) if text is not None else {}
    deletes = requests.get(DELETE_PROFILE, 0)
    if deletes:
        months[fallback] += Billed(at_most=deletes)
    return months, reads_at_most(requests)


def _of_batch(batch: Sequence[Any]) -> Billed:
    """Judge one batch.

    Args:
        batch: Its `BatchState`; its `Route`; its wave, 0 for rows that nothing keeps apart; how many rows it has; how
            many requests may have applied them; how many rows have an outcome of their own; removals and
            further identifiers that were accepted.
    """
    state, route, wave, rows, carried, own, patched = batch
    if state == BatchState.SPLIT:
        return Billed(0, rows * carried, 0)
    outcome = OUTCOME[BatchState(state)]
    out = outcome not in (FinalState.NOT_SENT.value, FinalState.FAILED.value)
    # A part is applied once, however often its file was sent; a body each time.
    times = min(carried, 1) if route == Route.IMPORT else carried
    times = max(times, 1) if out else times
    merging = rows if wave and times else 0
    return Billed(max(0, rows - own) if outcome in _APPLIED else 0, rows * times + merging + patched, 0)


def write_tally(runs_dir: Path, folder: RunFolder, month: str, tally: Tally) -> None:
    """Keep a run's numbers of one month.

    Raises:
        StateError: they cannot be written.
    """
    place = runs_dir / FOLDER / month
    with writing(place):
        make_private_folder(place)
        keep_out_of_git(runs_dir / FOLDER)
    write_whole(place / _name(folder), tally.model_dump_json().encode() + b"\n")


def read_tally(runs_dir: Path, folder: RunFolder, month: str) -> Tally | None:
    """Return what was kept of a run in a month; None where nothing was, or it cannot be read."""
    return _read(runs_dir / FOLDER / month / _name(folder))


def tallies(runs_dir: Path, month: str) -> dict[str, Tally]:
    """Return all that was kept of a month, by file name, runs that are gone among them."""
    found = {}
    with suppress(OSError):
        for path in sorted((runs_dir / FOLDER / month).glob("*.json")):
            tally = _read(path)
            if tally is not None:
                found[path.name] = tally
    return found


def reads_before(runs_dir: Path, folder: RunFolder, month: str) -> int:
    """Return how many reads of a run other months have: a ledger counts them, but not when they were made."""
    total = 0
    with suppress(OSError):
        for place in (runs_dir / FOLDER).iterdir():
            tally = _read(place / _name(folder)) if place.name != month else None
            total += tally.reads if tally is not None else 0
    return total


def _name(folder: RunFolder) -> str:
    aside = sum(1 for _ in folder.path.glob("ledger.damaged-*.db"))
    return f"{folder.run_id}.{aside}.json"


def _read(path: Path) -> Tally | None:
    try:
        return Tally.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def remember(runs_dir: Path, folder: RunFolder, store_id: str, month: str, looked_up: int = 0) -> None:
    """Keep what a run was billed in each month, as its ledger says now.

    Args:
        runs_dir: The runs folder.
        folder: A run to a live store.
        store_id: Its store.
        month: The month it is.
        looked_up: Reads that were made before it had a ledger, or without one.

    Raises:
        StateError: the ledger cannot be read, or the numbers cannot be written.
        OSError: the ledger may not be looked at.
    """
    stamp = ledger_stamp(folder)
    kept = read_tally(runs_dir, folder, month)
    if (not stamp and not looked_up) or (kept is not None and kept.stamp == stamp):
        return
    months, reads = read_billed(folder.ledger, month) if stamp else ({}, 0)
    reads = max(0, reads + looked_up - reads_before(runs_dir, folder, month))
    for name in {*months, month}:
        now = months.get(name, Billed())
        read = reads if name == month else (read_tally(runs_dir, folder, name) or _NOTHING).reads
        tally = Tally(
            run_id=folder.run_id,
            store_id=store_id,
            stamp=stamp,
            at_least=now.at_least,
            at_most=now.at_most,
            reads=read,
        )
        write_tally(runs_dir, folder, name, tally)


_NOTHING: Final = Tally(run_id="", store_id="", stamp=(), at_least=0, at_most=0, reads=0)
