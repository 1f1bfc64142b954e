"""What a run says of its source in numbers, before anything is sent."""

from __future__ import annotations

import polars as pl

from importer.core.filled import rows_of_sets
from importer.core.manifest import Counts
from importer.pipeline.prepare import Prepared
from importer.reports.issue_files import IssueSink
from importer.wiring.opening import Opened
from importer.wiring.run import Run


def counts_of(prepared: Prepared, inputs: Opened, issues: IssueSink) -> Counts:
    """Count what was read, found, repaired, cleared and removed."""
    rows_by_set = rows_of_sets(prepared.set_ids, len(prepared.sets))
    removed: dict[str, int] = {}
    for entry, rows in zip(prepared.sets, rows_by_set.tolist(), strict=True):
        for ref in entry.removed:
            removed[ref] = removed.get(ref, 0) + rows
    constants = [trait.ref for trait in inputs.plan.traits if trait.constant is not None]
    return Counts(
        rows_read=prepared.rows_read,
        early=dict(prepared.early),
        issues=dict(sorted(issues.counts.items())),
        warnings=dict(sorted(issues.warnings.items())),
        repairs=dict(prepared.repairs),
        cleared={ref: count for ref, count in prepared.cleared.items() if count},
        removed=removed,
        constant=dict.fromkeys(constants, len(prepared.row)),
    )


def rejected_rows(run: Run) -> tuple[int, int]:
    """Count the rejected rows, and all that were judged: those that are neither blank nor dropped by `where`."""
    counts = run.manifest.counts
    early = counts.early
    if early is None:
        none = pl.Series("state", dtype=pl.String)
        states = pl.concat([none, *(frame["state"].cast(pl.String) for frame in run.package.rows_frames())])
        early = dict(states.value_counts().iter_rows())
    rejected = run.index.filter(pl.col("state") == "rejected").height + early.get("rejected", 0)
    return rejected, counts.rows_read - early.get("skipped", 0)


def guard_trips(run: Run) -> str | None:
    """Say that more rows are rejected than the run allows; None where they are not."""
    rejected, judged = rejected_rows(run)
    limit = run.manifest.options.max_rejected_percent
    if judged and 100 * rejected / judged > limit:
        return f"{rejected:,} of {judged:,} rows are rejected, more than {limit:g} % (--max-rejected)"
    return None
