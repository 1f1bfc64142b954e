"""What a store must have for a mapping to work, and the mapping's own JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
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


def seed_for(mapping: MappingFile) -> dict[str, Any]:
    """Return the trait groups, identifier types and matching rules that a mapping needs.

    ``type`` and ``identifier`` say what a trait is; without them it is a STRING, and only `PROMOTED` are identifiers.
    """
    groups: dict[str, dict[str, dict[str, str]]] = {}
    id_types: dict[str, None] = {}
    for ref, kind, id_type in _traits(mapping):
        group, _, name = ref.partition(".")
        definition = {"dataType": kind.value}
        if id_type is not None:
            definition["idTypePromotion"] = id_type
            id_types[id_type] = None
        groups.setdefault(group, {}).setdefault(name, definition)
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


def _traits(mapping: MappingFile) -> Iterator[tuple[str, DataType, str | None]]:
    for targets in mapping.columns.values():
        for target in targets:
            id_type = target.identifier or PROMOTED.get(target.to)
            yield target.to, target.type or DataType.STRING, id_type
    for ref, computed in mapping.computed.items():
        yield ref, computed.type or DataType.STRING, PROMOTED.get(ref)
    for ref, value in mapping.constants.items():
        # Promoted all the same, so that the constant is refused as it would be by a real store.
        yield ref, type_of_constant(value), PROMOTED.get(ref)


def mapping_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a mapping file, for editors."""
    schema = MappingFile.model_json_schema()
    return {"$schema": SCHEMA_ID, **schema, "title": "memory-importer mapping"}
