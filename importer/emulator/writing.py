"""Writing profiles: identity resolution over the database, in memory first, then in one transaction."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from importer.emulator import profiles
from importer.emulator.catalogue import Catalogue
from importer.emulator.database import Database
from importer.emulator.identity import NEW_PROFILE, Identifier, resolve
from importer.emulator.lineage import Step
from importer.emulator.profiles import Document
from importer.emulator.schema import StoreSchema, Traits
from importer.emulator.settings import Clash

Query = Callable[[str, Sequence[Any]], list[Any]]
PREFETCH_VALUES = 500


@dataclass(slots=True)
class Counters:
    """What must keep growing: the last profile number given, and the last write's stamp in microseconds."""

    profile: int
    stamp: int


@dataclass(slots=True)
class Changes:
    """What a session has decided and not yet written."""

    dirty: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    aliases: dict[int, int] = field(default_factory=dict)
    added: set[tuple[str, str, int]] = field(default_factory=set)
    removed: set[tuple[str, str, int]] = field(default_factory=set)


class Session:
    """A run of writes that see each other; nothing is stored before `flush`.

    Attributes:
        steps: What was written so far, for the log.
    """

    def __init__(self, query: Query, schema: StoreSchema, clash: Clash, counters: Counters) -> None:
        self._query = query
        self._schema = schema
        self._clash = clash
        self._counters = counters
        self._documents: dict[int, Document] = {}
        self._created: dict[int, int] = {}
        self._holders: dict[tuple[str, str], list[int]] = {}
        self._changes = Changes()
        self.steps: list[Step] = []

    def prefetch(self, identifiers: Iterable[Identifier]) -> None:
        """Read who holds these identifiers, and those profiles, in few queries rather than one for each."""
        wanted: dict[str, list[str]] = {}
        for id_type, value, _ in identifiers:
            if (id_type, value) not in self._holders:
                self._holders[id_type, value] = []
                wanted.setdefault(id_type, []).append(value)
        numbers: set[int] = set()
        for id_type, values in wanted.items():
            for part, marks in _in_parts(values):
                # One type at a time: SQLite scans the whole table for a list of (type, value) pairs.
                sql = f"SELECT value, number FROM identifiers WHERE id_type = ? AND value IN ({marks})"  # noqa: S608
                for value, number in self._query(sql, [id_type, *part]):
                    self._holders[id_type, value].append(number)
                    numbers.add(number)
        self._load(numbers - self._documents.keys())

    def _load(self, numbers: Iterable[int]) -> None:
        for part, marks in _in_parts(list(numbers)):
            sql = f"SELECT number, created_at, document FROM profiles WHERE number IN ({marks})"  # noqa: S608
            for number, created_at, document in self._query(sql, part):
                self._documents[number] = orjson.loads(document)
                self._created[number] = created_at

    def find(self, number: int) -> int | None:
        """Return the canonical profile behind a number as of now, or None where there is none."""
        number = self._changes.aliases.get(number, number)
        if number not in self._documents:
            rows = self._query("SELECT canonical FROM aliases WHERE number = ?", [number])
            number = rows[0][0] if rows else number
            self._load({number} - self._documents.keys())
        return number if number in self._documents else None

    def document(self, number: int) -> Document:
        """Return a profile that `find` has found."""
        return self._documents[number]

    def write(self, traits: Traits, addressed: int | None = None) -> tuple[int, tuple[Identifier, ...]]:
        """Resolve one profile and set its traits and identifiers.

        Args:
            traits: New values; null removes.
            addressed: The profile a PATCH names; None lets the identifiers decide alone.

        Returns:
            The profile's number, and the identifiers that were skipped with a warning.
        """
        identifiers, _ = self._schema.read_identifiers(traits)
        return self.join(identifiers, traits, addressed)

    def join(
        self, identifiers: Sequence[Identifier], traits: Traits, addressed: int | None
    ) -> tuple[int, tuple[Identifier, ...]]:
        """As `write`, with the identifiers given."""
        self._counters.stamp += 1
        held = [(identifier, self._find_holders(identifier)) for identifier in identifiers]
        quick = addressed is None and not any(numbers for _, numbers in held)
        resolution = NEW_PROFILE if quick else resolve(held, self._clash, addressed)
        target = self._create() if resolution.target is None else self._open(resolution.target)
        for other in resolution.absorbed:
            self._absorb(target, other)
        skipped = resolution.withheld if self._clash is Clash.SKIP else ()
        if skipped:
            traits = self._leave_out(traits, skipped)
        document = self._documents[target]
        profiles.write_traits(document, traits, self._counters.stamp)
        for identifier in identifiers:
            if identifier not in resolution.withheld:
                self._add(target, document, identifier)
        self._changes.dirty.add(target)
        self.steps.append(Step(target, resolution.target is None, resolution.absorbed, skipped))
        return target, skipped

    def remove_identifier(self, number: int, id_type: str, value: str) -> None:
        """Take one identifier value from a profile."""
        profiles.remove_identifier(self._documents[number], id_type, value)
        self._changes.dirty.add(number)
        self._drop_holder(number, id_type, value)

    def delete(self, number: int) -> None:
        """Remove a profile with its identifiers."""
        for id_type, entries in self._documents.pop(number)["i"].items():
            for value, _ in entries:
                self._drop_holder(number, id_type, value)
        self._changes.dirty.discard(number)
        self._changes.gone.add(number)

    def _find_holders(self, identifier: Identifier) -> list[int]:
        key = identifier[:2]
        if key not in self._holders:
            self.prefetch([identifier])
        return self._holders[key]

    def _create(self) -> int:
        self._counters.profile += 1
        number = self._counters.profile
        self._documents[number] = profiles.new_document()
        self._created[number] = self._counters.stamp
        return number

    def _open(self, number: int) -> int:
        if number not in self._documents:
            self._load([number])
        return number

    def _add(self, number: int, document: Document, identifier: Identifier) -> None:
        rule = self._schema.rules[identifier.id_type]
        holders = self._find_holders(identifier)
        if number not in holders:
            holders.append(number)
            entry = (identifier.id_type, identifier.value, number)
            self._changes.removed.discard(entry)
            self._changes.added.add(entry)
        for value in profiles.add_identifier(document, rule, identifier.value, self._counters.stamp):
            self._drop_holder(number, identifier.id_type, value)

    def _drop_holder(self, number: int, id_type: str, value: str) -> None:
        holders = self._find_holders(Identifier(id_type, value))
        if number in holders:
            holders.remove(number)
        self._changes.added.discard((id_type, value, number))
        self._changes.removed.add((id_type, value, number))

    def _absorb(self, target: int, other: int) -> None:
        self._open(other)
        document, absorbed = self._documents[target], self._documents[other]
        self.delete(other)
        for id_type, entries in absorbed["i"].items():
            for value, _ in entries:
                holders = self._find_holders(Identifier(id_type, value))
                if target not in holders:
                    holders.append(target)
                self._changes.removed.discard((id_type, value, target))
                self._changes.added.add((id_type, value, target))
        for id_type, value in profiles.absorb(document, absorbed, self._schema.rules):
            self._drop_holder(target, id_type, value)
        for number, canonical in self._changes.aliases.items():
            if canonical == other:
                self._changes.aliases[number] = target
        self._changes.aliases[other] = target

    def _leave_out(self, traits: Traits, skipped: Sequence[Identifier]) -> Traits:
        kept = {group: dict(values) for group, values in traits.items()}
        for promotion in self._schema.promotions:
            value = kept.get(promotion.group, {}).get(promotion.trait)
            if isinstance(value, str) and self._schema.normalise(promotion.rule.id_type, value) in skipped:
                del kept[promotion.group][promotion.trait]
        return kept

    def flush(self, connection: sqlite3.Connection) -> None:
        """Store everything decided, within the caller's transaction."""
        changes, changed = self._changes, connection.executemany
        changed("DELETE FROM identifiers WHERE id_type = ? AND value = ? AND number = ?", changes.removed)
        # Sorted, because the table is a B-tree in this order: neighbours share pages.
        changed("INSERT OR IGNORE INTO identifiers VALUES (?, ?, ?)", sorted(changes.added))
        changed("DELETE FROM profiles WHERE number = ?", [(number,) for number in changes.gone])
        changed("DELETE FROM aliases WHERE canonical = ?", [(n,) for n in changes.gone if n not in changes.aliases])
        changed("UPDATE aliases SET canonical = ?2 WHERE canonical = ?1", list(changes.aliases.items()))
        changed("INSERT OR REPLACE INTO aliases VALUES (?, ?)", list(changes.aliases.items()))
        rows = [(n, self._created[n], orjson.dumps(self._documents[n])) for n in sorted(changes.dirty)]
        changed("INSERT OR REPLACE INTO profiles VALUES (?, ?, ?)", rows)
        counters = (("last_profile", self._counters.profile), ("last_stamp", self._counters.stamp))
        changed("INSERT OR REPLACE INTO meta VALUES (?, ?)", counters)
        self._changes = Changes()


def _in_parts(values: list[Any]) -> Iterator[tuple[list[Any], str]]:
    for start in range(0, len(values), PREFETCH_VALUES):
        part = values[start : start + PREFETCH_VALUES]
        yield part, ",".join("?" * len(part))


class Writer:
    """Gives out sessions, one at a time: identity is decided on what is stored, not on what is about to be."""

    def __init__(self, database: Database, catalogue: Catalogue, clash: Clash) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clash = clash
        self._resolving = threading.Lock()

    @contextmanager
    def session(self, query: Query | None = None) -> Iterator[Session]:
        """Open a session; what it has not flushed at the end is dropped.

        Args:
            query: Reads for the session; the worker's own connection when None.
        """
        with self._resolving:
            read = query or self._query_back
            stored = dict(read("SELECT key, value FROM meta WHERE key IN ('last_profile', 'last_stamp')", ()))
            stamp = max(time.time_ns() // 1000, stored.get("last_stamp", 0) + 1)
            counters = Counters(stored.get("last_profile", 0), stamp)
            yield Session(read, self._catalogue.schema, self._clash, counters)

    def _query_back(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        return self._database.back.execute(sql, parameters).fetchall()
