"""The summary of a run as lines of text: no more than a screen, counts only.

Everything here returns plain values; `terminal.py` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from importer.core.cost import allowance_text, range_text
from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import Severity
from importer.core.report import NOT_FINE, SENDS_NOTHING, FinalState, Report
from importer.core.report_parts import RouteReport, Target
from importer.core.route import Reason
from importer.core.source_notes import is_left_out_note
from importer.reports.live_lines import live_lines, standing
from importer.reports.plain_text import printable
from importer.reports.wording import (
    STATE_MEANING,
    alarms_of,
    counted,
    groups_text,
    listed,
    removals_text,
    run_seconds,
    share_text,
    size_text,
)

MAX_LINES: Final = 24
"""Lines of a summary, head and blank lines included."""

_BAR_WIDTH: Final = 12
_LEAST_ISSUES: Final = 3
_MOST_LISTED: Final = 3
_MOST_REQUESTS: Final = 4
_MOST_NOTES: Final = 2
_MEANING_SO_FAR: Final = {
    FinalState.PLANNED: "not sent yet",
    FinalState.ACCEPTED: "taken (202); not known to be applied so far",
    FinalState.UNKNOWN: "sent; no answer so far",
}
_GOOD: Final = frozenset({FinalState.ACCEPTED, FinalState.PROCESSED, FinalState.PLANNED, FinalState.UNCHANGED})


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a label, what stands beside it, and how it looks where there are colours.

    Attributes:
        label: Repeated labels are left empty.
        text: Without control characters.
        style: A rich style, empty for none.
        whole: Never cut, because someone may copy it.
    """

    label: str
    text: str
    style: str = ""
    whole: bool = False


def summary_lines(report: Report, *, bar: str = "") -> list[Line]:
    """Lay a report out.

    Args:
        report: The report.
        bar: The character bars are made of; empty for none.
    """
    above = [_head(report), *_read(report), *_live(report), *_states(report, bar)]
    told = [*_sending(report), *_syncing(report), *_cost(report), *_dangers(report), *_changes(report)]
    told = told if report.live is None else []
    least = _LEAST_ISSUES if report.live is None else 1  # what is redrawn in place may not scroll
    ending = [*_files(report), *_next(report)]
    notes = _notes(report, _MOST_NOTES)
    if len(above) + least + len(told) + len(notes) + len(ending) > MAX_LINES:
        notes = _notes(report, 1)
    below = [*told, *notes, *ending]
    room = max(least, MAX_LINES - len(above) - len(below))
    lines = [*above, *_issues(report, room), *below]
    return [Line(line.label, printable(line.text), line.style, line.whole) for line in lines]


def _head(report: Report) -> Line:
    took = run_seconds(report)
    parts = [f"{report.command} {report.run_id}"]
    if report.live is not None:
        parts.append(standing(report.live))
    if report.exit_code is not None:
        parts.append(f"exit code {report.exit_code}")
    if took is not None:
        parts.append(f"{took:.1f} s")
    return Line("", ", ".join(parts), "bold")


def _read(report: Report) -> list[Line]:
    lines = []
    source = report.source
    what = ""
    if source is not None:
        files = source.files[0] if len(source.files) == 1 else f"{len(source.files)} files"
        how = [source.kind, source.encoding, f"delimiter {source.delimiter!r}" if source.delimiter else None]
        what = f" from {files} ({', '.join(part for part in how if part)})"
    mapped = f", mapping {report.mapping.name}" if report.mapping is not None else ""
    lines.append(Line("read", f"{_rows(report.rows_read)}{what}{mapped}"))
    if report.target is not None:
        lines.append(Line("store", _store(report.target)))
    return lines


def _store(target: Target) -> str:
    name = f'"{target.store_name}" ' if target.store_name else ""
    where = f" at {target.host}" if target.host else ""
    return f"{name}{target.store_id or ''}{where}{' (local emulator)' if target.emulator else ''}"


def _live(report: Report) -> list[Line]:
    return [] if report.live is None else [Line(label, text) for label, text in live_lines(report.live)]


