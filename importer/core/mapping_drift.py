"""A mapping and a store side by side, without a source: what has drifted apart.

What stops a run is found by the code that a run uses, `importer.core.mapping_resolve`; here is what a person should
look at although a run would start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from importer.core.mapping import MappingFile
from importer.core.mapping_checks import quoted
from importer.core.mapping_grammar import Grammar
from importer.core.mapping_tokens import ExpressionFault
from importer.core.mapping_traits import default_normalization, find_trait
from importer.core.mapping_tree import read_tree
from importer.core.schema import IdentifierConfig, Normalization, StoreSchema, TraitDefinition, ValidationRule
from importer.core.yaml_model import find_line
from importer.errors import Problem

_RULE_WORDS: Final = {
    "min_length": "at least {:,} characters",
    "max_length": "at most {:,} characters",
    "min": "at least {:g}",
    "max": "at most {:g}",
    "min_items": "at least {:,} items",
    "max_items": "at most {:,} items",
    "pattern": "a pattern",
}
_SHARED_LIMIT: Final = 1


class DriftKind(StrEnum):
    """What is to be looked at."""

    UNFILLED = "unfilled"
    """The store has a trait that nothing fills."""
    UNFILLED_IDENTIFIER = "unfilled-identifier"
    """The store has an identifier that nothing fills."""
    NOT_MATCHED = "not-matched"
    """The store does not find profiles by an identifier type that is filled."""
    NOT_UNIQUE = "not-unique"
    """Several profiles may have one value of an identifier type that is filled."""
    NORMALIZATION = "normalization"
    """An identifier type is not normalised as its values usually are."""
    FEW_VALUES = "few-values"
    """A profile keeps a single value of an identifier type; another one replaces it or is refused."""


WARNINGS: Final = frozenset({DriftKind.NOT_MATCHED, DriftKind.NOT_UNIQUE, DriftKind.NORMALIZATION})
"""Kinds that change who a row is; the others are for information."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing to look at.

    Attributes:
        kind: Which one.
        about: A trait (``Group.trait``) or an identifier type.
        line: Of the mapping, None where it is about what the mapping does not have.
        message: The cause, in one line.
        fix: What may be done; may be empty.
    """

    kind: DriftKind
    about: str
    line: int | None
    message: str
    fix: str = ""

    @property
    def is_warning(self) -> bool:
        """Tell whether it changes who a row is."""
        return self.kind in WARNINGS


def named_columns(mapping: MappingFile) -> tuple[str, ...]:
    """Return every source column that a mapping names, as if a source had them all and nothing else."""
    named = [*(mapping.source.key or ()), *mapping.columns]
    named += [
        target.region_from
        for targets in mapping.columns.values()
        for target in targets
        if target.region_from is not None
    ]
    texts = [mapping.source.where] if mapping.source.where is not None else []
    texts += [computed.expr for computed in mapping.computed.values()]
    texts += [rule.check for rule in mapping.rules]
    for text in texts:
        grammar = Grammar(text, None)
        with suppress(ExpressionFault):  # what is no expression is refused elsewhere, with its line
            grammar.read()
        named += grammar.columns
    return tuple(dict.fromkeys(named))


def find_drift(mapping: MappingFile, schema: StoreSchema) -> tuple[Drift, ...]:
    """Compare a mapping with a store: warnings first, then what nothing fills, in the order of the store."""
    filled = filled_traits(mapping)
    lines: dict[str, int | None] = {}
    for ref, line in filled.items():
        trait = schema.traits.get(ref)
        if trait is not None and trait.id_type is not None:
            lines.setdefault(trait.id_type, line)
    found = [drift for id_type, line in lines.items() for drift in _identifier_drift(id_type, line, schema)]
    found += [_unfilled(trait, lines.keys()) for ref, trait in schema.traits.items() if ref not in filled]
    return tuple(sorted(found, key=lambda drift: (not drift.is_warning, drift.kind is DriftKind.UNFILLED)))


def filled_traits(mapping: MappingFile) -> dict[str, int | None]:
    """Return the traits that get a value, with the line of each."""
    columns = {
        target.to: mapping.line_of("columns", column, number, "to")
        for column, targets in mapping.columns.items()
        for number, target in enumerate(targets)
        if target.to is not None
    }
    made = {ref: mapping.line_of("computed", ref) for ref in mapping.computed}
    return {**columns, **made, **{ref: mapping.line_of("constants", ref) for ref in mapping.constants}}


def _unfilled(trait: TraitDefinition, id_types: Iterable[str]) -> Drift:
    if trait.id_type is None:
        return Drift(DriftKind.UNFILLED, trait.ref, None, f"nothing fills {quoted(trait.ref)} ({trait.data_type})")
    other = " from here; another trait does" if trait.id_type in id_types else ""
    message = f"nothing fills {quoted(trait.ref)}, an identifier of type {quoted(trait.id_type)}{other}"
    return Drift(DriftKind.UNFILLED_IDENTIFIER, trait.ref, None, message, "map a column to it, if the source has one")


def _identifier_drift(id_type: str, line: int | None, schema: StoreSchema) -> Iterator[Drift]:
    shown = quoted(id_type)
    if id_type not in schema.matching_rules:
        yield Drift(
            DriftKind.NOT_MATCHED,
            id_type,
            line,
            f"no matching rule names {shown}: profiles are not found by it",
            "add it to the store's matching rules, or map another identifier beside it",
        )
    config = schema.identifiers.get(id_type, IdentifierConfig(id_type, default_normalization(id_type)))
    if not config.enforce_unique:
        message = f"the store does not enforce that a value of {shown} is unique: several profiles may have it"
        yield Drift(DriftKind.NOT_UNIQUE, id_type, line, message, "have it enforced, unless that is meant")
    usual = default_normalization(id_type)
    if config.normalization is not usual and usual is not Normalization.TRIM:
        message = f"the store normalises {shown} as {config.normalization.value}, not as {usual.value}"
        fix = "values written in two ways are then two; set the store's normalisation, unless that is meant"
        yield Drift(DriftKind.NORMALIZATION, id_type, line, message, fix)
    if config.limit <= _SHARED_LIMIT:
        message = f"a profile keeps {config.limit} value of {shown} ({config.limit_policy})"
        yield Drift(DriftKind.FEW_VALUES, id_type, line, message)


def rule_text(rule: ValidationRule | None) -> str:
    """Say what a store's rule asks of a trait's values, empty where it asks nothing."""
    if rule is None:
        return ""
    values = ((name, getattr(rule, name)) for name in _RULE_WORDS)
    return ", ".join(_RULE_WORDS[name].format(value) for name, value in values if value is not None)


def identifier_text(id_type: str, schema: StoreSchema) -> str:
    """Say how a store treats an identifier type: priority, normalisation, uniqueness, limit."""
    config = schema.identifiers.get(id_type, IdentifierConfig(id_type, default_normalization(id_type)))
    rank = schema.matching_rules.index(id_type) + 1 if id_type in schema.matching_rules else None
    parts = [
        f"priority {rank}" if rank is not None else "not matched by",
        f"normalised as {config.normalization.value}",
        "unique" if config.enforce_unique else "not unique",
        f"limit {config.limit} {config.limit_policy}",
    ]
    return ", ".join(parts)


def problems_beside(text: bytes, schema: StoreSchema) -> list[Problem]:
    """Return which traits of a refused mapping file the store lacks, as far as the file can be read.

    The faults of the file itself are found by `importer.core.mapping_yaml`; this is what can be told beside them.
    """
    try:
        tree = read_tree(text.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return []
    root: Mapping[str, Any] = tree.root if isinstance(tree.root, dict) else {}
    named = [*_raw_targets(root.get("columns"))]
    for section in ("computed", "constants"):
        entries = root.get(section)
        named += [((section, ref), ref) for ref in entries] if isinstance(entries, dict) else []
    faults = [(path, find_trait(ref, schema)) for path, ref in named if ref.count(".")]
    return [
        Problem(find_line(tree.lines, path), *fault) for path, fault in faults if not isinstance(fault, TraitDefinition)
    ]


def _raw_targets(columns: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    entries = columns.items() if isinstance(columns, dict) else ()
    for column, targets in entries:
        listed = targets if isinstance(targets, list) else [targets]
        for number, target in enumerate(listed):
            ref = target.get("to", target.get("also")) if isinstance(target, dict) else target
            if isinstance(ref, str):
                yield ("columns", column, number), ref
