"""The cursor of a sync: the highest moment or number that the rows read have, and how far back a run asks.

A cursor is the text that the source gave. It is kept in the shape it came in, because a database may compare it as
text; only here it is put in order, by what it means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import polars as pl

_MOMENT: Final = (
    r"^(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:(?P<sep>[T ])(?P<time>\d{2}:\d{2}:\d{2})(?P<fraction>\.\d{1,9})?(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_NUMBER: Final = r"^-?\d{1,28}(?:\.\d{1,9})?$"
_NUMBERS: Final = pl.Decimal(38, 9)
_MICROSECOND_DIGITS: Final = 6


class CursorKind(StrEnum):
    """What the values of a cursor column are."""

    NUMBER = "number"
    DAY = "date"
    NAIVE = "moment without a zone"
    AWARE = "moment with a zone"


class CursorError(ValueError):
    """Values that have no order; the text says why, without a value."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A value, and its place among others of its kind."""

    text: str
    kind: CursorKind
    place: int


def cursor_of(text: str) -> Cursor:
    """Return a value as a cursor.

    Raises:
        CursorError: it is neither a number nor a moment.

    Example:
        >>> cursor_of("2026-01-02 03:04:05").kind
        <CursorKind.NAIVE: 'moment without a zone'>
    """
    found = highest(pl.Series([text]))
    if found is None:
        raise CursorError("it is empty")
    return found


def highest(values: pl.Series, *, now: datetime | None = None) -> Cursor | None:
    """Return the highest of the values; None where all are null, or ahead of time.

    Args:
        values: String; an empty one counts as null.
        now: Moments that are clearly later do not count: one slip of the pen in a source would keep every row that
            changes until then from being read. All count if None.

    Raises:
        CursorError: some are neither a number nor an ISO 8601 moment, or they are of two kinds.
    """
    texts = values.drop_nulls().unique()
    texts = texts.filter(texts != "")
    if texts.is_empty():
        return None
    kinds = texts.to_frame("text").select(_kind_expr(pl.col("text"))).to_series().unique()
    if kinds.null_count():
        raise CursorError("it has values that are neither a number nor a moment such as 2026-01-31T10:00:00Z")
    if len(kinds) > 1:
        raise CursorError(f"it has values of two kinds: {' and '.join(sorted(kinds))}")
    kind = CursorKind(kinds[0])
    try:
        placed = texts.to_frame("text").with_columns(place=_place_expr(pl.col("text"), kind))
    except pl.exceptions.PolarsError:
        raise CursorError("it has values that are no moment of any calendar") from None
    if now is not None and kind is not CursorKind.NUMBER:
        placed = placed.filter(pl.col("place") <= _latest(kind, now))
    if placed.is_empty():
        return None
    top = placed.sort("place", "text").row(-1, named=True)
    return Cursor(top["text"], kind, int(top["place"]))


def _latest(kind: CursorKind, now: datetime) -> int:
    """Return the place of the latest moment that a value may have by now."""
    slack = timedelta(minutes=5) if kind is CursorKind.AWARE else timedelta(days=1)  # clocks differ; zones, too
    return ((now.astimezone(UTC) + slack) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def later(one: Cursor | None, other: Cursor | None) -> Cursor | None:
    """Return the higher of two cursors.

    Raises:
        CursorError: they are of two kinds.
    """
    if one is None or other is None:
        return one or other
    if one.kind is not other.kind:
        raise CursorError(f"it was a {one.kind} before, and is a {other.kind} now")
    return max(one, other, key=lambda cursor: (cursor.place, cursor.text))


def lagging(text: str, lag_s: int) -> str:
    """Return the moment so many seconds earlier, in the same shape.

    Raises:
        CursorError: there is a lag, and it is a number.

    Example:
        >>> lagging("2026-01-01 00:00:05.25", 10)
        '2025-12-31 23:59:55.25'
    """
    if not lag_s:
        return text
    found = re.fullmatch(_MOMENT, text, re.ASCII)
    if found is None:
        raise CursorError("a lag is for moments, and it has numbers")
    day, sep, time, fraction, zone = found.group("day", "sep", "time", "fraction", "zone")
    digits = (fraction or ".")[1:]
    start = datetime.fromisoformat(f"{day}T{time or '00:00:00'}")
    start += timedelta(microseconds=int(digits[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0")))
    back = start - min(timedelta(seconds=lag_s), start - datetime.min)  # noqa: DTZ901 - the same
    if sep is None:
        return back.strftime("%Y-%m-%d").rjust(10, "0")
    text_of_fraction = f"{back.microsecond:06d}".ljust(len(digits), "0")[: len(digits)]
    shown = f"{back.year:04d}-{back.month:02d}-{back.day:02d}{sep}{back:%H:%M:%S}"
    return shown + (f".{text_of_fraction}" if digits else "") + (zone or "")


def _kind_expr(text: pl.Expr) -> pl.Expr:
    parts = text.str.extract_groups(_MOMENT).struct
    return (
        pl.when(text.str.contains(_NUMBER))
        .then(pl.lit(CursorKind.NUMBER.value))
        .when(parts.field("day").is_null())
        .then(None)
        .when(parts.field("sep").is_null())
        .then(pl.lit(CursorKind.DAY.value))
        .when(parts.field("zone").is_null())
        .then(pl.lit(CursorKind.NAIVE.value))
        .otherwise(pl.lit(CursorKind.AWARE.value))
    )


def _place_expr(text: pl.Expr, kind: CursorKind) -> pl.Expr:
    """Return whole numbers in the order of the values: billionths, or microseconds."""
    if kind is CursorKind.NUMBER:
        return text.cast(_NUMBERS).to_physical()
    parts = text.str.extract_groups(_MOMENT).struct
    moment = pl.concat_str(parts.field("day"), pl.lit("T"), parts.field("time").fill_null("00:00:00"))
    digits = parts.field("fraction").str.slice(1, _MICROSECOND_DIGITS).fill_null("").str.pad_end(6, "0")
    zone = parts.field("zone").fill_null("Z").str.replace("Z", "+00:00").str.replace(":", "")
    hours, minutes = zone.str.slice(1, 2).cast(pl.Int64), zone.str.slice(3, 2).replace("", "0").cast(pl.Int64)
    offset = (hours * 60 + minutes) * 60_000_000
    signed = pl.when(zone.str.starts_with("-")).then(-offset).otherwise(offset)
    start = moment.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=True).to_physical()
    return start + digits.cast(pl.Int64) - signed
