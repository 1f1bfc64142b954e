"""What the page says: never more than the run knows, and every row in the headline."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.core.report import ExitCode, FinalState, Report
from importer.core.report_parts import SourceReport
from importer.reports.html_bar import outcome_segments, segment_widths
from importer.reports.html_text import duration, listing, moment, pieces, shown
from importer.reports.html_words import caveats, headline, title, verdict
from tests.support.pages import report_of


def said(outcomes: dict[str, int], **fields: Any) -> str:
    """Return the headline with plain spaces."""
    return " ".join(headline(report_of(outcomes, **fields))).replace("\N{NO-BREAK SPACE}", " ").strip()


@pytest.mark.parametrize(
    ("outcomes", "fields", "words"),
    [
        (
            {"planned": 9_620, "rejected": 310, "held": 70},
            {"command": "validate"},
            "10,000 rows read: 9,620 would be sent, 310 rejected, 70 held back.",
        ),
        ({"planned": 20}, {"command": "plan", "exit_code": 0}, "All 20 rows would be sent."),
        ({"processed": 20}, {"command": "import", "exit_code": 0}, "All 20 rows were processed."),
        ({"unchanged": 20}, {"command": "resume", "exit_code": 0}, "All 20 rows are unchanged."),
        ({"accepted": 1}, {"command": "import", "exit_code": 0}, "1 row read: 1 accepted."),
        ({}, {"exit_code": 0}, "0 rows read."),
        (
            {"accepted": 4, "not_sent": 6},
            {"command": "import", "exit_code": 130},
            "Interrupted before the end. 10 rows read: 4 accepted, 6 not sent yet.",
        ),
        (
            {"not_sent": 6, "rejected": 4},
            {"command": "import", "exit_code": 6},
            "Nothing was sent. 10 rows read: 4 rejected, 6 not sent yet.",
        ),
        (
            {"not_sent": 6, "accepted": 4},
            {"command": "resume", "exit_code": 2},
            "Stopped. 10 rows read: 4 accepted, 6 not sent yet.",
        ),
        (
            {"not_sent": 1, "failed": 1},
            {"command": "import", "exit_code": 4},
            "The service refused the run. 2 rows read: 1 refused by the service, 1 not sent yet.",
        ),
        (
            {"processed": 9, "accepted": 8, "planned": 7, "held": 1, "failed": 6, "skipped": 5, "combined": 2},
            {"command": "import"},
            "38 rows read: 9 processed, 8 accepted, 7 would be sent, 6 refused by the service, 5 skipped. "
            "And 1 held back, 2 combined.",
        ),
        ({}, {"exit_code": None, "finished_at": None, "rows_read": 7}, "Not finished. 7 rows read."),
    ],
)
def test_the_headline_says_what_became_of_the_rows(
    outcomes: dict[str, int], fields: dict[str, Any], words: str
) -> None:
    """One sentence, worded by command, state and exit code."""
    assert said(outcomes, **fields) == words


COUNTS = st.dictionaries(st.sampled_from([state.value for state in FinalState]), st.integers(1, 10**9), min_size=2)


@given(COUNTS, st.sampled_from(list(ExitCode)))
def test_the_numbers_of_the_headline_sum_to_the_rows_read(outcomes: dict[str, int], code: ExitCode) -> None:
    """No state that has rows is left out, whatever the exit code."""
    numbers = [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", said(outcomes, exit_code=int(code)))]
    assert numbers[0] == sum(numbers[1:]) == sum(outcomes.values())


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=12))
def test_the_segments_of_the_bar_fill_it(counts: list[int]) -> None:
    """Widths sum to 100 percent, none is too thin to be seen, and more rows are never drawn thinner."""
    widths = segment_widths(counts)
    assert sum(widths) == pytest.approx(100)
    assert min(widths) >= 0.7
    by_count = [width for _, width in sorted(zip(counts, widths, strict=True))]
    assert all(thin <= wide + 1e-9 for thin, wide in pairwise(by_count))


def test_the_bar_has_a_segment_for_each_state_that_has_rows() -> None:
    """In words as in width: label, meaning, count and share, with the reasons why rows are skipped."""
    report = report_of({"skipped": 3, "rejected": 1, "processed": 96}, skipped={"where": 2, "blank-line": 1})
    segments = outcome_segments(report)
    assert [(s.label, s.count, s.share) for s in segments] == [
        ("Processed", 96, "96.0%"),
        ("Skipped", 3, "3.0%"),
        ("Rejected", 1, "1.0%"),
    ]
    assert segments[1].meaning == "2 dropped by the mapping's `where`, 1 blank"


def test_accepted_is_not_called_applied_and_a_dry_run_is_called_one() -> None:
    """The sentences under the headline say what is not known."""
    assert any("Whether it applied them is not known" in text for text in caveats(report_of({"accepted": 2})))
    dry = caveats(report_of({"planned": 2}, command="validate"))
    assert any("nothing was sent" in text for text in dry)
    assert any("this is a plan" in text for text in caveats(report_of({"planned": 2}, command="plan")))
    assert caveats(report_of({"rejected": 2}, command="import")) == ()


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_has_a_verdict(code: ExitCode) -> None:
    """Only 0 is fine."""
    judged = verdict(report_of({"accepted": 1}, exit_code=int(code)))
    assert judged.exit_code == code
    assert judged.text
    assert (judged.tone == "fine") is (code == ExitCode.OK)


def test_a_run_that_goes_on_has_no_verdict_yet() -> None:
    """Its tone is neither good nor bad."""
    judged = verdict(report_of({}, exit_code=None, finished_at=None))
    assert (judged.tone, judged.exit_code) == ("open", None)


def test_the_title_names_the_file_and_what_needs_a_look() -> None:
    """A tab and an attachment are told apart by it; a folder's name is not in it."""
    source = SourceReport(files=("in/new/customers.csv",), kind="csv")
    report: Report = report_of({"processed": 90, "rejected": 8, "held": 2}, source=source, command="import")
    assert title(report) == "customers.csv: 10 of 100 rows need a look (import report)"
    assert title(report_of({"processed": 1}, source=None)) == "several files: 1 row (validate report)"


def test_commands_are_told_from_other_code() -> None:
    """What stands between backticks is code; only the program's own commands are offered for copying."""
    found = pieces("held: `memory-importer resume X --release all` (`groups.parquet`)")
    assert [(piece.text, piece.is_code, piece.is_command) for piece in found] == [
        ("Held: ", False, False),
        ("memory-importer resume X --release all", True, True),
        (" (", False, False),
        ("groups.parquet", True, False),
        (")", False, False),
    ]


def test_text_from_outside_is_written_out_and_cut() -> None:
    """Direction overrides, line separators and escapes become visible; the true length is said."""
    assert shown("a\u202eb\u2028\x1b[0m") == "a\\u202eb\\u2028\\u001b[0m"
    assert shown("x" * 500, 10) == "xxxxxxxxxx… (500 characters)"


def test_times_and_durations_are_written_for_people() -> None:
    """A time that is none stays as it is."""
    assert moment("2026-11-02T07:05:09.858Z") == "2 November 2026, 07:05:09 UTC"
    assert moment("soon") == "soon"
    assert [duration(seconds) for seconds in (0.52, 75, 7_380)] == ["0.5 s", "1 min 15 s", "2 h 3 min"]


def test_a_long_list_is_cut_and_says_so() -> None:
    """The largest counts stay, zeros go."""
    found = listing({"a": 1, "b": 5, "c": 0, "d": 3, "e": 1}, 2)
    assert found.entries == (("b", 5), ("d", 3))
    assert (found.left_out, found.left_out_count) == (2, 2)
