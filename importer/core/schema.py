"""The store schema: trait groups and identity settings, as one frozen, hashable-by-content value.

The service answers may hold nulls where a field is absent (``validationRule``, ``idTypePromotion``); both mean "none".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

import orjson


class DataType(StrEnum):
    """Data type of a trait."""

    STRING = "STRING"
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    ARRAY = "ARRAY"


class Normalization(StrEnum):
    """How the service normalises the values of an identifier type."""

    PHONE = "phone"
    EMAIL = "email"
    TRIM = "trim"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """Limits a store puts on one trait; None where it puts none. Lengths are in characters."""

    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    min_items: int | None = None
    max_items: int | None = None


@dataclass(frozen=True, slots=True)
class TraitDefinition:
    """One trait of a trait group."""

    group: str
    name: str
    data_type: DataType
    id_type: str | None = None
    rule: ValidationRule | None = None
    description: str | None = field(default=None, compare=False)

    @property
    def ref(self) -> str:
        """``Group.trait``, the way a mapping names it."""
        return f"{self.group}.{self.name}"


@dataclass(frozen=True, slots=True)
class IdentifierConfig:
    """How a store treats one identifier type."""

    id_type: str
    normalization: Normalization = Normalization.TRIM
    enforce_unique: bool = True
    limit: int = 100
    limit_policy: str = "fifo"
    matching_algo: str = "exact"


_RULE_FIELDS = {
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "min": "min",
    "max": "max",
    "minItems": "min_items",
    "maxItems": "max_items",
}


@dataclass(frozen=True)
class StoreSchema:
    """Trait groups and identity settings of one store.

    Attributes:
        store_id: The store this was read from.
        store_name: Its display name.
        traits: Definitions by ``Group.trait``.
        groups: Version by trait group name.
        identifiers: Settings by idType.
        matching_rules: idTypes in order of priority.
        identity_version: Version of the identity settings.
    """

    store_id: str
    store_name: str
    traits: Mapping[str, TraitDefinition]
    groups: Mapping[str, int]
    identifiers: Mapping[str, IdentifierConfig]
    matching_rules: tuple[str, ...]
    identity_version: int = 1
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_api(
        cls, store: Mapping[str, Any], trait_groups: Sequence[Mapping[str, Any]], identity: Mapping[str, Any]
    ) -> Self:
        """Build a schema from the service's own answers.

        Args:
            store: Answer of FetchStore.
            trait_groups: All trait groups of ListTraitGroups with their traits, pages joined.
            identity: Answer of FetchIdentityResolutionSettings.

        Raises:
            ValueError: a data type or normalisation is not one this version knows.
            KeyError: a required field is absent.
        """
        traits: dict[str, TraitDefinition] = {}
        for group in trait_groups:
            for name, definition in (group.get("traits") or {}).items():
                trait = trait_from_api(group["displayName"], name, definition)
                traits[trait.ref] = trait
        return cls(
            store_id=store["id"],
            store_name=store["displayName"],
            traits=traits,
            groups={group["displayName"]: group["version"] for group in trait_groups},
            identifiers={config["idType"]: config_from_api(config) for config in identity["identifierConfigs"]},
            matching_rules=tuple(identity["matchingRules"]),
            identity_version=identity.get("version", 1),
            raw={
                "store": _known(store, _STORE_FIELDS),
                "traitGroups": [_known(group, _GROUP_FIELDS) for group in trait_groups],
                "identity": _known(identity, _IDENTITY_FIELDS),
            },
        )

    @classmethod
    def from_file(cls, content: bytes) -> Self:
        """Read what `to_file` wrote.

        Raises:
            ValueError: the content is not such a file.
        """
        try:
            raw = orjson.loads(content)
            return cls.from_api(raw["store"], raw["traitGroups"], raw["identity"])
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"not a store schema file: {type(exc).__name__}") from None

    def to_file(self) -> bytes:
        """Return the schema as the JSON that ``schema pull`` writes and ``--schema`` reads."""
        return orjson.dumps(self.raw, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"

    @property
    def fingerprint(self) -> str:
        """Hash over everything that decides checking, identity or encoding (not descriptions)."""
        return self.fingerprint_of(self.traits)

    def fingerprint_of(self, refs: Iterable[str]) -> str:
        """Hash over what decides about rows with these traits (``Group.trait``) alone.

        Another trait or idType that the store gains or loses changes nothing for them.
        """
        used = {ref: self.traits[ref] for ref in refs if ref in self.traits}
        id_types = {trait.id_type for trait in used.values() if trait.id_type is not None}
        parts = [
            self.store_id,
            sorted((ref, trait.data_type, trait.id_type, str(trait.rule)) for ref, trait in used.items()),
            sorted((name, str(config)) for name, config in self.identifiers.items() if name in id_types),
            [name for name in self.matching_rules if name in id_types],
        ]
        return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()


_STORE_FIELDS: Final = ("id", "displayName", "description", "status", "version", "intelligenceServiceId")
_GROUP_FIELDS: Final = ("displayName", "description", "version", "traits")
_IDENTITY_FIELDS: Final = ("identifierConfigs", "matchingRules", "version")


def _known(answer: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Keep what the service documents: an answer is written down, and may hold anything beside that."""
    return {name: answer[name] for name in names if name in answer}


def trait_from_api(group: str, name: str, definition: Mapping[str, Any]) -> TraitDefinition:
    """Build the definition of a trait from the service's own answer.

    Raises:
        ValueError: its data type is not one this version knows.
        KeyError: it has none.
    """
    rule = definition.get("validationRule")
    return TraitDefinition(
        group=group,
        name=name,
        data_type=DataType(definition["dataType"]),
        id_type=definition.get("idTypePromotion") or None,
        rule=ValidationRule(**{ours: rule.get(theirs) for theirs, ours in _RULE_FIELDS.items()}) if rule else None,
        description=definition.get("description") or None,
    )


def config_from_api(config: Mapping[str, Any]) -> IdentifierConfig:
    """Build the settings of an identifier type from the service's own answer.

    Raises:
        ValueError: its normalisation is not one this version knows.
        KeyError: it has no name.
    """
    return IdentifierConfig(
        id_type=config["idType"],
        normalization=Normalization(config.get("normalization") or "trim"),
        enforce_unique=config.get("enforceUnique") is not False,
        limit=config.get("limit") or 100,
        limit_policy=config.get("limitPolicy") or "fifo",
        matching_algo=config.get("matchingAlgo") or "exact",
    )
