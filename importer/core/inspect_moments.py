"""Readings of columns as dates, with and without a time."""

from __future__ import annotations

from typing import Final

from importer.core.fixes_columns import Evidence
from importer.core.inspect import Guess, Meaning
from importer.core.inspect_reading import MIN_SCORE, MOST, Column, mean, percent, scored

_FORMATS: Final = (
    (Meaning.DATE, "", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "%Y-%m-%d"),
    (Meaning.DATE, "%Y/%m/%d", r"^[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}$", "%Y/%m/%d"),
    (Meaning.DATE, "%Y%m%d", r"^(?:19|20)[0-9]{6}$", "%Y%m%d"),
    (Meaning.DATE, "%d %b %Y", r"^[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}$", "%d %b %Y"),
    (Meaning.DATE, "%d %B %Y", r"^[0-9]{1,2} [A-Z][a-z]{3,8} [0-9]{4}$", "%d %B %Y"),
    (Meaning.DATE, "%b %d, %Y", r"^[A-Z][a-z]{2} [0-9]{1,2}, [0-9]{4}$", "%b %d, %Y"),
    (Meaning.DATE, "%B %d, %Y", r"^[A-Z][a-z]{3,8} [0-9]{1,2}, [0-9]{4}$", "%B %d, %Y"),
    (
        Meaning.DATETIME,
        "",
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
        r"(?: ?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?$",
        None,
    ),
)

_TIMES: Final = tuple(
    (rf"[0-9]{sign}{pattern}$", sign, time)
    for sign in (" ", "T")
    for pattern, time in (
        (r"[0-9]{2}:[0-9]{2}", "%H:%M"),
        (r"[0-9]{2}:[0-9]{2}:[0-9]{2}", "%H:%M:%S"),
        (r"(?:0[1-9]|1[0-2]):[0-9]{2} [AP]M", "%I:%M %p"),
        (r"(?:0[1-9]|1[0-2]):[0-9]{2}:[0-9]{2} [AP]M", "%I:%M:%S %p"),
    )
)
"""How the time of day ends a moment: pattern, what stands before it, format."""


def date_guesses(column: Column) -> list[Guess]:
    """Judge whether values are dates, and in which format."""
    guesses = []
    for meaning, written, pattern, parse in _FORMATS:
        like = column.share(pattern)
        if like < MIN_SCORE:
            continue
        days = column.values.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if parse is not None:
            days = column.values.str.to_date(parse, strict=False)
        fits = min(like, mean(days.is_not_null()))
        said = bool(column.said & {Meaning.DATE, Meaning.DATETIME})
        alone = 0.4 if written == "%Y%m%d" and not said else 0.97
        shape = written or ("ISO 8601" if meaning is Meaning.DATE else "ISO 8601 with time")
        guesses.append(
            scored(
                column, meaning, fits, alone=alone, evidence=percent(fits, f"are dates, {shape}"), date_format=written
            )
        )
    serials = column.share(r"^[1-6][0-9]{4}$") if Meaning.DATE in column.said else 0.0
    if serials > MOST:
        text = f"{percent(serials, 'are whole numbers, which is how a spreadsheet keeps dates')}; the header says date"
        guesses.append(Guess(Meaning.DATE, round(0.9 * serials, 2), text))
    return guesses + _numbered_dates(column)


def _numbered_dates(column: Column) -> list[Guess]:
    """Judge dates with day, month and year as numbers; the order of the first two is what all values settle."""
    for sign in ("/", ".", "-"):
        stem = rf"^[0-9]{{1,2}}\{sign}[0-9]{{1,2}}\{sign}"
        fits, short, timed = column.share(stem + "[0-9]{4}"), column.share(stem + "[0-9]{2}(?: |$)"), 0.0
        if max(fits, short) < MIN_SCORE:
            continue
        timed = column.share(stem + r"[0-9]{4}[ T][0-9]")
        order = column.evidence.order() if fits >= short else None
        likely = order or ("dmy" if sign == "." and not column.evidence.month_first else None)
        shape = {"dmy": f"%d{sign}%m{sign}%Y", "mdy": f"%m{sign}%d{sign}%Y", None: ""}[likely]
        meaning = Meaning.DATETIME if timed > fits / 2 else Meaning.DATE
        return [
            scored(
                column,
                meaning,
                max(fits, short) * (1.0 if likely else 0.9),
                alone=0.97,
                evidence=_order_evidence(
                    column.evidence, likely if fits >= short else None, max(fits, short), is_short=short > fits
                ),
                date_format=_with_time(column, shape) if meaning is Meaning.DATETIME else shape,
            )
        ]
    return []


def _with_time(column: Column, day: str) -> str:
    """Return a format with the time of day that all values show, "" where they show several."""
    times = [f"{day}{sign}{time}" for ending, sign, time in _TIMES if column.share(ending) == 1]
    return times[0] if day and times else ""


def _order_evidence(seen: Evidence, order: str | None, share: float, *, is_short: bool) -> str:
    dates = percent(share, "are dates")
    if is_short:
        return f"{dates} with two-digit years"
    if order == "dmy" and not seen.day_first:
        return f"{dates} with points, which are written with the day first; no day above 12 proves it"
    if order == "dmy":
        return f"{dates}, day first: {seen.day_first:,} have a day above 12 there, none has it in the month's place"
    if order == "mdy":
        return f"{dates}, month first: {seen.month_first:,} have a day above 12 in second place, none in first"
    if seen.day_first:
        return f"{dates} in both orders: {seen.day_first:,} day first, {seen.month_first:,} month first"
    return f"{dates}; no day above 12 tells the order"
