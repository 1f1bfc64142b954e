"""What a group of linked rows becomes in the store under one reading of a clash: the rows replayed one after the other.

What is held never depends on it: rows are held by the worst reading, that everything linked becomes one profile. A
replay says how many profiles it would be under the reading that is asked for, with the store's priorities and limits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from importer.core.schema import IdentifierConfig

Value = tuple[str, int]
"""An idType, and a number that is the same for equal values of it."""

_COMPOUND: Final = 2
"""So many equal values make a match where none of them is unique."""


class Reading(StrEnum):
    """What the service does with a write that matches several profiles; it documents all three."""

    MERGE = "merge"
    """The profiles become one."""
    FIRST_MATCH = "first-match"
    """The match of highest priority takes the write; identifiers that are another's stay there."""
    SKIP = "skip"
    """The same, and the traits of those identifiers are left out with a warning."""


@dataclass(frozen=True, slots=True)
class StoreRules:
    """What decides who a write is about.

    Attributes:
        configs: Settings by idType; an idType without has the defaults.
        matching_rules: idTypes by priority; those that are not in it come after them.
        reading: Of a clash.
    """

    configs: Mapping[str, IdentifierConfig] = field(default_factory=dict)
    matching_rules: Sequence[str] = ()
    reading: Reading = Reading.MERGE

    def config(self, id_type: str) -> IdentifierConfig:
        """Return the settings of an idType."""
        return self.configs.get(id_type) or IdentifierConfig(id_type)

    def by_priority(self, id_types: Collection[str]) -> list[str]:
        """Order idTypes, the one that decides first in front."""
        known = [name for name in self.matching_rules if name in id_types]
        rest = [name for name in self.configs if name in id_types and name not in known]
        return [*known, *rest, *(name for name in id_types if name not in known and name not in rest)]


def replay(rows: Sequence[Sequence[Value]], rules: StoreRules) -> list[int]:
    """Apply rows one after the other to an empty store.

    Args:
        rows: Identifiers of each row, those of the highest priority first.
        rules: The store's.

    Returns:
        The profile each row is in at the end, numbered from 1 in order of first rows.

    Example:
        >>> rows = [[("email", 1), ("phone", 1)], [("email", 2), ("phone", 2)], [("email", 1), ("phone", 2)]]
        >>> replay(rows, StoreRules()), replay(rows, StoreRules(reading=Reading.FIRST_MATCH))
        ([1, 1, 1], [1, 2, 1])
    """
    store = _Store(rules)
    written = [store.write(row) for row in rows]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(store.canonical(profile), len(numbers) + 1) for profile in written]


class _Store:
    """Profiles with their identifiers, oldest first, and who holds each value."""

    def __init__(self, rules: StoreRules) -> None:
        self._rules = rules
        self._unique: dict[str, bool] = {}
        self._held: list[dict[str, dict[int, int]]] = []
        self._holders: dict[Value, set[int]] = {}
        self._merged_into: list[int] = []
        self._now = 0

    def write(self, row: Sequence[Value]) -> int:
        """Apply one row; return its profile."""
        self._now += 1
        matches = self._matches(row)
        withheld: set[Value] = set()
        if not matches:
            self._held.append({})
            self._merged_into.append(len(self._held) - 1)
            target = len(self._held) - 1
        elif self._rules.reading is Reading.MERGE:
            target, *others = sorted(matches)
            for other in others:
                self._absorb(target, other)
        else:
            target = matches[0]
            if len(matches) > 1:
                withheld = {value for value in row if self._is_anothers(value, target)}
        for value in row:
            if value not in withheld:
                self._add(target, value)
        return target

    def canonical(self, profile: int) -> int:
        """Return what a profile became."""
        while self._merged_into[profile] != profile:
            self._merged_into[profile] = self._merged_into[self._merged_into[profile]]
            profile = self._merged_into[profile]
        return profile

    def _is_unique(self, id_type: str) -> bool:
        if id_type not in self._unique:
            self._unique[id_type] = self._rules.config(id_type).enforce_unique
        return self._unique[id_type]

    def _is_anothers(self, value: Value, target: int) -> bool:
        return self._is_unique(value[0]) and bool(self._holders.get(value, set()) - {target})

    def _matches(self, row: Sequence[Value]) -> list[int]:
        hits: dict[int, int] = {}
        strong: set[int] = set()
        for value in row:
            for profile in sorted(self._holders.get(value, ())):
                hits[profile] = hits.get(profile, 0) + 1
                if self._is_unique(value[0]):
                    strong.add(profile)
        return [profile for profile, count in hits.items() if profile in strong or count >= _COMPOUND]

    def _absorb(self, target: int, other: int) -> None:
        """Unite two profiles' values by the time they came."""
        for id_type, values in self._held[other].items():
            own = self._held[target].setdefault(id_type, {})
            for value, since in values.items():
                self._holders[id_type, value].discard(other)
                self._holders[id_type, value].add(target)
                own.setdefault(value, since)
            self._held[target][id_type] = dict(sorted(own.items(), key=lambda entry: entry[1]))
            self._evict(target, id_type)
        self._held[other] = {}
        self._merged_into[other] = target

    def _add(self, profile: int, value: Value) -> None:
        id_type, number = value
        own = self._held[profile].setdefault(id_type, {})
        if number in own:
            return
        own[number] = self._now
        self._holders.setdefault(value, set()).add(profile)
        self._evict(profile, id_type)

    def _evict(self, profile: int, id_type: str) -> None:
        """Drop what is beyond the limit: the oldest value (fifo) or the newest (lifo)."""
        config, own = self._rules.config(id_type), self._held[profile][id_type]
        while len(own) > config.limit:
            gone = next(reversed(own)) if config.limit_policy == "lifo" else next(iter(own))
            del own[gone]
            self._holders[id_type, gone].discard(profile)
