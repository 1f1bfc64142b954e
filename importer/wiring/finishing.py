"""The end of every command: outcomes, groups, report; and the exit code they come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from importer.core.cost import Cost
from importer.core.manifest import RunManifest
from importer.core.read_back import Verified
from importer.core.report import ExitCode, FinalState, Report, exit_code_of, highest_exit_code, reconcile
from importer.core.report_hints import next_steps
from importer.core.report_parts import DeliveryTimes, ErrorReport, MappingReport, RouteReport, SourceReport, Target
from importer.errors import ImporterError
from importer.pipeline.cost import Made, cost_left, operations_of
from importer.pipeline.outcomes import OVERRIDES_SCHEMA, RANGES_SCHEMA, Delivered, outcome_frames
from importer.pipeline.places import place_findings
from importer.pipeline.report_rows import group_facts, group_lines, merge_groups, unlike_lines
from importer.pipeline.sent_again import History, history
from importer.ports import PackageAccess
from importer.reports.html_groups import GroupOverview, read_groups
from importer.reports.html_issues import read_issues
from importer.reports.html_page import write_page
from importer.reports.issue_files import PARQUET_NAME
from importer.reports.mismatch_file import MISMATCHES_CAP, write_mismatches
from importer.reports.outcome_files import GROUP_FACTS, GROUPS_NAME, OutcomesSink, write_groups
from importer.reports.progress_file import drop_progress
from importer.reports.report_file import write_report
from importer.state.ledger import SqliteLedger
from importer.state.memory import give_back
from importer.state.run_folder import RunFolder
from importer.state.verified_file import read_verified
from importer.wiring.grouping import MOST_BESIDE, read_members
from importer.wiring.month import allowance_now
from importer.wiring.run import Run

REPORT_FILES: Final = (
    "report.json",
    "report.html",
    "issues.csv",
    "issues.parquet",
    "rejected.csv",
    "rejected-malformed.txt",
    "outcomes.parquet",
    "groups.parquet",
    "mismatches.csv",
    "removals.parquet",
    "handed_on.parquet",
)

_ALWAYS: Final = frozenset({"report.json", "report.html"})
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
        coming: What is still to be sent costs; worked out by what was delivered if None.
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
    coming: Cost | None = None


def error_report(error: ImporterError) -> ErrorReport:
    """Return an error as the report has it."""
    return ErrorReport(message=error.message, hint=error.hint)


def finish(run: Run, end: Ending) -> Report:
    """Write outcomes, groups and report of a run.

    Args:
        run: Its outcomes are written here, unless somebody began to before.
        end: How the command ended.
    """
    folder, manifest, package, index = run.folder, run.manifest, run.package, run.index
    sent = folder.has_order() and not end.delivered.ranges.is_empty()
    past = history(index, folder.read_order(), end.delivered) if sent else History(index)
    verified = read_verified(folder.package)

    grouped = group_lines(index, run.groups)
    many = grouped.height > MOST_BESIDE

    def write_few() -> None:
        _write_groups(folder, manifest, _placed(package, index, grouped), run.groups)
        if many:
            give_back()
        unlike = verified
        if verified.height:
            unlike = _placed(package, index, unlike_lines(past.index, verified, MISMATCHES_CAP))
        _write_mismatches(folder.path, manifest, unlike)

    def read_shown_groups() -> GroupOverview:
        wait([few])
        return read_groups(folder.path / GROUPS_NAME)

    with ThreadPoolExecutor(1 if many else 2, "few-rows") as beside:
        few, issues = beside.submit(write_few), beside.submit(read_issues, folder.path / PARQUET_NAME)
        shown_groups = beside.submit(read_shown_groups)
        if many:
            wait([shown_groups])
        if run.outcomes is None:
            state = end.sending_state
            frames = outcome_frames(package, past.index, end.delivered, sending_state=state, verified=verified)
            sink = write_outcomes(folder, manifest, frames)
        else:
            sink = run.outcomes.result()
        few.result()
        coming = end.coming or cost_left(index, end.delivered, Made(manifest.filled_sets(), manifest.wire_traits()))
        report = _report(run, end).model_copy(
            update={
                "outcomes": sink.counts,
                "skipped": dict(sorted(sink.skipped.items())),
                "operations": operations_of(sink.counts, past, end.requests, coming, manifest.stored),
                "allowance": allowance_now(folder.path.parent, manifest.options.free_operations, coming)
                if folder.has_order()
                else None,
                "verified": {result.value: sink.verified[result.value] for result in Verified} if sink.verified else {},
            }
        )
        report = _judged(report, folder.path, end, settled=sink.settled)
        write_report(folder.path, report)
        drop_progress(folder.path)
    # Last: what goes wrong with the page must not cost the report.
    write_page(folder.path, report, (issues.result(), shown_groups.result()))
    return report


def _judged(report: Report, folder: Path, end: Ending, *, settled: int) -> Report:
    differences = reconcile(report)
    not_verified = sum(report.verified.get(result.value, 0) for result in (Verified.MISMATCHED, Verified.MISSING))
    codes = [exit_code_of(report.outcomes, not_verified=not_verified, settled=settled), *end.exit_codes]
    if _REFUSALS.intersection(end.exit_codes):
        # The rows that were not sent have their reason: the run did not stop early, it never began to send.
        codes = [code for code in codes if code != ExitCode.STOPPED]
    if differences:
        codes.append(ExitCode.BUG)
    report = report.model_copy(
        update={
            "exit_code": int(highest_exit_code(codes)),
            "notes": (*report.notes, *differences),
            "files": tuple(name for name in REPORT_FILES if name in _ALWAYS or (folder / name).exists()),
        }
    )
    return report.model_copy(update={"hints": next_steps(report, settled=settled)})


def _report(run: Run, end: Ending) -> Report:
    manifest = run.manifest
    base = report_base(run.folder, manifest)
    times = end.delivered.times
    return base.model_copy(
        update={
            "command": end.command,
            "routes": _routes_left(base.routes, end.delivered),
            "delivery": None if times is None else DeliveryTimes(started_at=times[0], finished_at=times[1]),
            "requests": dict(end.requests),
            "merge_groups": merge_groups(run.index, run.groups, manifest.options.reading),
            "stored": manifest.stored,
            "started_at": end.started_at or manifest.created_at,
            "finished_at": end.finished_at,
            "notes": (*end.notes, *manifest.notes),
            "error": end.error,
        }
    )


def _routes_left(planned: Mapping[str, RouteReport], delivered: Delivered) -> dict[str, RouteReport]:
    """Say of each route what left of what was planned."""
    left = delivered.left_by_route()
    return {
        route: entry.model_copy(update=dict(zip(("sent_rows", "sent_requests"), left.get(route, (0, 0)), strict=True)))
        for route, entry in planned.items()
    }


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
        sync=manifest.sync,
        removals=manifest.removals,
        started_at=manifest.created_at,
        folder=str(run.path),
    )


def write_outcomes(run: RunFolder, manifest: RunManifest, frames: Iterable[pl.DataFrame]) -> OutcomesSink:
    """Write the outcome of every row; return what was written, closed."""
    sink = OutcomesSink(run.path, manifest.key, manifest.source.files)
    try:
        for frame in frames:
            sink.append(frame)
        sink.close()
    finally:
        sink.abort()
    return sink


def _placed(package: PackageAccess, index: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Return what was found about lines of the index with its places, if there is anything."""
    return pl.concat(list(place_findings(package, index, findings)) or [findings.drop("line")])


def _write_groups(run: RunFolder, manifest: RunManifest, placed: pl.DataFrame, groups: pl.DataFrame) -> None:
    if placed.is_empty():
        return
    rows = group_facts(placed, groups, read_members(run.package), GROUP_FACTS, manifest.options.reading)
    write_groups(run.path, rows, manifest.key, manifest.source.files)


def _write_mismatches(folder: Path, manifest: RunManifest, placed: pl.DataFrame) -> None:
    if placed.height:
        placed = placed.explode("traits", "sent", "stored").rename({"traits": "trait"})
    write_mismatches(folder, placed, manifest.key, manifest.source.files)


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
        ledger.times(),
    )
