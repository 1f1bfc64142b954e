"""What to do after a run, judged from its report alone."""

from __future__ import annotations

from importer.core.issues import CATALOGUE, Severity
from importer.core.report import FinalState, Report

_SENDS_NOTHING = frozenset({"validate", "plan"})


def next_steps(report: Report) -> tuple[str, ...]:
    """Return what someone should do next, the most useful first; empty when every row is fine.

    A report of a run that ended with an error has its hint there, so the steps speak of rows only.
    """
    rows = report.outcomes
    steps = [
        _mend(report),
        _refused(rows[FinalState.FAILED.value]),
        _release(report, rows[FinalState.HELD.value]),
        _resume(report, rows[FinalState.NOT_SENT.value] + report.skipped.get("limit", 0)),
        _look(rows[FinalState.UNATTRIBUTED.value] + rows[FinalState.UNKNOWN.value]),
        _send(report, rows[FinalState.PLANNED.value]),
    ]
    return tuple(step for step in steps if step is not None)


def _mend(report: Report) -> str | None:
    if not report.outcomes[FinalState.REJECTED.value]:
        return None
    code = _commonest_error(report)
    explain = f"; see `memory-importer explain {code}`" if code is not None else ""
    if report.command == "validate" or "rejected.csv" not in report.files:
        return f"mend the rows named in issues.csv{explain}"
    return f"mend rejected.csv and import it again{explain}"


def _commonest_error(report: Report) -> str | None:
    """Return the code that rejected most; a warning rejects nothing."""
    errors = [code for code in report.issues if code in CATALOGUE and CATALOGUE[code].severity is Severity.ERROR]
    return max(errors, key=lambda code: report.issues[code], default=None)


def _refused(failed: int) -> str | None:
    if not failed:
        return None
    return f"the service refused {failed} rows (outcomes.parquet); see `memory-importer explain refused-by-service`"


def _release(report: Report, held: int) -> str | None:
    if not held:
        return None
    if report.command in _SENDS_NOTHING:
        return "held rows would become one profile (groups.parquet); --allow-merges N lets them go"
    return f"held: `memory-importer resume {report.run_id} --release all` (groups.parquet)"


def _resume(report: Report, left: int) -> str | None:
    if not left or report.command in _SENDS_NOTHING or report.error is not None:
        # An error's own hint says how to go on.
        return None
    every = " --all" if report.skipped.get("limit") else ""
    return f"`memory-importer resume {report.run_id}{every}` sends the rest"


def _look(open_rows: int) -> str | None:
    if not open_rows:
        return None
    return f"what became of {open_rows} rows is not known (outcomes.parquet); importing them again is safe"


def _send(report: Report, planned: int) -> str | None:
    if not planned or report.command != "plan":
        return None
    return f"`memory-importer import --plan {report.run_id}` sends it"
