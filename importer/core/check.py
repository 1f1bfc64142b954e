"""Rows of text in, typed rows and issues out: where, cast, check, one chunk at a time.

The law of this module: no row is lost and no cell is changed silently. Every row of the frame handed in gets either a
typed row or an early final state; every bad cell gets an issue with its original text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl

from importer.core import limits
from importer.core.cast import cast_trait
from importer.core.characters import TextBytes, text_bytes
from importer.core.check_values import Checks, check_identifier, check_text, check_value_rule
from importer.core.entries import Entry, as_text, issues_of, rejected_rows
from importer.core.findings import Cell, Finding, kept, nulls
from importer.core.fixes_columns import repair
from importer.core.issues import CATALOGUE, ISSUES_SCHEMA, Severity
from importer.core.schema import DataType
from importer.core.transform import NullIntent, OnInvalid, TraitPlan

REMOVE_PREFIX: Final = "remove:"
"""Prefix of the Boolean column that marks explicit removals of a trait."""

EARLY_SCHEMA: Final = pl.Schema({"state": pl.String, "code": pl.String})
"""State of a row that is decided here: ``rejected`` or ``skipped``; null where the row goes on."""

_NOTHING_SEEN: Final[Mapping[str, TextBytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What became of the rows of one frame.

    Attributes:
        early: `EARLY_SCHEMA`, one line a row of the input, same order.
        typed: Rows that go on, in order: ``row`` (u32, position in the input), one column a trait (``Group.trait``,
            typed as `importer.core.cast.TYPED`), and ``remove:Group.trait`` (Boolean) where a missing value removes.
        issues: `ISSUES_SCHEMA`.
        repairs: How many cells were repaired, by ``column: kind``.
    """

    early: pl.DataFrame
    typed: pl.DataFrame
    issues: pl.DataFrame
    repairs: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _CastTrait:
    trait: TraitPlan
    cell: Cell
    missing: pl.Series


@dataclass(frozen=True, slots=True)
class _Text:
    """Columns of trimmed text (lists stay lists), null where missing, and what their bytes allow for.

    `changed` has a Boolean column, ``column: kind``, for each repair that `--fix` made in these rows.
    """

    frame: pl.DataFrame
    seen: Mapping[str, TextBytes]
    changed: pl.DataFrame = field(default_factory=pl.DataFrame)

    def evaluate(self, expr: pl.Expr) -> pl.Series:
        """Evaluate an expression of the mapping, which sees a list as text; a constant gives a value a row too."""
        lists = [as_text(column) for column in self.frame if column.dtype == pl.List]
        frame = self.frame.with_columns(lists) if lists else self.frame
        return frame.with_columns(expr.alias("value"))["value"]


def check_rows(
    checks: Checks,
    frame: pl.DataFrame,
    row_number: pl.Series,
    blank: pl.Series,
    seen: Mapping[str, TextBytes] = _NOTHING_SEEN,
) -> CheckedRows:
    """Check the rows of one chunk.

    Args:
        checks: What `compile_checks` made of the plan.
        frame: Source columns as text (lists stay lists); null and null tokens are missing.
        row_number: u64 row numbers, as long as the frame.
        blank: bool, true where the row is a blank line.
        seen: What the bytes of the text columns allow for, where that is known.

    Returns:
        Typed rows, early states and issues.
    """
    text = _read_text(checks, frame, seen)
    early, active = _skipped(checks, text, blank)
    source, numbers = frame, row_number
    positions = pl.int_range(frame.height, dtype=pl.UInt32, eager=True)
    if not active.all():
        changed = text.changed.filter(active) if text.changed.width else text.changed
        text = _Text(text.frame.filter(active), text.seen, changed)
        source, numbers, positions = frame.filter(active), row_number.filter(active), active.arg_true()

    casts = [_cast(checks, trait, text) for trait in checks.plan.traits]
    _leave_out_repeated(casts)
    entries = [entry for cast in casts for entry in _cell_entries(cast)]
    entries += _row_entries(checks, casts, text, rejected_rows(entries, source.height))
    issues = issues_of(entries, source)
    errors = issues.filter(pl.col("severity") == Severity.ERROR.value)
    errors = errors.filter(pl.col("at").is_first_distinct())
    typed = _typed_frame(casts, positions)
    if errors.height:
        early = _withrejected_rows(early, positions.gather(errors["at"]), errors["code"])
        typed = typed.filter(~rejected_rows(entries, source.height))
    issues = issues.select(numbers.gather(issues["at"]).alias("row_number"), *ISSUES_SCHEMA.names()[1:])
    return CheckedRows(early, typed, issues, _repairs(casts, source, text))


