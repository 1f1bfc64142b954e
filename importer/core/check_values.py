"""Checks of single values: characters, identifiers and the store's own limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from importer.core import limits
from importer.core.cast import SCIENTIFIC_MESSAGE, TYPED, change_text, refuse_list
from importer.core.characters import CONTROL_MESSAGE, TextBytes, control_rows, invisible_rows, longer_rows
from importer.core.emails import INVALID_EMAIL, MAX_ADDRESS_BYTES, MAX_LOCAL_BYTES, normalise_identifier
from importer.core.findings import Cell, kept, lost, nulls
from importer.core.fixes_columns import FixPlan
from importer.core.json_text import json_plain, json_strings
from importer.core.phone_placeholders import is_placeholder_phone, placeholder_number_rows
from importer.core.phone_reference import PhoneIssue
from importer.core.placeholders import placeholder_email_rows
from importer.core.schema import DataType, Normalization, ValidationRule
from importer.core.transform import TraitPlan, TransformPlan

_MESSAGES: Final[dict[str, str]] = {
    INVALID_EMAIL: "expected one address, name@domain, with at most "
    f"{MAX_LOCAL_BYTES} bytes before the @ and {MAX_ADDRESS_BYTES} in all",
    PhoneIssue.INVALID: "expected a number with a calling code in use, and as many digits as its country has",
    PhoneIssue.DAMAGED: SCIENTIFIC_MESSAGE,
    PhoneIssue.UNLIKELY: "its prefix is not assigned in its country; it is sent as it is",
}
_NO_REGION: Final = "no calling code, and the mapping names no region for it"
_PATTERN_SHOWN_CHARS: Final = 100
_SHORT: Final = frozenset({Normalization.PHONE, Normalization.EMAIL})
"""A value of these is never longer than an identifier may be."""
_REPAIR: Final = {Normalization.PHONE: "e164", Normalization.EMAIL: "email-case", Normalization.TRIM: "nfc"}


@dataclass(frozen=True)
class Checks:
    """A transform plan with what needs working out once a run.

    Attributes:
        plan: The plan.
        columns: Source columns that anything reads, in plan order.
        denied: Denied values by trait, raw and normalised.
        unchecked: Traits whose store pattern does not compile here.
        constants: Typed one-value columns by trait.
        null_tokens: Words that stand for a missing value, the empty text among them.
        fixes: Repairs of `--fix`, made before anything else looks at a value.
        wanted: Traits whose values somebody reads; of the others it is enough to know where they have one.
    """

    plan: TransformPlan
    columns: tuple[str, ...]
    denied: Mapping[str, pl.Series]
    unchecked: frozenset[str]
    constants: Mapping[str, pl.Series]
    null_tokens: tuple[str, ...]
    fixes: FixPlan = field(default_factory=dict)
    wanted: frozenset[str] | None = None

    def writes(self, trait: TraitPlan) -> bool:
        """Tell whether what a trait is sent as must be written, also where checks look at nothing else."""
        return self.wanted is None or trait.ref in self.wanted or trait.rule is not None or bool(self.plan.rules)

    def constant(self, trait: TraitPlan, height: int) -> pl.Series:
        """Return a constant trait's column."""
        return self.constants[trait.ref].new_from_index(0, height)


def compile_checks(plan: TransformPlan) -> Checks:
    """Work out once what checking needs for every chunk."""
    return Checks(
        plan=plan,
        columns=_columns_read(plan),
        denied={trait.ref: _denied(plan, trait) for trait in plan.identifiers},
        unchecked=frozenset(
            trait.ref
            for trait in plan.traits
            if trait.rule is not None and trait.rule.pattern is not None and not _compiles(trait.rule.pattern)
        ),
        constants={trait.ref: _constant(trait) for trait in plan.traits if trait.constant is not None},
        null_tokens=tuple(sorted(plan.null_tokens | {""})),
    )


def _columns_read(plan: TransformPlan) -> tuple[str, ...]:
    names: list[str] = list(plan.key)
    for trait in plan.traits:
        names += [name for name in (trait.column, trait.region_from) if name is not None]
        names += trait.computed.columns if trait.computed is not None else ()
    names += plan.where.columns if plan.where is not None else ()
    for rule in plan.rules:
        names += rule.expression.columns
    return tuple(dict.fromkeys(names))


