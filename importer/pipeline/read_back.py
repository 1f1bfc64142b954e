"""Reading rows back: look each one up by its identifiers, read the profile, and compare it with what was sent.

Memory is bounded by a piece of rows: what they sent, and of their profiles the traits that were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core.comparison import Found, compare, name_of, only_last_words, sent_frame, stored_frame
from importer.core.cost import GET_IDENTIFIERS, GET_OTHER_PROFILE, GET_PROFILE
from importer.core.filled import FilledSet
from importer.core.lifecycle import FinishReason
from importer.core.pacing import Pacer
from importer.core.read_back import READ_STATES, IdentifierTrait
from importer.core.wire import WireTrait
from importer.errors import ApiError
from importer.pipeline.paced_reads import Pace, PacedReads
from importer.pipeline.reading_pool import ReadingPool, look_up
from importer.ports import Clock, PackageAccess, ProfileReader, StopSignal, StoredProfile

PIECE_ROWS: Final = 1000
"""Rows whose values are in memory at once."""

MOST_CANDIDATES: Final = 5
"""Profiles read for a row whose identifiers name several; each is a billable read."""


@dataclass(frozen=True)
class RowsToRead:
    """Which rows, and what they are made of.

    Attributes:
        positions: Of the send order, ascending.
        slots: Slot of each position of the send order.
        groups: Merge group of each of `positions`, -1 for none.
        linked: ``group``, ``position``, ``set`` of every row of a merge group that left.
        traits: The plan's traits.
        sets: Filled sets by number.
        identifiers: By which profiles are found, in the order they are tried.
    """

    positions: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    linked: pl.DataFrame
    traits: Sequence[WireTrait]
    sets: Sequence[FilledSet]
    identifiers: Sequence[IdentifierTrait]


@dataclass(frozen=True)
class Sent:
    """What a run sent, and what came of it.

    Attributes:
        index: `INDEX_SCHEMA`, each row at the place that says something of it.
        order: `ORDER_SCHEMA`.
        places: `importer.pipeline.sent_again.places` of the index.
    """

    index: pl.DataFrame
    order: pl.DataFrame
    places: pl.DataFrame

    def left(self) -> pl.DataFrame:
        """Return the places of rows that may be in the store."""
        return self.places.filter(pl.col("state").is_in([state.value for state in READ_STATES]))

    def delivered_positions(self) -> npt.NDArray[np.int64]:
        """Return the places of rows that may be in the store, ascending."""
        return np.sort(self.left()["position"].to_numpy())

    def positions_of(self, lines: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the places of rows by line, each once, ascending."""
        positions = self.index["position"].to_numpy()[carriers(self.index, lines)]
        return np.unique(positions[positions >= 0])

    def to_read(
        self,
        positions: npt.NDArray[np.int64],
        traits: Sequence[WireTrait],
        sets: Sequence[FilledSet],
        identifiers: Sequence[IdentifierTrait],
    ) -> RowsToRead:
        """Return rows to read, with what the rows of their merge groups have to do with them.

        Args:
            positions: Of the rows, ascending.
            traits: The plan's traits.
            sets: Filled sets by number.
            identifiers: By which profiles are found, in the order they are tried.
        """
        left = self.left()
        groups = np.full(self.order.height, -1, dtype=np.int64)
        groups[self.places["position"].to_numpy()] = self.index["group"].to_numpy()[self.places["line"].to_numpy()]
        linked = left.select(
            "position",
            group=self.index["group"].gather(left["line"]),
            set=self.index["set"].gather(left["line"]),
        ).filter(pl.col("group") >= 0)
        slots = self.order["slot"].to_numpy()
        return RowsToRead(positions, slots, groups[positions], linked, traits, sets, identifiers)


