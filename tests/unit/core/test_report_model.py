"""The report model: states, reconciliation, exit codes, published schema, next steps."""

from __future__ import annotations

import json
from typing import Final

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from importer.core.report import (
    NOT_FINE,
    ExitCode,
    FinalState,
    Report,
    empty_report,
    exit_code_of,
    full_outcomes,
    highest_exit_code,
    reconcile,
)
from importer.core.report_hints import next_steps
from importer.core.report_parts import ErrorReport, MergeGroups, RouteReport, SourceReport
from importer.core.report_schema import report_json_schema

STATES = [state.value for state in FinalState]
DESIGNED_KEYS = {
    "run_id",
    "rows_read",
    "outcomes",
    "issues",
    "routes",
    "requests",
    "merge_groups",
    "operations",
    "target",
    "started_at",
    "finished_at",
    "exit_code",
}


def make_report(command: str = "import", **fields: object) -> Report:
    """Make a report of which a test needs a part."""
    base: dict[str, object] = {"run_id": "run-1", "command": command, "started_at": "2026-11-22T10:00:00Z"}
    return Report.model_validate(base | fields)


def test_outcomes_hold_every_state_in_order() -> None:
    """Scripts find every state, in one order, whatever the counts given."""
    report = make_report(rows_read=3, outcomes={"unknown": 1, "rejected": 2})
    assert list(report.outcomes) == STATES
    assert list(make_report().outcomes) == STATES
    assert report.outcomes["rejected"] == 2


def test_outcomes_refuse_a_state_that_is_none() -> None:
    """A state that is not in the list cannot be counted."""
    with pytest.raises(ValueError, match="not a final state: success"):
        full_outcomes({"success": 1})
    with pytest.raises(ValidationError):
        make_report(outcomes={"success": 1})


def test_report_is_frozen_and_strict() -> None:
    """A report cannot be changed, and takes no key it does not know."""
    with pytest.raises(ValidationError):
        make_report(rows=3)
    with pytest.raises(ValidationError):
        make_report().rows_read = 3  # type: ignore[misc]  # the point of the test


def test_reconcile_names_each_difference() -> None:
    """Rows without a state and skipped rows without a reason are differences."""
    fine = make_report(rows_read=3, outcomes={"accepted": 2, "skipped": 1}, skipped={"where": 1})
    assert reconcile(fine) == ()
    wrong = make_report(rows_read=4, outcomes={"accepted": 2, "skipped": 1})
    assert reconcile(wrong) == (
        "4 rows were read, 3 have a final state",
        "1 rows are skipped, 0 have a reason",
    )


@given(st.dictionaries(st.sampled_from(STATES), st.integers(0, 5)))
def test_exit_code_follows_from_the_states(outcomes: dict[str, int]) -> None:
    """Rows not sent stop a run, rows that are not fine make a 3, all else is 0."""
    code = exit_code_of(outcomes)
    if outcomes.get("not_sent"):
        assert code is ExitCode.STOPPED
    elif any(outcomes.get(state.value) for state in NOT_FINE):
        assert code is ExitCode.ROWS
    else:
        assert code is ExitCode.OK


@pytest.mark.parametrize("state", ["accepted", "processed", "planned", "unchanged", "skipped", "combined"])
def test_fine_rows_exit_zero(state: str) -> None:
    """Each of the good states alone ends with 0."""
    assert exit_code_of({state: 1}) == 0


def test_rows_that_reading_back_contradicts_exit_three() -> None:
    """A mismatch found by reading back is not fine, though the service processed the row."""
    assert exit_code_of({"processed": 9}, not_verified=1) == 3


def test_priorities_between_exit_codes() -> None:
    """Signals, then 7, 4, 5, 6, 3; nothing at all is 0."""
    ordered = [130, 7, 4, 5, 6, 3, 0]
    for place, code in enumerate(ordered):
        assert highest_exit_code(reversed(ordered[place:])) == code
    assert highest_exit_code([143, 7]) == 143
    assert highest_exit_code([]) == 0


def test_empty_report_has_the_same_keys() -> None:
    """Before a run exists the keys are the same, all null, and the error says why."""
    empty = empty_report(ErrorReport(message="no store named", hint="give --emulator"))
    assert list(empty) == list(Report.model_fields)
    assert {key for key, value in empty.items() if value is not None} == {"error"}
    assert set(empty) >= DESIGNED_KEYS


