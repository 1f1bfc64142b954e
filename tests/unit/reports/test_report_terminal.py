"""What a terminal shows: the summary, errors, explanations, progress."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from importer.core.issue_catalogue import CATALOGUE
from importer.core.report import FinalState, Report
from importer.core.report_hints import next_steps
from importer.core.report_parts import ErrorReport, MergeGroups, Operations, RouteReport, Target
from importer.reports.error_text import render_error
from importer.reports.progress import LiveProgress, NoProgress, PlainProgress, ProgressSink, open_progress
from importer.reports.summary import MAX_LINES, summary_lines
from importer.reports.terminal import describe_code, list_codes, nearest_codes, render_summary


def make_console(*, terminal: bool = False, width: int = 100) -> tuple[Console, io.StringIO]:
    """Make a console that writes to memory."""
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=width, no_color=True, color_system=None), stream


def sample_report(**changes: object) -> Report:
    """Make the report of a run with something of everything."""
    report = Report.model_validate(
        {
            "run_id": "20261122-101500-ab12cd",
            "command": "import",
            "rows_read": 500,
            "outcomes": {"rejected": 28, "skipped": 4, "held": 3, "combined": 2, "accepted": 181, "processed": 282},
            "skipped": {"blank-line": 1, "where": 3},
            "issues": {code: place + 1 for place, code in enumerate(list(CATALOGUE)[:12])},
            "repairs": {"email: lower-cased": 31, "mobile: E.164": 440},
            "routes": {
                "bulk": RouteReport(rows=181, requests=1, bytes=81_234, reasons={"fewer than 200 alike": 181}),
                "import": RouteReport(rows=282, requests=3, parts=1, bytes=5_000_000, reasons={"enough alike": 282}),
                "patch": RouteReport(),
            },
            "requests": {"bulk": 1, "import-create": 1, "import-upload": 1, "import-poll": 4},
            "merge_groups": MergeGroups(groups=1, rows=3, held=1, held_rows=3),
            "operations": Operations(at_least=463, at_most=470),
            "constant": {"Account.origin": 463},
            "target": Target(store_id="mem_store_01", store_name="Customers", host="127.0.0.1:4010", emulator=True),
            "source": {"files": ["samples/customers.csv"], "kind": "csv", "encoding": "utf-8", "delimiter": ","},
            "mapping": {"name": "mappings/customers.yaml"},
            "started_at": "2026-11-22T10:15:00Z",
            "finished_at": "2026-11-22T10:15:12.5Z",
            "exit_code": 3,
            "folder": "runs/20261122-101500-ab12cd",
            "files": ["report.json", "issues.csv", "issues.parquet", "rejected.csv", "outcomes.parquet"],
            "notes": ["one", "two", "three"],
        }
        | changes
    )
    return report.model_copy(update={"hints": next_steps(report)})


def shown(report: Report, *, terminal: bool = False) -> str:
    """Return the summary as it is printed."""
    console, stream = make_console(terminal=terminal)
    render_summary(report, console)
    return stream.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_summary_fits_one_screen(terminal: bool) -> None:
    """A full report takes at most 24 lines of 100 columns on a terminal, and no more lines elsewhere."""
    text = shown(sample_report(), terminal=terminal)
    lines = text.rstrip("\n").split("\n")
    assert len(lines) <= MAX_LINES
    if terminal:
        assert max(map(len, lines)) <= 100


def test_summary_says_what_happened() -> None:
    """States, issues, routes, merges, operations, files and the next step are all there."""
    text = shown(sample_report())
    for part in (
        "import 20261122-101500-ab12cd, exit code 3, 12.5 s",
        "500 rows from samples/customers.csv (csv, utf-8, delimiter ','), mapping mappings/customers.yaml",
        '"Customers" mem_store_01 at 127.0.0.1:4010 (local emulator)',
        "rejected              28   5.6%  an error was found; not sent",
        "3 where, 1 blank-line",
        "bulk        181 rows, 1 request, 79.3 KiB: 181 fewer than 200 alike",
        "import      282 rows, 3 requests, 1 part, 4.8 MiB: 282 enough alike",
        "1 group of 3 rows would become one profile: 1 held, 0 allowed",
        "operations: at least 463, at most 470; requests: 4 import-poll",
        "440 mobile: E.164, 31 email: lower-cased",
        "stored values that the rows that go overwrite: 463 set by constants (Account.origin)",
        "two (and 1 more in report.json)",
        "runs/20261122-101500-ab12cd/  report.json issues.csv",
        "`memory-importer resume 20261122-101500-ab12cd --release all`",
    ):
        assert part in text
    assert "patch" not in text


def test_a_warning_comes_before_the_notes() -> None:
    """What has to be looked at before anything is sent is neither called a note nor left to report.json."""
    notes = ("one", "two", "sensitive data: column `ssn` -> Account.x looks like national identity numbers (named so)")
    lines = shown(sample_report(notes=notes)).split("\n")
    (warned,) = [line for line in lines if line.startswith("warning  sensitive data: column `ssn`")]
    assert lines[lines.index(warned) + 1] == "note     one (and 1 more in report.json)"


def test_accepted_is_never_called_success() -> None:
    """A 202 is not known to be applied, and nothing in the summary claims it is."""
    text = shown(sample_report()).lower()
    assert "taken (202); not known to be applied" in text
    assert "success" not in text


def test_every_state_has_a_line() -> None:
    """Whatever state rows are in, the summary shows it with its count."""
    report = sample_report(outcomes={state.value: 7 for state in FinalState}, rows_read=84, notes=[])
    text = shown(report)
    for state in FinalState:
        assert f"{state.value:<12}           7   8.3%" in text


def test_bars_only_on_a_terminal() -> None:
    """Bars are for eyes; a log gets none, and a terminal without block characters gets plain ones."""
    assert "█" in shown(sample_report(), terminal=True)
    assert "█" not in shown(sample_report())
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    report = sample_report(notes=["Größe"], hints=())
    render_summary(report, Console(file=stream, force_terminal=True, width=100, color_system=None))
    stream.seek(0)
    text = stream.read()
    assert "###" in text
    assert r"Gr\xf6\xdfe" in text


def test_shares_are_not_rounded_to_all_or_none() -> None:
    """One row in a million is not nothing, and the rest is not everything."""
    text = shown(sample_report(rows_read=1_000_000, outcomes={"accepted": 999_999, "failed": 1}))
    assert " 99.9%" in text
    assert "  0.1%" in text
    assert "100.0%" in shown(sample_report(rows_read=5, outcomes={"accepted": 5}))


def test_a_small_report() -> None:
    """A validation of a few rows says little, and copes with all that is missing."""
    report = Report(run_id="r", command="validate", started_at="soon", finished_at="later", rows_read=1)
    assert [line.text for line in summary_lines(report)] == ["validate r", "1 row"]
    changes: dict[str, object] = {
        "started_at": "2026-11-22T10:15:00",
        "finished_at": "2026-11-22T10:15:00Z",
        "source": {"files": ["a", "b"], "kind": "parquet"},
        "target": {"store_id": None},
        "operations": {"at_least": 5, "at_most": 5},
        "notes": ["only"],
        "requests": {},
        "verified": {"confirmed": 5},
        "issues": {"of-a-later-version": 1},
        "routes": {"bulk": {"rows": 1, "requests": 1, "bytes": 3 * 1024**3}},
    }
    text = shown(sample_report(**changes))
    assert " s\n" not in text.split("\n")[0]
    assert "from 2 files (parquet)" in text
    assert "operations: 5\n" in text
    assert "5 confirmed" in text
    assert "of-a-later-version" in text
    assert "3.0 GiB" in text
    assert shown(sample_report(finished_at=None, exit_code=None)).startswith("import 20261122-101500-ab12cd\n")


def test_names_cannot_take_over_the_terminal() -> None:
    """Escape sequences and markup in names are shown, not obeyed."""
    source = {"files": ["[red]x\x1b[2J\u202e.csv"], "kind": "csv"}
    text = shown(sample_report(source=source), terminal=True)
    assert "\x1b[2J" not in text
    assert r"[red]x\u001b[2J\u202e.csv" in text


def test_an_error_ends_the_summary() -> None:
    """Why a run stopped stands last, in two lines."""
    text = shown(sample_report(error=ErrorReport(message="the disk is full", hint="free some space and resume")))
    assert text.endswith("error: the disk is full\nto do: free some space and resume\n")


def test_an_error_with_several_problems() -> None:
    """All problems are listed between cause and fix; without a hint there is no second line."""
    console, stream = make_console()
    render_error("3 problems", "mend the mapping", console, problems=("line 1: a", "line 2: b"))
    render_error("alone", "", console)
    assert (
        stream.getvalue() == "error: 3 problems\n  - line 1: a\n  - line 2: b\nto do: mend the mapping\nerror: alone\n"
    )


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_is_explained(code: str) -> None:
    """Each code has name, severity, title, cause and fix, in lines that fit."""
    text = describe_code(code)
    assert text is not None
    assert text.startswith(f"{code} ({CATALOGUE[code].severity.value}): {CATALOGUE[code].title}\n\ncause: ")
    assert "\nfix:   " in text
    assert max(map(len, text.split("\n"))) <= 92
    assert code in list_codes()


def test_unknown_codes_have_neighbours() -> None:
    """A misspelt code leads to the right one."""
    assert describe_code("invalid-fone") is None
    assert nearest_codes("invalid-fone")[0] == "invalid-phone"
    assert nearest_codes("Invalid_Phone") == ("invalid-phone",)
    assert "ambiguous-phone" in nearest_codes("phone")
    assert nearest_codes("zzz") == ()


class Ticks:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time it was set to."""
        return self.now_s