def _read_text(checks: Checks, frame: pl.DataFrame, known: Mapping[str, TextBytes]) -> _Text:
    """Trim text and turn null tokens into null, for the columns that anything reads."""
    text = frame.select(checks.columns or frame.columns[:1])
    names = [column.name for column in text if column.dtype == pl.String]
    seen = {name: known[name] if name in known else text_bytes(text[name]) for name in names}
    text = text.with_columns(pl.col(name).str.strip_chars() for name, bytes_ in seen.items() if bytes_.spaced)
    text, changed = _fix(checks, text, seen)
    tokens = pl.Series(sorted(checks.plan.null_tokens | {""}), dtype=pl.String)
    shortest = text.select(pl.col(list(seen)).str.len_bytes().min())
    longest_token = tokens.str.len_bytes().max()
    short = [column.name for column in shortest if not column.is_null().any() and column[0] <= longest_token]
    tokens = tokens.implode()
    found = text.select(pl.col(short).is_in(tokens).any())
    holed = [column.name for column in found if column.any()]
    return _Text(
        text.with_columns(pl.when(~pl.col(name).is_in(tokens)).then(name).alias(name) for name in holed), seen, changed
    )


def _fix(checks: Checks, text: pl.DataFrame, seen: Mapping[str, TextBytes]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make the repairs of `--fix`; return the text, and which cells changed by ``column: kind``."""
    changed: list[pl.Series] = []
    for name in checks.fixes:
        if name not in seen:
            continue
        repaired, masks = repair(text[name], checks.fixes[name])
        if masks:
            text = text.with_columns(repaired.alias(name))
            changed += [mask.alias(f"{name}: {code}") for code, mask in masks.items()]
    return text, pl.DataFrame(changed)


def _skipped(checks: Checks, text: _Text, blank: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Return the early states of rows that nothing judges, and which rows go on."""
    early = pl.DataFrame({"state": nulls(pl.String, len(blank)), "code": nulls(pl.String, len(blank))})
    active = ~blank
    if checks.plan.where is not None:
        active &= text.evaluate(checks.plan.where.expr).fill_null(value=True)
    if not active.all():
        early = early.with_columns(
            state=pl.when(~active).then(pl.lit("skipped")),
            code=pl.when(blank).then(pl.lit("blank-line")).when(~active).then(pl.lit("where")),
        )
    return early, active


def _cast(checks: Checks, trait: TraitPlan, text: _Text) -> _CastTrait:
    height = text.frame.height
    if trait.column is not None:
        start = text.frame[trait.column]
        seen = text.seen.get(trait.column)
    elif trait.computed is not None:
        start = text.evaluate(trait.computed.expr).cast(pl.String).str.strip_chars()
        start = kept(start, start != "")
        seen = text_bytes(start)
    else:
        return _CastTrait(trait, Cell(checks.constant(trait, height)), pl.repeat(False, height, eager=True))  # noqa: FBT003
    cell = Cell(start)
    if seen is not None:
        check_text(trait, cell, seen)
    if trait.id_type is not None:
        check_identifier(checks, trait, cell, text.frame)
    else:
        cast_trait(trait, cell)
    check_value_rule(checks, trait, cell)
    return _CastTrait(trait, cell, start.is_null())


def _leave_out_repeated(casts: Sequence[_CastTrait]) -> None:
    """Leave out further values of an identifier that say what the row has said before them."""
    for at, cast in enumerate(casts):
        if not cast.trait.further:
            continue
        value = cast.cell.value
        for other in casts:
            same_trait = other.trait.stored_ref == cast.trait.stored_ref and other is not cast
            if same_trait and (not other.trait.further or other in casts[:at]):
                same = (value == other.cell.value).fill_null(value=False)
                value = kept(value, ~same)
                cast.cell.count(f"same as {other.trait.ref}", int(same.sum()))
        cast.cell.value = value


def _row_entries(checks: Checks, casts: Sequence[_CastTrait], text: _Text, bad: pl.Series) -> list[Entry]:
    """Judge whole rows; a row whose cells are already in error is judged no further: one cause, one issue."""
    height = text.frame.height
    identifiers = [cast for cast in casts if cast.trait.id_type is not None and not cast.trait.further]
    entries = [_required_entry(cast, height) for cast in casts if cast.trait.required]
    bad |= rejected_rows(entries, height)
    # A required one that was dropped rejects the row already.
    unusable = [
        Entry(finding, Severity.ERROR if cast.trait.required else _severity(finding, cast.trait))
        for cast in identifiers
        for finding in cast.cell.findings
    ]
    nameless = _has_fewer(identifiers, 1, height) & ~rejected_rows(unusable, height)
    own = [cast for cast in casts if cast.trait.column is not None and not cast.trait.further]
    few = _has_fewer(own, limits.MIN_VALUES_PER_ROW, height) & ~nameless & ~bad
    nothing = "no usable value in " + (", ".join(cast.trait.column or cast.trait.ref for cast in identifiers) or "any")
    entries.append(Entry(Finding("missing-identifier", nameless, nothing), Severity.ERROR))
    least = f"fewer than {limits.MIN_VALUES_PER_ROW} values of its own are left in the row"
    entries.append(Entry(Finding("too-few-values", few, least), Severity.ERROR))
    entries += _rule_entries(checks, casts, text)
    keyless = Severity.ERROR if checks.plan.needs_key else Severity.WARNING
    for key in checks.plan.key:
        empty = Finding("missing-key", text.frame[key].is_null(), "the row cannot be recognised in later runs")
        entries.append(Entry(empty, keyless, key))
    return [entry for entry in entries if entry.finding.mask.any()]


def _cell_entries(cast: _CastTrait) -> list[Entry]:
    return [
        Entry(finding, _severity(finding, cast.trait), cast.trait.column, cast.trait.ref)
        for finding in cast.cell.findings
    ]


def _severity(finding: Finding, trait: TraitPlan) -> Severity:
    severity = CATALOGUE[finding.code].severity
    if severity is Severity.ERROR and trait.on_invalid is OnInvalid.DROP:
        return Severity.WARNING
    return severity


def _required_entry(cast: _CastTrait, height: int) -> Entry:
    """Tell which rows lack a required value: the cell is empty, or a warning says why its value was dropped."""
    lacking = cast.cell.value.is_null() & ~rejected_rows(_cell_entries(cast), height)
    finding = Finding("required-missing", lacking, "the mapping requires a value, and none is left")
    return Entry(finding, Severity.ERROR, cast.trait.column, cast.trait.ref)


def _has_fewer(casts: Sequence[_CastTrait], least: int, height: int) -> pl.Series:
    """Tell which rows have fewer values; the fullest columns are counted first, as few of them settle most rows."""
    counts = np.zeros(height, dtype=np.uint16)
    for cast in sorted(casts, key=lambda cast: cast.cell.value.null_count()):
        if int(counts.min(initial=least)) >= least:
            break
        counts += cast.cell.value.is_not_null().to_numpy()
    return pl.Series(counts < least)


def _rule_entries(checks: Checks, casts: Sequence[_CastTrait], text: _Text) -> list[Entry]:
    if not checks.plan.rules:
        return []
    values = {cast.trait.column: cast.cell.value for cast in reversed(casts) if cast.trait.column is not None}
    typed = _Text(text.frame.with_columns(**values), text.seen)
    entries = []
    for rule in checks.plan.rules:
        broken = ~typed.evaluate(rule.expression.expr).fill_null(value=True)
        severity = Severity.ERROR if rule.is_error else Severity.WARNING
        entries.append(Entry(Finding("rule-broken", broken, f"rule {rule.name}"), severity))
    return entries


def _withrejected_rows(early: pl.DataFrame, rows: pl.Series, codes: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"state": early["state"].scatter(rows, "rejected"), "code": early["code"].scatter(rows, codes)})


