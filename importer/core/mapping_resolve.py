"""Mapping, source columns and store schema -> the transform plan, or every reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from importer.core import limits
from importer.core.cast import TYPED
from importer.core.expressions import Result, compile_expression
from importer.core.mapping import MappingFile
from importer.core.mapping_checks import did_you_mean, nearest, quoted
from importer.core.mapping_conflicts import find_conflicts
from importer.core.mapping_drift import filled_traits
from importer.core.mapping_notes import plan_notes
from importer.core.mapping_sections import ColumnTarget
from importer.core.mapping_traits import Entry, find_trait, normalization_of
from importer.core.mapping_values import constant_fault
from importer.core.schema import Normalization, StoreSchema, TraitDefinition
from importer.core.transform import (
    Expression,
    IdentityPolicy,
    NullIntent,
    RoutingPolicy,
    RowRule,
    TraitPlan,
    TransformPlan,
)
from importer.errors import MappingError, Problem

_ESCAPED: Final = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
"""How a name shows a character that cannot be seen."""


def resolve_mapping(
    mapping: MappingFile,
    columns: Sequence[str],
    schema: StoreSchema,
    *,
    unsupported: Mapping[str, str] | None = None,
    used: Collection[str] = (),
) -> TransformPlan:
    """Bring a mapping, a source and a store together.

    Args:
        mapping: As read.
        columns: Names of the source's columns.
        schema: Of the store that will be written to.
        unsupported: Columns the source has but cannot give, and why.
        used: Columns that somebody else reads: nobody has to be told that they are not mapped.

    Raises:
        MappingError: They do not fit; ``problems`` has every reason.
    """
    resolver = _Resolver(mapping, tuple(columns), schema, dict(unsupported or {}), frozenset(used))
    plan = resolver.resolve()
    if resolver.problems:
        ordered = sorted(dict.fromkeys(resolver.problems), key=lambda problem: problem.line or 0)
        raise MappingError(ordered, name=mapping.name)
    return plan


@dataclass(slots=True)
class _Resolver:
    mapping: MappingFile
    columns: tuple[str, ...]
    schema: StoreSchema
    unsupported: Mapping[str, str]
    used: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    known: frozenset[str] = frozenset()
    further: dict[str, int] = field(default_factory=dict)
    headless: bool = False

    def resolve(self) -> TransformPlan:
        """Return the plan; it is of use only when there are no problems."""
        mapping = self.mapping
        self.known = frozenset(self.columns)
        self._check_store()
        self._check_header()
        self.problems += find_conflicts(mapping)
        key = tuple(mapping.source.key or ())
        for column in key:
            self._check_column(column, "source", "key")
        traits = self._in_store_order([*self._mapped(), *self._computed(), *self._constants()])
        self._check_identifiers(traits)
        self._check_further(traits)
        self._check_count()
        self._check_identity()
        where = None
        if mapping.source.where is not None:
            where = self._compile(mapping.source.where, Result.TRUTH, "source", "where")
        plan = TransformPlan(
            key=key,
            traits=traits,
            null_tokens=frozenset({"", *mapping.source.null_tokens}),
            where=where,
            rules=self._rules(traits),
            identity=IdentityPolicy(
                mapping.identity.on_duplicate_key, dict(mapping.identity.on_shared), mapping.identity.deny
            ),
            routing=RoutingPolicy(mapping.routing.import_min_rows, mapping.routing.part_rows),
        )
        return replace(plan, notes=plan_notes(plan, mapping, self.columns, self.used))

    def _problem(self, path: tuple[str | int, ...], message: str, fix: str = "") -> None:
        self.problems.append(Problem(self.mapping.line_of(*path), message, fix))

    def _check_store(self) -> None:
        pinned = self.mapping.store
        if pinned is not None and pinned != self.schema.store_id:
            fix = "choose the other store, or change `store:`"
            self._problem(("store",), f"the mapping is for {pinned}, the store is {self.schema.store_id}", fix)

    def _check_header(self) -> None:
        """Say it once when nothing matches; column names may then be a first row of data and are not shown."""
        mapped = self.mapping.columns
        self.headless = not (self.known | self.unsupported.keys()) & mapped.keys()
        # A column like a mapped one that only cannot be read is a name of its own, not a row of data.
        self.headless = self.headless and not any(self._odd_like(column) for column in mapped)
        if self.headless:
            message = f"the source has none of the {len(mapped)} mapped columns"
            fix = "is it the right file? has it a header row with these names? is the delimiter right (--delimiter)?"
            self._problem(("columns",), message, fix)

    def _odd_like(self, column: str) -> str | None:
        """Return the column that `column` was probably meant to be, where it is one that cannot be read."""
        if not self.unsupported:
            return None
        odd = {_ESCAPED.sub("", name): name for name in self.unsupported}
        others = (name for name in self.columns if name not in self.unsupported)
        seen = "".join(char for char in column if char.isprintable())
        return odd.get(nearest(seen, (*others, *odd)) or "")

    def _check_column(self, column: str, *path: str | int) -> bool:
        reason = self.unsupported.get(column)
        if reason is None and column in self.known:
            return True
        if reason is not None:
            self._problem(path, f"the column {quoted(column)} cannot be read: {reason}", "leave it out of the mapping")
        elif not self.headless:
            fix = did_you_mean(column, self.columns, "check the spelling against the source's header")
            if (odd := self._odd_like(column)) is not None:
                fix = f"there is {quoted(odd)}, which cannot be read: {self.unsupported[odd]}"
            self._problem(path, f"the source has no column {quoted(column)}", fix)
        return False

    def _mapped(self) -> list[TraitPlan]:
        plans = []
        for column, targets in self.mapping.columns.items():
            there = self._check_column(column, "columns", column)
            for number, target in enumerate(targets):
                path = ("columns", column, number)
                if target.region_from is not None:
                    there &= self._check_column(target.region_from, *path, "region_from")
                trait = self._trait(target.ref, *path, "to" if target.to is not None else "also")
                if trait is None:
                    continue
                entry = Entry(column, target, trait, self.mapping, self.schema, self._name(target))
                faults = list(entry.faults())
                for key, (message, fix) in faults:
                    self._problem((*path, key), message, fix)
                if there and not faults:
                    plans.append(entry.plan())
        return plans

    def _name(self, target: ColumnTarget) -> str:
        """Return the name of what a column fills: further values of an identifier are numbered from 2."""
        if target.also is None:
            return target.ref
        self.further[target.also] = number = self.further.get(target.also, 1) + 1
        return f"{target.also}+{number}"

    def _check_further(self, traits: Sequence[TraitPlan]) -> None:
        """Refuse further values of an identifier that has no first one, and removals beside them."""
        filled = filled_traits(self.mapping)
        for column, targets in self.mapping.columns.items():
            for number, target in enumerate(targets):
                if target.also is not None and target.also not in filled:
                    message = f"nothing fills {quoted(target.also)} itself, so {quoted(column)} adds nothing to it"
                    self._problem(("columns", column, number, "also"), message, "write `to` in the place of `also`")
        removing = next((trait for trait in traits if trait.null_intent is NullIntent.REMOVE), None)
        if self.further and removing is not None:
            message = f"`also` and `on_missing: remove` ({quoted(removing.ref)}) do not go together in one mapping"
            self._problem(("columns",), message, "give the further values a mapping, and a run, of their own")

    def _trait(self, ref: str, *path: str | int) -> TraitDefinition | None:
        found = find_trait(ref, self.schema)
        if isinstance(found, TraitDefinition):
            return found
        self._problem(path, *found)
        return None

    def _computed(self) -> list[TraitPlan]:
        plans = []
        for ref, computed in self.mapping.computed.items():
            trait = self._trait(ref, "computed", ref)
            expression = self._compile(computed.expr, Result.TEXT, "computed", ref)
            if trait is None:
                continue
            if computed.type is not None and computed.type is not trait.data_type:
                fix = f"write `type: {trait.data_type.lower()}`, or take it out"
                self._problem(("computed", ref, "type"), f"{quoted(ref)} is {trait.data_type} in the store", fix)
            if expression is not None:
                plans.append(replace(self._made(trait), computed=expression))
        return plans

    def _constants(self) -> list[TraitPlan]:
        plans = []
        for ref, value in self.mapping.constants.items():
            trait = self._trait(ref, "constants", ref)
            if trait is None:
                continue
            if trait.id_type is not None:
                message = f"a constant on the identifier {quoted(ref)} would merge all rows into one profile"
                self._problem(("constants", ref), message, "map a column to it, or take it out")
                continue
            fault = constant_fault(value, trait)
            if fault is not None:
                self._problem(("constants", ref), *fault)
                continue
            plans.append(replace(self._made(trait), constant=value))
        return plans

    def _made(self, trait: TraitDefinition) -> TraitPlan:
        """Return the plan of a trait that no column fills, still without its value."""
        normalization = normalization_of(trait, self.schema)
        return TraitPlan(
            ref=trait.ref,
            group=trait.group,
            name=trait.name,
            data_type=trait.data_type,
            id_type=trait.id_type,
            normalization=normalization,
            rule=trait.rule,
            on_invalid=self.mapping.defaults.on_invalid,
            region=self.mapping.defaults.region if normalization is Normalization.PHONE else None,
        )

    def _in_store_order(self, plans: Sequence[TraitPlan]) -> tuple[TraitPlan, ...]:
        place = {group: number for number, group in enumerate(self.schema.groups)}
        return tuple(sorted(plans, key=lambda plan: place.get(plan.group, len(place))))

    def _check_identifiers(self, traits: Sequence[TraitPlan]) -> None:
        if any(plan.id_type is not None for plan in traits):
            return
        refs = [target.ref for targets in self.mapping.columns.values() for target in targets]
        # An identifier that is named but has another problem is reported by that one.
        named = (self.schema.traits.get(ref) for ref in [*refs, *self.mapping.computed])
        if any(trait is not None and trait.id_type is not None for trait in named):
            return
        known = [ref for ref, trait in self.schema.traits.items() if trait.id_type is not None]
        fix = f"map a column to {' or '.join(map(quoted, known[:4]))}" if known else "the store has no identifier trait"
        self._problem(("columns",), "no column is mapped to an identifier, so no row could be told apart", fix)

    def _check_count(self) -> None:
        """Refuse what could only give rows that are `too-few-values`."""
        if sum(map(len, self.mapping.columns.values())) < limits.MIN_VALUES_PER_ROW:
            fix = "map another column; a row needs two values, and constants and computed values do not count"
            self._problem(("columns",), "only one trait is filled by a column", fix)

    def _check_identity(self) -> None:
        for id_type in self.mapping.identity.on_shared:
            if id_type not in self.schema.identifiers:
                known = list(self.schema.identifiers)
                fix = did_you_mean(id_type, known, f"the store has: {', '.join(known)}")
                path = ("identity", "on_shared", id_type)
                self._problem(path, f"the store has no identifier type {quoted(id_type)}", fix)

    def _compile(
        self, text: str, result: Result, *path: str | int, dtypes: Mapping[str, pl.DataType] | None = None
    ) -> Expression | None:
        if self.headless:
            return None
        try:
            return compile_expression(text, self.columns, result=result, dtypes=dtypes)
        except MappingError as exc:
            for problem in exc.problems:
                self._problem(path, problem.message, problem.fix)
            return None

    def _rules(self, traits: Sequence[TraitPlan]) -> tuple[RowRule, ...]:
        # Of several traits made from one column the first of the plan gives its type, as when rules are checked.
        dtypes = {plan.column: TYPED[plan.data_type] for plan in reversed(traits) if plan.column is not None}
        rules = []
        for number, rule in enumerate(self.mapping.rules):
            expression = self._compile(rule.check, Result.TRUTH, "rules", number, "check", dtypes=dtypes)
            if expression is not None:
                rules.append(RowRule(rule.name, expression, is_error=rule.severity == "error"))
        return tuple(rules)
