"""Identity resolution as its documentation tells it, written down a second time: plain, slow, and without the importer.

Profiles are numbers in the order they were made. Nothing here is shared with what it is compared to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """One identifier type; their order is the order of the matching rules."""

    name: str
    is_unique: bool = True
    limit: int = 100
    keeps_oldest: bool = False


@dataclass
class Profile:
    """Values by type with the time they came, and traits with the time they were written."""

    values: dict[str, dict[str, int]] = field(default_factory=dict)
    traits: dict[str, tuple[str, int]] = field(default_factory=dict)

    def holds(self, kind: str, value: str) -> bool:
        """Tell whether it has an identifier."""
        return value in self.values.get(kind, {})


class IdentityModel:
    """A store under one reading of a clash: "merge", "first-match" or "skip"."""

    def __init__(self, kinds: Sequence[Kind], reading: str) -> None:
        self.profiles: dict[int, Profile] = {}
        self.moved: dict[int, int] = {}
        self._kinds = kinds
        self._reading = reading
        self._made = 0
        self._time = 0
        self._holders: dict[tuple[str, str], set[int]] = {}

    def write(self, identifiers: Mapping[str, str], traits: Mapping[str, str]) -> int:
        """Write one profile; return the number of the one that took it.

        Args:
            identifiers: Normalised value by type.
            traits: Value by name; `identifiers` are not among them.
        """
        self._time += 1
        given = [(kind, identifiers[kind.name]) for kind in self._kinds if kind.name in identifiers]
        matches = self._find(given)
        if not matches:
            self._made += 1
            matches = [self._made]
            self.profiles[self._made] = Profile()
        target = matches[0]
        if self._reading == "merge":
            target = min(matches)
            for other in sorted(set(matches) - {target}):
                self._merge(target, other)
        profile = self.profiles[target]
        for name, value in traits.items():
            profile.traits[name] = (value, self._time)
        several = len(matches) > 1 and self._reading != "merge"
        for kind, value in given:
            if several and kind.is_unique and self._holders.get((kind.name, value), set()) - {target}:
                if self._reading == "first-match":
                    profile.traits[kind.name] = (value, self._time)
                continue
            profile.traits[kind.name] = (value, self._time)
            self._attach(target, kind, value)
        return target

    def _find(self, given: Sequence[tuple[Kind, str]]) -> list[int]:
        """Return whom a write matches, by the strongest identifier in common."""
        common: dict[int, list[Kind]] = {}
        for kind, value in given:
            for number in sorted(self._holders.get((kind.name, value), ())):
                common.setdefault(number, []).append(kind)
        return [number for number, kinds in common.items() if len(kinds) > 1 or kinds[0].is_unique]

    def _attach(self, number: int, kind: Kind, value: str) -> None:
        values = self.profiles[number].values.setdefault(kind.name, {})
        values.setdefault(value, self._time)
        self._holders.setdefault((kind.name, value), set()).add(number)
        self._cut(number, kind)

    def _cut(self, number: int, kind: Kind) -> None:
        values = self.profiles[number].values.get(kind.name, {})
        while len(values) > kind.limit:
            gone = (max if kind.keeps_oldest else min)(values, key=lambda value: values[value])
            del values[gone]
            self._holders[kind.name, gone].discard(number)

    def _merge(self, target: int, other: int) -> None:
        taken, profile = self.profiles.pop(other), self.profiles[target]
        for name, written in taken.traits.items():
            profile.traits[name] = max(written, profile.traits.get(name, ("", 0)), key=lambda entry: entry[1])
        for kind in self._kinds:
            for value, time in taken.values.get(kind.name, {}).items():
                self._holders[kind.name, value].discard(other)
                self._holders[kind.name, value].add(target)
                mine = profile.values.setdefault(kind.name, {})
                mine[value] = mine.get(value, time)
            self._cut(target, kind)
        self.moved = {number: target if to == other else to for number, to in self.moved.items()} | {other: target}

    def show(self) -> dict[int, tuple[dict[str, list[str]], dict[str, str]]]:
        """Return identifiers, in the order their type lists them, and traits of each profile."""
        shown = {}
        for number, profile in self.profiles.items():
            values = {
                kind.name: sorted(found, key=found.__getitem__, reverse=kind.keeps_oldest)
                for kind in self._kinds
                if (found := profile.values.get(kind.name))
            }
            shown[number] = (values, {name: value for name, (value, _) in profile.traits.items()})
        return shown


def find_groups(rows: Sequence[Mapping[str, str]]) -> list[int]:
    """Return the earliest row of each row's group: rows with a common value are together, and theirs with them."""
    parents = list(range(len(rows)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    owners: dict[tuple[str, str], int] = {}
    for row, values in enumerate(rows):
        for key in values.items():
            earlier, later = sorted((root(row), root(owners.setdefault(key, row))))
            parents[later] = earlier
    return [root(row) for row in range(len(rows))]
