"""What moved between two schemas of one store, as far as the rows of a run are concerned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from importer.core.schema import IdentifierConfig, StoreSchema, TraitDefinition, ValidationRule


def schema_moves(before: StoreSchema, now: StoreSchema, refs: Iterable[str]) -> tuple[str, ...]:
    """Say what `StoreSchema.fingerprint_of` sees differ, one line a change.

    Args:
        before: What the rows were checked against.
        now: What the store has.
        refs: The traits of the rows, ``Group.trait``.
    """
    moves: list[str] = []
    used = [ref for ref in dict.fromkeys(refs) if ref in before.traits or ref in now.traits]
    for ref in used:
        moves += _of_trait(ref, before.traits.get(ref), now.traits.get(ref))
    id_types = {trait.id_type for schema in (before, now) for ref in used if (trait := schema.traits.get(ref))}
    named = sorted(id_type for id_type in id_types if id_type is not None)
    for name in named:
        moves += _of_identifier(name, before.identifiers.get(name), now.identifiers.get(name))
    order = [[name for name in schema.matching_rules if name in named] for schema in (before, now)]
    if order[0] != order[1]:
        moves.append(f"identifiers are matched in another order: {_listed(order[0])} before, {_listed(order[1])} now")
    if before.store_id != now.store_id:
        moves.append(f"it is another store: {before.store_id} before, {now.store_id} now")
    return tuple(moves)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _of_trait(ref: str, before: TraitDefinition | None, now: TraitDefinition | None) -> list[str]:
    if before is None or now is None:
        return [f"{ref} is {'new' if before is None else 'gone'}"] if before is not now else []
    moves = []
    if before.data_type != now.data_type:
        moves.append(f"{ref} was {before.data_type.value} and is {now.data_type.value}")
    if before.id_type != now.id_type:
        was, is_ = before.id_type or "no identifier", now.id_type or "no identifier"
        moves.append(f"{ref} was {was} and is {is_}")
    if before.rule != now.rule:
        moves.append(f"the rule of {ref} changed: {_rule(before.rule)} before, {_rule(now.rule)} now")
    return moves


def _rule(rule: ValidationRule | None) -> str:
    if rule is None:
        return "none"
    said = [(field.name, getattr(rule, field.name)) for field in fields(rule)]
    return " ".join(f"{name}={value}" for name, value in said if value is not None) or "none"


def _of_identifier(name: str, before: IdentifierConfig | None, now: IdentifierConfig | None) -> list[str]:
    if before is None or now is None:
        return [f"identifier type {name} is {'new' if before is None else 'gone'}"] if before is not now else []
    return [
        f"{field.name} of identifier type {name} was {getattr(before, field.name)} and is {getattr(now, field.name)}"
        for field in fields(before)
        if getattr(before, field.name) != getattr(now, field.name)
    ]
