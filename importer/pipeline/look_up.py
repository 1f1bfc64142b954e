"""Asking the store who holds identifier values: one billable read a value, from several threads, at one pace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.cost import LOOKUP
from importer.core.lifecycle import FinishReason
from importer.core.stored import Asked
from importer.errors import RetryableApiError, RunInterrupted
from importer.pipeline.paced_reads import Pace, PacedReads
from importer.pipeline.reading_pool import ReadingPool, look_up
from importer.ports import Clock, Progress, StopSignal, StoreReader

FOUND_SCHEMA: Final = pl.Schema({"id_type": pl.String(), "hash": pl.UInt64(), "profile": pl.Int64()})
"""A value, by the hash it has in this process, and a profile that holds it; profiles are numbered."""

_PIECE_VALUES: Final = 20_000


@dataclass(frozen=True)
class LookupPorts:
    """What asking talks to.

    Attributes:
        store: Used from several threads at once.
        clock: Of the pacer.
        stop: Set to stop.
        wait: Waits so many seconds; true if somebody asked to stop meanwhile.
        progress: Told of each value.
    """

    store: StoreReader
    clock: Clock
    stop: StopSignal
    wait: Callable[[float], bool]
    progress: Progress


@dataclass(frozen=True)
class LookedUp:
    """What the store answered.

    Attributes:
        found: `FOUND_SCHEMA`.
        known: Values that some profile holds.
        unread: Values that could not be read.
        requests: Reads that were made, those made again among them.
    """

    found: pl.DataFrame
    known: int
    unread: int
    requests: int


def look_up_values(
    ports: LookupPorts,
    asked: Asked,
    read_values: Callable[[str, npt.NDArray[np.int64]], pl.Series],
    *,
    concurrency: int,
    pace: Pace | None = None,
) -> LookedUp:
    """Ask for each value which profiles hold it.

    Args:
        ports: What to talk to.
        asked: The values.
        read_values: Reads the texts of a column back at ascending rows.
        concurrency: Reads in flight at most.
        pace: How hard; the defaults if None.

    Raises:
        ApiError: the service refuses to be read, or does not answer.
        RunInterrupted: somebody asked to stop.
    """
    reads = PacedReads(ports.clock, ports.stop, ports.wait, pace or Pace())
    numbers: dict[str, int] = {}
    values: list[int] = []
    profiles: list[int] = []
    done = known = 0

    def ask(task: tuple[str, str]) -> tuple[str, ...]:
        return look_up(reads, ports.store, *task)

    with ReadingPool(reads, concurrency, ports.clock, ask).running() as pool:
        for start in range(0, len(asked.row), _PIECE_VALUES):
            piece = range(start, min(start + _PIECE_VALUES, len(asked.row)))
            tasks = zip(
                piece,
                zip(asked.id_type[start : piece.stop], _texts(asked, piece, read_values), strict=True),
                strict=True,
            )
            found = pool.results(tasks, ports.progress.advance)
            if reads.reason is not None:
                raise _ended(reads)
            for value, ids in sorted(found.items()):
                known += bool(ids)
                values += [value] * len(ids)
                profiles += [numbers.setdefault(profile, len(numbers)) for profile in ids]
            done += len(found)
    place = np.array(values, dtype=np.int64)
    frame = pl.DataFrame(
        {
            "id_type": pl.Series(asked.id_type, dtype=pl.String).gather(place),
            "hash": asked.hash[place],
            "profile": profiles,
        },
        schema=FOUND_SCHEMA,
    )
    return LookedUp(frame, known, len(asked.row) - done, reads.requests.get(LOOKUP, 0))


def _texts(asked: Asked, piece: range, read_values: Callable[[str, npt.NDArray[np.int64]], pl.Series]) -> list[str]:
    texts = [""] * len(piece)
    columns = np.array(asked.column[piece.start : piece.stop])
    rows = asked.row[piece.start : piece.stop]
    for column in dict.fromkeys(columns.tolist()):
        places = np.flatnonzero(columns == column)
        places = places[np.argsort(rows[places], kind="stable")]
        for place, text in zip(places.tolist(), read_values(column, rows[places]).cast(pl.String), strict=True):
            texts[place] = text
    return texts


def _ended(reads: PacedReads) -> Exception:
    if reads.reason is FinishReason.INTERRUPTED:
        return RunInterrupted("stopped while profiles were looked up; nothing was sent", hint="start it again")
    return reads.error or RetryableApiError("the service could not be read", endpoint="POST /Profiles/Lookup")