def test_schema_takes_both_kinds_and_nothing_else() -> None:
    """The published schema describes a run's report and the one without a run."""
    validator = jsonschema_rs.validator_for(report_json_schema())
    report = make_report(routes={"bulk": RouteReport(rows=2)}, source={"files": ["a.csv"], "kind": "csv"})
    document = json.loads(report.model_dump_json())
    assert validator.is_valid(document)
    assert validator.is_valid(empty_report(ErrorReport(message="x")))
    assert not validator.is_valid(document | {"more": 1})
    assert not validator.is_valid({key: value for key, value in document.items() if key != "issues"})
    assert not validator.is_valid(document | {"outcomes": {"accepted": 1}})


def test_file_names_that_are_no_text_are_legible() -> None:
    """A file name with bytes that are no UTF-8 does not keep a report from being written."""
    source = SourceReport(files=("caf\udce9.csv",), kind="csv")
    assert json.loads(source.model_dump_json())["files"] == ["caf?.csv"]
    with pytest.raises(ValidationError):
        SourceReport.model_validate({"files": [3], "kind": "csv"})


def test_nothing_to_do_when_every_row_is_fine() -> None:
    """A clean run proposes nothing."""
    assert next_steps(make_report(rows_read=2, outcomes={"accepted": 1, "processed": 1})) == ()


def test_next_steps_of_an_import() -> None:
    """Each thing left open is met by one step, with the run's name in commands."""
    steps = next_steps(
        make_report(
            outcomes={"rejected": 1, "failed": 1, "held": 2, "not_sent": 3, "unattributed": 1, "unknown": 1},
            issues={"invalid-email": 1, "too-long": 4, "unlikely-phone": 9},
            files=("rejected.csv",),
            merge_groups=MergeGroups(groups=1, rows=2, held=1, held_rows=2),
        )
    )
    assert steps == (
        "mend rejected.csv and import it again; see `memory-importer explain too-long`",
        "the service refused 1 row (outcomes.parquet); see `memory-importer explain refused-by-service`; "
        "`memory-importer retry run-1` sends them again once the cause is mended",
        "held: `memory-importer resume run-1 --release all`, or GROUP,... or FILE",
        "`memory-importer resume run-1` sends the rest",
        "what became of 2 rows is not known: `memory-importer resume run-1 --settle lookup` reads them back, "
        "`memory-importer retry run-1` sends them again",
    )


EARLIER: Final = "2 groups held by a decision (groups.parquet)"
BY_NUMBER: Final = ": `memory-importer resume run-1 --release GROUP` lets one go"
ALONE: Final = "3 rows held for no merge: mend the source, nothing releases them (issues.csv)"


@pytest.mark.parametrize(
    ("command", "groups", "step"),
    [
        ("import", MergeGroups(groups=2, rows=3, held=2, held_rows=3, decided=2), EARLIER + BY_NUMBER),
        ("plan", MergeGroups(groups=2, rows=3, held=2, held_rows=3, decided=2), EARLIER + BY_NUMBER),
        ("validate", MergeGroups(groups=2, rows=3, held=2, held_rows=3, decided=2), EARLIER),
        ("import", MergeGroups(), ALONE),
        ("validate", MergeGroups(groups=1, rows=2, allowed=1), ALONE),
    ],
)
def test_only_what_lets_held_rows_go_is_suggested(command: str, groups: MergeGroups, step: str) -> None:
    """Groups that a decision holds go by their number alone, rows that are in no held group not at all."""
    assert next_steps(make_report(command, outcomes={"held": 3}, merge_groups=groups)) == (step,)


def test_what_is_held_for_several_reasons_is_said_apart() -> None:
    """A step for each way out; where nothing is sent, a limit given now."""
    groups = MergeGroups(groups=3, rows=6, held=3, held_rows=6, decided=2)
    for command, first in (("plan", "--allow-merges N"), ("import", "--release all")):
        steps = next_steps(make_report(command, outcomes={"held": 9}, merge_groups=groups))
        assert first in steps[0]
        assert steps[1:] == (EARLIER + BY_NUMBER, ALONE)


def test_the_code_to_explain_is_one_that_rejected_rows() -> None:
    """An issue that only cost a value, however common, is not what has to be mended."""
    report = make_report(
        outcomes={"rejected": 2}, issues={"type-mismatch": 9, "invalid-date": 2}, warnings={"type-mismatch": 9}
    )
    assert next_steps(report) == ("mend the rows named in issues.csv; see `memory-importer explain invalid-date`",)