def _states(report: Report, bar: str) -> list[Line]:
    total = max(1, report.rows_read)
    lines: list[Line] = []
    for state in FinalState:
        count = report.outcomes[state.value]
        if not count:
            continue
        meaning = listed(report.skipped, most=_MOST_LISTED) if state is FinalState.SKIPPED else _meaning(report, state)
        width = max(1, round(count / total * _BAR_WIDTH)) if bar else 0
        drawn = f"{bar * width:<{_BAR_WIDTH}} " if bar else ""
        text = f"{state.value:<12} {count:>11,} {share_text(count, total):>6}  {drawn}{meaning}"
        style = "red" if state in NOT_FINE else "green" if state in _GOOD else "dim"
        lines.append(Line("rows" if not lines else "", text.rstrip(), style))
    return lines


def _meaning(report: Report, state: FinalState) -> str:
    if report.live is not None and report.live.running:
        return _MEANING_SO_FAR.get(state, STATE_MEANING[state])
    return STATE_MEANING[state]


def _issues(report: Report, room: int) -> list[Line]:
    ordered = sorted(report.issues.items(), key=lambda item: (not _errors(report, item[0]), -item[1]))
    shown = ordered if len(ordered) <= room else ordered[: room - 1]
    lines: list[Line] = []
    for code, count in shown:
        entry = CATALOGUE.get(code)
        text = f"{count:>11,} {code:<22} {_severity(report, code):<8} {entry.title if entry is not None else ''}"
        lines.append(Line("issues" if not lines else "", text.rstrip()))
    rest = ordered[len(shown) :]
    if rest:
        lines.append(Line("", f"{'and':>11} {listed(dict(rest), most=_MOST_LISTED)}", "dim"))
    return lines


def _errors(report: Report, code: str) -> int:
    """Return how many issues of a code are errors: one code may be both, by a column's `on_invalid`."""
    return report.issues[code] - report.warnings.get(code, 0)


def _severity(report: Report, code: str) -> str:
    errors = _errors(report, code)
    if not errors:
        return Severity.WARNING.value
    return Severity.ERROR.value if errors == report.issues[code] else "mixed"


def _sending(report: Report) -> list[Line]:
    lines: list[Line] = []
    for name, route in report.routes.items():
        if not route.rows and not route.requests:
            continue
        parts = f", {counted(route.parts, 'part')}" if route.parts else ""
        # A sync knows but one route, and nobody asked for it.
        reasons = {why: rows for why, rows in route.reasons.items() if report.sync is None or why != Reason.FORCED}
        why = f": {listed(reasons, most=_MOST_LISTED)}" if reasons else ""
        size = f"{counted(route.requests, 'request')}{parts}, {size_text(route.bytes)}{_left(report, route)}"
        lines.append(Line("routes" if not lines else "", f"{name:<11} {_rows(route.rows)}, {size}{why}"))
    return lines


def _left(report: Report, route: RouteReport) -> str:
    """Say what of a route was sent, where a run stopped before all of it was."""
    if report.command in SENDS_NOTHING or route.sent_rows is None or route.sent_rows >= route.rows:
        return ""
    if not route.sent_rows:
        return "; nothing of it was sent"
    return f"; sent: {_rows(route.sent_rows)}, {counted(route.sent_requests or 0, 'request')}"


def _syncing(report: Report) -> list[Line]:
    """Say what a sync keeps back: keys that wait until they change, this run's or not, and keys that are gone."""
    parked = report.sync.parked_keys if report.sync is not None else 0
    said = f"{counted(parked, 'key')} in all, refused too often to be sent again before they change"
    return [*([Line("parked", said, "yellow")] if parked else []), *_removing(report)]


def _removing(report: Report) -> list[Line]:
    """Say what became of keys that are gone from the source of a sync, or are to begin anew."""
    found = report.removals
    if found is None or not found.candidates:
        return []
    later = "to be looked up" if report.command in SENDS_NOTHING and found.off is None else "left for a later run"
    style = "yellow" if found.held or found.failed else ""
    return [Line("removals", removals_text(found, later=later), style)]


