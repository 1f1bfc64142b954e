"""What `status` shows of a run that has not ended, and the list of runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from importer.core.lifecycle import BatchState
from importer.core.live import LastError, Live
from importer.core.report import FinalState, Report
from importer.reports.live_lines import live_line, live_lines, standing
from importer.reports.progress import LiveProgress
from importer.reports.run_list import RunLine, render_runs
from importer.reports.spans import age_text, span_text
from importer.reports.summary import MAX_LINES, summary_lines
from importer.reports.terminal import render_summary, summary_text

NOW = "2026-11-22T10:15:30.000Z"
SENDING = Live(
    at=NOW,
    running=True,
    pid=4711,
    stage="send",
    stage_done=3000,
    stage_total=9000,
    rows_to_send=10_000,
    rows_left=6000,
    batches={"pending": 4, "sent": 2, "applying": 1, "processed": 3},
    attempts=12,
    failures=3,
    throttled=2,
    rows_per_s=250.4,
    left_s=74.0,
    wait_s=50.0,
    in_flight=2,
    last_error=LastError(
        at="2026-11-22T10:15:10.000Z",
        request="bulk",
        kind="retryable",
        http_status=429,
        service_code=20429,
        request_id="RQ1",
    ),
)


def report_of(live: Live) -> Report:
    """Make the report of a run that goes on, with every state in it."""
    return Report(
        run_id="20261122-101500-000-ab12cd",
        command="import",
        rows_read=12_000,
        outcomes={state.value: 1000 for state in FinalState},
        issues={f"code-{number}": 1 for number in range(12)},
        routes={"bulk": {"rows": 10_000, "requests": 10}},
        started_at="2026-11-22T10:15:00Z",
        notes=("one", "two", "three"),
        hints=("`memory-importer status x --watch` follows it to its end",),
        folder="runs/x",
        live=live,
    )


def test_a_sender_is_told_of_in_full() -> None:
    """How far it is, how fast, how long still; what it waits for; its batches; what went wrong last."""
    assert standing(SENDING) == "running (process 4711)"
    assert dict(live_lines(SENDING)) == {
        "now": "sends, 4,000 of 10,000 rows taken, 250/s, about 1 min 14 s left, 2 in flight",
        "waiting": "all requests wait 50 s more: the service asked for it, or does not answer",
        "batches": "4 waiting, 2 on their way, 1 being applied, 3 processed",
        "attempts": "12, 3 failed and went again, 2 answered 429; last error 20 s ago: bulk retryable, HTTP 429, "
        "code 20429, request RQ1",
    }
    assert live_line(SENDING) == (
        "running (process 4711); sends, 4,000 of 10,000 rows taken, 250/s, about 1 min 14 s left, 2 in flight; "
        "all requests wait 50 s more; 3 failed so far"
    )


@pytest.mark.parametrize(
    ("live", "now"),
    [
        (Live(at=NOW, running=True, stage="question"), "waits for an answer on its terminal"),
        (Live(at=NOW, running=True, stage="report", rows_to_send=5), "writes the outcomes"),
        (
            Live(at=NOW, running=True, stage="read and check", stage_done=2000),
            "reads and checks the source, 2,000 rows",
        ),
        (
            Live(at=NOW, running=True, stage="of a later version", stage_done=2, stage_total=9),
            "of a later version, 2 of 9 rows",
        ),
        (
            Live(at=NOW, running=True, stage="send", rows_to_send=5, batches={"applying": 2, "importing": 1}),
            "all 5 rows are taken; waits until 3 batches are applied",
        ),
    ],
)
def test_what_a_process_does(live: Live, now: str) -> None:
    """Each stage has its words; one of a later version speaks for itself."""
    assert dict(live_lines(live))["now"] == now


def test_nobody_works_on_it() -> None:
    """Then there is nothing it does now, and how far it came is told."""
    live = SENDING.model_copy(update={"running": False, "stage": None, "wait_s": None, "attempts": 0})
    assert [label for label, _ in live_lines(live)] == ["taken", "batches"]
    assert live_line(live) == "no process works on it; 4,000 of 10,000 rows taken; 3 failed so far"


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_one_screen(width: int) -> None:
    """What is redrawn every second may not scroll: 24 lines of the terminal's width, whatever there is to say."""
    report = report_of(SENDING.model_copy(update={"batches": {state.value: 1000 for state in BatchState}}))
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, color_system=None)
    render_summary(report, console)
    printed = stream.getvalue().splitlines()
    assert len(printed) <= MAX_LINES
    assert max(len(line) for line in printed[:-1]) <= width
    stream.seek(0)
    stream.truncate()
    console.print(summary_text(report, console))
    assert len(stream.getvalue().splitlines()) <= MAX_LINES + 1  # a hint is never cut, so it may take two


