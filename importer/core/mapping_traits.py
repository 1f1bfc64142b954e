"""One entry of a mapping and the store's definition of its trait -> the trait's plan, or what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from importer.core.mapping import MappingFile
from importer.core.mapping_checks import did_you_mean, nearest, quoted
from importer.core.mapping_sections import ColumnTarget
from importer.core.schema import DataType, Normalization, StoreSchema, TraitDefinition
from importer.core.transform import LetterCase, NullIntent, TraitPlan

Fault = tuple[str, str]
"""Cause and fix."""

_DEFAULT_NORMALIZATION: Final = {
    "phone": Normalization.PHONE,
    "whatsapp": Normalization.PHONE,
    "email": Normalization.EMAIL,
}


def default_normalization(id_type: str) -> Normalization:
    """Return how an identifier type is normalised where no store says it."""
    return _DEFAULT_NORMALIZATION.get(id_type, Normalization.TRIM)


def normalization_of(trait: TraitDefinition, schema: StoreSchema) -> Normalization | None:
    """Return the normalisation of a trait's identifier type, None for a plain trait."""
    if trait.id_type is None:
        return None
    config = schema.identifiers.get(trait.id_type)
    return config.normalization if config is not None else default_normalization(trait.id_type)


def find_trait(ref: str, schema: StoreSchema) -> TraitDefinition | Fault:
    """Return the store's definition of a trait, or that it has none."""
    trait = schema.traits.get(ref)
    if trait is not None:
        return trait
    group, _, name = ref.partition(".")
    known = schema.groups.keys() | {definition.group for definition in schema.traits.values()}
    create = "create it in the store, by `memory-importer schema apply`, or correct the name"
    if group not in known:
        return f"the store has no trait group {quoted(group)}", did_you_mean(ref, schema.traits, create)
    # By its own name: all traits of a group begin alike.
    near = {definition.name: definition.ref for definition in schema.traits.values() if definition.name == name}
    near |= {definition.name: definition.ref for definition in schema.traits.values() if definition.group == group}
    close = nearest(name, near)
    return f"the store has no trait {quoted(ref)}", f"did you mean {quoted(near[close])}?" if close else create


@dataclass(frozen=True, slots=True)
class Entry:
    """A column's target, the trait it goes to, and the mapping around it."""

    column: str
    target: ColumnTarget
    trait: TraitDefinition
    mapping: MappingFile
    schema: StoreSchema
    ref: str

    @property
    def normalization(self) -> Normalization | None:
        """Normalisation of the trait's identifier type."""
        return normalization_of(self.trait, self.schema)

    def faults(self) -> Iterator[tuple[str, Fault]]:
        """Yield what does not fit: the key it stands under, cause and fix."""
        yield from self._type_faults()
        yield from self._option_faults()
        yield from self._intent_faults()
        yield from self._region_faults()

    def _type_faults(self) -> Iterator[tuple[str, Fault]]:
        target, trait = self.target, self.trait
        if target.also is not None and trait.id_type is None:
            yield "also", (f"{quoted(trait.ref)} is not an identifier in the store", "a plain trait has one value")
        if target.type is not None and target.type is not trait.data_type:
            fix = f"write `type: {trait.data_type.lower()}`, or take it out"
            yield "type", (f"{quoted(trait.ref)} is {trait.data_type} in the store", fix)
        if target.identifier is not None and target.identifier != trait.id_type:
            if trait.id_type is None:
                fault = (f"{quoted(trait.ref)} is not an identifier in the store", "take `identifier` out")
            else:
                fault = (
                    f"{quoted(trait.ref)} is promoted to {quoted(trait.id_type)} in the store",
                    f"write `identifier: {trait.id_type}`, or take it out",
                )
            yield "identifier", fault

    def _option_faults(self) -> Iterator[tuple[str, Fault]]:
        target, kind = self.target, self.trait.data_type
        plain_text = kind is DataType.STRING and self.trait.id_type is None
        changes = {"lower": target.lower, "upper": target.upper}
        needs = {
            "split": (target.split is not None, kind is DataType.ARRAY, "an ARRAY"),
            "parse": (target.parse is not None, plain_text, "a STRING that is not an identifier"),
            "true_values": (target.true_values is not None, kind is DataType.BOOLEAN, "a BOOLEAN"),
            "false_values": (target.false_values is not None, kind is DataType.BOOLEAN, "a BOOLEAN"),
            "replace": (bool(target.replace), kind is not DataType.ARRAY, "a single value, not an ARRAY"),
            **{
                key: (given, kind is DataType.STRING or (kind is DataType.ARRAY and target.split is not None), "a text")
                for key, given in changes.items()
            },
        }
        for key, (given, fits, wanted) in needs.items():
            if given and not fits:
                what = f"{kind}, an identifier" if self.trait.id_type is not None else str(kind)
                yield key, (f"{quoted(key)} is for {wanted}; {quoted(self.trait.ref)} is {what}", f"take `{key}` out")

    def _intent_faults(self) -> Iterator[tuple[str, Fault]]:
        intent, trait = self.target.on_missing, self.trait
        if intent is None or intent is NullIntent.KEEP:
            return
        if trait.id_type is not None:
            fault = (f"{quoted(trait.ref)} is an identifier; a missing one is always kept", "take `on_missing` out")
            yield "on_missing", fault
        elif intent is NullIntent.CLEAR and trait.data_type is not DataType.STRING:
            fault = (
                f"`clear` writes an empty text; {quoted(trait.ref)} is {trait.data_type}",
                "use `remove` or `keep`",
            )
            yield "on_missing", fault

    def _region_faults(self) -> Iterator[tuple[str, Fault]]:
        if self.normalization is Normalization.PHONE:
            return
        for key in ("region", "region_from"):
            if getattr(self.target, key) is not None:
                yield key, (f"{quoted(self.trait.ref)} is not a phone identifier", f"take `{key}` out")

    def plan(self) -> TraitPlan:
        """Return the trait's plan; to be asked for only when there are no faults."""
        target, defaults = self.target, self.mapping.defaults
        is_phone = self.normalization is Normalization.PHONE
        return TraitPlan(
            ref=self.ref,
            group=self.trait.group,
            name=self.trait.name,
            data_type=self.trait.data_type,
            column=self.column,
            id_type=self.trait.id_type,
            normalization=self.normalization,
            rule=self.trait.rule,
            null_intent=null_intent(target.on_missing, defaults.on_missing, self.trait),
            on_invalid=target.on_invalid or defaults.on_invalid,
            required=target.required,
            case=LetterCase.LOWER if target.lower else LetterCase.UPPER if target.upper else None,
            replace=dict(target.replace),
            split=target.split,
            parse=target.parse,
            format=target.format,
            true_values=_words(target.true_values, "true"),
            false_values=_words(target.false_values, "false"),
            region=(target.region or defaults.region) if is_phone else None,
            region_from=target.region_from if is_phone else None,
            further=target.also is not None,
        )


def null_intent(own: NullIntent | None, default: NullIntent, trait: TraitDefinition) -> NullIntent:
    """Return what a missing value does: the default holds only where the trait can follow it."""
    intent = own or default
    if trait.id_type is not None:
        return NullIntent.KEEP
    if intent is NullIntent.CLEAR and trait.data_type is not DataType.STRING:
        return NullIntent.KEEP
    return intent


def _words(words: tuple[str, ...] | None, default: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip().lower() for word in words)) if words is not None else (default,)
