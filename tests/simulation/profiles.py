"""The simulated store: which writes were accepted, when each is applied, and what the profiles come to by that."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ID_TYPES: Final = {"Contact.email": "email", "Contact.phone": "phone"}
"""idType of each trait that is an identifier."""

Value = str | int
Identifier = tuple[str, str]


def identifiers_of(values: Mapping[str, Value]) -> frozenset[Identifier]:
    """Return the identifiers among values by ``Group.trait``."""
    return frozenset((id_type, str(values[ref])) for ref, id_type in ID_TYPES.items() if ref in values)


@dataclass
class Identities:
    """Identities, as accepted writes put identifiers together, each with the largest number that was noted for it."""

    _parent: dict[Identifier, Identifier] = field(default_factory=dict)
    _largest: dict[Identifier, float] = field(default_factory=dict)

    def root(self, identifier: Identifier) -> Identifier:
        """Return what stands for an identity."""
        self._parent.setdefault(identifier, identifier)
        while self._parent[identifier] != identifier:
            identifier = self._parent[identifier]
        return identifier

    def joined(self, identifiers: Iterable[Identifier]) -> float:
        """Put identifiers together; return the largest number of the identity they are now, 0 if there is none."""
        roots = sorted({self.root(identifier) for identifier in identifiers})
        largest = max((self._largest.get(root, 0.0) for root in roots), default=0.0)
        for root in roots:
            self._parent[root] = roots[0]
            self._largest[roots[0]] = largest
        return largest

    def note(self, identifiers: Iterable[Identifier], number: float) -> None:
        """Note a number for an identity."""
        for identifier in identifiers:
            root = self.root(identifier)
            self._largest[root] = max(self._largest.get(root, 0.0), number)


@dataclass(eq=False)
class Write:
    """One accepted write.

    Attributes:
        row: Source row it came from.
        values: Values by ``Group.trait``; of a patch none.
        removed: Traits it removes.
        profile_id: Of a patch, and of further identifiers.
        added: Further identifiers of that profile.
        number: In order of acceptance.
        due_s: When it is applied.
        applied_s: When it was; None while it was not.
        is_dropped: It never will be, whatever was answered.
    """

    row: int
    values: Mapping[str, Value]
    removed: tuple[str, ...] = ()
    profile_id: str | None = None
    added: frozenset[Identifier] = frozenset()
    number: int = 0
    due_s: float = 0.0
    applied_s: float | None = None
    is_dropped: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it was applied, or never will be."""
        return self.is_dropped or self.applied_s is not None


@dataclass(eq=False)
class Profile:
    """A profile; each value with the number of the write it came by."""

    profile_id: str
    traits: dict[str, tuple[Value, int]] = field(default_factory=dict)
    identifiers: set[Identifier] = field(default_factory=set)


class Profiles:
    """Profiles, merged as soon as a write names several: the oldest stays, and of each trait the newest value."""

    def __init__(self) -> None:
        self._by_id: dict[str, Profile] = {}
        self._moved: dict[str, str] = {}
        self._owner: dict[Identifier, str] = {}

    def canonical(self, profile_id: str) -> str:
        """Return the ID a profile has by now."""
        while profile_id in self._moved:
            profile_id = self._moved[profile_id]
        return profile_id

    def find(self, identifier: Identifier) -> str | None:
        """Return the profile that holds an identifier."""
        return self._owner.get(identifier)

    def put(self, write: Write) -> None:
        """Give a profile its values."""
        kept = self._joined(identifiers_of(write.values))
        kept.traits |= {ref: (value, write.number) for ref, value in write.values.items()}
        self.remove(kept.profile_id, write.removed)

    def add(self, profile_id: str, identifiers: Iterable[Identifier]) -> None:
        """Give a profile further identifiers; one that another profile holds merges the two."""
        self._joined(self._by_id[self.canonical(profile_id)].identifiers.union(identifiers))

    def _joined(self, identifiers: Iterable[Identifier]) -> Profile:
        """Return the one profile that holds all of these by now."""
        identifiers = frozenset(identifiers)
        found = sorted({self._owner[identifier] for identifier in identifiers if identifier in self._owner})
        if not found:
            found = [f"mem_profile_{len(self._by_id) + len(self._moved):026d}"]
            self._by_id[found[0]] = Profile(found[0])
        kept = self._by_id[found[0]]
        for other in found[1:]:
            gone = self._by_id.pop(other)
            self._moved[other] = kept.profile_id
            for ref, entry in gone.traits.items():
                if ref not in kept.traits or kept.traits[ref][1] < entry[1]:
                    kept.traits[ref] = entry
            kept.identifiers |= gone.identifiers
        kept.identifiers |= identifiers
        self._owner |= dict.fromkeys(kept.identifiers, kept.profile_id)
        return kept

    def remove(self, profile_id: str, removed: Iterable[str]) -> None:
        """Take traits away."""
        profile = self._by_id[self.canonical(profile_id)]
        for ref in removed:
            profile.traits.pop(ref, None)

    def of(self, identifiers: Iterable[Identifier]) -> list[Profile]:
        """Return the profiles that hold any of these."""
        return [self._by_id[name] for name in sorted({self._owner[i] for i in identifiers if i in self._owner})]


@dataclass
class Store:
    """Takes writes and applies them later, in the order of one of two models.

    Attributes:
        rng: Draws the delays.
        in_order: Writes of one identity are applied in the order in which they were accepted; else in any.
        most_lag_s: The longest delay.
        watch: Told of every write that is accepted.
        writes: All of them, in that order.
        received: Source rows whose values are among them.
    """

    rng: random.Random
    in_order: bool
    most_lag_s: float
    watch: Callable[[Write], None] = lambda _: None
    profiles: Profiles = field(default_factory=Profiles)
    writes: list[Write] = field(default_factory=list)
    received: set[int] = field(default_factory=set)
    _waiting: list[Write] = field(default_factory=list)
    _last_due_s: Identities = field(default_factory=Identities)

    def accept(self, now_s: float, write: Write) -> Write:
        """Take a write; a patch belongs to the identity of its profile."""
        write.due_s = now_s + self.rng.choice([0.0, self.rng.uniform(0.0, self.most_lag_s)])
        if self.in_order:
            identity = self._identity(write)
            write.due_s = max(write.due_s, self._last_due_s.joined(identity))
            self._last_due_s.note(identity, write.due_s)
        self.writes.append(write)
        write.number = len(self.writes)
        if write.profile_id is None:
            self.received.add(write.row)
        self.watch(write)
        self._waiting.append(write)
        return write

    def _identity(self, write: Write) -> frozenset[Identifier]:
        if write.profile_id is None:
            return identifiers_of(write.values)
        return write.added.union(self.profiles._by_id[self.profiles.canonical(write.profile_id)].identifiers)

    @property
    def kept(self) -> set[int]:
        """Source rows whose values were applied, or will be."""
        return {write.row for write in self.writes if write.profile_id is None and not write.is_dropped}

    def settle(self, now_s: float) -> None:
        """Apply what is due."""
        due = [write for write in self._waiting if write.due_s <= now_s]
        if not due:
            return
        self._waiting = [write for write in self._waiting if write.due_s > now_s]
        for write in sorted(due, key=lambda write: (write.due_s, write.number)):
            if write.is_dropped:
                continue
            write.applied_s = write.due_s
            if write.profile_id is None:
                self.profiles.put(write)
            else:
                self.profiles.remove(write.profile_id, write.removed)
                self.profiles.add(write.profile_id, write.added)
