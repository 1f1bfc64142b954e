"""The bench's table: what is compared with what, and whether it is what is asked for."""

from __future__ import annotations

import pytest

from bench.table import Figure, Growth, Row, as_json, judged, lines_of, memory


def figure(*seconds: float, units: int | None = None, rss_mb: float = 100.0) -> Figure:
    """Return what runs took."""
    return Figure(list(seconds), units, rss_mb)


@pytest.mark.parametrize(
    ("row", "value", "good"),
    [
        (Row("it", [], against="scan", at_most=5.0), 4.0, True),
        (Row("it", [], against="scan", at_most=3.0), 4.0, False),
        (Row("it", [], against="scan", at_least=8), 4.0, False),
        (Row("it", [], against="scan"), 4.0, None),
        (Row("it", [], at_most=1.5), 2.0, False),
        (Row("it", [], at_least=400), 500.0, True),
    ],
)
def test_a_line_is_judged_by_its_median(row: Row, value: float, good: bool | None) -> None:
    """As a ratio where it is compared, by units a second where it counts them, else by its seconds."""
    counted = 1000 if row.at_least == 400 else None
    verdict = judged(row, {"scan": figure(0.5), "it": figure(1.0, 2.0, 9.0, units=counted)})
    assert verdict is not None
    assert (verdict.value, verdict.good) == (value, good)


def test_nothing_is_said_of_a_line_that_stands_alone_or_could_not_run() -> None:
    """The scan has no ratio, and a tool that is not installed has no time."""
    figures = {"scan": figure(1.0), "dlt": Figure(missing="dlt")}
    table = [Row("scan", []), Row("dlt", [], against="scan", at_least=5)]
    assert [judged(row, figures) for row in (*table, Row("scan", [], against="dlt"))] == [None, None, None]
    assert "dlt is not installed" in lines_of(table, [], figures)[2]
    assert as_json(table, [], figures)["dlt"]["missing"] == "dlt"


def test_memory_and_growth_have_lines_of_their_own() -> None:
    """Peak memory is compared with its limit and with that of the smaller file, time with that of the smaller file."""
    table = [Row("plan", []), Row("plan, large", [], rss_mb=800)]
    figures = {"plan": figure(2.0, rss_mb=600), "plan, large": figure(6.4, rss_mb=810)}
    growths = [Growth("plan, large", "plan", 3, 3.3, 1.3), Growth("plan, huge", "plan", 10)]
    found = {verdict.name: (round(verdict.value, 2), verdict.good) for verdict in memory(table, growths, figures)}
    assert found == {
        "RSS MB, plan, large": (810, False),
        "time, plan, large, 3 times the rows": (3.2, True),
        "RSS, plan, large, 3 times the rows": (1.35, False),
    }
    assert sum(line.endswith("NO") for line in lines_of(table, growths, figures)) == 2
