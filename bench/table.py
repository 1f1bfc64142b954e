"""The lines of the bench's table: what is compared with what, what is asked for, and how it is printed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What is timed.
        command: One fresh process of it.
        inside: Whether it prints its own seconds; else the whole process is timed.
        against: The row it is compared with.
        at_most: The ratio that is asked for; the row's own time in seconds where it is compared with nothing.
        at_least: So many times faster than it, or so many units a second where it is compared with nothing.
        rss_mb: Peak memory that is asked for.
    """

    name: str
    command: list[str]
    inside: bool = True
    against: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    rss_mb: float | None = None


@dataclass(frozen=True)
class Growth:
    """How a row's time and memory grow with its file.

    Attributes:
        name: Row of the larger file.
        base: Row of the smaller one.
        times: How many times as large the file is.
        time_at_most: The ratio of times that is asked for.
        rss_at_most: The ratio of peak memory that is asked for.
    """

    name: str
    base: str
    times: float
    time_at_most: float | None = None
    rss_at_most: float | None = None


@dataclass
class Figure:
    """What the runs of a row took: seconds, units a second where it counts them, and the most memory."""

    seconds: list[float] = field(default_factory=list)
    units: int | None = None
    peak_rss_mb: float = 0.0
    missing: str | None = None

    @property
    def median_s(self) -> float:
        """Median of the runs."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Verdict:
    """A value that is compared with what is asked for; `good` is None where nothing is."""

    name: str
    value: float
    asked: str = ""
    good: bool | None = None


Figures = Mapping[str, Figure]


def at_most(name: str, value: float, limit: float | None) -> Verdict:
    """Return the verdict on a value that may be so large."""
    return Verdict(name, value) if limit is None else Verdict(name, value, f"<= {limit:g}", value <= limit)


def judged(row: Row, figures: Figures) -> Verdict | None:
    """Return what a row's speed comes to; None where it was not run, or nothing can be said of it alone."""
    figure = figures[row.name]
    if figure.missing is not None or (row.against is not None and figures[row.against].missing is not None):
        return None
    if row.against is not None:
        value = figure.median_s / figures[row.against].median_s
    elif figure.units is not None:
        value = figure.units / figure.median_s
    elif row.at_most is not None:
        value = figure.median_s
    else:
        return None
    if row.at_least is not None:
        return Verdict(row.name, value, f">= {row.at_least:,.0f}", value >= row.at_least)
    return at_most(row.name, value, row.at_most)


def memory(rows: Sequence[Row], growths: Sequence[Growth], figures: Figures) -> list[Verdict]:
    """Return what memory, and what grows with the file, comes to; rows that were left out are passed over."""
    verdicts = [at_most(f"RSS MB, {row.name}", figures[row.name].peak_rss_mb, row.rss_mb) for row in rows if row.rss_mb]
    for growth in growths:
        if growth.name not in figures or growth.base not in figures:
            continue
        large, small = figures[growth.name], figures[growth.base]
        told = f"{growth.name}, {growth.times:g} times the rows"
        verdicts.append(at_most(f"time, {told}", large.median_s / small.median_s, growth.time_at_most))
        verdicts.append(at_most(f"RSS, {told}", large.peak_rss_mb / small.peak_rss_mb, growth.rss_at_most))
    return verdicts


def lines_of(rows: Sequence[Row], growths: Sequence[Growth], figures: Figures) -> list[str]:
    """Return the table as lines of text."""
    lines = [f"{'what':<34}{'s median':>10}{'min-max':>16}{'RSS MB':>8}{'ratio':>12}{'asked':>14}"]
    for row in rows:
        figure, verdict = figures[row.name], judged(row, figures)
        if figure.missing is not None:
            lines.append(f"{row.name:<34}{figure.missing} is not installed")
            continue
        spread = f"{min(figure.seconds):.3f}-{max(figure.seconds):.3f}"
        lines.append(f"{row.name:<34}{figure.median_s:>10.3f}{spread:>16}{figure.peak_rss_mb:>8.0f}{_told(verdict)}")
    lines += [f"{verdict.name:<68}{_told(verdict)}" for verdict in memory(rows, growths, figures)]
    return lines


def _told(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    value = f"{verdict.value:,.0f}" if verdict.value > 200 else f"{verdict.value:.2f}"
    mark = {None: "", True: "  yes", False: "  NO"}[verdict.good]
    return f"{value:>12}{verdict.asked:>14}{mark}"


def as_json(rows: Sequence[Row], growths: Sequence[Growth], figures: Figures) -> dict[str, Any]:
    """Return the table as what JSON can say."""
    told: dict[str, Any] = {}
    for row in rows:
        figure, verdict = figures[row.name], judged(row, figures)
        told[row.name] = asdict(figure) | {"against": row.against}
        if figure.missing is None:
            told[row.name] |= {"median_s": figure.median_s}
        if verdict is not None:
            told[row.name] |= {"judged_by": verdict.value, "asked": verdict.asked, "good": verdict.good}
    for verdict in memory(rows, growths, figures):
        told[verdict.name] = {"judged_by": verdict.value, "asked": verdict.asked, "good": verdict.good}
    return told
