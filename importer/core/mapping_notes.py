"""What a person should know of a mapping that fits: columns that are not sent, and words that have no effect."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from importer.core.mapping import MappingFile
from importer.core.mapping_checks import quoted
from importer.core.mapping_drift import named_columns
from importer.core.transform import TransformPlan

_NAMED_COLUMNS: Final = 20
"""Unmapped columns that a note names before it only counts them."""

_ADDED_ALWAYS: Final = frozenset({"_row_number", "_line", "_codes"})
_ADDED_TO_REJECTED: Final = _ADDED_ALWAYS | {"_file"}
"""Columns that a run adds to its `rejected.csv`: nobody has to be told that they are not mapped."""


def plan_notes(
    plan: TransformPlan, mapping: MappingFile, columns: Sequence[str], used: Collection[str]
) -> tuple[str, ...]:
    """Return the notes of a plan.

    Args:
        plan: What came of the mapping.
        mapping: The mapping.
        columns: Names of the source's columns.
        used: Columns that somebody else reads.
    """
    notes = []
    # What names a row, its region, or stands in an expression is used, though it is no trait itself.
    added = _ADDED_TO_REJECTED if {*columns} >= _ADDED_ALWAYS else frozenset()
    known = {*named_columns(mapping), *used, *added}
    unmapped = [column for column in columns if column not in known]
    if unmapped:
        shown = ", ".join(quoted(column) for column in unmapped[:_NAMED_COLUMNS])
        more = f" and {len(unmapped) - _NAMED_COLUMNS:,} more" if len(unmapped) > _NAMED_COLUMNS else ""
        what = "column is" if len(unmapped) == 1 else "columns are"
        notes.append(f"{len(unmapped):,} {what} not mapped, so not sent: {shown}{more}")
    if plan.where is not None:
        notes.append("`where` keeps a row when it cannot tell (a column it names is empty)")
    if not plan.key and "on_duplicate_key" in mapping.identity.model_fields_set:
        notes.append("`on_duplicate_key` has no effect without `source: {key: ..}`")
    return tuple(notes)
