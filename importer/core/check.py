"""Rows of text in, typed rows and issues out: where, cast, check, one chunk at a time.

The law of this module: no row is lost and no cell is changed silently. Every row of the frame handed in gets either a
typed row or an early final state; every bad cell gets an issue with its original text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import polars as pl

from importer.core import limits
from importer.core.cast import cast_trait
from importer.core.characters import TextBytes, text_bytes
from importer.core.check_values import Checks, check_identifier, check_text, check_value_rule
from importer.core.entries import Entry, issues_of, rejected_rows
from importer.core.findings import Cell, Finding, kept, marked, nulls
from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import Severity
from importer.core.report import Skipped
from importer.core.schema import DataType, Normalization
from importer.core.source_text import SourceText, read_text
from importer.core.text_views import not_null
from importer.core.transform import NullIntent, OnInvalid, TraitPlan

REMOVE_PREFIX: Final = "remove:"
"""Prefix of the Boolean column that marks explicit removals of a trait."""

_CODES: Final = pl.Enum(sorted({*CATALOGUE, Skipped.BLANK_LINE, Skipped.WHERE}))
EARLY_SCHEMA: Final = pl.Schema({"state": pl.Enum(["rejected", "skipped"]), "code": _CODES})
"""State of a row that is decided here, and why; null where the row goes on."""

_NOTHING_SEEN: Final[Mapping[str, TextBytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What became of the rows of one frame.

    Attributes:
        early: `EARLY_SCHEMA`, one line a row of the input, same order.
        judged: Rows that were not skipped, in order: ``row`` (u32, position in the input), one column a trait
            (``Group.trait``, typed as `importer.core.cast.TYPED`), and ``remove:Group.trait`` (Boolean) where a missing
            value removes. What is in a rejected row means nothing.
        going_on: Which of them go on; all if None.
        issues: `ISSUES_SCHEMA`.
        repairs: How many cells were repaired, by ``column: kind``.
    """

    early: pl.DataFrame
    judged: pl.DataFrame
    going_on: pl.Series | None
    issues: pl.DataFrame
    repairs: dict[str, int] = field(default_factory=dict)

    @property
    def typed(self) -> pl.DataFrame:
        """Rows that go on, with the columns of `judged`; made anew at each look."""
        return pl.DataFrame([self.column(name) for name in self.judged.columns])

    def column(self, name: str) -> pl.Series:
        """Return a column of the rows that go on: where a few do not, taking them out copies all others."""
        column = self.judged[name]
        return column if self.going_on is None else column.filter(self.going_on)


@dataclass(frozen=True, slots=True)
class _CastTrait:
    trait: TraitPlan
    cell: Cell
    start: pl.Series | None = None
    """The text it began as; None for a constant."""

    @property
    def missing(self) -> pl.Series:
        """Rows without a value in the source."""
        return marked([], len(self.cell.value)) if self.start is None else self.start.is_null()


Together = Callable[[Callable[[TraitPlan], Any], Iterable[TraitPlan]], Iterable[Any]]
"""Applies a function to items and gives what comes of them in their order, as `map` does; several threads may do it."""


def check_rows(
    checks: Checks,
    frame: pl.DataFrame,
    row_number: pl.Series,
    blank: pl.Series,
    seen: Mapping[str, TextBytes] = _NOTHING_SEEN,
    together: Together = map,
) -> CheckedRows:
    """Check the rows of one chunk.

    Args:
        checks: What `compile_checks` made of the plan.
        frame: Source columns as text (lists stay lists); null and null tokens are missing.
        row_number: u64 row numbers, as long as the frame.
        blank: bool, true where the row is a blank line.
        seen: What the bytes of the text columns allow for, where that is known.
        together: Casts the traits, each for itself.

    Returns:
        Typed rows, early states and issues.
    """
    text = read_text(checks, frame, seen)
    early, active = _skipped(checks, text, blank)
    source, numbers = frame, row_number
    positions = pl.Series(np.arange(frame.height, dtype=np.uint32))
    if not active.all():
        text = text.filter(active)
        source, numbers, positions = frame.filter(active), row_number.filter(active), positions.filter(active)

    casts = _casts(checks, text, together)
    _leave_out_repeated(casts)
    entries = [entry for cast in casts for entry in _cell_entries(cast)]
    entries += _row_entries(checks, casts, text, rejected_rows(entries, source.height))
    issues = issues_of(entries, source)
    errors = issues["severity"] == Severity.ERROR.value
    going_on = None
    if errors.any():
        rows, codes = _first_of_each(issues["at"].filter(errors), issues["code"].filter(errors))
        early = _with_rejected(early, positions[rows], codes)
        going_on = ~marked(rows, source.height)
    at, *rest = issues.get_columns()
    issues = pl.DataFrame([numbers[at].alias("row_number"), *rest])
    return CheckedRows(early, _judged(casts, positions), going_on, issues, _repairs(casts, source, text))


