"""What a state means, and numbers as people write them: the same words in the summary and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from importer.core.replan import DROPPED_NOTE
from importer.core.report import FinalState, Report
from importer.core.report_hints import STOPS_NOTE
from importer.core.report_parts import MergeGroups
from importer.core.sensitive import SENSITIVE_NOTE
from importer.core.source_notes import NAIVE_NOTE
from importer.core.sync_counts import Removals

STATE_MEANING: Final = {
    FinalState.REJECTED: "an error was found; not sent",
    FinalState.SKIPPED: "",
    FinalState.HELD: "needs your decision, or another value; not sent",
    FinalState.UNCHANGED: "as last delivered; not sent again",
    FinalState.COMBINED: "carried by another row of the same person",
    FinalState.PLANNED: "would be sent",
    FinalState.NOT_SENT: "the run stopped before them",
    FinalState.ACCEPTED: "taken (202); not known to be applied",
    FinalState.PROCESSED: "finished without errors or warnings",
    FinalState.FAILED: "refused by the service",
    FinalState.UNATTRIBUTED: "in a part with errors; no row was named",
    FinalState.UNKNOWN: "sent; no answer",
}
"""What became of the rows of a state; why rows are skipped is counted by itself."""

_ALARMS: Final = (SENSITIVE_NOTE, STOPS_NOTE, DROPPED_NOTE, NAIVE_NOTE)
"""How notes begin that are no mere facts."""


def counted(count: int, noun: str) -> str:
    """Return ``1 row``, ``2,000 rows``, ``3 batches``."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{'' if count == 1 else plural}"


def alarms_of(report: Report) -> tuple[str, ...]:
    """Return the notes that are no mere facts: what has to be looked at before anything is sent."""
    return tuple(note for note in report.notes if note.startswith(_ALARMS))


def groups_text(groups: MergeGroups) -> str:
    """Say what merge groups come to: ``1 group of 3 rows would become one profile``."""
    among, rows = groups.groups - groups.single, groups.rows - groups.single
    parts = []
    if among == 1:
        parts.append(f"1 group of {counted(rows, 'row')} would become one profile")
    elif among or not groups.single:
        parts.append(f"{counted(among, 'group')} of {counted(rows, 'row')} in all would become one profile each")
    if groups.single:
        parts.append(
            f"{counted(groups.single, 'row')} would{' each' if groups.single > 1 else ''} merge stored profiles"
        )
    return ", ".join(parts)


def leaving_text(found: Removals) -> str:
    """Say whose profiles are to go: ``2 keys gone from the source and 1 key to begin anew``."""
    gone = found.candidates - found.anew
    parts = [f"{counted(gone, 'key')} gone from the source"] if gone else []
    parts += [f"{counted(found.anew, 'key')} to begin anew"] if found.anew else []
    return " and ".join(parts)


def removals_text(found: Removals, *, later: str) -> str:
    """Say what became of them; `later`: of those that nobody was asked about."""
    parts = [(found.deleted, "deleted"), (found.gone, "not there any more")]
    parts += [(count, f"held ({reason})") for reason, count in found.held.items()]
    parts += [(found.failed, "refused by the service"), (found.open, later)]
    return f"{leaving_text(found)}: {', '.join(f'{count:,} {what}' for count, what in parts if count)}"


def listed(counts: Mapping[str, int], *, most: int) -> str:
    """Write counts as ``3 reason, 2 other``, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    text = ", ".join(f"{count:,} {name}" for name, count in ordered[:most])
    return text + (f", {len(ordered) - most} more" if len(ordered) > most else "")


def share_text(count: int, total: int) -> str:
    """Return a share of at least one in `total` as a percentage."""
    share = count / total * 100
    # Rounding must not make all rows of nearly all, nor none of some.
    if count < total:
        share = min(share, 99.9)
    return f"{max(share, 0.1):.1f}%"


def size_text(size_bytes: int) -> str:
    """Return a size in the unit that suits it."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def run_seconds(report: Report) -> float | None:
    """Return how long a run took, None while it goes on."""
    if report.finished_at is None:
        return None
    try:
        start, end = (datetime.fromisoformat(text) for text in (report.started_at, report.finished_at))
        return (end - start).total_seconds()
    except (ValueError, TypeError):
        return None
