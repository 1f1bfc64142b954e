"""Payloads that were encoded before: neighbouring seeds send the same rows, and encoding costs more than sending."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from importer.ports import PartFile, Payloads

T = TypeVar("T")


@dataclass
class Kept:
    """Results by what was asked for."""

    found: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made before, or make it."""
        if key not in self.found:
            self.found[key] = make()
        made: T = self.found[key]
        return made


@dataclass(frozen=True)
class KeptPayloads:
    """Implements `importer.ports.Payloads`; only files are written each time."""

    inner: Payloads
    kept: Kept

    def bulk_body(self, start: int, stop: int, skip: frozenset[int] = frozenset()) -> bytes:
        """Return a Bulk body."""
        return self.kept.once(("bulk", start, stop, skip), lambda: self.inner.bulk_body(start, stop, skip))

    def part(self, batch_id: int, start: int, stop: int) -> PartFile:
        """Write an import file."""

        def make() -> tuple[PartFile, bytes]:
            made = self.inner.part(batch_id, start, stop)
            return made, Path(made.path).read_bytes()

        part, content = self.kept.once(("part", start, stop), make)
        path = Path(part.path).with_name(f"part-{batch_id}.csv")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return replace(part, path=str(path))

    def identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return the identifiers of a row."""
        return self.kept.once(("identifiers", position), lambda: self.inner.identifiers(position))

    def further_identifiers(self, position: int) -> tuple[tuple[str, str], ...]:
        """Return the further identifiers of a row."""
        return self.kept.once(("further", position), lambda: self.inner.further_identifiers(position))

    def follows(self, position: int) -> bool:
        """Tell whether a row before this one holds one of its identifiers."""
        return self.kept.once(("follows", position), lambda: self.inner.follows(position))

    def patch_body(self, position: int) -> bytes:
        """Return the removals of a row."""
        return self.kept.once(("patch", position), lambda: self.inner.patch_body(position))

    def digest(self, start: int, stop: int) -> str:
        """Return the pinned hash."""
        return self.kept.once(("digest", start, stop), lambda: self.inner.digest(start, stop))
