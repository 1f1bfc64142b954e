"""The end of every command: outcomes, groups, report; and the exit code they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.manifest import RunManifest
from importer.core.report import (
    ErrorReport,
    ExitCode,
    FinalState,
    MappingReport,
    MergeGroups,
    Operations,
    Report,
    RouteReport,
    SourceReport,
    Target,
    exit_code_of,
    highest_exit_code,
    reconcile,
)
from importer.core.report_hints import next_steps
from importer.errors import ImporterError
from importer.pipeline.outcomes import (
    OVERRIDES_SCHEMA,
    RANGES_SCHEMA,
    Delivered,
    outcome_frames,
    place_findings,
)
from importer.ports import PackageAccess
from importer.reports.outcome_files import OutcomesSink, write_groups
from importer.reports.report_file import write_report
from importer.state.ledger import SqliteLedger
from importer.state.run_folder import RunFolder

REPORT_FILES: Final = (
    "report.json",
    "issues.csv",
    "issues.parquet",
    "rejected.csv",
    "rejected-malformed.txt",
    "outcomes.parquet",
    "groups.parquet",
)


_REFUSALS: Final = frozenset({ExitCode.REFUSED, ExitCode.GUARD})


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Attributes:
        command: Its name.
        finished_at: UTC, ISO 8601.
        started_at: The same; the run's own beginning if None.
        sending_state: State of rows in the send order that no batch speaks for.
        delivered: What the ledger knows.
        requests: HTTP requests by kind.
        exit_codes: Codes beside the one the rows come to.
        error: What ended the run early.
        notes: What else should be known.
    """

    command: str
    finished_at: str
    sending_state: FinalState
    delivered: Delivered = field(default_factory=Delivered)
    requests: Mapping[str, int] = field(default_factory=dict)
    exit_codes: Sequence[int] = ()
    error: ErrorReport | None = None
    notes: tuple[str, ...] = ()
    started_at: str | None = None


def error_report(error: ImporterError) -> ErrorReport:
    """Return an error as the report has it."""
    return ErrorReport(message=error.message, hint=error.hint)


def finish(
    run: RunFolder,
    manifest: RunManifest,
    package: PackageAccess,
    index: pl.DataFrame,
    groups: pl.DataFrame,
    end: Ending,
) -> Report:
    """Write outcomes, groups and report of a run.

    Args:
        run: Where to.
        manifest: What the run is made of.
        package: Gives the rows read.
        index: What was decided about the valid rows.
        groups: ``group``, ``kind``, ``id_types``, ``decision``.
        end: How the command ended.
    """
    sink = OutcomesSink(run.path, manifest.key, manifest.source.files)
    skipped: Counter[str] = Counter()
    try:
        for frame in outcome_frames(package, index, end.delivered, sending_state=end.sending_state):
            sink.append(frame)
            reasons = frame.filter(pl.col("state") == FinalState.SKIPPED.value).group_by("code").len()
            skipped.update({code: count for code, count in reasons.iter_rows() if count})
        sink.close()
    finally:
        sink.abort()
    _write_groups(run.path, manifest, package, index, groups)
    report = _report(run, manifest, index, groups, end).model_copy(
        update={
            "outcomes": sink.counts,
            "skipped": dict(skipped),
            "operations": _operations(sink.counts, index, manifest, end.requests),
        }
    )
    report = _judged(report, run.path, end)
    write_report(run.path, report)
    return report


def _judged(report: Report, folder: Path, end: Ending) -> Report:
    differences = reconcile(report)
    codes = [exit_code_of(report.outcomes), *end.exit_codes]
    if _REFUSALS.intersection(end.exit_codes):
        # The rows that were not sent have their reason: the run did not stop early, it never began to send.
        codes = [code for code in codes if code != ExitCode.STOPPED]
    if differences:
        codes.append(ExitCode.BUG)
    report = report.model_copy(
        update={
            "exit_code": int(highest_exit_code(codes)),
            "notes": (*report.notes, *differences),
            "files": tuple(name for name in REPORT_FILES if name == "report.json" or (folder / name).exists()),
        }
    )
    return report.model_copy(update={"hints": next_steps(report)})


def _report(run: RunFolder, manifest: RunManifest, index: pl.DataFrame, groups: pl.DataFrame, end: Ending) -> Report:
    base = report_base(run, manifest)
    return base.model_copy(
        update={
            "command": end.command,
            "requests": dict(end.requests),
            "merge_groups": _merge_groups(index, groups),
            "started_at": end.started_at or manifest.created_at,
            "finished_at": end.finished_at,
            "notes": (*manifest.notes, *end.notes),
            "error": end.error,
        }
    )


