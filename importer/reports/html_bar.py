"""The outcome bar: a strip of segments, one for each state that has rows, and the table that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from importer.core.report import FinalState, Report
from importer.reports.html_words import state_label
from importer.reports.wording import STATE_MEANING, share_text

_LEAST_PERCENT: Final = 1.0
"""Width of the thinnest segment: one row of a million must still be seen."""

_ORDER: Final = (
    FinalState.PROCESSED,
    FinalState.ACCEPTED,
    FinalState.PLANNED,
    FinalState.UNCHANGED,
    FinalState.COMBINED,
    FinalState.SKIPPED,
    FinalState.NOT_SENT,
    FinalState.HELD,
    FinalState.UNATTRIBUTED,
    FinalState.UNKNOWN,
    FinalState.FAILED,
    FinalState.REJECTED,
)
_SKIPPED: Final = {
    "blank-line": "blank",
    "where": "dropped by the mapping's `where`",
    "limit": "outside `--limit`",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A state's piece of the bar.

    Attributes:
        state: Its name, which is also that of its pattern.
        label: The same for people.
        meaning: What became of its rows.
        count: Rows.
        share: The same as a percentage of the rows read, as text.
        start_percent: Where the piece begins.
        width_percent: How wide it is; thin pieces are widened, so it is no measure.
    """

    state: str
    label: str
    meaning: str
    count: int
    share: str
    start_percent: str
    width_percent: str


def outcome_segments(report: Report) -> tuple[Segment, ...]:
    """Lay the states that have rows out from left to right: what goes well first, what went wrong last."""
    present = [(state, report.outcomes.get(state.value, 0)) for state in _ORDER]
    present = [(state, count) for state, count in present if count]
    total = sum(count for _, count in present)
    widths = segment_widths([count for _, count in present])
    segments = []
    start = 0.0
    for (state, count), width in zip(present, widths, strict=True):
        segments.append(
            Segment(
                state=state.value,
                label=state_label(state),
                meaning=_skipped(report) if state is FinalState.SKIPPED else STATE_MEANING[state],
                count=count,
                share=share_text(count, total),
                start_percent=f"{start:.3f}",
                width_percent=f"{width:.3f}",
            )
        )
        start += width
    return tuple(segments)


def segment_widths(counts: Sequence[int]) -> list[float]:
    """Return widths in percent that sum to 100, none so thin that nobody sees it.

    Args:
        counts: At least 1 each, a few of them.
    """
    total = sum(counts)
    widened = [max(100 * count / total, _LEAST_PERCENT) for count in counts]
    return [100 * width / sum(widened) for width in widened]


def _skipped(report: Report) -> str:
    return ", ".join(f"{count:,} {_SKIPPED.get(reason, reason)}" for reason, count in report.skipped.items() if count)
