"""The report of a run: counts only, never a cell value, and the rules that turn counts into an exit code.

The law of this module: every row read is in exactly one final state, and the counts must add up (`reconcile`).
`report.json` and what `--json` prints are this model; `report_schema.py` publishes its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from importer.core.live import Live
from importer.core.report_parts import (
    Allowance,
    Count,
    Counts,
    DeliveryTimes,
    ErrorReport,
    FileName,
    MappingReport,
    MergeGroups,
    Operations,
    Part,
    RouteReport,
    SourceReport,
    Target,
)
from importer.core.stored_lookup import StoredLookup
from importer.core.sync_counts import Removals, SyncCounts


class FinalState(StrEnum):
    """Where a row ends; each row is in exactly one."""

    REJECTED = "rejected"
    """An error was found here; never sent."""
    SKIPPED = "skipped"
    """A blank line, dropped by `where`, or outside `--limit`."""
    HELD = "held"
    """Valid, but its merge group or shared identifier needs a decision."""
    UNCHANGED = "unchanged"
    """The same payload as last delivered."""
    COMBINED = "combined"
    """Another row of the same identity carries its values."""
    PLANNED = "planned"
    """Would be sent."""
    NOT_SENT = "not_sent"
    """The run stopped before it."""
    ACCEPTED = "accepted"
    """Taken by the service (202); not known to be applied."""
    PROCESSED = "processed"
    """The service finished it without an error or a warning."""
    FAILED = "failed"
    """The service refused this row."""
    UNATTRIBUTED = "unattributed"
    """Its part or operation had errors, and no row could be named."""
    UNKNOWN = "unknown"
    """Sent, no answer, not settled."""


class Skipped(StrEnum):
    """Why a row was skipped."""

    BLANK_LINE = "blank-line"
    WHERE = "where"
    LIMIT = "limit"


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    OK = 0
    """Every row is fine."""
    BUG = 1
    """A fault of this program."""
    REFUSED = 2
    """Usage, mapping or source refused before anything was sent."""
    ROWS = 3
    """Finished; some rows rejected, held, failed, unattributed, unknown or mismatched."""
    SERVICE = 4
    """Refused by the service."""
    STOPPED = 5
    """Stopped early; resumable."""
    GUARD = 6
    """A guard of the run tripped."""
    STATE = 7
    """State locked or damaged."""
    INTERRUPTED = 130
    """SIGINT; resumable."""
    TERMINATED = 143
    """SIGTERM; resumable."""


DRY_SYNC: Final = "sync --dry-run"
"""Command of a sync that only says what it would do."""

SENDS_NOTHING: Final = frozenset({"validate", "plan", DRY_SYNC})
"""Commands whose report is about rows that are still to be sent, if at all."""

# A fault of ours makes every other verdict doubtful; a refusal before sending outweighs what was found in rows.
_PRIORITY: Final = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.BUG,
    ExitCode.STATE,
    ExitCode.SERVICE,
    ExitCode.STOPPED,
    ExitCode.GUARD,
    ExitCode.REFUSED,
    ExitCode.ROWS,
    ExitCode.OK,
)

NOT_FINE: Final = frozenset(
    {FinalState.REJECTED, FinalState.HELD, FinalState.FAILED, FinalState.UNATTRIBUTED, FinalState.UNKNOWN}
)
"""States of rows that someone should look at."""


def full_outcomes(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts for every final state, in the order of `FinalState`, zero where there is none.

    Raises:
        ValueError: a name that is no final state.

    Example:
        >>> full_outcomes({"accepted": 2})["rejected"]
        0
    """
    strange = set(counts) - {state.value for state in FinalState}
    if strange:
        raise ValueError(f"not a final state: {', '.join(sorted(strange))}")
    return {state.value: counts.get(state.value, 0) for state in FinalState}


