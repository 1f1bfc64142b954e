"""Bodies and part files made from the package, at the moment they are sent."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from importer.core import limits
from importer.core.filled import FilledSet
from importer.core.identity import identifier_hash
from importer.core.wire import (
    ENCODER_VERSION,
    WireTrait,
    encode_bulk,
    encode_import_rows,
    encode_profiles,
    encode_removals,
    import_header,
)
from importer.files import make_private_folder, replaced, writing
from importer.ports import ColumnMapping, PackageAccess, PartFile

_ROWS_A_TIME: Final = 50_000
_AHEAD: Final = 20_000
_FEWEST_AHEAD: Final = 100
_NO_LENGTH: Final = -1
_NO_NUMBER: Final = limits.NUMBER_MAX + 1


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
        self._encoding = threading.Lock()
        self._ahead: deque[tuple[int, pl.Series]] = deque(maxlen=2)

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Encode positions ``[start, stop)`` without those in `skip` as one Bulk body."""
        return encode_bulk(self._profiles(start, stop, skip).to_list())

    def _profiles(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> pl.Series:
        profiles = self._encoded(start, stop)
        if skip:
            profiles = profiles.filter(pl.Series([position not in skip for position in range(start, stop)]))
        return profiles

    def _encoded(self, start: int, stop: int) -> pl.Series:
        """Encode positions ``[start, stop)``; those behind a whole body's are wanted next, so they go along."""
        if stop - start < _FEWEST_AHEAD:
            return encode_profiles(self._traits, self._package.take(self._slots[start:stop]))
        with self._encoding:
            for first, profiles in self._ahead:
                if first <= start and stop <= first + len(profiles):
                    return profiles[start - first : stop - first]
            profiles = encode_profiles(self._traits, self._package.take(self._slots[start : max(stop, start + _AHEAD)]))
            self._ahead.append((start, profiles))
            return profiles[: stop - start]

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Write the import file of positions ``[start, stop)`` unless it is there; all rows fill the same traits."""
        written = self._written.get(batch_id)
        if written is not None and Path(written.path).exists():
            return written
        with writing(self._parts):
            make_private_folder(self._parts)
        first = self._package.take(self._slots[start : start + 1])
        columns = self._sets[int(first["set"][0])].columns
        traits = [trait for trait in self._traits if trait.ref in columns]
        names = import_header(len(traits))
        path = self._parts / f"part-{batch_id}.csv"
        digest = hashlib.sha256()
        size = 0
        with replaced(path) as stream:
            header = (",".join(names) + "\n").encode()
            pieces = (
                encode_import_rows(traits, self._package.take(self._slots[at : min(at + _ROWS_A_TIME, stop)]))
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
            frame = self._package.take(self._slots[at : at + _ROWS_A_TIME]).select(trait.ref for trait in identifiers)
            for trait in identifiers:
                hashes = identifier_hash(frame[trait.ref])
                there = np.flatnonzero(hashes)
                found.setdefault(trait.id_type or "", []).append(hashes[there])
                holders.setdefault(trait.id_type or "", []).append(there + at)
        return {id_type: _first_of_several(found[id_type], holders[id_type]) for id_type in found}

    def patch_body(self, position: int) -> bytes:
        """Encode the removals of a row."""
        number = self._package.take(self._slots[position : position + 1])["set"][0]
        return encode_removals(self._traits, self._sets[number].removed)

    def digest(self, start: int, stop: int) -> str:
        """Hash the typed rows of ``[start, stop)``, with mapping, schema and encoder version."""
        digest = self._salted()
        for at in range(start, stop, _ROWS_A_TIME):
            rows = self._package.take(self._slots[at : min(at + _ROWS_A_TIME, stop)])
            TypedBytes(self._traits, rows).feed(digest, 0, rows.height)
        return digest.hexdigest()

    def digests(self, ranges: Iterable[tuple[int, int]]) -> Iterator[str]:
        """Yield the `digest` of each range; they follow each other, and short ones are read together."""
        for near in _gathered(ranges):
            start, stop = near[0][0], near[-1][1]
            if stop - start > _ROWS_A_TIME:
                yield self.digest(start, stop)
                continue
            typed = TypedBytes(self._traits, self._package.take(self._slots[start:stop]))
            for first, end in near:
                digest = self._salted()
                typed.feed(digest, first - start, end - start)
                yield digest.hexdigest()

    def _salted(self) -> hashlib.blake2b:
        return hashlib.blake2b(f"{self._salt}:{ENCODER_VERSION}:".encode(), digest_size=16)

    def _row(self, position: int) -> dict[str, object]:
        return self._package.take(self._slots[position : position + 1]).row(0, named=True)


class TypedBytes:
    """The bytes that tell typed rows from others, a column at a time: the same rows give the same.

    Args:
        traits: Columns that count.
        frame: Packaged rows.
    """

    def __init__(self, traits: Sequence[WireTrait], frame: pl.DataFrame) -> None:
        # A set's number says what a row removes; it means the same as long as the run lives.
        self._fixed: list[npt.NDArray[np.generic]] = [frame["set"].to_numpy()]
        self._texts: list[tuple[npt.NDArray[np.int64], memoryview]] = []
        for trait in traits:
            values = frame[trait.ref]
            if values.dtype == pl.String:
                self._fixed.append(values.str.len_bytes().cast(pl.Int32).fill_null(_NO_LENGTH).to_numpy())
                self._texts.append(_text_bytes(values.fill_null("")))
            else:
                self._fixed.append(values.cast(pl.Int64).fill_null(_NO_NUMBER).to_numpy())

    def feed(self, digest: hashlib.blake2b, start: int, stop: int) -> None:
        """Add the rows ``[start, stop)`` to a digest."""
        for values in self._fixed:
            digest.update(values[start:stop].tobytes())
        for offsets, text in self._texts:
            digest.update(text[offsets[start] : offsets[stop]])


def _text_bytes(values: pl.Series) -> tuple[npt.NDArray[np.int64], memoryview]:
    """Return where each text begins (and the last one ends), and all texts one behind the other."""
    _, offsets, text = values.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    return np.frombuffer(offsets, dtype=np.int64, count=len(values) + 1), memoryview(text or b"")


def _gathered(ranges: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield consecutive ranges in lists of so many rows at most; a longer one is alone."""
    near: list[tuple[int, int]] = []
    for start, stop in ranges:
        if near and stop - near[0][0] > _ROWS_A_TIME:
            yield near
            near = []
        near.append((start, stop))
    if near:
        yield near


def _first_of_several(
    hashes: Sequence[npt.NDArray[np.uint64]], positions: Sequence[npt.NDArray[np.int64]]
) -> dict[int, int]:
    """Return the first position of each hash that occurs more than once."""
    hash_, position = np.concatenate(hashes), np.concatenate(positions)
    order = np.lexsort((position, hash_))
    values, first, counts = np.unique(hash_[order], return_index=True, return_counts=True)
    several = counts > 1
    return dict(zip(values[several].tolist(), position[order][first[several]].tolist(), strict=True))
