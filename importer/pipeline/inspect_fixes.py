"""The first look at a source that `--fix` needs: what whole columns say, before the first value is repaired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from importer.core.check_values import Checks
from importer.core.fixes import FIXES, FixRequest, parse_fixes
from importer.core.fixes_columns import Evidence, evidence_codes, gather, settle
from importer.core.transform import TransformPlan
from importer.errors import RunInterrupted
from importer.pipeline.prepare import Sinks
from importer.ports import Source

_INSTEAD: Final = {
    "date-order": "",
    "excel-date-serial": "; take `format` out of the mapping, and give --fix date-order as well",
}
"""Repairs that write dates anew, which a `format` of the mapping would not read: what to do for it."""


def settled_fixes(source: Source, checks: Checks, texts: Sequence[str], sinks: Sinks) -> tuple[Checks, tuple[str, ...]]:
    """Settle the repairs of a run; reads the source once where columns must tell how.

    Args:
        source: Read only where evidence is needed; the run reads it again.
        checks: The compiled plan.
        texts: Arguments of ``--fix``.
        sinks: Take progress, and say when to stop.

    Returns:
        The plan with its repairs, and what a person should know of repairs that are not made.

    Raises:
        ConfigError: a repair cannot be read, or names a column the mapping does not.
        SourceError: the source cannot be read to its end.
    """
    if not texts:
        return checks, ()
    requests = parse_fixes(tuple(texts), source.describe().columns)
    notes = _unread(requests, checks)
    columns, formatted = _columns(requests, checks)
    evidence: dict[str, Evidence] = {}
    needed = [name for name in columns if evidence_codes(name, requests)]
    if needed:
        sinks.progress.stage("look at columns", None)
        for chunk in source.chunks():
            names = [name for name in needed if chunk.frame.schema[name] == pl.String]
            gather(evidence, missing_as_null(chunk.frame.select(names)), requests)
            sinks.progress.advance(chunk.frame.height)
            if sinks.stop.is_set():
                raise RunInterrupted("stopped while the source was read; nothing was sent", hint="start it again")
    settled = settle(requests, columns, evidence)
    plan = {
        name: tuple(fix for fix in fixes if not (fix.code in _INSTEAD and name in formatted))
        for name, fixes in settled.plan.items()
    }
    left = tuple(
        f"--fix {fix.code}: column {name}: the mapping's `format` reads it; nothing was repaired{_INSTEAD[fix.code]}"
        for name, fixes in settled.plan.items()
        for fix in fixes
        if name in formatted and fix.code in _INSTEAD
    )
    return replace(checks, fixes={name: fixes for name, fixes in plan.items() if fixes}), (
        *notes,
        *settled.notes,
        *left,
    )


def missing_as_null(frame: pl.DataFrame) -> pl.DataFrame:
    r"""Return text columns trimmed, null where a cell is empty or ``\N``."""
    return frame.with_columns(pl.col(pl.String).str.strip_chars()).with_columns(
        pl.when(~pl.col(pl.String).is_in(["", "\\N"])).then(pl.col(pl.String)).name.keep()
    )


def _columns(requests: Sequence[FixRequest], checks: Checks) -> tuple[list[str], frozenset[str]]:
    """Return the columns that are read, and those whose dates the mapping reads by a format of its own."""
    named = {request.column for request in requests if request.column is not None}
    everywhere = any(request.column is None for request in requests)
    columns = [name for name in checks.columns if everywhere or name in named]
    return columns, _formatted(checks.plan)


def _formatted(plan: TransformPlan) -> frozenset[str]:
    return frozenset(trait.column for trait in plan.traits if trait.column is not None and trait.format is not None)


def _unread(requests: Sequence[FixRequest], checks: Checks) -> tuple[str, ...]:
    return tuple(
        f"--fix {request.code}: the mapping does not use column {request.column}"
        for request in requests
        if request.code in FIXES and request.column is not None and request.column not in checks.columns
    )