def report_base(run: RunFolder, manifest: RunManifest) -> Report:
    """Return what a run's record alone says about it: nothing yet of the rows' outcomes."""
    counts = manifest.counts
    target = manifest.target
    return Report(
        run_id=run.run_id,
        command=manifest.command,
        rows_read=counts.rows_read,
        issues=counts.issues,
        warnings=counts.warnings,
        repairs=counts.repairs,
        routes={
            route: RouteReport(
                rows=entry.rows,
                requests=entry.batches,
                parts=entry.batches if route == "import" else 0,
                bytes=entry.size_bytes,
                reasons=entry.reasons,
            )
            for route, entry in counts.routes.items()
        },
        cleared=counts.cleared,
        removed=counts.removed,
        constant=counts.constant,
        target=Target(
            store_id=target.store_id, store_name=target.store_name, host=target.host or None, emulator=target.emulator
        ),
        source=SourceReport(
            files=manifest.source.files,
            kind=manifest.source.kind,
            encoding=manifest.source.encoding,
            delimiter=manifest.source.delimiter,
            columns=manifest.source.columns,
            notes=manifest.source.notes,
        ),
        mapping=MappingReport(name=manifest.mapping_name, fingerprint=manifest.mapping_fingerprint),
        schema_fingerprint=manifest.schema_fingerprint,
        started_at=manifest.created_at,
        folder=str(run.path),
    )


def _merge_groups(index: pl.DataFrame, groups: pl.DataFrame) -> MergeGroups:
    merges = groups.filter(pl.col("kind") == "merge")
    rows = index.filter(pl.col("group").is_in(merges["group"].implode())).height if merges.height else 0
    held = merges.filter(pl.col("decision") == "held").height
    return MergeGroups(groups=merges.height, rows=rows, held=held, allowed=merges.height - held)


def _operations(
    outcomes: Mapping[str, int], index: pl.DataFrame, manifest: RunManifest, requests: Mapping[str, int]
) -> Operations:
    """Count billable operations: rows that were sent, or would be, and nothing for rows that stay here.

    Every such row creates or updates a profile; a removal patches it again, a row of a merge group may merge it, and
    whether a row without an answer or in a part with errors was applied is not known.
    """
    planned = outcomes[FinalState.PLANNED.value]
    sure = planned + outcomes[FinalState.ACCEPTED.value] + outcomes[FinalState.PROCESSED.value]
    doubtful = outcomes[FinalState.UNATTRIBUTED.value] + outcomes[FinalState.UNKNOWN.value]
    if not sure + doubtful:
        return Operations()
    merging = index.filter((pl.col("state") == "sequence") & (pl.col("position") >= 0)).height
    removing = [number for number, entry in enumerate(manifest.filled_sets()) if entry.removed]
    patches = index.filter((pl.col("position") >= 0) & pl.col("set").is_in(removing)).height if planned else 0
    return Operations(at_least=sure, at_most=sure + doubtful + merging + patches + requests.get("patch", 0))


def _write_groups(
    folder: Path, manifest: RunManifest, package: PackageAccess, index: pl.DataFrame, groups: pl.DataFrame
) -> None:
    lines = (
        index.select("group")
        .with_row_index("line")
        .filter(pl.col("group") >= 0)
        .join(groups, on="group", how="inner", maintain_order="left")
        .select(pl.col("line").cast(pl.Int64), "group", "kind", "decision", "id_types")
    )
    if lines.is_empty():
        return
    placed = pl.concat(list(place_findings(package, index, lines))).sort("group", "row_number")
    write_groups(folder, placed.with_columns(pl.col("group").cast(pl.String)), manifest.key, manifest.source.files)


def delivered_by(ledger: SqliteLedger) -> Delivered:
    """Return what a ledger knows, by position."""
    ranges = [
        (
            outcome.start,
            outcome.stop,
            str(outcome.batch_id),
            outcome.route.value,
            outcome.state,
            outcome.code,
            outcome.request_id,
            outcome.operation_id,
            outcome.import_id,
        )
        for outcome in ledger.outcomes()
    ]
    rows: Iterable[tuple[int, str, str | None]] = [(row.position, row.state, row.code) for row in ledger.row_outcomes()]
    return Delivered(
        pl.DataFrame(ranges, schema=RANGES_SCHEMA, orient="row"),
        pl.DataFrame(list(rows), schema=OVERRIDES_SCHEMA, orient="row"),
    )
