"""What to do after a run, judged from its report alone."""

from __future__ import annotations

from collections.abc import Iterator

from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import Severity
from importer.core.report import DRY_SYNC, SENDS_NOTHING, ExitCode, FinalState, Report
from importer.core.suggested import run_command, sync_command
from importer.core.sync_counts import SyncCounts

_SENT = (
    FinalState.ACCEPTED,
    FinalState.PROCESSED,
    FinalState.FAILED,
    FinalState.UNATTRIBUTED,
    FinalState.UNKNOWN,
)
"""States of rows that left."""

_STATE = "--state"

STOPS_NOTE = "sending it would stop with exit code "
"""How the note of a plan begins that a guard would stop."""


def next_steps(report: Report, *, settled: int = 0) -> tuple[str, ...]:
    """Return what someone should do next, the most useful first; empty when every row is fine.

    What the hint of the report's error says already is not said again.

    Args:
        report: Complete but for its hints.
        settled: Unattributed and unknown rows that reading back confirmed: nothing is left to do about them.
    """
    if report.sync is not None:
        return _of_sync(report)
    rows = report.outcomes
    unsettled = rows[FinalState.UNATTRIBUTED.value] + rows[FinalState.UNKNOWN.value] - settled
    steps = [
        _mend(report),
        _refused(report, rows[FinalState.FAILED.value]),
        *_release(report, rows[FinalState.HELD.value]),
        _resume(report, rows[FinalState.NOT_SENT.value] + report.skipped.get("limit", 0)),
        _settle(report, unsettled),
        _unlike(report, unsettled),
        _send(report, rows[FinalState.PLANNED.value]),
    ]
    return tuple(step for step in steps if step is not None)


def _of_sync(report: Report) -> tuple[str, ...]:
    """Return the same for a sync, whose next run reads the source again and sends what is open."""
    rows = report.outcomes
    code = _commonest_error(report)
    explain = f"; see `memory-importer explain {code}`" if code is not None else ""
    found = report.sync or SyncCounts(mode="")
    refresh = sync_command(report.folder or "", "--full-refresh") or "`--full-refresh`"
    again = sum(rows[state.value] for state in (FinalState.UNATTRIBUTED, FinalState.UNKNOWN, FinalState.FAILED))
    steps = (
        (rows[FinalState.REJECTED.value], f"mend the rows of rejected.csv in the source{explain}"),
        *_handed_on(report, found),
        *((1, step) for step in _release(report, rows[FinalState.HELD.value] - found.parked)),
        (
            found.parked_keys,
            f"{_keys(found.parked_keys)} parked until they change in the source; where the store was mended, {refresh}"
            " sends them",
        ),
        (
            again,
            f"the next run of the sync sends {_rows(again)} again, at their newest value (outcomes.parquet)"
            + (", but those that `refused_runs` parks" if rows[FinalState.FAILED.value] else ""),
        ),
        (
            rows[FinalState.NOT_SENT.value] if report.error is None else 0,
            "the next run of the sync goes on with this one first",
        ),
        _removing(report),
    )
    return tuple(step for count, step in steps if count)


def _handed_on(report: Report, found: SyncCounts) -> Iterator[tuple[int, str]]:
    """Count the keys whose identifiers held rows of other keys have, and say who decides about them, or did."""
    listed = sync_command(report.folder or "", verb="status") or "`sync status`"
    how = f"{listed} lists both, and how to say so (`sync decide`)"
    keys = f"{_keys(found.handed_on, 'that ')} gone, or may be"
    yield found.handed_on, f"held rows have identifiers of {keys}: the same people, or others? {how}"
    keys = f"{_keys(found.still_there, 'that ')} still in the source"
    yield found.still_there, f"held rows have identifiers of {keys}: a mistake there, or handed on? {how}"
    goes_on = sync_command(report.folder or "") or "`sync run`"
    keys = f"{found.decided:,} key{'' if found.decided == 1 else 's'}"
    settles = f"the next {goes_on} settles it, or says in removals.parquet what is in its way"
    yield found.decided, f"held rows wait for {keys} about which it is decided: {settles}"


def _removing(report: Report) -> tuple[int, str]:
    """Count the profiles that stay although they are to go, and say where to look."""
    found = report.removals
    held = sum(found.held.values()) if found is not None else 0
    stay = f"{held:,} profile{' stays that was' if held == 1 else 's stay that were'} to go"
    return held, f"{stay} (removals.parquet says which and why)"


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
    errors = {
        code: count - report.warnings.get(code, 0)
        for code, count in report.issues.items()
        if code in CATALOGUE and CATALOGUE[code].severity is Severity.ERROR
    }
    return max((code for code, count in errors.items() if count), key=errors.__getitem__, default=None)


