"""The summary of a plan: what happens to the rows, what it costs, what is dangerous, what to type next."""

from __future__ import annotations

from typing import Any

import pytest

from importer.core.report import Report
from importer.core.report_parts import Allowance, MergeGroups, Operations, Target
from importer.reports.summary import MAX_LINES, summary_lines

ALLOWANCE = Allowance(month="2026-11", free=100, used_at_least=90, used_at_most=95, coming_at_least=20)


def planned(**changes: Any) -> Report:
    """Return the report of a plan with something of everything."""
    values: dict[str, Any] = {
        "run_id": "20261122-101500-ab12cd",
        "command": "plan",
        "rows_read": 30,
        "outcomes": {"rejected": 4, "held": 3, "combined": 1, "skipped": 2, "planned": 20},
        "skipped": {"where": 2},
        "issues": {f"code-{n}": n for n in range(9)},
        "routes": {name: {"rows": 5, "requests": 1, "bytes": 9} for name in ("bulk", "import", "bulk+patch")},
        "requests": {"bulk": 2, "lookup": 5},
        "merge_groups": MergeGroups(groups=1, rows=3, held=1),
        "operations": Operations(at_least=20, at_most=25, reads_at_least=5, reads_at_most=10),
        "allowance": ALLOWANCE.model_copy(update={"coming_at_most": 35, "beyond_at_least": 10, "beyond_at_most": 30}),
        "cleared": {"Contact.nick": 2},
        "removed": {"Loyalty.points": 5},
        "constant": {"A.a": 20, "A.b": 20, "A.c": 20, "A.d": 20},
        "target": Target(store_id="mem_store_01", store_name="Customers", host="api"),
        "started_at": "2026-11-22T10:15:00Z",
        "notes": ("sending it would stop with exit code 6", "two", "three"),
        "hints": ("`memory-importer import --plan 20261122-101500-ab12cd` sends it",),
        "folder": "runs/20261122-101500-ab12cd",
    }
    return Report(**(values | changes))


def told(report: Report) -> list[str]:
    """Return the lines as text."""
    return [f"{line.label}: {line.text}" for line in summary_lines(report)]


def test_it_fits_one_screen_and_answers_in_order() -> None:
    """Rows, cost, what cannot be undone, the next command; the guard that would trip is the first note."""
    lines = told(planned())
    assert len(lines) <= MAX_LINES
    labels = [label for line in lines if (label := line.split(":")[0])]
    wanted = ["rows", "issues", "routes", "billed", "month", "merges", "values", "note", "files", "next"]
    assert [label for label in labels if label in wanted] == wanted
    assert any("exit code 6" in line for line in lines)


def test_the_cost_is_a_range_beside_the_month() -> None:
    """Operations, reads and requests at least; used of the month, and beyond it."""
    text = "\n".join(told(planned()))
    assert (
        "billed: operations: at least 20, at most 25; profile reads: at least 5, at most 10; requests at least:" in text
    )
    assert (
        "month: at least 90, at most 95 of 100 free operations used in 2026-11; "
        "beyond them with this: at least 10, at most 30"
    ) in text


def test_the_emulator_bills_nothing() -> None:
    """A rehearsal says that its numbers are those of a live store."""
    emulated = planned(target=Target(store_id="mem_store_01", emulator=True))
    assert any("month: the emulator bills nothing; a live store:" in line for line in told(emulated))


def test_overwritten_values_are_named_by_trait() -> None:
    """Cleared, removed and constant values in one sentence, the first traits by name."""
    text = "\n".join(told(planned()))
    assert (
        "values: stored values that the rows that go overwrite: 2 cleared by empty cells (Contact.nick); "
        "5 removed by empty cells (Loyalty.points); 80 set by constants (A.a, A.b, A.c and 1 more)"
    ) in text
    assert "that valid rows overwrite" in "\n".join(told(planned(command="validate")))
    assert "values:" not in "\n".join(told(planned(cleared={}, removed={}, constant={"A.a": 0})))


def test_a_month_in_which_nothing_is_billed_is_left_out() -> None:
    """A run that neither used nor adds anything has no line about it."""
    none = Allowance(month="2026-11", free=100)
    assert not [line for line in told(planned(allowance=none)) if line.startswith("month")]
    assert not [line for line in told(planned(allowance=None)) if line.startswith("month")]


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (MergeGroups(groups=1, rows=3, held=1), "1 group of 3 rows would become one profile: 1 held, 0 allowed"),
        (
            MergeGroups(groups=98, rows=99, single=97, held=98),
            "1 group of 2 rows would become one profile, 97 rows would each merge stored profiles: 98 held, 0 allowed",
        ),
        (MergeGroups(groups=1, rows=1, single=1, held=1), "1 row would merge stored profiles: 1 held, 0 allowed"),
        (
            MergeGroups(groups=3, rows=2003, single=1),
            "2 groups of 2,002 rows in all would become one profile each, 1 row would merge stored profiles: "
            "0 held, 0 allowed",
        ),
    ],
)
def test_rows_that_merge_and_rows_that_would_merge_stored_profiles_are_told_apart(
    groups: MergeGroups, text: str
) -> None:
    """A row alone becomes one profile anyway: what `--lookup` found is that it would make one of several."""
    assert f"merges: {text}" in told(planned(merge_groups=groups))
