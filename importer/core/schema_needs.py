"""What a mapping needs and a store lacks, and the changes that would give the store exactly that.

There is one comparison of mapping and store, `importer.core.mapping_resolve`: what does not fit even once everything
lacking is there is what differs, and nobody but a person can settle it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from importer.core.limits import NAME_MAX_CHARS, TRAIT_GROUPS_MAX, TRAITS_PER_GROUP_MAX
from importer.core.mapping import MappingFile
from importer.core.mapping_checks import quoted
from importer.core.mapping_drift import Drift, find_drift, named_columns
from importer.core.mapping_resolve import resolve_mapping
from importer.core.mapping_seed import NeededTrait, needed_traits
from importer.core.mapping_traits import default_normalization
from importer.core.schema import IdentifierConfig, StoreSchema, TraitDefinition
from importer.errors import MappingError, Problem

_LOWER_CAMEL: Final = re.compile(r"[a-z][A-Za-z0-9]*")
_LETTERS: Final = str.maketrans("", "", "_- ")


@dataclass(frozen=True, slots=True)
class GroupChange:
    """One request that gives a store something: a new trait group, or further traits of one that is there.

    Attributes:
        group: Name of the trait group.
        is_new: The store has no such group.
        traits: Definitions by name, whole, in the service's words.
    """

    group: str
    is_new: bool
    traits: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """How a store falls short of a mapping.

    Attributes:
        groups: Trait groups that the store lacks.
        traits: Traits that it lacks.
        promotions: Traits that it has and that are no identifiers there, though the mapping says so.
        id_types: Identifier types that it lacks; no request creates one.
        differs: What does not fit and would not fit with all the above either: other types, another store.
        drift: What works and is worth a look.
        limits: Limits of the service that the store would break.
        doubts: What speaks against creating a lacking trait under its name, in words for people.
    """

    groups: tuple[str, ...] = ()
    traits: tuple[NeededTrait, ...] = ()
    promotions: tuple[NeededTrait, ...] = ()
    id_types: tuple[str, ...] = ()
    differs: tuple[Problem, ...] = ()
    drift: tuple[Drift, ...] = ()
    limits: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def lacks(self) -> bool:
        """Tell whether the store lacks anything that the mapping needs."""
        return bool(self.groups or self.traits or self.promotions or self.id_types)

    @property
    def fits(self) -> bool:
        """Tell whether a run could use the mapping with the store as it is."""
        return not (self.lacks or self.differs)


def find_difference(mapping: MappingFile, schema: StoreSchema) -> SchemaDifference:
    """Compare what a mapping needs with what a store has."""
    needed: dict[str, NeededTrait] = {}
    for trait in needed_traits(mapping):
        needed.setdefault(trait.ref, trait)
    traits = tuple(trait for trait in needed.values() if trait.ref not in schema.traits)
    promotions = tuple(trait for trait in needed.values() if _lacks_promotion(trait, schema))
    groups = tuple(dict.fromkeys(trait.group for trait in traits if trait.group not in _groups_of(schema)))
    named = dict.fromkeys(trait.id_type for trait in (*traits, *promotions) if trait.id_type is not None)
    id_types = tuple(id_type for id_type in named if id_type not in schema.identifiers)
    completed = _completed(schema, (*traits, *promotions), id_types)
    return SchemaDifference(
        groups,
        traits,
        promotions,
        id_types,
        _problems(mapping, completed),
        tuple(drift for drift in find_drift(mapping, completed) if drift.is_warning),
        tuple(_broken_limits(completed, traits)),
        tuple(_doubts(traits, schema)),
    )


def group_changes(difference: SchemaDifference, schema: StoreSchema) -> tuple[GroupChange, ...]:
    """Return the requests that give a store what it lacks, one a trait group, new groups with all their traits.

    A definition is sent whole: a trait that becomes an identifier keeps its type, description and rule.
    """
    changes: dict[str, dict[str, Mapping[str, Any]]] = {}
    for trait in difference.traits:
        changes.setdefault(trait.group, {})[trait.name] = trait.definition
    for trait in difference.promotions:
        kept = _stored_definition(schema, trait)
        changes.setdefault(trait.group, {})[trait.name] = {**kept, "idTypePromotion": trait.id_type}
    return tuple(GroupChange(group, group in difference.groups, traits) for group, traits in changes.items())


def _groups_of(schema: StoreSchema) -> set[str]:
    return {*schema.groups, *(trait.group for trait in schema.traits.values())}


def _lacks_promotion(needed: NeededTrait, schema: StoreSchema) -> bool:
    stored = schema.traits.get(needed.ref)
    return needed.is_promoted and stored is not None and stored.id_type is None


def _stored_definition(schema: StoreSchema, needed: NeededTrait) -> dict[str, Any]:
    for group in schema.raw.get("traitGroups", ()):
        if group["displayName"] == needed.group:
            definition = (group.get("traits") or {}).get(needed.name) or {}
            return {key: value for key, value in definition.items() if value is not None}
    return {"dataType": schema.traits[needed.ref].data_type.value}


def _completed(schema: StoreSchema, added: Sequence[NeededTrait], id_types: Sequence[str]) -> StoreSchema:
    """Return the schema with everything that is lacking."""
    traits = {trait.ref: _defined(trait, schema) for trait in added}
    configs = {id_type: IdentifierConfig(id_type, default_normalization(id_type)) for id_type in id_types}
    return replace(
        schema,
        traits={**schema.traits, **traits},
        groups={**{trait.group: 0 for trait in added}, **schema.groups},
        identifiers={**schema.identifiers, **configs},
        matching_rules=(*schema.matching_rules, *id_types),
    )


def _defined(needed: NeededTrait, schema: StoreSchema) -> TraitDefinition:
    stored = schema.traits.get(needed.ref)
    if stored is not None:
        return replace(stored, id_type=needed.id_type)
    return TraitDefinition(needed.group, needed.name, needed.data_type, needed.id_type)


def _problems(mapping: MappingFile, schema: StoreSchema) -> tuple[Problem, ...]:
    try:
        resolve_mapping(mapping, named_columns(mapping), schema)
    except MappingError as refused:
        return refused.problems
    return ()


def _broken_limits(completed: StoreSchema, added: Sequence[NeededTrait]) -> Iterator[str]:
    groups = _groups_of(completed)
    if len(groups) > TRAIT_GROUPS_MAX:
        yield f"the store would have {len(groups)} trait groups; it can have {TRAIT_GROUPS_MAX}"
    for group in sorted(groups):
        count = sum(trait.group == group for trait in completed.traits.values())
        if count > TRAITS_PER_GROUP_MAX:
            yield f"trait group {quoted(group)} would have {count} traits; it can have {TRAITS_PER_GROUP_MAX}"
    for trait in added:
        if max(len(trait.group), len(trait.name)) > NAME_MAX_CHARS:
            yield f"{quoted(trait.ref)}: group and trait have at most {NAME_MAX_CHARS} characters each"


def _doubts(added: Sequence[NeededTrait], schema: StoreSchema) -> Iterator[str]:
    stored = {_folded(ref): ref for ref in schema.traits}
    for trait in added:
        if (alike := stored.get(_folded(trait.ref))) is not None:
            yield f"{quoted(trait.ref)} is almost {quoted(alike)}, which the store has: is that one meant?"
        elif not _LOWER_CAMEL.fullmatch(trait.name):
            yield f"{quoted(trait.ref)}: the service turns trait names into lowerCamelCase, perhaps changing this one"


def _folded(ref: str) -> str:
    return ref.translate(_LETTERS).casefold()
