"""Hashes of a run's identifiers and keys, read where they are kept whenever they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from importer.ports import HashSpill

Hashes = npt.NDArray[np.uint64]


@dataclass(slots=True)
class HeldHashes:
    """A `HashSpill` in memory, for what is small or must not write."""

    _pieces: dict[str, list[Hashes]] = field(default_factory=dict)

    def append(self, name: str, hashes: Hashes) -> None:
        """Take the next hashes of a column."""
        self._pieces.setdefault(name, []).append(hashes)

    def read(self, name: str) -> Hashes:
        """Return all hashes of a column."""
        return np.concatenate([np.zeros(0, dtype=np.uint64), *self._pieces.get(name, ())])


@dataclass(frozen=True, slots=True)
class HashColumns(Mapping[str, Hashes]):
    """Columns of a spill. Each look reads one anew: nothing but what the caller holds is in memory."""

    names: Sequence[str]
    spill: HashSpill

    def __getitem__(self, name: str) -> Hashes:
        """Read a column."""
        if name not in self.names:
            raise KeyError(name)
        return self.spill.read(name)

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.names)

    def __len__(self) -> int:
        """Count the columns."""
        return len(self.names)