def test_plain_progress_is_spoken_seldom() -> None:
    """A line at the beginning, one every few seconds, one at the end of each stage."""
    console, stream = make_console(width=20)
    ticks = Ticks()
    progress = open_progress(console, ticks)
    assert isinstance(progress, PlainProgress)
    progress.advance(1)
    progress.stage("check", None)
    for _ in range(40):
        ticks.now_s += 0.25
        progress.advance(2500)
    progress.stage("send", 4000)
    ticks.now_s += 5
    progress.advance(1000, retries=2, failed=0, in_flight=8)
    progress.advance(3000)
    progress.stage("empty", None)
    progress.finish()
    progress.finish()
    assert stream.getvalue().splitlines() == [
        "check: begins",
        "check: 50,000, 10,000/s",
        "check: 100,000, 10,000/s",
        "check: 100,000, 10,000/s, 10.0 s",
        "send: begins, 4,000 in all",
        "send: 1,000 of 4,000, 200/s, about 15 s left, 2 retries, 8 in flight",
        "send: 4,000 of 4,000, 800/s, 2 retries, 8 in flight, 5.0 s",
        "empty: begins",
        "empty: 0, 0.0 s",
    ]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(1000, "about 15 min 00 s left"), (100, "about 2 h 30 min left"), (60_000, "about 15 s left")],
)
def test_time_left_is_told_in_fitting_units(rate: int, expected: str) -> None:
    """Seconds, minutes or hours, as it comes."""
    console, stream = make_console()
    ticks = Ticks()
    progress = PlainProgress(console, ticks, every_s=1)
    progress.stage("send", 900_000 + rate)
    ticks.now_s += 1
    progress.advance(rate)
    assert expected in stream.getvalue()


def test_live_progress_on_a_terminal() -> None:
    """Stages are drawn with counts, rate and fields; finishing twice does no harm."""
    console, stream = make_console(terminal=True, width=140)
    ticks = Ticks()
    progress = open_progress(console, ticks)
    assert isinstance(progress, LiveProgress)
    progress.advance(1)
    progress.stage("[b]check", 100)
    ticks.now_s += 2
    progress.advance(50)
    ticks.now_s += 2
    progress.advance(50)
    progress.stage("send", None)
    progress.advance(0, retries=1)
    progress.finish()
    progress.finish()
    text = stream.getvalue()
    assert "[b]check" in text
    assert "100/100" in text
    assert "25/s" in text
    assert "1 retries" in text


def test_no_progress_says_nothing() -> None:
    """Progress can be switched off."""
    progress: ProgressSink = NoProgress()
    progress.stage("check", None)
    progress.advance(1, retries=1)
    progress.finish()