def _denied(plan: TransformPlan, trait: TraitPlan) -> pl.Series:
    raw = pl.Series(list(plan.identity.deny), dtype=pl.String)
    if raw.is_empty():
        return raw
    normalised = normalise_identifier(raw, trait.normalization or Normalization.TRIM, trait.region)["value"]
    return pl.concat([raw, normalised.drop_nulls()]).unique()


def _compiles(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError:
        return False
    return True


def _constant(trait: TraitPlan) -> pl.Series:
    if isinstance(trait.constant, tuple):
        items = pl.Series([list(trait.constant)])
        return json_strings(items) if items.dtype == pl.List(pl.String) else json_plain(items)
    return pl.Series([trait.constant], dtype=TYPED[trait.data_type])


def check_text(trait: TraitPlan, cell: Cell, seen: TextBytes) -> None:
    """Refuse characters that no text may have.

    Args:
        trait: Identifiers may not have invisible characters either.
        cell: Text.
        seen: What the text's bytes allow for.
    """
    if seen.control:
        cell.refuse_rows(control_rows(cell.value), "control-character", CONTROL_MESSAGE)
    if trait.id_type is not None and seen.international:
        message = "a zero-width or direction-changing character in an identifier"
        cell.refuse_rows(invisible_rows(cell.value), "invisible-character", message)


def check_identifier(checks: Checks, trait: TraitPlan, cell: Cell, text: pl.DataFrame) -> None:
    """Normalise an identifier by its idType's normalisation and drop denied values.

    Args:
        checks: Hold the denied values.
        trait: The identifier.
        cell: Its trimmed text.
        text: Gives the regions of phone numbers.
    """
    if cell.value.dtype == pl.List:
        refuse_list(cell)
        cell.value = nulls(pl.String, len(cell.value))
        return
    normalization = trait.normalization or Normalization.TRIM
    change_text(trait, cell)
    denied = checks.denied[trait.ref]
    _deny(cell, denied)
    written = cell.value
    normalised = normalise_identifier(written, normalization, _region(trait, text))
    value = normalised["value"]
    if normalization is Normalization.PHONE:
        _refuse_placeholder_phones(cell, value)
    found = _rows_by_code(normalised["code"])
    for code, rows in found.items():
        if code == PhoneIssue.AMBIGUOUS:
            _note_ambiguous(trait, cell, rows, text)
        elif code != PhoneIssue.UNLIKELY:
            cell.note(rows, code, _MESSAGES[code])
    refused = cell.value.null_count() > written.null_count()
    cell.value = kept(value, cell.value.is_not_null()) if refused else value
    _deny(cell, denied)
    if normalization not in _SHORT:
        cell.longest = None
        _refuse_longer(cell, limits.IDENTIFIER_MAX_CHARS, "an identifier has at most {} characters")
    if PhoneIssue.UNLIKELY in found:
        cell.note(found[PhoneIssue.UNLIKELY], PhoneIssue.UNLIKELY, _MESSAGES[PhoneIssue.UNLIKELY])
    if normalization is Normalization.EMAIL:
        nobody = "an address of nobody's; it is sent as it is"
        cell.note(placeholder_email_rows(cell.value), "placeholder-email", nobody)
    cell.count(_REPAIR.get(normalization, "normalised"), int((written != cell.value).sum()))


def _refuse_placeholder_phones(cell: Cell, number: pl.Series) -> None:
    """Judge by the number where there is one, so that no spelling of it gets another verdict."""
    message = "a well-known placeholder number"
    rows = lost(number, cell.value)
    known = [placeholder_number_rows(number)]
    if rows.len():
        is_known = cell.value[rows].to_frame("text").select(is_placeholder_phone(pl.col("text"))).to_series()
        known.append(rows.filter(is_known))
    cell.refuse_rows(pl.concat(known).sort(), "denied-value", message)


def _rows_by_code(codes: pl.Series) -> dict[str, pl.Series]:
    """Return the rows of each code, by code."""
    if codes.null_count() == len(codes):
        return {}
    rows = codes.to_frame("code").select(pl.col("code").is_not_null().arg_true()).to_series()
    codes = codes[rows]
    return {code: rows.filter(codes == code) for code in sorted(set(codes.to_list()))}


def _region(trait: TraitPlan, text: pl.DataFrame) -> pl.Series | str | None:
    if trait.region_from is None or text.schema[trait.region_from] != pl.String:
        return trait.region
    region = text[trait.region_from]
    return region if trait.region is None or not region.null_count() else region.fill_null(trait.region)


def _note_ambiguous(trait: TraitPlan, cell: Cell, rows: pl.Series, text: pl.DataFrame) -> None:
    """Record national numbers without a country, and say whether the row's region or the mapping is at fault."""
    code = PhoneIssue.AMBIGUOUS
    column = trait.region_from
    if column is not None and text.schema[column] == pl.String:
        named = text[column][rows].is_not_null()
        wrong = f"no calling code, and column {column} has no country code of two letters (ISO 3166, such as DE or US)"
        cell.note(rows.filter(named), code, wrong)
        cell.note(rows.filter(~named), code, f"no calling code, and column {column} is empty in this row")
    else:
        cell.note(rows, code, _NO_REGION)


def _deny(cell: Cell, denied: pl.Series) -> None:
    if not denied.is_empty():
        cell.refuse(cell.value.is_in(denied.implode()), "denied-value", "on the mapping's deny list")


def check_value_rule(checks: Checks, trait: TraitPlan, cell: Cell) -> None:
    """Check typed values against the service's limits and the store's validation rule."""
    if trait.data_type is DataType.STRING and trait.id_type is None:
        _refuse_longer(cell, limits.STRING_MAX_CHARS, "at most {} characters")
    rule = trait.rule
    if rule is None:
        return
    match trait.data_type:
        case DataType.STRING:
            _check_string_rule(rule, cell, is_checked=trait.ref not in checks.unchecked)
        case DataType.NUMBER:
            if rule.min is not None:
                cell.refuse(cell.value < rule.min, "out-of-range", f"the store's minimum is {rule.min}")
            if rule.max is not None:
                cell.refuse(cell.value > rule.max, "out-of-range", f"the store's maximum is {rule.max}")
        case DataType.ARRAY:
            _check_item_rule(rule, cell)
        case DataType.BOOLEAN:
            pass


def _refuse_longer(cell: Cell, max_units: int, message: str) -> None:
    if cell.may_exceed(max_units):
        cell.refuse_rows(longer_rows(cell.value, max_units), "too-long", message.format(max_units))


def _check_string_rule(rule: ValidationRule, cell: Cell, *, is_checked: bool) -> None:
    if rule.max_length is not None:
        _refuse_longer(cell, rule.max_length, "the store allows {} characters")
    if rule.min_length is not None:
        too_short = cell.value.str.len_chars() < rule.min_length
        cell.refuse(too_short, "too-short", f"the store asks for {rule.min_length} characters")
    if rule.pattern is not None and is_checked:
        shown = rule.pattern[:_PATTERN_SHOWN_CHARS] + ("..." if len(rule.pattern) > _PATTERN_SHOWN_CHARS else "")
        cell.refuse(~cell.value.str.contains(rule.pattern), "pattern-mismatch", f"the store's pattern is {shown}")


def _check_item_rule(rule: ValidationRule, cell: Cell) -> None:
    if rule.min_items is None and rule.max_items is None:
        return
    # The values are JSON text of flat arrays written by us, so commas outside strings separate items.
    bare = cell.value.str.replace_all(r'"(?:[^"\\]|\\.)*"', '""')
    count = bare.str.count_matches(",", literal=True) + (bare != "[]").cast(pl.UInt32)
    if rule.max_items is not None:
        cell.refuse(count > rule.max_items, "too-many-items", f"the store allows {rule.max_items} items")
    if rule.min_items is not None:
        cell.refuse(count < rule.min_items, "too-few-items", f"the store asks for {rule.min_items} items")
