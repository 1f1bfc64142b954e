"""From what was counted of a column to its profile: readings and findings, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from importer.core.excel import DOCTOR
from importer.core.fixes_columns import ColumnFix, repair
from importer.core.inspect import SENSITIVE, ColumnFinding, ColumnProfile, Guess, Meaning
from importer.core.inspect_columns import ColumnCounter, Place, Seen
from importer.core.inspect_meaning import guess_meaning
from importer.core.inspect_reading import Column, Shares
from importer.core.inspect_words import header_says
from importer.core.issues import Severity
from importer.core.mapping_checks import quoted
from importer.core.placeholders import is_placeholder

EXAMPLES: Final = 5

_SERIAL: Final = r"^[1-6][0-9]{4}$"
_DOMINANT: Final = 0.6
_REAL: Final = 0.2
_ENOUGH: Final = 20
"""Share, or number, of real values from which a column is judged by them alone."""
_WORDS_SHOWN: Final = 4
_READ_THROUGH: Final = ("excel-wrapper", "mojibake", "invisible-characters", "non-breaking-spaces")
_PADDED_CODES: Final = (5,)
"""Lengths of postal codes that begin with a zero somewhere: 5 digits."""


def profile_columns(
    counters: Sequence[ColumnCounter], repairs: Mapping[str, Mapping[str, Seen]], files: Sequence[str]
) -> tuple[ColumnProfile, ...]:
    """Judge the columns of a source.

    Args:
        counters: What was counted of each, in the order of the header.
        repairs: Cells that each repair would change, by column and code.
        files: Names of the source's files.
    """
    judged = [_judged(counter) for counter in counters]
    shares = Shares([entry.values for entry in judged])
    return tuple(
        _profile_column(counter, entry, _Place(at, shares, files), repairs.get(counter.name, {}))
        for at, (counter, entry) in enumerate(zip(counters, judged, strict=True))
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """The values a meaning is judged by, and in words what was left aside for it."""

    values: pl.Series
    aside: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a column stands among the others."""

    at: int
    shares: Shares
    files: Sequence[str]


