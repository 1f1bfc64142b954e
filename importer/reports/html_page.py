"""`report.html`: one page about a run for people, which needs no network and nothing beside it.

Every text is escaped by the template engine; the only markup that is trusted is the page's own. What the page may do
is said in its Content-Security-Policy: use the one script and the one style sheet in it, known by their hashes, and
nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from importer.core.cost import allowance_text
from importer.core.report import Report
from importer.core.report_parts import RouteReport
from importer.core.suggested import run_command
from importer.files import write_whole
from importer.reports.html_bar import outcome_segments
from importer.reports.html_groups import GroupOverview
from importer.reports.html_issues import IssueOverview
from importer.reports.html_text import duration, listing, listing_as_is, moment, pieces, shown
from importer.reports.html_words import caveats, headline, is_clean, title, verdict
from importer.reports.template_cache import template_cache
from importer.reports.wording import alarms_of, counted, groups_text, run_seconds, share_text, size_text

PAGE_NAME: Final = "report.html"

_MOST_LINES: Final = 40
"""Lines of a table whose length comes from the source or the mapping."""
_MOST_NOTES: Final = 20
_MOST_REASONS: Final = 8
_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
_ABOUT_FILES: Final = {
    "report.html": "this page",
    "report.json": "counts of everything, for programs; no cell values",
    "issues.csv": "issues for people, at most 1,000 of each code",
    "issues.parquet": "every issue",
    "rejected.csv": "rejected rows as they stood in the source, to be mended and imported again; holds cell values",
    "rejected-malformed.txt": "rows that could not be read as rows, byte for byte; holds cell values",
    "outcomes.parquet": "where every single row ended",
    "groups.parquet": "every row of every group that would become one profile",
    "removals.parquet": "keys that are gone from the source or were to begin anew, and what became of their profiles",
    "handed_on.parquet": "keys whose identifiers rows of other keys have that are held for it",
    "mismatches.csv": "profiles that were read back and are not as they were sent; values are masked",
}


@dataclass(frozen=True, slots=True)
class ValueChange:
    """Values that a run changes beyond what stands in cells."""

    trait: str
    what: str
    count: int


Overviews = tuple[IssueOverview, GroupOverview]
"""What a page shows of the issue and group files."""


def write_page(folder: Path, report: Report, overviews: Overviews) -> tuple[str, ...]:
    """Write `report.html` and return its name.

    Args:
        folder: The run's folder.
        report: The finished report.
        overviews: Of the issues and the groups.
    """
    text = page_text(report, *overviews)
    write_whole(folder / PAGE_NAME, text.encode())
    return (PAGE_NAME,)


def page_text(report: Report, issues: IssueOverview, groups: GroupOverview) -> str:
    """Return the page.

    Args:
        report: What was counted.
        issues: What is shown of the issues.
        groups: What is shown of the groups.
    """
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            csp=_policy(style, script),
            style=style,
            script=script,
            version=metadata.version("memory-importer"),
            report=report,
            issues=issues,
            groups=groups,
            sections=_sections(report, issues, groups),
            **_views(report),
        )
    )


def _views(report: Report) -> dict[str, Any]:
    seconds = run_seconds(report)
    changes = _changes(report)
    folder = report.folder or f"runs/{report.run_id}"
    alarms = alarms_of(report)
    notes = [note for note in report.notes if note not in alarms]
    notes += report.source.notes if report.source is not None else ()
    return {
        "meta": _meta(report),
        "title": title(report),
        "headlines": headline(report),
        "verdict": verdict(report),
        "caveats": caveats(report),
        "is_clean": is_clean(report),
        "command": lambda verb, *options: run_command(folder, verb, *options).strip("`"),
        "alarms": [f"{alarm}." for alarm in alarms],
        "segments": outcome_segments(report),
        "steps": [pieces(hint) for hint in report.hints],
        "took": duration(seconds) if seconds is not None else None,
        "source_names": [shown(name) for name in report.source.files[:_MOST_LINES]]
        if report.source is not None
        else [],
        "several_files": report.source is not None and len(report.source.files) > 1,
        "notes": notes[:_MOST_NOTES],
        "notes_left_out": max(0, len(notes) - _MOST_NOTES),
        "routes": _routes(report),
        "requests": listing(report.requests, _MOST_LINES),
        "allowance": allowance_text(report.allowance) if report.allowance is not None else "",
        "changes": changes[:_MOST_LINES],
        "changes_left_out": max(0, len(changes) - _MOST_LINES),
        "repairs": listing(report.repairs, _MOST_LINES),
        "verified": listing(report.verified, _MOST_LINES),
        "files": [(name, _ABOUT_FILES.get(name, "")) for name in report.files],
    }


def _meta(report: Report) -> list[str]:
    """Return what was read, where it goes and when, for the line under the headline."""
    source, target = report.source, report.target
    files = "" if source is None else shown(source.files[0]) if len(source.files) == 1 else f"{len(source.files)} files"
    store = ""
    if target is not None and (target.store_name or target.store_id):
        name = shown(target.store_name or target.store_id or "")
        store = f"local emulator, store {name}" if target.emulator else f"store {name}"
    return [text for text in (files, store, moment(report.finished_at or report.started_at)) if text]


def _changes(report: Report) -> list[ValueChange]:
    found = [
        ValueChange(trait, what, count)
        for what, counts in (
            ("empty cell: the stored text is cleared", report.cleared),
            ("empty cell: the trait is removed", report.removed),
            ("set to the mapping's constant", report.constant),
        )
        for trait, count in counts.items()
        if count
    ]
    return sorted(found, key=lambda change: (-change.count, change.trait, change.what))


def _sections(report: Report, issues: IssueOverview, groups: GroupOverview) -> list[tuple[str, str]]:
    """Name the sections that this page has, for the links at its top."""
    present = (
        ("outcomes", "Rows", True),
        ("next", "Next steps", bool(report.hints)),
        ("issues", "Issues", bool(issues.codes) or is_clean(report)),
        ("merges", "Merge groups", bool(groups.groups or report.merge_groups.groups)),
        ("removals", "Removals", bool(report.removals and report.removals.candidates)),
        ("cost", "Requests and cost", _costs(report)),
        ("values", "Empty cells, constants, repairs", bool(_changes(report) or any(report.repairs.values()))),
        ("run", "The run", True),
    )
    return [(name, text) for name, text, is_there in present if is_there]


def _costs(report: Report) -> bool:
    return bool(_routes(report) or report.operations.at_most or any(report.requests.values()))


def _routes(report: Report) -> dict[str, RouteReport]:
    return {name: route for name, route in report.routes.items() if route.rows or route.requests}


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@lru_cache
def _asset(name: str) -> str:
    return resources.files("importer.reports").joinpath("html", name).read_text(encoding="utf-8")


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_asset),
        bytecode_cache=template_cache(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {
        "shown": shown,
        "counted": counted,
        "groups_text": groups_text,
        "share": share_text,
        "size": size_text,
        "moment": moment,
        "pieces": pieces,
        "delimiter": lambda text: _DELIMITERS.get(text, shown(repr(text))),
        "listed": lambda counts: listing(counts, _MOST_LINES),
        "listed_as_is": listing_as_is,
        "reasons": lambda counts: listing(counts, _MOST_REASONS),
    }
    environment.filters.update(filters)
    return environment
