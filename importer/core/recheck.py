"""Checking typed rows again, against a schema that moved: without the source, exactly or not at all.

The law of this module: what it gives is what reading the source again with the new schema would give, for the rows that
were valid before. Where the typed value does not tell what the source had, there is no answer, and `unfit` says so.
Rows that were rejected before are not looked at: they are not in the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from importer.core.check import REMOVE_PREFIX, check_rows
from importer.core.check_values import Checks, compile_checks
from importer.core.enum_texts import enum_texts
from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import ISSUES_SCHEMA, Severity
from importer.core.schema import DataType, Normalization, StoreSchema, TraitDefinition
from importer.core.transform import Expression, NullIntent, TraitPlan, TransformPlan

_LOSSLESS: Final = frozenset({Normalization.NONE, Normalization.TRIM})
"""Normalisations after which another one gives what it would have given before."""


@dataclass(frozen=True)
class Recheck:
    """How typed rows are checked again.

    Attributes:
        checks: Of the new plan, as if the typed columns were a source.
        plan: The new plan itself.
        changed: Traits whose values are cast or normalised anew.
        before: Data type of each trait as it is in the package.
    """

    checks: Checks
    plan: TransformPlan
    changed: frozenset[str]
    before: Mapping[str, DataType]


@dataclass(frozen=True, slots=True)
class Rechecked:
    """What became of typed rows.

    Attributes:
        typed: The same rows in the same order, in the new types; a row that does not fit has nulls.
        code: String, the error of a row that does not fit any more; null where it fits.
        issues: `ISSUES_SCHEMA`, ``row_number`` being the row's place in the frame.
    """

    typed: pl.DataFrame
    code: pl.Series
    issues: pl.DataFrame


def unfit(plan: TransformPlan, before: StoreSchema, now: StoreSchema) -> tuple[str, ...]:
    """Say why typed rows cannot be checked again without their source; empty where they can.

    Args:
        plan: Of the mapping and the schema that is now.
        before: The schema the rows were typed by.
        now: The schema that is now.
    """
    reasons = []
    touched = set()
    for trait in plan.traits:
        was, is_ = before.traits.get(trait.stored_ref), now.traits.get(trait.stored_ref)
        if was is None or is_ is None or trait.constant is not None:
            continue
        why = _unfit(trait, was, before, now)
        if why is not None:
            reasons.append(f"{trait.ref}: {why}")
        if was.data_type != is_.data_type:
            touched.add(trait.column)
    reasons += [
        f"rule {rule.name} looks at a column whose type changed"
        for rule in plan.rules
        if touched.intersection(rule.expression.columns)
    ]
    return tuple(reasons)


def _unfit(trait: TraitPlan, was: TraitDefinition, before: StoreSchema, now: StoreSchema) -> str | None:
    old, new = _normalization(was.id_type, before), _normalization(trait.id_type, now)
    if was.data_type != trait.data_type and (was.data_type is not DataType.STRING or was.id_type is not None):
        return f"a {was.data_type.value} does not tell how the source wrote it"
    if old == new:
        return None
    if new is Normalization.PHONE and trait.region_from is not None:
        return "the column that says the region of a phone number is not in the package"
    if old is not None and (old not in _LOSSLESS or new in (None, Normalization.NONE)):
        return "its values were normalised, and no longer tell how the source wrote them"
    return None


def _normalization(id_type: str | None, schema: StoreSchema) -> Normalization | None:
    if id_type is None:
        return None
    config = schema.identifiers.get(id_type)
    return config.normalization if config is not None else Normalization.TRIM


def recheck_of(plan: TransformPlan, before: StoreSchema, now: StoreSchema) -> Recheck:
    """Prepare to check typed rows again.

    Args:
        plan: Of the mapping and the schema that is now; `unfit` has nothing against it.
        before: The schema the rows were typed by.
        now: The schema that is now.
    """
    types = {ref: definition.data_type for ref, definition in before.traits.items()}
    changed = frozenset(
        trait.ref
        for trait in plan.traits
        if trait.stored_ref in types
        and (
            types[trait.stored_ref] != trait.data_type
            or _normalization(before.traits[trait.stored_ref].id_type, before) != _normalization(trait.id_type, now)
        )
    )
    traits = tuple(_as_source(trait, is_cast=trait.ref in changed) for trait in plan.traits)
    typed = replace(plan, key=(), traits=traits, null_tokens=frozenset({""}), where=None, rules=())
    return Recheck(compile_checks(typed), plan, changed, types)


def _as_source(trait: TraitPlan, *, is_cast: bool) -> TraitPlan:
    """Return how a trait is read from its own typed column: nothing is changed in its text a second time."""
    if trait.constant is not None:
        return trait
    plain = replace(trait, case=None, replace={}, parse=None, format=None, region_from=None)
    if not is_cast:
        # Typed values are written in the one way that every reading takes.
        plain = replace(plain, split=None, true_values=("true",), false_values=("false",))
    if trait.computed is not None:
        return replace(plain, computed=Expression(trait.ref, pl.col(trait.ref), (trait.ref,)))
    return replace(plain, column=trait.ref)


def recheck_rows(recheck: Recheck, frame: pl.DataFrame) -> Rechecked:
    """Check typed rows again.

    Args:
        recheck: How.
        frame: The trait columns and ``remove:`` columns of packaged rows.
    """
    given = [trait for trait in recheck.plan.traits if trait.constant is None]
    text = frame.select(pl.col(trait.ref).cast(pl.String) for trait in given)
    numbers = pl.int_range(frame.height, dtype=pl.UInt64, eager=True)
    blank = pl.repeat(False, frame.height, eager=True)  # noqa: FBT003 - a column of it
    checked = check_rows(recheck.checks, text, numbers, blank)
    typed = checked.typed
    kept = frame[typed["row"]]
    columns = [_merged(recheck, trait, typed[trait.ref], kept) for trait in recheck.plan.traits]
    # A missing value asked for a removal, and a value that was dropped did not: only the package knows which it was.
    flags = [kept[name] for name in kept.columns if name.startswith(REMOVE_PREFIX)]
    fitting = pl.DataFrame([typed["row"].alias("at"), *columns, *flags])
    whole = pl.DataFrame({"at": numbers.cast(pl.UInt32)}).join(fitting, on="at", how="left", maintain_order="left")
    whole = whole.with_columns(pl.col(f"^{REMOVE_PREFIX}.*$").fill_null(value=False)).drop("at")
    return Rechecked(whole, enum_texts(checked.early["code"]), _issues(recheck, checked.issues))


def _merged(recheck: Recheck, trait: TraitPlan, value: pl.Series, kept: pl.DataFrame) -> pl.Series:
    """Keep what was there where it still fits, byte for byte; nothing comes into being where nothing was."""
    if trait.constant is not None:
        return value.alias(trait.ref)
    old = kept[trait.ref]
    if trait.ref not in recheck.changed:
        if trait.null_intent is NullIntent.CLEAR:
            return old.zip_with(value.is_not_null() | (old == "").fill_null(value=False), _nulls(old)).alias(trait.ref)
        return old.zip_with(value.is_not_null(), _nulls(old)).alias(trait.ref)
    return value.zip_with(old.is_not_null(), _nulls(value)).alias(trait.ref)


def _nulls(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=like.dtype).new_from_index(0, len(like))


def _issues(recheck: Recheck, issues: pl.DataFrame) -> pl.DataFrame:
    """Keep what rejects a row or drops a value, under the names of the source's columns.

    What was only remarked before would be remarked again.
    """
    errors = [code for code, entry in CATALOGUE.items() if entry.severity is Severity.ERROR]
    columns = {trait.ref: trait.column for trait in recheck.plan.traits}
    return (
        issues.filter(pl.col("code").is_in(errors))
        .with_columns(column=pl.col("trait").replace_strict(columns, default=None, return_dtype=pl.String))
        .select(ISSUES_SCHEMA.names())
    )
