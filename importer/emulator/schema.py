"""The store's schema: trait groups and identity settings, compiled for judging and identifying profiles.

Pure and immutable: a change of the schema makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer.emulator import values
from importer.emulator.identity import Identifier, normalise
from importer.emulator.problems import Fault

MAX_GROUPS = 50
MAX_GROUP_TRAITS = 95
MIN_VALUES = 2

Traits = Mapping[str, Mapping[str, Any]]

DEFAULT_GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "Contact": {
        "email": {"dataType": "STRING", "idTypePromotion": "email"},
        "phone": {"dataType": "STRING", "idTypePromotion": "phone"},
        "firstName": {"dataType": "STRING"},
        "lastName": {"dataType": "STRING"},
    }
}
DEFAULT_CONFIGS = {"phone": "phone", "email": "email", "whatsapp": "phone", "chat": "trim"}
DEFAULT_RULES = ("phone", "email", "whatsapp", "chat")
"""Priority of matching in a new store, the strongest identifier first."""


@dataclass(frozen=True, slots=True)
class IdentifierRule:
    """How values of one identifier type are normalised, matched and kept."""

    id_type: str
    normalization: str = "trim"
    unique: bool = True
    limit: int = 100
    newest_first: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> IdentifierRule:
        """Read an `IdentifierConfig` of the contract, with its defaults."""
        return cls(
            config["idType"],
            config.get("normalization", "trim"),
            config.get("enforceUnique", True),
            config.get("limit", 100),
            config.get("limitPolicy", "fifo") == "lifo",
        )


@dataclass(frozen=True, slots=True)
class Promotion:
    """A trait whose value is an identifier."""

    group: str
    trait: str
    rule: IdentifierRule


class StoreSchema:
    """Trait groups and identity settings, with everything derived from them.

    Attributes:
        groups: Trait definitions by group and name, without null members.
        rules: Identifier rules by type, in order of matching priority.
        promotions: Promoted traits in order of matching priority.
    """

    def __init__(
        self, groups: values.Groups, configs: Sequence[Mapping[str, Any]], matching_rules: Sequence[str]
    ) -> None:
        self.groups = groups
        by_type = {config["idType"]: IdentifierRule.from_config(config) for config in configs}
        # An identifier type without a matching rule still takes part, after all those that have one.
        order = [*(t for t in matching_rules if t in by_type), *(t for t in by_type if t not in matching_rules)]
        self.rules = {id_type: by_type[id_type] for id_type in order}
        self.promotions = tuple(
            Promotion(group, trait, rule)
            for id_type, rule in self.rules.items()
            for group, traits in groups.items()
            for trait, definition in traits.items()
            if definition.get("idTypePromotion") == id_type
        )
        profile = {"properties": {"traits": values.build_traits_schema(groups, nulls=False)}}
        self._bulk = values.compile_values({"items": profile})
        self._patches = values.compile_values({"items": values.build_traits_schema(groups, nulls=True)})

    def find_definition(self, group: str, trait: str) -> values.Definition | None:
        """Return a trait's definition, or None where the store has no such trait."""
        return self.groups.get(group, {}).get(trait)

    def read_identifiers(self, traits: Traits) -> tuple[list[Identifier], list[Promotion]]:
        """Return a profile's identifiers by priority, and the promoted traits whose value cannot be one."""
        found: list[Identifier] = []
        bad: list[Promotion] = []
        for promotion in self.promotions:
            group = traits.get(promotion.group)
            value = None if group is None else group.get(promotion.trait)
            if value is None or value == "":
                continue
            rule = promotion.rule
            text = normalise(rule.normalization, value) if isinstance(value, str) else _number_text(value)
            if text is None:
                bad.append(promotion)
                continue
            identifier = Identifier(rule.id_type, text, rule.unique)
            if identifier not in found:
                found.append(identifier)
        return found, bad

    def normalise(self, id_type: str, text: str) -> Identifier | None:
        """Return an identifier as it is stored, or None where the value cannot be one."""
        rule = self.rules[id_type]
        value = normalise(rule.normalization, text)
        return None if value is None else Identifier(id_type, value, rule.unique)

    def judge_profiles(self, profiles: Sequence[Mapping[str, Any]]) -> dict[int, list[Fault]]:
        """Return the faults of a Bulk body's profiles by position; a body without any is the quick case."""
        faults: dict[int, list[Fault]] = {}
        if not self._bulk.is_valid(profiles):
            faults = values.find_faults(self._bulk, profiles, ["profiles"])
        owners: dict[Identifier, int] = {}
        for position, profile in enumerate(profiles):
            if position in faults:
                continue
            reason = self._judge_identity(profile.get("traits") or {}, position, owners)
            if reason:
                faults[position] = [Fault(f"#/profiles/{position}/traits{reason[0]}", reason[1])]
        return faults

    def _judge_identity(self, traits: Traits, position: int, owners: dict[Identifier, int]) -> tuple[str, str] | None:
        if sum(map(len, traits.values())) < MIN_VALUES:
            return "", "a profile needs at least two values"
        identifiers, bad = self.read_identifiers(traits)
        if bad:
            return f"/{bad[0].group}/{bad[0].trait}", f"the value cannot be normalised as {bad[0].rule.normalization}"
        if not identifiers:
            return "", "a profile needs at least one identifier with a value"
        for identifier in identifiers:
            other = owners.setdefault(identifier, position)
            if other != position:
                return "", f"duplicate keys: profile {other} has the same {identifier.id_type}"
        return None

    def judge_patch(self, traits: Traits) -> list[Fault]:
        """Return the faults of a PATCH body, where null removes a trait."""
        if not self._patches.is_valid([traits]):
            found = values.find_faults(self._patches, [traits], ["traits"], skip=1)
            return [fault for faults in found.values() for fault in faults]
        _, bad = self.read_identifiers(traits)
        reason = "the value cannot be normalised"
        return [Fault(f"#/traits/{promotion.group}/{promotion.trait}", reason) for promotion in bad]

    def find_bad_patches(self, patches: Sequence[Traits]) -> set[int]:
        """Return the positions of traits that break a type or a rule; nulls are removals."""
        if self._patches.is_valid(patches):
            return set()
        return {int(error.instance_path[0]) for error in self._patches.iter_errors(patches)}

    def unknown_groups(self, profiles: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether any profile names a trait group that the store does not have."""
        return any(not (profile.get("traits") or {}).keys() <= self.groups.keys() for profile in profiles)


def _number_text(value: object) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