def carriers(index: pl.DataFrame, lines: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the line that speaks for each of some lines: the one that carries it, or itself."""
    carried_by = index["carried_by"].to_numpy()[lines]
    return np.where(carried_by >= 0, carried_by, lines)


@dataclass(frozen=True)
class ReadingPorts:
    """What reading back talks to.

    Attributes:
        package: Has what was sent.
        store: Has what is there now; used from several threads at once.
        clock: Of the pacer.
        stop: Set to stop; what was read by then is kept.
        wait: Waits so many seconds; true if somebody asked to stop meanwhile.
        keep: Takes results, `READ_BACK_SCHEMA`, a piece at a time.
        progress: Told after each row: rows read since the last call, reads made again, seconds that all wait.
    """

    package: PackageAccess
    store: ProfileReader
    clock: Clock
    stop: StopSignal
    wait: Callable[[float], bool]
    keep: Callable[[pl.DataFrame], None]
    progress: Callable[[int, int, float], None] = lambda *_: None


@dataclass(frozen=True)
class ReadBack:
    """How reading back ended. The results went to `ReadingPorts.keep`.

    Attributes:
        reason: Why it ended.
        unread: Rows that could not be read, though reading went on.
        requests: Reads by kind.
        error: What the service said, where it ended the reading.
        pacer: What is known of the service's patience, for requests that follow.
    """

    reason: FinishReason
    unread: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    error: ApiError | None = None
    pacer: Pacer | None = field(default=None, compare=False)


def read_back(ports: ReadingPorts, rows: RowsToRead, *, concurrency: int, pace: Pace | None = None) -> ReadBack:
    """Read rows back and compare them.

    Args:
        ports: What to talk to.
        rows: Which rows.
        concurrency: Reads in flight at most.
        pace: How hard; the defaults if None.
    """
    reads = PacedReads(ports.clock, ports.stop, ports.wait, pace or Pace())
    unread = 0
    finder = _ProfileFinder(reads, ports, rows)
    with ReadingPool(reads, concurrency, ports.clock, finder.profiles).running() as readers:
        for start in range(0, len(rows.positions), PIECE_ROWS):
            if reads.stopped():
                break
            typed = _typed(ports.package, rows, start, start + PIECE_ROWS)
            seen = readers.results(
                finder.tasks_of(typed), lambda done: ports.progress(done, reads.retries, reads.waiting_s)
            )
            unread += typed.height - len(seen) if reads.reason is None else 0
            _judge(ports, rows, typed, seen)
    return ReadBack(reads.reason or FinishReason.COMPLETED, unread, reads.requests, reads.error, reads.pacer)


def _typed(package: PackageAccess, rows: RowsToRead, start: int, stop: int) -> pl.DataFrame:
    positions = rows.positions[start:stop]
    return package.take(rows.slots[positions]).with_columns(
        pl.Series("position", positions), pl.Series("group", rows.groups[start:stop])
    )


def _judge(
    ports: ReadingPorts, rows: RowsToRead, typed: pl.DataFrame, seen: dict[int, Sequence[StoredProfile]]
) -> None:
    """Compare the rows of a piece that were read, and hand the results on."""
    read = typed.filter(pl.col("position").is_in(list(seen)))
    if read.is_empty():
        return
    sent = only_last_words(sent_frame(read, rows.traits), rows.linked, rows.sets)
    found = [Found(position, one.profile_id, one.traits) for position, profiles in seen.items() for one in profiles]
    ports.keep(compare(sent, stored_frame(found, rows.traits), rows.traits, rows.identifiers))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one row asks for.

    Attributes:
        identifiers: idType and value of those by which its profile is found.
        further: Trait and value of those that its profile should have besides.
    """

    identifiers: tuple[tuple[str, str], ...]
    further: tuple[tuple[WireTrait, str], ...]


class _ProfileFinder:
    """Finds and reads the profiles of rows; used from several threads at once."""

    def __init__(self, reads: PacedReads, ports: ReadingPorts, rows: RowsToRead) -> None:
        self._reads = reads
        self._ports = ports
        self._identifiers = rows.identifiers
        self._wanted = [(trait.group, trait.name) for trait in rows.traits if not trait.further]
        self._further = [trait for trait in rows.traits if trait.further]

    def tasks_of(self, typed: pl.DataFrame) -> Iterator[tuple[int, _Asked]]:
        """Yield position and identifiers of each row."""
        id_types = [trait.id_type for trait in self._identifiers]
        names = [trait.ref for trait in self._identifiers] + [trait.ref for trait in self._further]
        for position, *values in typed.select("position", pl.col(names).cast(pl.String)).iter_rows():
            found_by = zip(id_types, values[: len(id_types)], strict=True)
            further = zip(self._further, values[len(id_types) :], strict=True)
            yield (
                position,
                _Asked(
                    tuple((id_type, value) for id_type, value in found_by if value is not None),
                    tuple((trait, value) for trait, value in further if value is not None),
                ),
            )

    def profiles(self, asked: _Asked) -> Sequence[StoredProfile]:
        """Find a row's profile by the first identifier that names one alone; else read what its identifiers name."""
        several: dict[str, None] = {}
        for id_type, value in asked.identifiers:
            named = look_up(self._reads, self._ports.store, id_type, value)
            if len(named) == 1:
                profile = self._get(GET_PROFILE, named[0], asked)
                if profile is not None:
                    return (profile,)
            several |= dict.fromkeys(named if len(named) > 1 else ())
        kinds = chain([GET_PROFILE], repeat(GET_OTHER_PROFILE))
        profiles = [
            self._get(kind, profile_id, asked)
            for kind, profile_id in zip(kinds, list(several)[:MOST_CANDIDATES], strict=False)
        ]
        # Two that were merged meanwhile are one.
        return tuple({profile.profile_id: profile for profile in profiles if profile is not None}.values())

    def _get(self, kind: str, profile_id: str, asked: _Asked) -> StoredProfile | None:
        """Read a profile: the traits that were sent and, under the names of theirs, the further values it holds."""
        profile = self._reads.read(kind, lambda: self._ports.store.get_profile(profile_id))
        if profile is None:
            return None
        traits: dict[str, dict[str, object]] = {}
        for group, name in self._wanted:
            value = profile.traits.get(group, {}).get(name)
            if value is not None:
                traits.setdefault(group, {})[name] = value
        held = self._identifiers_of(profile.profile_id) if asked.further else {}
        for trait, text in asked.further:
            if text in held.get(trait.id_type or "", ()):
                traits.setdefault(trait.group, {})[name_of(trait)] = text
        return StoredProfile(profile.profile_id, traits)

    def _identifiers_of(self, profile_id: str) -> Mapping[str, Sequence[str]]:
        return self._reads.read(GET_IDENTIFIERS, lambda: self._ports.store.identifiers_of(profile_id))
