"""A profile's document: traits and identifiers with the time of their last change.

Pure. The document is plain JSON values, `{"t": {group: {trait: [value, stamp]}}, "i": {idType: [[value, stamp]]}}`;
stamps are microseconds since 1970 and grow with every write, so "newest" is always decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from importer.emulator.schema import IdentifierRule, Traits

Document = dict[str, Any]


def new_document() -> Document:
    """Return a profile without traits or identifiers."""
    return {"t": {}, "i": {}}


def write_traits(document: Document, traits: Traits, stamp: int) -> None:
    """Set the given traits; a null removes its trait, an absent one stays as it is."""
    stored = document["t"]
    for group, values in traits.items():
        current = stored.setdefault(group, {})
        for name, value in values.items():
            if value is None:
                current.pop(name, None)
            else:
                current[name] = [value, stamp]
        if not current:
            del stored[group]


def add_identifier(document: Document, rule: IdentifierRule, value: str, stamp: int) -> list[str]:
    """Add a value; return those that the type's limit evicts (perhaps the new one itself)."""
    entries = document["i"].setdefault(rule.id_type, [])
    if any(entry[0] == value for entry in entries):
        return []
    entries.append([value, stamp])
    return _evict(entries, rule)


def remove_identifier(document: Document, id_type: str, value: str) -> None:
    """Take a value away; the trait it came from stays."""
    entries = [entry for entry in document["i"].get(id_type, ()) if entry[0] != value]
    if entries:
        document["i"][id_type] = entries
    else:
        document["i"].pop(id_type, None)


def absorb(document: Document, other: Document, rules: Mapping[str, IdentifierRule]) -> list[tuple[str, str]]:
    """Merge another profile in: the newest write wins per trait, identifiers are united in order of time.

    Returns:
        Identifiers (type, value) that a limit evicts.
    """
    for group, values in other["t"].items():
        current = document["t"].setdefault(group, {})
        for name, entry in values.items():
            if name not in current or current[name][1] < entry[1]:
                current[name] = entry
    evicted: list[tuple[str, str]] = []
    for id_type, entries in other["i"].items():
        own = document["i"].get(id_type, [])
        values_held = {entry[0] for entry in own}
        united = sorted([*own, *(e for e in entries if e[0] not in values_held)], key=lambda entry: int(entry[1]))
        document["i"][id_type] = united
        evicted.extend((id_type, value) for value in _evict(united, rules.get(id_type, IdentifierRule(id_type))))
    return evicted


def _evict(entries: list[list[Any]], rule: IdentifierRule) -> list[str]:
    evicted: list[str] = []
    while len(entries) > rule.limit:
        evicted.append(entries.pop(-1 if rule.newest_first else 0)[0])
    return evicted


def show_traits(document: Document) -> dict[str, dict[str, Any]]:
    """Return the traits as the API shows them."""
    return {
        group: {name: entry[0] for name, entry in sorted(values.items())}
        for group, values in sorted(document["t"].items())
    }


def show_identifiers(document: Document, rules: Mapping[str, IdentifierRule]) -> dict[str, list[str]]:
    """Return the identifier values by type, in the order of the type's limit policy."""
    shown: dict[str, list[str]] = {}
    for id_type, entries in sorted(document["i"].items()):
        values = [entry[0] for entry in entries]
        rule = rules.get(id_type)
        shown[id_type] = values[::-1] if rule and rule.newest_first else values
    return shown
