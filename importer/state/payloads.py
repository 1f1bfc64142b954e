"""Bodies and part files made from the package, at the moment they are sent."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from importer.core.filled import FilledSet
from importer.core.identity import identifier_hash
from importer.core.profile_text import ProfileText
from importer.core.wire import (
    ENCODER_VERSION,
    WireTrait,
    encode_import_rows,
    encode_removals,
    import_header,
)
from importer.files import make_private_folder, replaced, writing
from importer.ports import ColumnMapping, PackageAccess, PartFile

_ROWS_A_TIME: Final = 50_000
_AHEAD: Final = 20_000
_BODIES_AHEAD: Final = 20
"""As many rows as so many bodies hold are encoded together, at most: of large rows a body has few."""

_FEWEST_AHEAD: Final = 100
_STRETCHES: Final = 3
"""Kept at once: the one asked for, the one behind it, and the one before, for which another thread may be late."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Positions ``[start, stop)``, encoded or about to be."""

    start: int
    stop: int
    profiles: Future[ProfileText]

    def holds(self, start: int, stop: int) -> bool:
        return self.start <= start and stop <= self.stop


class PackagePayloads:
    """Implements `importer.ports.Payloads` over a package; safe to use from several threads.

    Args:
        package: The run's package.
        slots: Slot of each position of the send order.
        traits: The plan's traits.
        sets: Filled sets by number.
        parts: Folder for part files; they hold cell values.
        salt: Ties the digests to mapping and schema.
    """

    def __init__(
        self,
        package: PackageAccess,
        slots: npt.NDArray[np.int64],
        traits: Sequence[WireTrait],
        sets: Sequence[FilledSet],
        *,
        parts: Path,
        salt: str,
    ) -> None:
        self._package = package
        self._slots = slots
        self._traits = tuple(traits)
        self._by_ref = {trait.ref: trait for trait in traits}
        self._sets = tuple(sets)
        self._parts = parts
        self._salt = salt
        self._written: dict[int, PartFile] = {}
        self._ordering = threading.Lock()
        self._encoder = ThreadPoolExecutor(1, "encode")
        self._ahead: deque[_Stretch] = deque(maxlen=_STRETCHES)
        self._columns = [trait.ref for trait in traits if not trait.further]

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode positions ``[start, stop)`` without those in `skip` as one Bulk body."""
        first, profiles = self._encoded(start, stop)
        return profiles.body(start - first, stop - first, [position - first for position in skip])

    def _encoded(self, start: int, stop: int) -> tuple[int, ProfileText]:
        """Encode positions ``[start, stop)``.

        Whoever asks for a whole body asks for the next one too, so those behind it go along; and while bodies are cut
        from one stretch, the one behind it is encoded.

        Returns:
            The first position that was encoded, and the profiles from there on.
        """
        if stop - start < _FEWEST_AHEAD:
            return start, self._profiles(start, stop)
        with self._ordering:
            stretch = next((stretch for stretch in self._ahead if stretch.holds(start, stop)), None)
            is_again = stretch is None and any(stop <= other.stop for other in self._ahead)
            if not is_again:
                length = min(_AHEAD, _BODIES_AHEAD * (stop - start))
                stretch = stretch or self._order(start, max(stop, start + length))
                self._look_ahead(stretch)
        if stretch is None:  # a body sent again must not drive out what is encoded for those that follow
            return start, self._profiles(start, stop)
        return stretch.start, stretch.profiles.result()

    def _look_ahead(self, stretch: _Stretch) -> None:
        is_begun = any(other.start == stretch.stop for other in self._ahead)
        if stretch.stop < len(self._slots) and not is_begun:
            self._order(stretch.stop, 2 * stretch.stop - stretch.start)

    def _order(self, start: int, stop: int) -> _Stretch:
        stop = min(stop, len(self._slots))
        stretch = _Stretch(start, stop, self._encoder.submit(self._profiles, start, stop))
        self._ahead.append(stretch)
        return stretch

    def _profiles(self, start: int, stop: int) -> ProfileText:
        return ProfileText(self._traits, self._package.take_table(self._slots[start:stop], self._columns))

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Write the import file of positions ``[start, stop)`` unless it is there; all rows fill the same traits."""
        written = self._written.get(batch_id)
        if written is not None and Path(written.path).exists():
            return written
        with writing(self._parts):
            make_private_folder(self._parts)
        traits = [trait for trait in self._traits if trait.ref in self._set(start).columns]
        refs = [trait.ref for trait in traits]
        names = import_header(len(traits))
        path = self._parts / f"part-{batch_id}.csv"
        digest = hashlib.sha256()
        size = 0
        with replaced(path) as stream:
            header = (",".join(names) + "\n").encode()
            pieces = (
                encode_import_rows(
                    traits, self._package.take_table(self._slots[at : min(at + _ROWS_A_TIME, stop)], refs)
                )
                for at in range(start, stop, _ROWS_A_TIME)
            )
            for piece in (header, *pieces):
                stream.write(piece)
                digest.update(piece)
                size += len(piece)
        mappings = tuple(
            ColumnMapping(name, trait.group, trait.name) for name, trait in zip(names, traits, strict=True)
        )
        written = PartFile(path=str(path), size_bytes=size, columns=mappings, sha256=digest.hexdigest())
        self._written[batch_id] = written
        return written

    def drop_parts(self) -> None:
        """Delete every part file, as a killed session leaves them; call it while nothing is sent."""
        self._written.clear()
        shutil.rmtree(self._parts, ignore_errors=True)

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return a row's identifiers as (idType, value), those of its body."""
        return self._identifiers(position, further=False)

    def further_identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return a row's further values of identifier types, which no body carries."""
        return self._identifiers(position, further=True)

    def _identifiers(self, position: int, *, further: bool) -> tuple[tuple[str, str], ...]:
        row = self._row(position)
        return tuple(
            (trait.id_type, str(row[trait.ref]))
            for trait in self._traits
            if trait.id_type is not None and trait.further is further and row[trait.ref] is not None
        )

    def follows(self, position: int) -> bool:
        """Tell whether a position before this one holds one of its identifiers; the first call reads those of all."""
        row = self._package.take(self._slots[position : position + 1])
        return any(
            self._first_holders[trait.id_type].get(int(identifier_hash(row[trait.ref])[0]), position) < position
            for trait in self._traits
            if trait.id_type is not None
        )

    @cached_property
    def _first_holders(self) -> dict[str, dict[int, int]]:
        """First position of each identifier that several positions hold, by idType and hash."""
        found: dict[str, list[npt.NDArray[np.uint64]]] = {}
        holders: dict[str, list[npt.NDArray[np.int64]]] = {}
        identifiers = [trait for trait in self._traits if trait.id_type is not None]
        for at in range(0, len(self._slots), _ROWS_A_TIME):
            frame = self._package.take(self._slots[at : at + _ROWS_A_TIME], [trait.ref for trait in identifiers])
            for trait in identifiers:
                hashes = identifier_hash(frame[trait.ref])
                there = np.flatnonzero(hashes)
                found.setdefault(trait.id_type or "", []).append(hashes[there])
                holders.setdefault(trait.id_type or "", []).append(there + at)
        return {id_type: _first_of_several(found[id_type], holders[id_type]) for id_type in found}

    def patch_body(self, position: int) -> bytes:
        """Encode the removals of a row."""
        return encode_removals(self._traits, self._set(position).removed)

    def _set(self, position: int) -> FilledSet:
        number: int = self._package.take(self._slots[position : position + 1], ["set"])["set"][0]
        return self._sets[number]

    def digest(self, start: int, stop: int) -> str:
        """Hash which rows ``[start, stop)`` are, of which content, with mapping, schema and encoder version.

        No row is read: what holds the rows is sealed over every byte, and the seal was compared when it was opened.
        """
        slots = self._slots[start:stop]
        digest = hashlib.blake2b(f"{self._salt}:{ENCODER_VERSION}:".encode(), digest_size=16)
        digest.update(self._package.seals(slots))
        digest.update(slots.astype("<i8").tobytes())
        return digest.hexdigest()

    def _row(self, position: int) -> dict[str, object]:
        return self._package.take(self._slots[position : position + 1]).row(0, named=True)


def _first_of_several(
    hashes: Sequence[npt.NDArray[np.uint64]], positions: Sequence[npt.NDArray[np.int64]]
) -> dict[int, int]:
    """Return the first position of each hash that occurs more than once."""
    hash_, position = np.concatenate(hashes), np.concatenate(positions)
    order = np.lexsort((position, hash_))
    values, first, counts = np.unique(hash_[order], return_index=True, return_counts=True)
    several = counts > 1
    return dict(zip(values[several].tolist(), position[order][first[several]].tolist(), strict=True))