def _refused(report: Report, failed: int) -> str | None:
    if not failed:
        return None
    said = f"the service refused {_rows(failed)} (outcomes.parquet); see `memory-importer explain refused-by-service`"
    # A run that is not over is resumed first.
    if report.error is not None:
        return said
    return f"{said}; {_command(report, 'retry')} sends them again once the cause is mended"


def _release(report: Report, held: int) -> Iterator[str]:
    """Say how held rows may go: groups nobody decided about at once, others by their number, the rest not at all."""
    groups = report.merge_groups
    # While a decision waits for the next run of a sync, nothing is let go by hand.
    settles = report.sync is not None and report.sync.decided
    if held and groups.held > groups.decided and not settles:
        yield _release_groups(report)
    if held and groups.decided:
        kept = f"{_groups(groups.decided)} held by a decision (groups.parquet)"
        by_number = f": {_command(report, 'resume', '--release', 'GROUP')} lets one go"
        yield f"{kept}{by_number if report.command not in ('validate', DRY_SYNC) else ''}"
    if held > groups.held_rows:
        yield f"{_rows(held - groups.held_rows)} held for no merge: mend the source, nothing releases them (issues.csv)"


def _release_groups(report: Report) -> str:
    if report.command == DRY_SYNC:
        return "held rows would merge profiles (groups.parquet); the run that holds them says how to let them go"
    if report.command in SENDS_NOTHING:
        how = "plan again" if report.command == "plan" else "import"
        why = "see `memory-importer explain merge-group`"
        return f"held rows would merge profiles (groups.parquet): {how} with --allow-merges N to let them go; {why}"
    let_go = f"{_command(report, 'resume', '--release', 'all')}, or GROUP,... or FILE"
    found = report.sync
    if found is not None and found.handed_on + found.still_there:
        return f"only where both keys are one person: {let_go}, merges them into one profile for ever"
    return f"held: {let_go}"


def _resume(report: Report, left: int) -> str | None:
    if not left or report.command in SENDS_NOTHING:
        return None
    every = ["--all"] if report.skipped.get("limit") else []
    command = _command(report, "resume", *every)
    if report.error is not None and (report.exit_code == ExitCode.GUARD or command in report.error.hint):
        return None  # the error says how: as it stands the guard would trip again
    untouched = not any(report.outcomes[state.value] for state in _SENT)
    return f"{command} sends {'it as planned' if untouched and not every else 'the rest'}"


def _settle(report: Report, open_rows: int) -> str | None:
    if not open_rows:
        return None
    said = f"what became of {_rows(open_rows)} is not known"
    unlike = report.verified.get("missing", 0) + report.verified.get("mismatched", 0)
    if unlike >= open_rows:
        said = f"read back and not as sent: {_rows(open_rows)} (mismatches.csv)"
    steps = []
    if report.error is None and not report.verified:
        steps.append(f"{_command(report, 'resume', '--settle', 'lookup')} reads them back")
    # What a retry leaves it would leave again.
    if report.error is None and report.command != "retry":
        steps.append(f"{_command(report, 'retry')} sends them again")
    return f"{said}: {', '.join(steps)}" if steps else f"{said} (outcomes.parquet)"


def _unlike(report: Report, unsettled: int) -> str | None:
    missing, mismatched = report.verified.get("missing", 0), report.verified.get("mismatched", 0)
    # Of rows that are not settled either somebody speaks above.
    if missing + mismatched <= unsettled:
        return None
    said = f"missing in the store: {_rows(missing)}, different: {mismatched} (mismatches.csv)"
    # A run that is not over is resumed first; what a retry leaves it would leave again.
    if report.error is not None or report.outcomes[FinalState.NOT_SENT.value] or report.command == "retry":
        return said
    states = [
        word for name, count in (("missing", missing), ("mismatched", mismatched)) if count for word in (_STATE, name)
    ]
    return f"{said}; {_command(report, 'retry', *states)} sends them again"


def _send(report: Report, planned: int) -> str | None:
    if not planned or report.command != "plan":
        return None
    command = _command(report, "import --plan")
    if any(note.startswith(STOPS_NOTE) for note in report.notes):
        return f"{command} would stop, as the warning says: mend source or mapping and plan again, or raise the limit"
    return f"{command} sends it"


def _command(report: Report, verb: str, *options: str) -> str:
    return run_command(report.folder or f"runs/{report.run_id}", verb, *options)


def _keys(count: int, that: str = "") -> str:
    return f"{count:,} key{f' {that}is' if count == 1 else f's {that}are'}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _groups(count: int) -> str:
    return f"{count:,} group{'' if count == 1 else 's'}"
