"""The report of a run: counts only, never a cell value, and the rules that turn counts into an exit code.

The law of this module: every row read is in exactly one final state, and the counts must add up (`reconcile`).
`report.json` and what `--json` prints are this model; `report_schema.py` publishes its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from importer.core.live import Live
from importer.core.stored_lookup import StoredLookup
from importer.core.sync_counts import Removals, SyncCounts

Count = Annotated[int, Field(ge=0)]
Counts = dict[str, Count]


def _legible(name: object) -> object:
    """Replace lone surrogates, which a file's name may hold and JSON may not."""
    return name.encode("utf-8", "replace").decode() if isinstance(name, str) else name


FileName = Annotated[str, BeforeValidator(_legible)]


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


class _Model(BaseModel):
    # Every key is always written, so the published schema may promise it.
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class RouteReport(_Model):
    """What goes, or went, by one route (`bulk`, `import`, `bulk+patch`, `bulk+identifiers`).

    Attributes:
        rows: Rows sent or planned.
        requests: HTTP requests that carry them; retries not counted.
        parts: Import files; 0 for the other routes.
        bytes: Size of the bodies or files.
        reasons: Why the rows go this way, rows by reason.
        sent_rows: Rows that left so far; a row that is sent again counts again. None where that was not looked up.
        sent_requests: Batches and parts they left with, their pieces where the service wanted smaller ones.
    """

    rows: Count = 0
    requests: Count = 0
    parts: Count = 0
    bytes: Count = 0
    reasons: Counts = Field(default_factory=dict)
    sent_rows: Count | None = None
    sent_requests: Count | None = None


class DeliveryTimes(_Model):
    """When rows were sent, by whatever commands; times of the service's answers, UTC, ISO 8601.

    Attributes:
        started_at: First answer to a request that carried or prepared rows.
        finished_at: The last one so far.
    """

    started_at: str
    finished_at: str


class MergeGroups(_Model):
    """Groups of rows that the service may make into one profile.

    Attributes:
        groups: Number of groups.
        rows: Rows in them.
        single: Groups of one row, which would merge profiles of the store; the others merge rows.
        held: Groups held back.
        held_rows: Rows held with them; what else is held has no group, and nothing releases it.
        decided: Held groups that somebody decided to hold, now or in an earlier run; only its own number releases one.
        allowed: Groups allowed or released.
        chains: Groups in which no one value is in all of their keys (without key columns: rows).
        hubs: Groups in which one value is in three rows or more.
        largest: Rows of the five largest groups.
        reading: Of a clash, under which `profiles` is forecast: ``merge``, ``first-match`` or ``skip``.
        profiles: Profiles the groups would become; less than one each is never right, so a group counts at least once.
    """

    groups: Count = 0
    rows: Count = 0
    single: Count = 0
    held: Count = 0
    held_rows: Count = 0
    decided: Count = 0
    allowed: Count = 0
    chains: Count = 0
    hubs: Count = 0
    largest: tuple[Count, ...] = ()
    reading: str = "merge"
    profiles: Count = 0


class Operations(_Model):
    """Billable operations, a range where the number is not known beforehand.

    At least: each row that was taken, or would be sent, once. At most: also rows of which nobody knows whether they
    were applied, a merge for each row of a merge group, and each removal that follows a row's values.

    Attributes:
        at_least: Operations at least.
        at_most: Operations at most.
        reads_at_least: Reads of profiles, which are billed apart, once a profile and day: `--lookup`, lookups before
            removals, and reading back.
        reads_at_most: The same, where every identifier of a row is asked for.
    """

    at_least: Count = 0
    at_most: Count = 0
    reads_at_least: Count = 0
    reads_at_most: Count = 0


class Allowance(_Model):
    """The free operations of a month, what of them is used, and what a run still adds.

    "Used" is what the ledgers of this runs folder tell of live stores, whatever the store; other tools and other
    folders are not in it. "At most" takes reads in: whether they count toward the free operations is not documented.

    Attributes:
        month: Calendar month, ``YYYY-MM``, UTC.
        free: Free operations of a month (``--free-operations``).
        used_at_least: Operations of this month so far, those of this run among them.
        used_at_most: The same at most, with reads.
        coming_at_least: Operations of what the run has not sent yet.
        coming_at_most: The same at most, with reads.
        beyond_at_least: Used and coming beyond the free ones.
        beyond_at_most: The same at most.
        runs: Runs that used some.
        unread: Runs of the month whose ledger could not be read: they are not in it.
    """

    month: str
    free: Count
    used_at_least: Count = 0
    used_at_most: Count = 0
    coming_at_least: Count = 0
    coming_at_most: Count = 0
    beyond_at_least: Count = 0
    beyond_at_most: Count = 0
    runs: Count = 0
    unread: Count = 0


class Target(_Model):
    """The store that rows go to; `emulator` when it is the local service."""

    store_id: str | None
    store_name: str | None = None
    host: str | None = None
    emulator: bool = False


class SourceReport(_Model):
    """What was read, and what was sniffed about it.

    Attributes:
        files: Names, in reading order.
        kind: ``csv`` or ``parquet``.
        encoding: Of a text source.
        delimiter: Of a text source.
        columns: Names of the columns read.
        notes: What was sniffed or left out.
    """

    files: tuple[FileName, ...]
    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class MappingReport(_Model):
    """The mapping that was used; `fingerprint` is a hash over its content."""

    name: FileName
    fingerprint: str | None = None


class ErrorReport(_Model):
    """Why a run ended early: what happened, what to do, and the list where there are several problems."""

    message: str
    hint: str = ""
    problems: tuple[str, ...] = ()


class Report(_Model):
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
