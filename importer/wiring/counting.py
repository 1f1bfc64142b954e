"""What a run's record says of its source in numbers, before anything is sent."""

from __future__ import annotations

from collections import Counter

from importer.core.filled import rows_of_sets
from importer.core.manifest import Counts
from importer.pipeline.prepare import Prepared
from importer.reports.issue_files import IssueSink
from importer.wiring.opening import Opened


def counts_of(prepared: Prepared, inputs: Opened, issues: IssueSink) -> Counts:
    """Count what was read, found, repaired, cleared and removed."""
    rows_by_set = rows_of_sets(prepared.set_ids, len(prepared.sets))
    removed: dict[str, int] = {}
    for entry, rows in zip(prepared.sets, rows_by_set.tolist(), strict=True):
        for ref in entry.removed:
            removed[ref] = removed.get(ref, 0) + rows
    early: Counter[str] = Counter()
    for (state, _), rows in prepared.early.items():
        early[state] += rows
    constants = [trait.ref for trait in inputs.plan.traits if trait.constant is not None]
    return Counts(
        rows_read=prepared.rows_read,
        early=dict(early),
        issues=dict(sorted(issues.counts.items())),
        warnings=dict(sorted(issues.warnings.items())),
        repairs=dict(prepared.repairs),
        cleared={ref: count for ref, count in prepared.cleared.items() if count},
        removed=removed,
        constant=dict.fromkeys(constants, len(prepared.row)),
    )
