"""Every row of a source ends in exactly one state, whatever is wrong with it and whichever command looked at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.report import Report
from importer.reports.report_file import read_report
from importer.wiring.requests import Hooks
from importer.wiring.runs import plan, validate
from tests.support.runs import Workbench, outcomes_of, workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"], "where": "country <> 'XX'", "delimiter": ",", "encoding": "utf-8"},
    "columns": {
        "email": "Contact.email",
        "note": "Account.note",
        "points": {"to": "Account.points", "type": "number"},
        "active": {"to": "Account.active", "type": "boolean", "on_invalid": "drop"},
    },
    "routing": {"import_min_rows": 3, "part_rows": 4},
}
HEADER: Final = "id,email,note,points,active,country"


@dataclass(frozen=True)
class Line:
    """One row as it stands in the file, and what must become of it if nothing but itself decides."""

    text: str
    state: str | None = None
    code: str | None = None
    key: str | None = None
    email: str | None = None
    note: str | None = None
    points: int | None = None


@dataclass(frozen=True)
class End:
    """What must become of a row."""

    row_number: int
    line: int
    state: str
    code: str | None
    key: str | None
    carried_by: int | None


def valid_line(number: int, key: str, email: str, points: int | None, note: str) -> Line:
    """Return a row without a fault; an empty note is missing."""
    cell = '"' + note + '"' if "\n" in note else note
    text = f"{key},{email},{cell},{'' if points is None else points},{number % 2 == 0},DE"
    return Line(text, key=key, email=email, points=points, note=note or None)


FAULTS: Final = (
    ("", "skipped", "blank-line"),
    ("{key},{email},too,few", "rejected", "malformed-row"),
    ("{key},{email},n,1,true,DE,too,many", "rejected", "malformed-row"),
    ('{key},{email},"1 ""quote"" and a\nbreak",12x,true,DE', "rejected", "type-mismatch"),
    ("{key},nobody,note,1,true,DE", "rejected", "invalid-email"),
    ("{key},,note,1,true,DE", "rejected", "missing-identifier"),
    ("{key},{email},,,,DE", "rejected", "too-few-values"),
    ("{key},{email},note,1,true,XX", "skipped", "where"),
)
"""How a row with one fault is written, and what must become of it."""


@st.composite
def draw_line(draw: st.DrawFn, number: int) -> Line:
    """Draw a row: good, good but not alone, or with one fault."""
    key, email = f"K{number}", f"e{number}@example.com"
    kind = draw(st.sampled_from(["fault", "same key", "same key", "same email", "dropped value", "good", "good"]))
    if kind == "fault":
        text, state, code = draw(st.sampled_from(FAULTS))
        readable = code not in ("blank-line", "malformed-row")
        return Line(text.format(key=key, email=email), state, code, key if readable else None)
    if kind == "dropped value":
        return Line(f"{key},{email},note,1,perhaps,DE", key=key, email=email, points=1, note="note")
    if kind == "same key":
        key = f"K{draw(st.integers(0, 8))}"
    if kind == "same email":
        email = f"e{draw(st.integers(0, 8))}@example.com"
    points = draw(st.none() | st.integers(0, 9))
    # Two values are needed, so that a row without points has a note.
    note = draw(st.sampled_from(["plain", "two\nlines", "ñ"] + ([""] if points is not None else [])))
    return valid_line(number, key, email, points, note)


@st.composite
def draw_source(draw: st.DrawFn) -> tuple[Line, ...]:
    """Draw the rows of a source; one with blank lines only is refused as empty."""
    count = draw(st.integers(1, 40))
    first = valid_line(0, "K0", "e0@example.com", 0, "first")
    return (first, *(draw(draw_line(number)) for number in range(1, count)))


# --- what must become of the rows ------------------------------------------------------------------------------------


def linked(lines: Sequence[Line]) -> Iterator[list[int]]:
    """Yield the rows that a key or an e-mail address links, by a search that looks at every pair."""
    left = [place for place, line in enumerate(lines) if line.state is None]
    while left:
        group = [left.pop(0)]
        for place in group:
            more = [p for p in left if lines[p].key == lines[place].key or lines[p].email == lines[place].email]
            left = [p for p in left if p not in more]
            group += more
        yield sorted(group)


def ends_of(lines: Sequence[Line], sent: str) -> list[End]:
    """Return what must become of each row, rows that go out being in state `sent`."""
    states: dict[int, tuple[str, str | None, int | None]] = {}
    for group in linked(lines):
        single = len({lines[place].key for place in group}) == 1
        conflict = single and len({lines[place].email for place in group}) > 1
        for place in group:
            if not single:
                states[place] = "held", "merge-group", None
            elif place == group[-1]:
                states[place] = sent, None, None
            else:
                states[place] = "combined", "duplicate-key" if conflict else None, group[-1] + 1
    ends, at = [], 2
    for place, line in enumerate(lines):
        state, code, carried_by = states.get(place, (line.state or "", line.code, None))
        ends.append(End(place + 1, at, state, code, line.key, carried_by))
        at += 1 + line.text.count("\n")
    return ends


def profiles_of(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return e-mail address, note and points of the profiles that must be there."""
    profiles = []
    for group in linked(lines):
        if len({lines[place].key for place in group}) > 1:
            continue
        last: dict[str, str | int | None] = {"email": None, "note": None, "points": None}
        for line in (lines[place] for place in group):
            said = {"email": line.email, "note": line.note, "points": line.points}
            last |= {name: value for name, value in said.items() if value is not None}
        profiles.append(last)
    return sorted(profiles, key=str)