def test_words_of_a_run_that_goes_on() -> None:
    """Nothing has stopped before the rows that wait, and an answer may still come."""
    going = {line.text.split()[0]: line.text for line in summary_lines(report_of(SENDING))}
    assert going["planned"].endswith("not sent yet")
    assert going["unknown"].endswith("sent; no answer so far")
    stopped = report_of(SENDING.model_copy(update={"running": False}))
    words = {line.text.split()[0]: line.text for line in summary_lines(stopped)}
    assert words["unknown"].endswith("sent; no answer")


RUNS = [
    RunLine("20261122-101500-000-ab12cd", "sending", running=True, command="import", store_name="Customers",
            store_id="s", rows_read=1_234_567, created_at="2026-11-22T10:15:00Z", source=("a", "b")),
    RunLine("20261121-101500-000-ab12cd", "sending", running=False, command="import", store_name="emulator",
            store_id="s", rows_read=10, rows_not_fine=3, created_at="2026-11-21T10:15:00Z", source=("\x1b[2J.csv",)),
    RunLine("20260101-101500-000-ab12cd", "damaged", running=False),
]  # fmt: skip


def listed(*, terminal: bool, width: int = 200) -> list[str]:
    """Return the list as it is printed."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=width, color_system=None)
    render_runs(RUNS, console, datetime(2026, 11, 22, 10, 16, tzinfo=UTC))
    return stream.getvalue().splitlines()


def test_the_list_has_a_line_for_each_run() -> None:
    """Columns stand under each other; what is not known is a dash; names cannot take over the terminal."""
    lines = listed(terminal=False)
    assert lines == [
        "run                         command  stage             store           rows  not fine    age  source",
        "20261122-101500-000-ab12cd  import   running: sending  Customers  1,234,567         -  1 min  a and 1 more",
        "20261121-101500-000-ab12cd  import   stopped: sending  emulator          10         3    1 d  \\u001b[2J.csv",
        "20260101-101500-000-ab12cd           damaged                              0         -      -",
    ]


def test_the_list_is_cut_on_a_terminal_alone() -> None:
    """A log keeps whole lines."""
    assert all(len(line) <= 90 for line in listed(terminal=True, width=90))
    assert listed(terminal=False, width=20) == listed(terminal=False, width=200)


@pytest.mark.parametrize(
    ("seconds", "span", "age"),
    [
        (-3, "0 s", "0 s"),
        (59.4, "59 s", "59 s"),
        (61, "1 min 01 s", "1 min"),
        (3600, "1 h 00 min", "1 h"),
        (86_399, "23 h 59 min", "23 h"),
        (90_000, "1 d 1 h", "1 d"),
    ],
)
def test_spans_and_ages(seconds: float, span: str, age: str) -> None:
    """Two units of a stretch of time, one of an age."""
    assert (span_text(seconds), age_text(seconds)) == (span, age)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_live_progress_keeps_its_numbers_on_a_narrow_terminal(width: int) -> None:
    """Counts stand on the stage's own line, whatever else there is to say; that has a line to itself."""
    stream = io.StringIO()
    progress = LiveProgress(Console(file=stream, force_terminal=True, width=width, color_system=None), lambda: 0.0)
    progress.stage("read and check", 299_940)
    progress.advance(100_000, retries=12, throttled=14, in_flight=8, applying=61, wait_s=55)
    progress.finish()
    assert "100,000/299,940" in stream.getvalue()
    assert "12 retries, 14 throttled, 8 in flight, 61 applying" in stream.getvalue()
