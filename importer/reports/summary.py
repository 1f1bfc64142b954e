"""The summary of a run as lines of text: no more than a screen, counts only.

Everything here returns plain values; `terminal.py` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from importer.core.issues import CATALOGUE, Severity
from importer.core.report import NOT_FINE, FinalState, Report, Target
from importer.reports.plain_text import printable

MAX_LINES: Final = 24
"""Lines of a summary, head and blank lines included."""

_BAR_WIDTH: Final = 12
_LEAST_ISSUES: Final = 3
_MOST_LISTED: Final = 3
_MEANING: Final = {
    FinalState.REJECTED: "an error was found; not sent",
    FinalState.SKIPPED: "",
    FinalState.HELD: "a merge needs your decision; not sent",
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
    above = [_head(report), *_read(report), *_states(report, bar)]
    below = [*_sending(report), *_changes(report), *_notes(report), *_files(report), *_next(report)]
    room = max(_LEAST_ISSUES, MAX_LINES - len(above) - len(below))
    lines = [*above, *_issues(report, room), *below]
    return [Line(line.label, printable(line.text), line.style, line.whole) for line in lines]


def _head(report: Report) -> Line:
    took = _seconds(report)
    parts = [f"{report.command} {report.run_id}"]
    if report.exit_code is not None:
        parts.append(f"exit code {report.exit_code}")
    if took is not None:
        parts.append(f"{took:.1f} s")
    return Line("", ", ".join(parts), "bold")


def _seconds(report: Report) -> float | None:
    if report.finished_at is None:
        return None
    try:
        start, end = (datetime.fromisoformat(text) for text in (report.started_at, report.finished_at))
        return (end - start).total_seconds()
    except (ValueError, TypeError):
        return None


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


def _states(report: Report, bar: str) -> list[Line]:
    total = max(1, report.rows_read)
    lines: list[Line] = []
    for state in FinalState:
        count = report.outcomes[state.value]
        if not count:
            continue
        meaning = _listed(report.skipped, most=_MOST_LISTED) if state is FinalState.SKIPPED else _MEANING[state]
        width = max(1, round(count / total * _BAR_WIDTH)) if bar else 0
        drawn = f"{bar * width:<{_BAR_WIDTH}} " if bar else ""
        text = f"{state.value:<12} {count:>11,} {_share(count, total):>6}  {drawn}{meaning}"
        style = "red" if state in NOT_FINE else "green" if state in _GOOD else "dim"
        lines.append(Line("rows" if not lines else "", text.rstrip(), style))
    return lines


def _share(count: int, total: int) -> str:
    share = count / total * 100
    # Rounding must not make all rows of nearly all, nor none of some.
    if count < total:
        share = min(share, 99.9)
    return f"{max(share, 0.1):.1f}%"


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
        lines.append(Line("", f"{'and':>11} {_listed(dict(rest), most=_MOST_LISTED)}", "dim"))
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
        parts = f", {_count(route.parts, 'part')}" if route.parts else ""
        why = f": {_listed(route.reasons, most=_MOST_LISTED)}" if route.reasons else ""
        size = f"{_count(route.requests, 'request')}{parts}, {_size(route.bytes)}"
        lines.append(Line("routes" if not lines else "", f"{name:<11} {_rows(route.rows)}, {size}{why}"))
    groups = report.merge_groups
    if groups.groups:
        fate = f"{groups.held} held, {groups.allowed} allowed"
        text = f"{_count(groups.groups, 'group')} of {_rows(groups.rows)} would become one profile each: {fate}"
        lines.append(Line("merges", text, "yellow" if groups.held else ""))
    if report.requests or report.operations.at_most:
        low, high = report.operations.at_least, report.operations.at_most
        billed = f"{high:,}" if low == high else f"at least {low:,}, at most {high:,}"
        asked = f"; requests: {_listed(report.requests, most=_MOST_LISTED)}" if report.requests else ""
        lines.append(Line("billed", f"operations: {billed}{asked}"))
    return lines


def _changes(report: Report) -> list[Line]:
    lines = []
    if report.repairs:
        lines.append(Line("repaired", _listed(report.repairs, most=_MOST_LISTED)))
    changed = [
        f"{sum(counts.values()):,} {what} ({', '.join(list(counts)[:_MOST_LISTED])})"
        for what, counts in (
            ("missing values clear", report.cleared),
            ("missing values remove", report.removed),
            ("constants", report.constant),
        )
        if sum(counts.values())
    ]
    if changed:
        lines.append(Line("values", f"of valid rows: {'; '.join(changed)}"))
    if report.verified:
        lines.append(Line("verified", _listed(report.verified, most=_MOST_LISTED)))
    return lines


def _notes(report: Report) -> list[Line]:
    if not report.notes:
        return []
    more = f" (and {len(report.notes) - 2} more in report.json)" if len(report.notes) > 2 else ""
    shown = report.notes[:2]
    lines = [Line("note" if not place else "", text) for place, text in enumerate(shown)]
    return [*lines[:-1], Line(lines[-1].label, shown[-1] + more)]


def _files(report: Report) -> list[Line]:
    if report.folder is None:
        return []
    return [Line("files", f"{report.folder.rstrip('/')}/  {' '.join(report.files)}".rstrip())]


def _next(report: Report) -> list[Line]:
    steps: Iterable[str] = report.hints[:4]
    return [Line("next" if not place else "", step, "bold", whole=True) for place, step in enumerate(steps)]


def _listed(counts: Mapping[str, int], *, most: int) -> str:
    """Write counts as ``3 reason, 2 other``, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    text = ", ".join(f"{count:,} {name}" for name, count in ordered[:most])
    return text + (f", {len(ordered) - most} more" if len(ordered) > most else "")


def _rows(count: int) -> str:
    return _count(count, "row")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