def _typed_frame(casts: Sequence[_CastTrait], positions: pl.Series) -> pl.DataFrame:
    columns = [positions.alias("row")]
    removals = []
    for cast in casts:
        value = cast.cell.value
        if cast.trait.null_intent is NullIntent.CLEAR and cast.trait.data_type is DataType.STRING:
            value = (
                value.to_frame("value").select(pl.when(~cast.missing).then("value").otherwise(pl.lit(""))).to_series()
            )
        if cast.trait.null_intent is NullIntent.REMOVE:
            removals.append(cast.missing.alias(REMOVE_PREFIX + cast.trait.ref))
        columns.append(value.alias(cast.trait.ref))
    return pl.DataFrame(columns + removals)


def _repairs(casts: Sequence[_CastTrait], source: pl.DataFrame, text: _Text) -> dict[str, int]:
    repairs = {}
    fixed = {mask.name.rpartition(": ")[0] for mask in text.changed}
    for name in (name for name, seen in text.seen.items() if seen.spaced):
        # a text that --fix repaired says nothing about the spaces that were around it
        bare = source[name].str.strip_chars() if name in fixed else text.frame[name]
        repairs[f"{name}: trimmed"] = int((source[name].str.len_bytes() != bare.str.len_bytes()).sum())
    for mask in text.changed:
        repairs[mask.name] = int(mask.sum())
    for cast in casts:
        for kind, count in cast.cell.repairs.items():
            repairs[f"{cast.trait.column or cast.trait.ref}: {kind}"] = count
    return {what: count for what, count in repairs.items() if count}
