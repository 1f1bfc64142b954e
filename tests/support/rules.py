"""A plain reading of what the service does with writes: who matches, what merges, which value stays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.runs import Profile

Value = str | int | bool | tuple[str, ...]


def nested(values: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """Return values by ``Group.trait`` as the API has them."""
    traits: dict[str, dict[str, Any]] = {}
    for ref, value in values.items():
        group, _, name = ref.partition(".")
        traits.setdefault(group, {})[name] = list(value) if isinstance(value, tuple) else value
    return traits


@dataclass
class Known:
    """A profile as the rules have it: values with the time they were written."""

    traits: dict[str, tuple[Value, int]] = field(default_factory=dict)
    identifiers: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Store:
    """A store as the rules have it; `id_types` are those of the traits that are identifiers."""

    id_types: Mapping[str, str]
    profiles: list[Known] = field(default_factory=list)
    time: int = 0

    def matches(self, values: Mapping[str, Value]) -> list[Known]:
        """Return the profiles that share an identifier with `values`."""
        return [profile for profile in self.profiles if profile.identifiers & self.identifiers(values)]

    def identifiers(self, values: Mapping[str, Value]) -> set[tuple[str, str]]:
        """Return the identifiers among values."""
        return {(id_type, str(values[ref])) for ref, id_type in self.id_types.items() if ref in values}

    def write(self, values: Mapping[str, Value], removed: Sequence[str] = ()) -> None:
        """Give a profile its values: all that match become one, the newest write of each trait counts."""
        self.time += 1
        found = self.matches(values)
        kept = found[0] if found else Known()
        for other in found[1:]:
            kept.traits |= {
                ref: (value, time)
                for ref, (value, time) in other.traits.items()
                if ref not in kept.traits or kept.traits[ref][1] < time
            }
            kept.identifiers |= other.identifiers
        self.profiles = [p for p in self.profiles if all(p is not match for match in found)] + [kept]
        kept.traits |= {ref: (value, self.time) for ref, value in values.items()}
        kept.traits = {ref: entry for ref, entry in kept.traits.items() if ref not in removed}
        kept.identifiers |= self.identifiers(values)

    def shown(self) -> list[Profile]:
        """Return the profiles as `Workbench.stored` has them."""
        shown: list[Profile] = []
        for profile in self.profiles:
            traits = nested({ref: value for ref, (value, _) in profile.traits.items()})
            identifiers: dict[str, list[str]] = {}
            for id_type, text in sorted(profile.identifiers):
                identifiers.setdefault(id_type, []).append(text)
            shown.append({"traits": traits, "identifiers": identifiers})
        return sorted(shown, key=lambda profile: json.dumps(profile, sort_keys=True))