def _profile_column(
    counter: ColumnCounter, judged: _Judged, place: _Place, repairs: Mapping[str, Seen]
) -> ColumnProfile:
    values = counter.sample.values()
    aside = judged.aside
    column = Column(
        counter.name,
        judged.values,
        distinct=counter.distinct.count(),
        filled=counter.filled,
        rows=counter.rows,
        evidence=counter.evidence,
        shares=place.shares,
        at=place.at,
        distinct_is_exact=counter.distinct.is_exact,
        is_list=counter.is_list,
    )
    guesses = tuple(
        replace(guess, evidence=f"{guess.evidence}; {aside}") if aside else guess for guess in guess_meaning(column)
    )
    found = _findings(counter, column, guesses[0], repairs)
    findings = [_placed(finding, first, place.files) for finding, first in found]
    order = list(DOCTOR)
    findings.sort(key=lambda finding: (finding.severity is not Severity.ERROR, order.index(finding.code)))
    distinct_values = values.unique(maintain_order=True)
    step = max(1, len(distinct_values) // EXAMPLES)
    return ColumnProfile(
        name=counter.name,
        position=place.at + 1,
        rows=counter.rows,
        filled=counter.filled,
        distinct=min(column.distinct, counter.filled),
        distinct_is_exact=counter.distinct.is_exact,
        min_chars=counter.min_chars,
        max_chars=counter.max_chars,
        guesses=guesses,
        examples=tuple(distinct_values.gather_every(step).head(EXAMPLES).to_list()),
        findings=tuple(findings),
        is_list=counter.is_list,
        null_words=dict(counter.null_words.most_common()),
        placeholder_emails=dict(counter.placeholder_emails.most_common()),
    )


def _judged(counter: ColumnCounter) -> _Judged:
    """Return the values that a meaning is judged by.

    A column of e-mail addresses stays one where some cells hold a placeholder, and a wrapped number is a number.
    """
    values = counter.sample.values()
    if counter.is_list:
        return _Judged(values)
    codes: list[str] = [code for code in _READ_THROUGH if code in counter.symptoms]
    seen = counter.evidence
    if seen.tails and seen.tails == seen.pointed:
        codes.append("trailing-zero-decimal")
    text, changed = repair(values, [ColumnFix(code) for code in codes])
    real = text.filter(~is_placeholder(text))
    if len(real) == len(text) or len(real) < min(_ENOUGH, _REAL * len(text)):
        return _Judged(text, "once repaired" if changed else "")
    return _Judged(real, "once repaired, but for placeholders" if changed else "but for placeholders")


_Found = tuple[ColumnFinding, Place | None]


def _findings(counter: ColumnCounter, column: Column, guess: Guess, repairs: Mapping[str, Seen]) -> list[_Found]:
    found = [
        _found(code, seen, repairs, _words(counter) if code == "placeholder" else "")
        for code, seen in counter.symptoms.items()
        if not (code == "two-digit-year" and guess.meaning not in {Meaning.DATE, Meaning.DATETIME})
    ]
    for code, fix in (
        ("lost-plus", "excel-plus"),
        ("trailing-zero-decimal", "trailing-zero-decimal"),
        ("thousands", "thousands"),
        ("date-order", "date-order"),
    ):
        if fix in repairs:
            found.append(_found(code, repairs[fix], repairs))
    found += _open_dates(counter, guess)
    found += _lost_zeros(counter, guess)
    days = guess.meaning in {Meaning.DATE, Meaning.DATETIME}
    days |= Meaning.DATE in header_says(counter.name) and column.share(_SERIAL) > _DOMINANT
    if days and 5 in counter.lengths.count:
        found.append(_found("date-serial", counter.lengths.count[5], repairs))
    if guess.meaning in SENSITIVE:
        sensitive = _found("sensitive-data", Seen(counter.filled), repairs, f"{guess.meaning.value}: {guess.evidence}")
        found.append(sensitive)
    return found


def _found(code: str, seen: Seen, repairs: Mapping[str, Seen], message: str = "") -> _Found:
    symptom = DOCTOR[code]
    repairable = repairs[symptom.fix].count if symptom.fix is not None and symptom.fix in repairs else 0
    finding = ColumnFinding(
        code=code,
        severity=symptom.severity,
        count=seen.count,
        fix=symptom.fix if repairable else None,
        repairable=repairable,
        message=message or symptom.title,
    )
    return finding, seen.first


def _words(counter: ColumnCounter) -> str:
    """Name the commonest words that mean "no value"; empty where there are only values that pretend to be some."""
    shown = [f"{quoted(word)} {count:,}" for word, count in counter.null_words.most_common(_WORDS_SHOWN)]
    more = len(counter.null_words) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def _open_dates(counter: ColumnCounter, guess: Guess) -> list[_Found]:
    """Say that the order of day and month cannot be settled."""
    seen = counter.evidence
    if guess.meaning not in {Meaning.DATE, Meaning.DATETIME} or seen.order() is not None:
        return []
    if seen.day_first:
        message = f"{seen.day_first:,} dates have the day first, {seen.month_first:,} the month first"
        return [_found("date-order-mixed", Seen(seen.day_first + seen.month_first + seen.either), {}, message)]
    if seen.either:
        return [_found("date-order-open", Seen(seen.either), {})]
    return []


def _lost_zeros(counter: ColumnCounter, guess: Guess) -> list[_Found]:
    """Tell values that are too short from a column of one width."""
    lengths = counter.lengths.count
    total = sum(seen.count for seen in lengths.values())
    if len(lengths) < 2 or guess.meaning in {Meaning.PHONE, Meaning.DATE, Meaning.BOOLEAN}:
        return []
    width = max(lengths, key=lambda length: lengths[length].count)
    if lengths[width].count < _DOMINANT * total or width != max(lengths):
        return []
    short = [length for length in lengths if length < width]
    padded = counter.lengths.zero_led.get(width, 0)
    shortened = any(counter.lengths.zero_led.get(length, 0) for length in short)
    postal = guess.meaning is Meaning.POSTAL_CODE and width in _PADDED_CODES and min(short) >= width - 2
    if shortened or not (padded or postal):
        return []
    count = sum(lengths[length].count for length in short)
    first = min((lengths[length].first for length in short), key=_order_of)
    why = f"{padded:,} values of {width} digits begin with a zero" if padded else f"the other codes have {width} digits"
    message = (
        f"values shorter than {width} digits; {why}; if all had {width}: --fix leading-zeros:{counter.name}={width}"
    )
    return [_found("lost-zeros", Seen(count, first), {}, message)]


def _order_of(place: Place | None) -> tuple[int, int]:
    return (place.file, place.row_number) if place is not None else (0, 0)


def _placed(finding: ColumnFinding, place: Place | None, files: Sequence[str]) -> ColumnFinding:
    if place is None:
        return finding
    return ColumnFinding(
        code=finding.code,
        severity=finding.severity,
        count=finding.count,
        first_row=place.row_number,
        first_line=place.line,
        first_file=files[place.file],
        fix=finding.fix,
        repairable=finding.repairable,
        message=finding.message,
    )
