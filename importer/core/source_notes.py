"""What is said of a source's columns beside their values: which are left out, and whose times have no zone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from importer.core.mapping_checks import quoted
from importer.core.transform import TransformPlan

NAIVE_NOTE: Final = "times without a zone are sent as they stand: "
"""How the note begins that names mapped columns of such times, a warning: each reader takes them for another moment."""

_LEFT_OUT: Final = "' is left out: "
_NAMED: Final = 5


def left_out_note(name: str, why: str) -> str:
    """Say that a column cannot be read as text."""
    return f"column '{name}{_LEFT_OUT}{why}"


def is_left_out_note(note: str) -> bool:
    """Tell whether a note says that."""
    return note.startswith("column '") and _LEFT_OUT in note


def naive_notes(plan: TransformPlan, naive: Collection[str]) -> tuple[str, ...]:
    """Warn of mapped columns whose times have no zone.

    Args:
        plan: Of the run.
        naive: Columns of times without a zone, where nobody said which zone they are of.

    Returns:
        One note, or none.
    """
    found = [
        f"{quoted(trait.column)} -> {trait.ref}"
        for trait in plan.traits
        if trait.column is not None and trait.column in naive
    ]
    if not found:
        return ()
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return (f"{NAIVE_NOTE}{', '.join(found[:_NAMED])}{more}; `assume_tz` under `source:` in the mapping names it",)
