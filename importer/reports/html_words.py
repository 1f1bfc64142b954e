"""The sentences of the page: what happened, what it means, what comes next.

Accepted is not applied, and processed is the service's word: no sentence says more than the run knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from importer.core.report import NOT_FINE, ExitCode, FinalState, Report
from importer.reports.html_text import shown
from importer.reports.wording import counted

_SAID: Final = {
    FinalState.PROCESSED: "processed",
    FinalState.ACCEPTED: "accepted",
    FinalState.PLANNED: "would be sent",
    FinalState.UNCHANGED: "unchanged",
    FinalState.REJECTED: "rejected",
    FinalState.HELD: "held back",
    FinalState.FAILED: "refused by the service",
    FinalState.UNATTRIBUTED: "in a part with errors",
    FinalState.UNKNOWN: "without an answer",
    FinalState.NOT_SENT: "not sent yet",
    FinalState.COMBINED: "combined",
    FinalState.SKIPPED: "skipped",
}
"""How the headline says a state, in its order: what goes well, what needs someone, what stays."""

_LABEL: Final = {state: state.value.replace("_", " ").capitalize() for state in FinalState}

_CAVEATS: Final = {
    FinalState.ACCEPTED: "Accepted means that the service took the rows. Whether it applied them is not known.",
    FinalState.PROCESSED: (
        "Processed means that the service finished the rows with zero errors and zero warnings. "
        "Only reading the profiles back confirms what is stored."
    ),
    FinalState.UNATTRIBUTED: (
        "Where a part or an operation had errors the service gives counts and names no row, "
        "so all of its rows are in doubt."
    ),
    FinalState.UNKNOWN: "Rows without an answer may or may not have been applied; sending them again is safe.",
    FinalState.NOT_SENT: "Rows that were not sent are kept, and resuming the run sends them.",
}

_EXITS: Final = {
    ExitCode.OK: ("fine", "Finished; every row is fine"),
    ExitCode.BUG: ("bad", "A fault of this program; do not rely on these numbers"),
    ExitCode.REFUSED: ("bad", "Refused before it sent anything"),
    ExitCode.ROWS: ("look", "Finished; some rows need a look"),
    ExitCode.SERVICE: ("bad", "The service refused the run"),
    ExitCode.STOPPED: ("bad", "Stopped early; the run can go on"),
    ExitCode.GUARD: ("bad", "A guard stopped the run"),
    ExitCode.STATE: ("bad", "The run's state is locked or damaged"),
    ExitCode.INTERRUPTED: ("bad", "Interrupted (SIGINT); the run can go on"),
    ExitCode.TERMINATED: ("bad", "Terminated (SIGTERM); the run can go on"),
}

_STOPPED: Final = {
    ExitCode.BUG: "These numbers cannot be relied on",
    ExitCode.SERVICE: "The service refused the run",
    ExitCode.STOPPED: "Stopped before the end",
    ExitCode.INTERRUPTED: "Interrupted before the end",
    ExitCode.TERMINATED: "Interrupted before the end",
}
_SENT: Final = (
    FinalState.ACCEPTED,
    FinalState.PROCESSED,
    FinalState.FAILED,
    FinalState.UNATTRIBUTED,
    FinalState.UNKNOWN,
)

_MOST_STATES: Final = 5
_FIXED_SPACE: Final = "\N{NO-BREAK SPACE}"
"""Keeps a number on the line of its word."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended.

    Attributes:
        tone: ``fine``, ``look``, ``bad`` or ``open``.
        text: In words.
        exit_code: None while the run goes on.
    """

    tone: str
    text: str
    exit_code: int | None


def state_label(state: FinalState) -> str:
    """Return a state as a label: ``Not sent``."""
    return _LABEL[state]


def verdict(report: Report) -> Verdict:
    """Say how the run ended."""
    if report.exit_code is None:
        return Verdict("open", "This run has not ended", None)
    tone, text = _EXITS[ExitCode(report.exit_code)]
    return Verdict(tone, text, report.exit_code)


def headline(report: Report) -> tuple[str, str]:
    """Return the sentence everyone reads: ``10,000 rows read: 9,620 would be sent, 310 rejected, 70 held back.``.

    Every state that has rows is in it, so its numbers sum to the rows read. Where there are many states, the smaller
    ones are in a second sentence, which is empty otherwise.
    """
    counts = {state: report.outcomes.get(state.value, 0) for state in _SAID}
    present = [state for state in _SAID if counts[state]]
    largest = set(sorted(present, key=lambda state: -counts[state])[:_MOST_STATES])
    opening = _opening(report)
    read = counted(report.rows_read, "row") + " read"
    if not present:
        return f"{opening}{read}.", ""
    if len(present) == 1 and counts[present[0]] == report.rows_read > 1:
        return f"{opening}All {report.rows_read:,} rows {_alone(present[0])}.", ""
    said = {state: f"{counts[state]:,}{_FIXED_SPACE}{_SAID[state]}" for state in present}
    rest = ", ".join(text for state, text in said.items() if state not in largest)
    first = ", ".join(text for state, text in said.items() if state in largest)
    return f"{opening}{read}: {first}.", f"And {rest}." if rest else ""


def _alone(state: FinalState) -> str:
    if state is FinalState.PLANNED:
        return _SAID[state]
    return f"{'are' if state is FinalState.UNCHANGED else 'were'} {_SAID[state]}"


def _opening(report: Report) -> str:
    if report.exit_code is None:
        return "Not finished. "
    code = ExitCode(report.exit_code)
    if code in {ExitCode.GUARD, ExitCode.REFUSED}:
        return "Stopped. " if _anything_sent(report) else "Nothing was sent. "
    return f"{_STOPPED[code]}. " if code in _STOPPED else ""


def _anything_sent(report: Report) -> bool:
    return any(report.outcomes.get(state.value, 0) for state in _SENT)


def caveats(report: Report) -> tuple[str, ...]:
    """Return what a reader must know to take the headline for no more than it says."""
    first = []
    if report.command == "validate":
        first.append("This was a dry run: nothing was sent, and nothing can be sent from it.")
    elif report.outcomes.get(FinalState.PLANNED.value, 0):
        first.append("Nothing has been sent: this is a plan.")
    if report.target is not None and report.target.emulator:
        first.append("The store is the local emulator; no data left this machine.")
    first += [text for state, text in _CAVEATS.items() if report.outcomes.get(state.value, 0)]
    return tuple(first)


def is_clean(report: Report) -> bool:
    """Tell whether rows were read to the end and nothing was found in them."""
    return bool(report.rows_read) and not report.issues and report.error is None


def title(report: Report) -> str:
    """Return the title of the page: what was read and what it came to."""
    name = "several files"
    if report.source is not None and len(report.source.files) == 1:
        name = shown(PurePath(report.source.files[0]).name or report.source.files[0], 80)
    bad = sum(report.outcomes.get(state.value, 0) for state in NOT_FINE)
    judged = f"{bad:,} of {counted(report.rows_read, 'row')} need a look" if bad else counted(report.rows_read, "row")
    return f"{name}: {judged} ({report.command} report)"
