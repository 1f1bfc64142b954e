"""Reading, checking and deciding about a whole source: the part that `validate`, `plan` and `import` share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, cast

import polars as pl

from importer.core.check_values import Checks
from importer.core.enum_texts import enum_texts
from importer.core.filled import FilledSets
from importer.core.identity import candidates_of
from importer.core.index import INDEX_SCHEMA
from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import ISSUES_SCHEMA, Severity
from importer.core.packing import KEY_PREFIX
from importer.core.schema import StoreSchema
from importer.pipeline.decide import ALONE, Decided, Deciding, decide, identity_findings, identity_rows
from importer.pipeline.places import place_findings
from importer.pipeline.prepare import Look, Prepared, Sinks, prepare
from importer.ports import PackageAccess, PackageStore, Source

_CODES: Final = [CATALOGUE[code] for code in cast("pl.Enum", INDEX_SCHEMA["code"]).categories]
_TITLES: Final = pl.Series([entry.title for entry in _CODES])
_SEVERITIES: Final = pl.Series([entry.severity.value for entry in _CODES])
_SORTED_TOGETHER: Final = 2_000_000
"""Rows of a run that has the hashes of two idTypes in memory at once; of more, they would be its peak of memory."""


@dataclass(frozen=True)
class CheckedSource:
    """A source that was read to its end and decided about."""

    prepared: Prepared
    decided: Decided
    package: PackageAccess


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is checked, and against what."""

    source: Source
    checks: Checks
    schema: StoreSchema


def check_source(
    inputs: Inputs,
    store: PackageStore,
    sinks: Sinks,
    *,
    deciding: Deciding = ALONE,
    look: Look | None = None,
    sets: FilledSets | None = None,
) -> CheckedSource:
    """Read, check and decide; write rows, and issues and rejected rows of checks, on the way.

    Args:
        inputs: The source is read once.
        store: Where the package is made.
        sinks: Take issues, rejected rows and progress.
        deciding: How groups are decided about.
        look: See `prepare`.
        sets: See `prepare`.

    Raises:
        SourceError: the source cannot be read to its end; nothing can be sent.
    """
    plan = inputs.checks.plan
    with store.spill() as spill, ExitStack() as stack:
        with store.writer() as package:
            prepared = prepare(inputs.source, inputs.checks, package, sinks, look=look, spill=spill, sets=sets)
            # Sorting is one thread's work: it begins before anybody needs it, and before the package is closed.
            sorters = 2 if prepared.rows_read <= _SORTED_TOGETHER else 1
            beside = stack.enter_context(ThreadPoolExecutor(sorters, "candidates"))
            candidates = candidates_of(identity_rows(prepared, plan), beside.map)
        access = store.reader()
        sinks.progress.stage("identity", prepared.rows_read)
        decided = decide(prepared, plan, inputs.schema, access, deciding, candidates)
    sinks.progress.advance(prepared.rows_read)
    return CheckedSource(prepared, decided, access)


def write_findings(inputs: Inputs, checked: CheckedSource, sinks: Sinks) -> None:
    """Write issues and rejected rows of what identity decided.

    Args:
        inputs: The source is read a second time only where identity rejects rows.
        checked: What `check_source` returned.
        sinks: Take issues and rejected rows.

    Raises:
        SourceError: the source cannot be read again.
    """
    index = checked.decided.index
    findings = identity_findings(checked.decided.identity, inputs.checks.plan)
    for frame in place_findings(checked.package, index, findings):
        sinks.issues.append(_as_issues(frame, inputs.checks))
    _reject_late(inputs.source, checked.package, index, sinks)


def _as_issues(frame: pl.DataFrame, checks: Checks) -> pl.DataFrame:
    """Give what identity found the columns of an issue; no value: it stands in the source's row."""
    columns = {trait.ref: trait.column for trait in checks.plan.identifiers}
    code = frame["code"].to_physical()
    rejected = pl.lit(Severity.ERROR.value)
    keys = [name for name in frame.columns if name.startswith(KEY_PREFIX)]
    return frame.select(
        "file",
        "line",
        *keys,
        "row_number",
        code=enum_texts(frame["code"]),
        severity=pl.when("rejected").then(rejected).otherwise(_SEVERITIES.gather(code)),
        column=pl.col("trait").replace_strict(columns, default=None, return_dtype=pl.String),
        trait="trait",
        value=pl.lit(None, dtype=pl.String),
        message=pl.concat_str(
            _TITLES.gather(code),
            pl.when(pl.col("group") >= 0).then(pl.format(" (group {})", "group")).otherwise(pl.lit("")),
        ),
    ).select("file", "line", *keys, *ISSUES_SCHEMA.names())


def _reject_late(source: Source, package: PackageAccess, index: pl.DataFrame, sinks: Sinks) -> None:
    """Write rows that identity rejected as the source has them; that takes a second look at the source."""
    if not (index["state"] == "rejected").any():
        return
    lines = index.with_row_index("line").filter(pl.col("state") == "rejected")
    findings = lines.select(pl.col("line").cast(pl.Int64), codes="code")
    late = pl.concat(list(place_findings(package, index, findings))).select("file", "row_number", "codes")
    for file_index, frame, row_number, line in _source_rows(source):
        wanted = late.filter(pl.col("file") == file_index).drop("file")
        codes = pl.DataFrame({"row_number": row_number}).join(
            wanted, on="row_number", how="left", maintain_order="left"
        )
        mask = codes["codes"].is_not_null()
        if mask.any():
            sinks.rejected.append(
                frame.filter(mask),
                row_number.filter(mask),
                line.filter(mask),
                codes["codes"].filter(mask),
                file_index=file_index,
            )


def _source_rows(source: Source) -> Iterator[tuple[int, pl.DataFrame, pl.Series, pl.Series]]:
    for chunk in source.chunks():
        line = chunk.line
        if line is None:
            line = pl.Series([None], dtype=pl.UInt64).new_from_index(0, chunk.frame.height)
        yield chunk.file_index, chunk.frame, chunk.row_number, line