def _cost(report: Report) -> list[Line]:
    """Say what it costs, in billable operations and beside the month's free ones."""
    operations, lines = report.operations, []
    if report.requests or operations.at_most:
        text = f"operations: {range_text(operations.at_least, operations.at_most)}"
        if operations.reads_at_most:
            text += f"; profile reads: {range_text(operations.reads_at_least, operations.reads_at_most)}"
        if report.requests:
            few = " at least" if report.outcomes[FinalState.PLANNED.value] else ""
            text += f"; requests{few}: {listed(report.requests, most=_MOST_REQUESTS)}"
        lines.append(Line("billed", text))
    said = report.allowance
    if said is not None and (said.coming_at_most or said.used_at_most):
        emulated = "the emulator bills nothing; a live store: " if report.target and report.target.emulator else ""
        style = "yellow" if said.beyond_at_most else ""
        lines.append(Line("month", emulated + allowance_text(said), style))
    return lines


def _dangers(report: Report) -> list[Line]:
    """Say what nobody can undo: merges, and stored values that are overwritten."""
    lines = []
    groups = report.merge_groups
    if groups.groups:
        fate = f"{groups.held} held, {groups.allowed} allowed"
        shape = [counted(count, name) for count, name in ((groups.chains, "chain"), (groups.hubs, "hub")) if count]
        if groups.largest:
            shape.append(f"largest {', '.join(f'{size:,}' for size in groups.largest[:_MOST_LISTED])}")
        told = f" ({', '.join(shape)})" if shape else ""
        text = f"{groups_text(groups)}: {fate}{told}"
        lines.append(Line("merges", text, "yellow" if groups.allowed else ""))
    changed = [
        f"{sum(counts.values()):,} {what} ({_named(counts)})"
        for what, counts in (
            ("cleared by empty cells", report.cleared),
            ("removed by empty cells", report.removed),
            ("set by constants", report.constant),
        )
        if sum(counts.values())
    ]
    if changed:
        which = "valid rows" if report.command == "validate" else "the rows that go"
        lines.append(Line("values", f"stored values that {which} overwrite: {'; '.join(changed)}"))
    return lines


def _changes(report: Report) -> list[Line]:
    lines = []
    if report.repairs:
        lines.append(Line("repaired", listed(report.repairs, most=_MOST_LISTED)))
    if report.verified:
        lines.append(Line("verified", listed(report.verified, most=_MOST_LISTED)))
    return lines


def _notes(report: Report, most: int) -> list[Line]:
    """Show the first notes: those that are warnings, then those of the run, then the columns that cannot be read."""
    alarms = alarms_of(report)
    left_out = filter(is_left_out_note, report.source.notes if report.source is not None else ())
    ordered = [*alarms, *(note for note in report.notes if note not in alarms), *left_out]
    if not ordered:
        return []
    more = f" (and {len(ordered) - most} more in report.json)" if len(ordered) > most else ""
    lines: list[Line] = []
    for place, note in enumerate(ordered[:most]):
        label, style = ("warning", "yellow") if place < len(alarms) else ("note", "")
        lines.append(Line("" if lines and label in {line.label for line in lines} else label, note, style))
    return [*lines[:-1], replace(lines[-1], text=lines[-1].text + more)]


def _files(report: Report) -> list[Line]:
    if report.folder is None:
        return []
    return [Line("files", f"{report.folder.rstrip('/')}/  {' '.join(report.files)}".rstrip())]


def _next(report: Report) -> list[Line]:
    steps: Iterable[str] = report.hints[:4]
    return [Line("next" if not place else "", step, "bold", whole=True) for place, step in enumerate(steps)]


def _named(counts: Mapping[str, int]) -> str:
    """Name what is counted, the first few."""
    names = [name for name, count in counts.items() if count]
    return ", ".join(names[:_MOST_LISTED]) + (f" and {len(names) - _MOST_LISTED} more" if names[_MOST_LISTED:] else "")


def _rows(count: int) -> str:
    return counted(count, "row")
