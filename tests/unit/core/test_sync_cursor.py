"""Cursors: values in the order of what they mean, in the shape they came in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.sync_cursor import Cursor, CursorError, CursorKind, cursor_of, highest, lagging, later


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["9", "10", None, "-3"], "10"),
        (["9.5", "9.25", ""], "9.5"),
        (["2026-01-31", "2025-12-31"], "2026-01-31"),
        (["2026-01-01 09:00:00", "2026-01-01 10:00:00.5"], "2026-01-01 10:00:00.5"),
        (["2026-01-01T10:00:00Z", "2026-01-01T11:30:00+02:00", "2026-01-01T10:00:00-0030"], "2026-01-01T10:00:00-0030"),
        (["0001-01-01T00:00:00+00:00", "1969-12-31T23:59:59Z"], "1969-12-31T23:59:59Z"),
        (["2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456788Z"], "2026-01-01T00:00:00.123456789Z"),
    ],
)
def test_the_highest_value(values: list[str | None], expected: str) -> None:
    """Numbers as numbers, moments as instants, nulls not at all."""
    found = highest(pl.Series(values))
    assert found is not None
    assert found.text == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2026-03-01T11:00:00Z", "2999-12-31T00:00:00Z"], "2026-03-01T11:00:00Z"),
        (["2026-03-01T12:04:00Z", "2026-03-01T12:06:00Z"], "2026-03-01T12:04:00Z"),
        (["2026-03-02 11:00:00", "2026-03-02 13:00:00"], "2026-03-02 11:00:00"),
        (["2026-03-02", "2026-03-03"], "2026-03-02"),
        (["2999-12-31"], None),
        (["5", "99999999999999999999"], "99999999999999999999"),
    ],
)
def test_a_moment_that_is_clearly_ahead_does_not_count(values: list[str], expected: str | None) -> None:
    """One mistyped year must not keep all that changes until then from being read; clocks and zones may differ."""
    found = highest(pl.Series(values), now=datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert (found.text if found is not None else None) == expected


def test_no_value_has_no_highest() -> None:
    """An empty answer leaves the cursor where it is."""
    assert highest(pl.Series([None, ""], dtype=pl.String)) is None
    assert later(None, None) is None


@pytest.mark.parametrize(
    "values",
    [["next week"], ["2026-01-01", "5"], ["2026-01-01T00:00:00", "2026-01-01T00:00:00Z"], ["2026-02-30"], ["1e5"]],
)
def test_values_without_an_order_are_refused(values: list[str]) -> None:
    """Texts, two kinds at once, days that no calendar has; the value itself is not told."""
    with pytest.raises(CursorError) as refused:
        highest(pl.Series(values))
    assert values[0] not in str(refused.value)


def test_two_kinds_have_no_later() -> None:
    """A column that changed its type is not compared with what it was."""
    with pytest.raises(CursorError, match="was a number before"):
        later(cursor_of("5"), cursor_of("2026-01-01"))
    assert later(cursor_of("5"), Cursor("7", CursorKind.NUMBER, 7 * 10**9)) == cursor_of("7")


@pytest.mark.parametrize(
    ("text", "lag_s", "expected"),
    [
        ("2026-01-01 00:00:05.25", 10, "2025-12-31 23:59:55.25"),
        ("2026-03-01T00:00:00Z", 60, "2026-02-28T23:59:00Z"),
        ("2026-03-01T00:00:00.000000001+02:00", 1, "2026-02-28T23:59:59.000000000+02:00"),
        ("2026-03-01", 60, "2026-02-28"),
        ("0001-01-01T00:00:00+00:00", 3600, "0001-01-01T00:00:00+00:00"),
        ("17", 0, "17"),
    ],
)
def test_a_lag_goes_back_in_the_same_shape(text: str, lag_s: int, expected: str) -> None:
    """A database may compare the texts."""
    assert lagging(text, lag_s) == expected


def test_numbers_have_no_lag() -> None:
    """Seconds say nothing of them."""
    with pytest.raises(CursorError):
        lagging("17", 5)


moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))  # noqa: DTZ001 - given zones below
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None)
@given(st.lists(st.tuples(moments, zones), min_size=1, max_size=6))
def test_moments_are_ordered_as_python_does(pairs: list[tuple[datetime, timezone]]) -> None:
    """Whatever their zones."""
    texts = [moment.replace(tzinfo=zone).isoformat() for moment, zone in pairs]
    found = highest(pl.Series(texts))
    assert found is not None
    assert datetime.fromisoformat(found.text) == max(map(datetime.fromisoformat, texts))


@settings(deadline=None)
@given(moments, st.integers(0, 10**6))
def test_a_lag_is_what_python_subtracts(moment: datetime, lag_s: int) -> None:
    """To the microsecond, and never below the first moment there is."""
    text = moment.replace(tzinfo=UTC).isoformat(timespec="microseconds")
    wanted = max(moment - timedelta(seconds=min(lag_s, (moment - datetime.min).total_seconds())), datetime.min)  # noqa: DTZ901 - compared with one without a zone
    assert datetime.fromisoformat(lagging(text, lag_s)).replace(tzinfo=None) - wanted < timedelta(microseconds=2)