class Report(Part):
    """Everything counted about one run.

    Attributes:
        run_id: Name of the run.
        command: ``validate``, ``plan``, ``import``, ``resume`` ...
        rows_read: Rows of the source, malformed and blank ones included.
        outcomes: Rows by final state; all states, in order. Sums to `rows_read`.
        skipped: Skipped rows by reason.
        issues: Issues by code.
        warnings: Those of them that are warnings, by code; a warning rejects no row.
        repairs: Repaired cells by ``column: kind``.
        routes: By route.
        requests: HTTP requests sent or planned, by kind.
        merge_groups: See `MergeGroups`.
        stored: What `--lookup` found in the store; None where nothing was looked up, so that merges with profiles that
            are there already are not known.
        sync: What a sync found its keys to be; None in any other run.
        removals: What became of profiles whose keys are gone from the source; None where nothing is to be removed.
        operations: See `Operations`.
        allowance: The month's free operations beside them; None in a validation.
        cleared: Values that are or will be cleared, by trait.
        removed: Values that are or will be removed, by trait.
        constant: Values that come from the mapping's constants, by trait.
        verified: Rows read back, by ``confirmed``, ``mismatched`` or ``missing``; empty when none was.
        target: The store; None for a validation against a schema file.
        source: What was read.
        mapping: What it was read with.
        schema_fingerprint: Hash over the store's schema.
        started_at: When `command` began; UTC, ISO 8601.
        finished_at: When it ended; None while the run goes on.
        delivery: When rows were sent, which an earlier command may have done; None where none was.
        exit_code: See `ExitCode`; None while the run goes on.
        folder: The run's folder when the report was written.
        files: Names of the files of that folder that a person may want.
        notes: What else should be known.
        hints: What to do next.
        error: Why it ended early.
        live: How a run that has not ended stands, as `status` shows it; None in the report of one that has.
    """

    run_id: str
    command: str
    rows_read: Count = 0
    outcomes: Annotated[Counts, AfterValidator(full_outcomes)] = Field(default_factory=lambda: full_outcomes({}))
    skipped: Counts = Field(default_factory=dict)
    issues: Counts = Field(default_factory=dict)
    warnings: Counts = Field(default_factory=dict)
    repairs: Counts = Field(default_factory=dict)
    routes: dict[str, RouteReport] = Field(default_factory=dict)
    requests: Counts = Field(default_factory=dict)
    merge_groups: MergeGroups = MergeGroups()
    stored: StoredLookup | None = None
    sync: SyncCounts | None = None
    removals: Removals | None = None
    operations: Operations = Operations()
    allowance: Allowance | None = None
    cleared: Counts = Field(default_factory=dict)
    removed: Counts = Field(default_factory=dict)
    constant: Counts = Field(default_factory=dict)
    verified: Counts = Field(default_factory=dict)
    target: Target | None = None
    source: SourceReport | None = None
    mapping: MappingReport | None = None
    schema_fingerprint: str | None = None
    started_at: str
    finished_at: str | None = None
    delivery: DeliveryTimes | None = None
    exit_code: int | None = None
    folder: FileName | None = None
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    error: ErrorReport | None = None
    live: Live | None = None


def empty_report(error: ErrorReport) -> dict[str, object]:
    """Return what `--json` prints when there is no run yet: the keys of `Report`, all null, plus the error."""
    return dict.fromkeys(Report.model_fields) | {"error": error.model_dump(mode="json")}


def reconcile(report: Report) -> tuple[str, ...]:
    """Compare the counts that must agree.

    Returns:
        One line a difference; empty when every row is accounted for. Any line means a fault of this program.
    """
    total = sum(report.outcomes.values())
    differences = []
    if total != report.rows_read:
        differences.append(f"{report.rows_read} rows were read, {total} have a final state")
    skipped = report.outcomes[FinalState.SKIPPED.value]
    if sum(report.skipped.values()) != skipped:
        differences.append(f"{skipped} rows are skipped, {sum(report.skipped.values())} have a reason")
    return tuple(differences)


def exit_code_of(outcomes: Mapping[str, int], *, not_verified: int = 0, settled: int = 0) -> ExitCode:
    """Judge a run by its rows alone.

    A combined row needs no look of its own: the row that carries it is counted too, and shares its fate.

    Args:
        outcomes: Rows by final state.
        not_verified: Rows that reading back found mismatched or missing.
        settled: Unattributed and unknown rows that reading back confirmed: they are fine, whatever their state.

    Returns:
        ``STOPPED`` when rows were not sent, ``ROWS`` when some row is not fine, ``OK`` otherwise. Why a run stopped
        is known to its caller: `highest_exit_code` joins the two.
    """
    if outcomes.get(FinalState.NOT_SENT.value, 0):
        return ExitCode.STOPPED
    if not_verified or sum(outcomes.get(state.value, 0) for state in NOT_FINE) > settled:
        return ExitCode.ROWS
    return ExitCode.OK


def highest_exit_code(codes: Iterable[int]) -> ExitCode:
    """Return the one to exit with when several apply: signals, 1, 7, 4, 5, 6, 2, 3, 0.

    Example:
        >>> int(highest_exit_code([3, 6, 5]))
        5
    """
    present = {ExitCode(code) for code in codes}
    return next((code for code in _PRIORITY if code in present), ExitCode.OK)
