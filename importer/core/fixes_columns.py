"""What a whole column says about its repairs, and the repairs that follow from it.

Evidence is counts, so it adds up over chunks and does not depend on where they were cut. It is gathered over the whole
source before the first value is repaired; then every row is repaired by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from importer.core import fixes_text
from importer.core.fixes import FIXES, FixRequest
from importer.core.phones import normalise_phones

BY_EVIDENCE: Final = frozenset({"trailing-zero-decimal", "excel-plus", "date-order", "thousands"})
"""Repairs that the whole column must settle, unless a person does."""

_ALONE: Final = ("excel-wrapper", "mojibake", "invisible-characters", "non-breaking-spaces")

_NUMERIC: Final = {
    "comma": r"^-?[0-9]+(?:\.[0-9]+)?$",
    "point": r"^-?[0-9]+(?:,[0-9]+)?$",
    "space": r"^-?[0-9]+(?:[.,][0-9]+)?$",
    "apostrophe": r"^-?[0-9]+(?:[.,][0-9]+)?$",
}
_TELLS: Final = {
    "comma": r"^-?[1-9][0-9]{0,2}(?:(?:,[0-9]{3}){2,}(?:\.[0-9]+)?|(?:,[0-9]{3})+\.[0-9]+)$",
    "point": r"^-?[1-9][0-9]{0,2}(?:(?:\.[0-9]{3}){2,}(?:,[0-9]+)?|(?:\.[0-9]{3})+,[0-9]+)$",
    "space": "^-?[1-9][0-9]{0,2}(?:[ \u00a0\u2007\u202f][0-9]{3})+[.,][0-9]{1,2}$",
    "apostrophe": "^-?[1-9][0-9]{0,2}(?:['\u2019][0-9]{3})+(?:[.,][0-9]+)?$",
}


@dataclass(frozen=True, slots=True)
class ColumnFix:
    """A repair of one column, with everything it needs to know.

    Attributes:
        code: Of `FIXES`.
        value: Order, separator, width or system.
        shapes: Of the numbers that kept their plus, see `fixes_text.number_shapes`; None where the column was named.
    """

    code: str
    value: str | None = None
    shapes: tuple[int, ...] | None = None


FixPlan = Mapping[str, tuple[ColumnFix, ...]]
"""Repairs by column, in the order they are made."""


@dataclass(slots=True)
class Evidence:
    """What the values of one column tell, as counts."""

    filled: int = 0
    pointed: int = 0
    tails: int = 0
    day_first: int = 0
    month_first: int = 0
    either: int = 0
    plus: Counter[int] = field(default_factory=Counter)
    grouped: Counter[str] = field(default_factory=Counter)
    telling: Counter[str] = field(default_factory=Counter)
    against: Counter[str] = field(default_factory=Counter)

    def add(self, text: pl.Series, codes: Iterable[str]) -> None:
        """Take in values: trimmed text, null where missing; only what `codes` need is counted."""
        text = text.drop_nulls()
        self.filled += len(text)
        for code in codes:
            match code:
                case "trailing-zero-decimal":
                    pointed = text.str.contains(".", literal=True) & ~text.str.contains(fixes_text.SCIENTIFIC)
                    self.pointed += int(pointed.sum())
                    self.tails += int(text.str.contains(fixes_text.DECIMAL_TAIL).sum())
                case "date-order":
                    self._add_dates(text)
                case "thousands":
                    self._add_groups(text)
                case "excel-plus":
                    self._add_plus(text)
                case _:
                    pass

    def _add_dates(self, text: pl.Series) -> None:
        pairs = fixes_text.day_and_month(text)
        first, second = pairs["first"], pairs["second"]
        possible = first.is_between(1, 31) & second.is_between(1, 31)
        self.day_first += int((possible & (first > 12) & (second <= 12)).sum())
        self.month_first += int((possible & (second > 12) & (first <= 12)).sum())
        self.either += int((possible & (first <= 12) & (second <= 12)).sum())

    def _add_groups(self, text: pl.Series) -> None:
        numeric = text.filter(text.str.contains("[0-9]"))
        signed = numeric.filter(numeric.str.contains("[,.'\u2019 \u00a0\u2007\u202f]"))
        for style, shape in fixes_text.GROUPED.items():
            grouped = signed.str.contains(shape)
            self.grouped[style] += int(grouped.sum())
            self.telling[style] += int(signed.str.contains(_TELLS[style]).sum())
            self.against[style] += int((~grouped & ~signed.str.contains(_NUMERIC[style])).sum())

    def _add_plus(self, text: pl.Series) -> None:
        written = text.filter(text.str.starts_with("+"))
        if written.is_empty():
            return
        read = normalise_phones(written, None)
        e164 = read["e164"].filter(read["code"].is_null()).drop_nulls()
        if e164.len():
            self.plus.update(fixes_text.number_shapes(e164).to_list())

    def order(self) -> str | None:
        """Return the order of day and month, None where nothing settles it."""
        if bool(self.day_first) == bool(self.month_first):
            return None
        return "dmy" if self.day_first else "mdy"

    def separator(self) -> str | None:
        """Return the thousands separator, None where nothing settles it."""
        sure = [style for style, count in self.telling.items() if count and not self.against[style]]
        return sure[0] if len(sure) == 1 else None


def gather(evidence: dict[str, Evidence], frame: pl.DataFrame, requests: Sequence[FixRequest]) -> None:
    """Add one chunk to the evidence of the columns that need some.

    Args:
        evidence: By column; grows.
        frame: Text columns, trimmed, null where missing.
        requests: What was asked for.
    """
    alone = [request for request in requests if request.code in _ALONE]
    for column in frame:
        codes = evidence_codes(column.name, requests)
        if not codes:
            continue
        plan = tuple(
            ColumnFix(code) for code in _ALONE if any(_covers(request, code, column.name) for request in alone)
        )
        evidence.setdefault(column.name, Evidence()).add(repair(column, plan)[0] if plan else column, codes)


def evidence_codes(column: str, requests: Sequence[FixRequest]) -> list[str]:
    """Return the repairs of a column that the column itself must settle."""
    return [
        request.code
        for request in requests
        if request.code in BY_EVIDENCE and request.column in (None, column) and request.value is None
    ]


def _covers(request: FixRequest, code: str, column: str) -> bool:
    return request.code == code and request.column in (None, column)


@dataclass(frozen=True, slots=True)
class Settled:
    """The repairs that will be made, and what a person should know of those that will not.

    Attributes:
        plan: Repairs by column.
        notes: A line for each column whose evidence contradicts itself or settles nothing.
    """

    plan: FixPlan = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def settle(requests: Sequence[FixRequest], columns: Iterable[str], evidence: Mapping[str, Evidence]) -> Settled:
    """Decide about the repairs of every column.

    Args:
        requests: What was asked for; one that names a column goes before one that names none.
        columns: Text columns that are read.
        evidence: What `gather` found.
    """
    plan: dict[str, tuple[ColumnFix, ...]] = {}
    notes: list[str] = []
    for column in columns:
        seen = evidence.get(column, Evidence())
        chosen: list[ColumnFix] = []
        for code in FIXES:
            asked = [request for request in requests if _covers(request, code, column)]
            if not asked:
                continue
            request = max(asked, key=lambda entry: entry.column is not None)
            fix, doubt = _settle_one(request, seen)
            if fix is not None:
                chosen.append(fix)
            if doubt:
                notes.append(f"--fix {code}: column {column}: {doubt}; nothing was repaired")
        if chosen:
            plan[column] = tuple(chosen)
    return Settled(plan, tuple(notes))


def _settle_one(request: FixRequest, seen: Evidence) -> tuple[ColumnFix | None, str]:
    if request.value is not None or request.code not in BY_EVIDENCE:
        return ColumnFix(request.code, request.value), ""
    match request.code:
        case "trailing-zero-decimal":
            if seen.tails and seen.tails < seen.pointed:
                return None, _asked(request, "not every value with a point ends in .0")
            return (ColumnFix(request.code) if seen.tails else None), ""
        case "excel-plus" if request.column is not None:
            return ColumnFix(request.code), ""
        case "excel-plus":
            return (ColumnFix(request.code, shapes=tuple(sorted(seen.plus))) if seen.plus else None), ""
        case "date-order":
            return _settle_order(request, seen)
        case _:
            return _settle_groups(request, seen)


def _settle_order(request: FixRequest, seen: Evidence) -> tuple[ColumnFix | None, str]:
    order = seen.order()
    if order is not None:
        return ColumnFix(request.code, order), ""
    if seen.day_first:
        return None, f"{seen.day_first:,} dates have the day first and {seen.month_first:,} the month first"
    if seen.either:
        return None, f"no date of {seen.either:,} tells the day from the month; say it with :COLUMN=dmy or =mdy"
    return None, ""


def _settle_groups(request: FixRequest, seen: Evidence) -> tuple[ColumnFix | None, str]:
    separator = seen.separator()
    if separator is not None:
        return ColumnFix(request.code, separator), ""
    return None, _asked(request, "no number tells the thousands separator, or others contradict it")


def _asked(request: FixRequest, doubt: str) -> str:
    """Keep a doubt for a column that was named; of all the others it would only be noise."""
    return doubt if request.column is not None else ""


def repair(text: pl.Series, fixes: Sequence[ColumnFix]) -> tuple[pl.Series, dict[str, pl.Series]]:
    """Repair a column.

    Args:
        text: Trimmed text, null where missing.
        fixes: In the order they are made.

    Returns:
        The repaired text, and by code a mask of the values that changed.
    """
    changed = {}
    for fix in fixes:
        repaired = _repaired(text, fix)
        mask = (repaired != text).fill_null(value=False)
        if mask.any():
            changed[fix.code] = mask
            text = repaired.alias(text.name)
    return text, changed


def _repaired(text: pl.Series, fix: ColumnFix) -> pl.Series:  # noqa: C901, PLR0911 - a table of repairs
    match fix.code:
        case "excel-wrapper":
            return fixes_text.unwrap(text)
        case "invisible-characters":
            return fixes_text.without_invisible(text)
        case "non-breaking-spaces":
            return fixes_text.plain_spaces(text)
        case "mojibake":
            return fixes_text.decoded(text)
        case "trailing-zero-decimal":
            return fixes_text.without_decimal_tail(text)
        case "scientific-exact":
            return fixes_text.written_out(text)
        case "excel-plus":
            return fixes_text.with_plus(text, fix.shapes)
        case "date-order":
            return fixes_text.iso_dates(text, fix.value or "")
        case "thousands":
            return fixes_text.ungrouped(text, fix.value or "")
        case "leading-zeros":
            return fixes_text.zero_filled(text, int(fix.value or 0))
        case _:
            return fixes_text.dates_of_serials(text, fix.value or "")