def _first_of_each(rows: pl.Series, codes: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return rows that ascend without their repetitions, and the first code of each."""
    first = pl.Series(np.diff(rows.to_numpy(), prepend=-1) != 0)
    return rows.filter(first), codes.filter(first)


def _skipped(checks: Checks, text: SourceText, blank: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Return the early states of rows that nothing judges, and which rows go on."""
    early = pl.DataFrame([nulls(dtype, len(blank)).alias(name) for name, dtype in EARLY_SCHEMA.items()])
    active = ~blank
    if checks.plan.where is not None:
        active &= text.evaluate(checks.plan.where.expr).fill_null(value=True)
    if not active.all():
        early = early.with_columns(
            state=pl.when(~active).then(pl.lit("skipped", dtype=EARLY_SCHEMA["state"])),
            code=pl.when(blank)
            .then(pl.lit(Skipped.BLANK_LINE, dtype=_CODES))
            .when(~active)
            .then(pl.lit(Skipped.WHERE, dtype=_CODES)),
        )
    return early, active


def _casts(checks: Checks, text: SourceText, together: Together) -> list[_CastTrait]:
    """Cast all traits; return them in the plan's order."""
    traits = checks.plan.traits
    # Phones take longest: whoever began them last would be waited for.
    order = sorted(range(len(traits)), key=lambda at: traits[at].normalization is not Normalization.PHONE)
    casts = dict(zip(order, together(partial(_cast, checks, text), [traits[at] for at in order]), strict=True))
    return [casts[at] for at in range(len(traits))]


def _cast(checks: Checks, text: SourceText, trait: TraitPlan) -> _CastTrait:
    height = text.frame.height
    if trait.column is not None:
        start, longest = text.frame[trait.column], text.longest.get(trait.column)
        seen = text.seen.get(trait.column)
    elif trait.computed is not None:
        start, longest = text.evaluate(trait.computed.expr).cast(pl.String).str.strip_chars(), None
        start = kept(start, start != "")
        seen = text_bytes(start)
    else:
        return _CastTrait(trait, Cell(checks.constant(trait, height)))
    cell = Cell(start, longest)
    if seen is not None:
        check_text(trait, cell, seen)
    if trait.id_type is not None:
        check_identifier(checks, trait, cell, text.frame)
    else:
        cast_trait(trait, cell, is_written=checks.writes(trait))
    check_value_rule(checks, trait, cell)
    return _CastTrait(trait, cell, start)


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


def _row_entries(checks: Checks, casts: Sequence[_CastTrait], text: SourceText, bad: pl.Series) -> list[Entry]:
    """Judge whole rows; a row whose cells are already in error is judged no further: one cause, one issue."""
    height = text.frame.height
    identifiers = [cast for cast in casts if cast.trait.id_type is not None and not cast.trait.further]
    entries = [entry for cast in casts if cast.trait.required for entry in _required_entries(cast, height)]
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
    entries += _entries(nameless, "missing-identifier", nothing, Severity.ERROR)
    least = f"fewer than {limits.MIN_VALUES_PER_ROW} values of its own are left in the row"
    entries += _entries(few, "too-few-values", least, Severity.ERROR)
    entries += _rule_entries(checks, casts, text)
    keyless = Severity.ERROR if checks.plan.needs_key else Severity.WARNING
    for key in checks.plan.key:
        if text.frame[key].null_count():
            why = "the row cannot be recognised in later runs"
            entries += _entries(text.frame[key].is_null(), "missing-key", why, keyless, key)
    return entries


def _entries(
    mask: pl.Series, code: str, message: str, severity: Severity, column: str | None = None, trait: str | None = None
) -> list[Entry]:
    """Return what is to be said of the rows where a mask is true, if there are any. Null is false."""
    return [Entry(Finding(code, mask.arg_true(), message), severity, column, trait)] if mask.any() else []


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


def _required_entries(cast: _CastTrait, height: int) -> list[Entry]:
    """Tell which rows lack a required value: the cell is empty, or a warning says why its value was dropped."""
    lacking = cast.cell.value.is_null() & ~rejected_rows(_cell_entries(cast), height)
    why = "the mapping requires a value, and none is left"
    return _entries(lacking, "required-missing", why, Severity.ERROR, cast.trait.column, cast.trait.ref)


def _has_fewer(casts: Sequence[_CastTrait], least: int, height: int) -> pl.Series:
    """Tell which rows have fewer values; the fullest columns are counted first, as few of them settle most rows."""
    values = sorted((cast.cell.value for cast in casts), key=lambda value: value.null_count())
    full = sum(not value.null_count() for value in values)
    if full >= least:
        return marked([], height)
    counts = np.full(height, full, dtype=np.uint16)
    for value in values[full:]:
        if int(counts.min(initial=least)) >= least:
            break
        counts += not_null(value)
    return pl.Series(counts < least)


def _rule_entries(checks: Checks, casts: Sequence[_CastTrait], text: SourceText) -> list[Entry]:
    if not checks.plan.rules:
        return []
    values = {cast.trait.column: cast.cell.value for cast in reversed(casts) if cast.trait.column is not None}
    typed = SourceText(text.frame.with_columns(**values), text.seen)
    entries = []
    for rule in checks.plan.rules:
        severity = Severity.ERROR if rule.is_error else Severity.WARNING
        entries += _entries(~typed.evaluate(rule.expression.expr), "rule-broken", f"rule {rule.name}", severity)
    return entries


def _with_rejected(early: pl.DataFrame, rows: pl.Series, codes: pl.Series) -> pl.DataFrame:
    state, code = early["state"].scatter(rows, "rejected"), early["code"].scatter(rows, codes.cast(_CODES))
    return pl.DataFrame({"state": state, "code": code})


def _judged(casts: Sequence[_CastTrait], positions: pl.Series) -> pl.DataFrame:
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


def _repairs(casts: Sequence[_CastTrait], source: pl.DataFrame, text: SourceText) -> dict[str, int]:
    repairs = {f"{name}: trimmed": count for name, count in text.trimmed(source).items()}
    for mask in text.changed:
        repairs[mask.name] = int(mask.sum())
    for cast in casts:
        for kind, count in cast.cell.repairs.items():
            repairs[f"{cast.trait.column or cast.trait.ref}: {kind}"] = count
    return {what: count for what, count in repairs.items() if count}