def stored_profiles(bench: Workbench) -> list[dict[str, Any]]:
    """Return the same of the profiles that are there."""
    shown = []
    for profile in bench.stored():
        account = profile["traits"].get("Account", {})
        email = profile["traits"]["Contact"]["email"]
        shown.append({"email": email, "note": account.get("note"), "points": account.get("points")})
    return sorted(shown, key=str)


def check(report: Report, ends: Sequence[End]) -> None:
    """Compare the outcomes of a run with what must have become of its rows, and the report with both."""
    frame = outcomes_of(report)
    found = [
        End(**row) for row in frame.select("row_number", "line", "state", "code", "carried_by", key="id").to_dicts()
    ]
    assert [clean(end) for end in found] == list(ends)
    counts = {state: count for state, count in report.outcomes.items() if count}
    assert counts == Counter(end.state for end in ends)
    assert sum(report.outcomes.values()) == report.rows_read == len(ends)
    assert report.skipped == Counter(end.code for end in ends if end.state == "skipped")
    assert read_report(Path(report.folder or "")) == report
    fine = {end.state for end in ends} <= {"skipped", "combined", "planned", "processed"}
    assert report.exit_code == (0 if fine else 3)


def clean(end: End) -> End:
    """A row whose key could not be read has none."""
    return End(end.row_number, end.line, end.state, end.code, end.key or None, end.carried_by)


@settings(max_examples=15, deadline=None)
@given(draw_source())
def test_every_row_ends_once(lines: tuple[Line, ...]) -> None:
    """validate, plan and import account for each row once, alike, and deliver just the rows they say."""
    with TemporaryDirectory() as name, workbench(Path(name), MAPPING) as bench:
        source = bench.folder / "source.csv"
        text = "".join(line + "\n" for line in (HEADER, *(line.text for line in lines)))
        source.write_text(text, encoding="utf-8", newline="")
        planned = ends_of(lines, "planned")
        check(validate(bench.request(source), Hooks()), planned)
        check(plan(bench.request(source), Hooks()), planned)
        assert bench.writes() == []
        report = bench.deliver(source)
        check(report, ends_of(lines, "processed"))
        assert stored_profiles(bench) == profiles_of(lines)
        sent = outcomes_of(report).filter(pl.col("state") == "processed")
        assert sent["batch_id"].null_count() == 0
        assert sum(route.rows for route in report.routes.values()) == sent.height
