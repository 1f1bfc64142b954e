"""What a store must have for a mapping to work, and the mapping's own JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from importer.core.mapping import MappingFile
from importer.core.mapping_traits import default_normalization
from importer.core.mapping_values import type_of_constant
from importer.core.schema import DataType, StoreSchema

PROMOTED: Final = {"Contact.email": "email", "Contact.phone": "phone"}
"""Traits that are identifiers without the mapping saying so, and their identifier types."""

NO_STORE: Final = f"mem_store_{'0' * 26}"
"""ID of a store that does not exist."""

SCHEMA_ID: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class NeededTrait:
    """A trait that a mapping fills, as it is created where a store lacks it.

    Attributes:
        ref: ``Group.trait``.
        data_type: Its type; STRING where the mapping names none.
        id_type: Identifier type it is promoted to, None for a plain trait.
        is_promoted: The mapping itself says that it is an identifier.
        line: Where the mapping names it.
    """

    ref: str
    data_type: DataType
    id_type: str | None = None
    is_promoted: bool = False
    line: int | None = None

    @property
    def group(self) -> str:
        """Its trait group."""
        return self.ref.partition(".")[0]

    @property
    def name(self) -> str:
        """Its name within the group."""
        return self.ref.partition(".")[2]

    @property
    def definition(self) -> dict[str, str]:
        """The definition that creates it, in the service's words."""
        promotion = {"idTypePromotion": self.id_type} if self.id_type is not None else {}
        return {"dataType": self.data_type.value, **promotion}


def seed_for(mapping: MappingFile) -> dict[str, Any]:
    """Return the trait groups, identifier types and matching rules that a mapping needs.

    ``type`` and ``identifier`` say what a trait is; without them it is a STRING, and only `PROMOTED` are identifiers.
    """
    groups: dict[str, dict[str, dict[str, str]]] = {}
    id_types: dict[str, None] = {}
    for trait in needed_traits(mapping):
        if trait.id_type is not None:
            id_types[trait.id_type] = None
        groups.setdefault(trait.group, {}).setdefault(trait.name, trait.definition)
    return {
        "traitGroups": [{"displayName": group, "traits": traits} for group, traits in groups.items()],
        "identifierConfigs": [
            {"idType": id_type, "normalization": default_normalization(id_type).value} for id_type in id_types
        ],
        "matchingRules": list(id_types),
    }


def seeded_schema(mapping: MappingFile) -> StoreSchema:
    """Return a store that has what `seed_for` names and nothing else, for looking at a mapping without a store."""
    seed = seed_for(mapping)
    return StoreSchema.from_api(
        {"id": mapping.store or NO_STORE, "displayName": "the mapping's own types"},
        [{**group, "version": 1} for group in seed["traitGroups"]],
        seed,
    )


def needed_traits(mapping: MappingFile) -> Iterator[NeededTrait]:
    """Yield what a mapping fills, in its order; a trait that is filled twice comes twice."""
    for column, targets in mapping.columns.items():
        for number, target in enumerate(targets):
            if target.to is None:
                continue
            id_type = target.identifier or PROMOTED.get(target.to)
            line = mapping.line_of("columns", column, number, "to")
            yield NeededTrait(
                target.to, target.type or DataType.STRING, id_type, is_promoted=target.identifier is not None, line=line
            )
    for ref, computed in mapping.computed.items():
        kind = computed.type or DataType.STRING
        yield NeededTrait(ref, kind, PROMOTED.get(ref), line=mapping.line_of("computed", ref))
    for ref, value in mapping.constants.items():
        # Promoted all the same, so that the constant is refused as it would be by a real store.
        line = mapping.line_of("constants", ref)
        yield NeededTrait(ref, type_of_constant(value), PROMOTED.get(ref), line=line)


def mapping_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a mapping file, for editors."""
    schema = MappingFile.model_json_schema()
    return {"$schema": SCHEMA_ID, **schema, "title": "memory-importer mapping"}