def test_next_steps_where_nobody_knows() -> None:
    """Rows that were read back need no second look, those that were confirmed nothing, and a stopped run goes on."""
    lost = {"unattributed": 2, "unknown": 1}
    read = make_report(outcomes=lost, verified={"confirmed": 2, "mismatched": 0, "missing": 1})
    assert next_steps(read, settled=2) == (
        "read back and not as sent: 1 row (mismatches.csv): `memory-importer retry run-1` sends them again",
    )
    assert next_steps(make_report(outcomes=lost, verified={"confirmed": 3}), settled=3) == ()
    stopped = next_steps(make_report(outcomes=lost | {"failed": 1}, error=ErrorReport(message="stopped")))
    assert not any("retry" in step for step in stopped)


def test_next_steps_after_reading_back() -> None:
    """Rows that are not in the store as they were sent are named in a file, whatever delivery knew of them."""
    read = make_report(
        outcomes={"processed": 9, "unknown": 1}, verified={"confirmed": 6, "mismatched": 1, "missing": 3}
    )
    assert next_steps(read, settled=1) == (
        "missing in the store: 3 rows, different: 1 (mismatches.csv); "
        "`memory-importer retry run-1 --state missing --state mismatched` sends them again",
    )


def test_next_steps_after_nothing_was_sent() -> None:
    """A run that was refused or left at its question goes on as planned, unless the error says how already."""
    waits = {"not_sent": 3, "rejected": 1}
    declined = ErrorReport(message="not sent", hint="`memory-importer resume run-1 --yes` does not ask")
    assert next_steps(make_report(outcomes=waits, error=declined))[-1] == (
        "`memory-importer resume run-1` sends it as planned"
    )
    stopped = ErrorReport(message="stopped", hint="`memory-importer resume run-1` goes on")
    assert not any("resume" in step for step in next_steps(make_report(outcomes=waits, error=stopped)))
    assert next_steps(make_report(outcomes=waits | {"accepted": 1}))[-1].endswith("sends the rest")
    tripped = make_report(outcomes=waits, exit_code=6, error=ErrorReport(message="too many", hint="mend it"))
    assert not any("resume" in step for step in next_steps(tripped)), "it would trip again"


def test_next_steps_of_dry_runs() -> None:
    """A dry run offers sending, and never a resume."""
    outcomes = {"planned": 1, "held": 1, "failed": 0, "rejected": 1}
    groups = MergeGroups(groups=1, rows=1, held=1, held_rows=1)
    plan = next_steps(make_report("plan", outcomes=outcomes, merge_groups=groups))
    assert plan[-1] == "`memory-importer import --plan run-1` sends it"
    stops = next_steps(make_report("plan", outcomes=outcomes, notes=("sending it would stop with exit code 6: why",)))
    assert stops[-1].startswith("`memory-importer import --plan run-1` would stop, as the warning says")
    assert "--allow-merges" in plan[1]
    assert plan[0] == "mend the rows named in issues.csv"
    validate = next_steps(make_report("validate", outcomes=outcomes))
    assert len(validate) == 2
    assert not any("resume" in step for step in (*plan, *validate))


def test_next_step_of_a_canary() -> None:
    """After `--limit` the rest is one command away."""
    steps = next_steps(make_report(outcomes={"accepted": 1, "skipped": 8}, skipped={"limit": 8}))
    assert steps == ("`memory-importer resume run-1 --all` sends the rest",)


@pytest.mark.parametrize(
    ("outcomes", "found", "code"),
    [
        ({"unattributed": 3, "processed": 2}, {"settled": 3}, ExitCode.OK),
        ({"unattributed": 3, "unknown": 1}, {"settled": 3}, ExitCode.ROWS),
        ({"unattributed": 3, "rejected": 1}, {"settled": 3}, ExitCode.ROWS),
        ({"processed": 3}, {"not_verified": 1}, ExitCode.ROWS),
        ({"unknown": 1, "not_sent": 1}, {"settled": 1}, ExitCode.STOPPED),
    ],
)
def test_reading_back_settles_rows_for_the_exit_code(
    outcomes: dict[str, int], found: dict[str, int], code: ExitCode
) -> None:
    """A row of unknown fate that is confirmed is fine; a row that is not in the store as it was sent is not."""
    assert exit_code_of(outcomes, **found) is code
