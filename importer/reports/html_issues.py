"""What the page shows of `issues.parquet`: counts by code and column, and a few examples of each.

The file may hold millions of issues. It is read a row group at a time and only the columns that are counted; whole rows
are read of the few that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from importer.core.issue_catalogue import CATALOGUE
from importer.core.issues import Severity
from importer.reports.html_text import shown, shown_expr

MIXED: Final = "mixed"
"""Severity of a code that is an error in one column and a warning in another."""

_KIND: Final = ["code", "severity", "column", "trait"]
_MASKED: Final = r"^[\p{L}\p{N}]?••• \(\d+ chars?\)$"
_CHARS: Final[Mapping[str, int]] = {"file": 80, "value": 120, "message": 160, "column": 80, "trait": 130}
_KEY_CHARS: Final = 80
_MOST_KEYS: Final = 3


@dataclass(frozen=True, slots=True)
class IssueCaps:
    """How much of the issues a page shows.

    Attributes:
        kinds: Pairs of code and column (and severity).
        examples_each: Examples of one kind.
        examples: Examples in all.
        example_bytes: Size of all their cells, as they stand in the page.
    """

    kinds: int = 200
    examples_each: int = 10
    examples: int = 1000
    example_bytes: int = 300_000


@dataclass(frozen=True, slots=True)
class IssueKind:
    """Issues of one code, severity and column.

    Attributes:
        number: Names the kind on the page.
        column: Number of the column in `IssueOverview.columns`.
        column_name: Its name; None for issues of a whole row.
        trait: ``Group.trait``, None where there is none.
        severity: ``error`` or ``warning``.
        count: Issues.
    """

    number: int
    column: int
    column_name: str | None
    trait: str | None
    severity: str
    count: int


@dataclass(frozen=True, slots=True)
class Example:
    """One issue, its texts as `issues.csv` has them but cut; `keys` in the order of `IssueOverview.keys`."""

    kind: IssueKind
    file: str
    row_number: int
    line: int | None
    keys: tuple[str | None, ...]
    value: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class CodeIssues:
    """All issues of one code.

    Attributes:
        code: The code.
        severity: ``error``, ``warning`` or `MIXED`.
        title: A few words; the code where the catalogue lacks it.
        cause: What was found; may be empty.
        fix: What to do; may be empty.
        count: Issues, those of kinds that are left out too.
        kinds: The most frequent kinds, errors first.
        kinds_left_out: Kinds that the page does not show.
        examples: Of the kinds shown, in their order.
    """

    code: str
    severity: str
    title: str
    cause: str
    fix: str
    count: int
    kinds: tuple[IssueKind, ...]
    kinds_left_out: int
    examples: tuple[Example, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the columns shown, each once."""
        names = (kind.column_name if kind.column_name is not None else "whole row" for kind in self.kinds)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class IssueOverview:
    """The issues of a run, as far as a page shows them.

    Attributes:
        codes: Codes with errors first, the most frequent first.
        columns: Names of the columns shown, by number; None stands for whole rows.
        keys: Names of the key columns shown.
        total: Issues in the file.
        shows_values: Some value is not masked.
    """

    codes: tuple[CodeIssues, ...] = ()
    columns: tuple[str | None, ...] = ()
    keys: tuple[str, ...] = ()
    total: int = 0
    shows_values: bool = False

    @property
    def has_lines(self) -> bool:
        """Some example has a line: files without lines have none."""
        return any(example.line is not None for code in self.codes for example in code.examples)

    @property
    def example_count(self) -> int:
        """Examples of all codes."""
        return sum(len(code.examples) for code in self.codes)


def read_issues(path: Path, caps: IssueCaps | None = None) -> IssueOverview:
    """Read what a page shows of the issues.

    Args:
        path: ``issues.parquet``; there are no issues where it is missing.
        caps: How much is shown.
    """
    caps = caps or IssueCaps()
    if not path.exists():
        return IssueOverview()
    with pq.ParquetFile(path) as file:
        counted = _count(file, caps)
        if counted.is_empty():
            return IssueOverview()
        chosen = _chosen(counted, caps)
        names = file.schema_arrow.names
        key_names = names[names.index("file") + 1 : names.index("row_number")][:_MOST_KEYS]
        texts = _examples(file, chosen, key_names)
    columns = tuple(dict.fromkeys(chosen["column_text"]))
    kinds = _kinds(chosen, columns)
    return IssueOverview(
        codes=_by_code(counted, kinds, _fitting(_rows(texts, kinds, key_names), caps.example_bytes)),
        columns=columns,
        keys=tuple(shown(name, _KEY_CHARS) for name in key_names),
        total=int(counted["count"].sum()),
        shows_values=not texts.filter(~pl.col("value").str.contains(_MASKED)).is_empty(),
    )


def _count(file: pq.ParquetFile, caps: IssueCaps) -> pl.DataFrame:
    """Count the issues of each kind and note where the first ones are, errors first and the most frequent first."""
    found = pl.DataFrame(
        schema={**dict.fromkeys(_KIND, pl.String()), "count": pl.UInt64(), "places": pl.List(pl.UInt64())}
    )
    start = 0
    for number in range(file.num_row_groups):
        frame = pl.DataFrame(file.read_row_group(number, columns=_KIND)).select(_KIND)
        frame = frame.with_row_index("place").with_columns(pl.col("place").cast(pl.UInt64) + start)
        added = frame.group_by(_KIND, maintain_order=True).agg(
            pl.len().cast(pl.UInt64).alias("count"), pl.col("place").head(caps.examples_each).alias("places")
        )
        found = (
            pl.concat([found, added])
            .group_by(_KIND, maintain_order=True)
            .agg(pl.col("count").sum(), pl.col("places").list.explode().head(caps.examples_each))
        )
        start += frame.height
    return (
        found.with_columns(
            is_error=pl.col("severity") == Severity.ERROR.value,
            column_text=shown_expr("column", _CHARS["column"]),
            trait_text=shown_expr("trait", _CHARS["trait"]),
        )
        .sort("is_error", "count", descending=[True, True], maintain_order=True)
        .with_row_index("kind")
    )


def _chosen(counted: pl.DataFrame, caps: IssueCaps) -> pl.DataFrame:
    """Choose the kinds that are shown: the first of every code, then the most frequent."""
    is_first = pl.int_range(pl.len()).over("code") == 0
    kinds = counted.with_columns(is_first=is_first).sort("is_first", descending=True, maintain_order=True)
    chosen = kinds.head(caps.kinds).sort("kind").with_columns(kind=pl.int_range(pl.len(), dtype=pl.UInt32))
    each = max(1, min(caps.examples_each, caps.examples // chosen.height))
    return chosen.with_columns(pl.col("places").list.head(each))


def _examples(file: pq.ParquetFile, chosen: pl.DataFrame, key_names: Sequence[str]) -> pl.DataFrame:
    """Read the rows that are shown: those row groups alone that hold one."""
    wanted = chosen.select("kind", pl.col("places").alias("place")).explode("place").sort("place")
    names = ["file", *key_names, "row_number", "line", "value", "message"]
    frames = []
    start = 0
    for number in range(file.num_row_groups):
        stop = start + file.metadata.row_group(number).num_rows
        here = wanted.filter(pl.col("place").is_between(start, stop, closed="left"))
        if not here.is_empty():
            frame = pl.DataFrame(file.read_row_group(number, columns=names))[here["place"].cast(pl.Int64) - start]
            keys = [shown_expr(name, _KEY_CHARS) for name in key_names]
            others = [shown_expr(name, _CHARS[name]) for name in ("file", "value", "message")]
            frames.append(frame.with_columns(*keys, *others).with_columns(here["kind"]))
        start = stop
    return pl.concat(frames)


def _kinds(chosen: pl.DataFrame, columns: Sequence[str | None]) -> tuple[tuple[str, IssueKind], ...]:
    numbers = {name: number for number, name in enumerate(columns)}
    return tuple(
        (
            str(row["code"]),
            IssueKind(
                number=row["kind"],
                column=numbers[row["column_text"]],
                column_name=row["column_text"],
                trait=row["trait_text"],
                severity=row["severity"],
                count=row["count"],
            ),
        )
        for row in chosen.iter_rows(named=True)
    )


def _rows(
    texts: pl.DataFrame, kinds: Sequence[tuple[str, IssueKind]], key_names: Sequence[str]
) -> list[tuple[int, Example]]:
    """Return the examples with their place among those of their kind."""
    placed = texts.with_columns(nth=pl.int_range(pl.len()).over("kind"))
    return [
        (
            row["nth"],
            Example(
                kind=kinds[row["kind"]][1],
                file=row["file"],
                row_number=row["row_number"],
                line=row["line"],
                keys=tuple(row[name] for name in key_names),
                value=row["value"],
                message=row["message"],
            ),
        )
        for row in placed.iter_rows(named=True)
    ]


def _fitting(examples: Sequence[tuple[int, Example]], most_bytes: int) -> list[Example]:
    """Leave out what would make the page too large: the first example of every kind goes before any second one."""
    kept = []
    size = 0
    for _, example in sorted(examples, key=lambda item: (item[0], item[1].kind.number)):
        size += sum(
            _size(text)
            for text in (example.file, *example.keys, example.kind.column_name, example.value, example.message)
        )
        if size > most_bytes:
            break
        kept.append(example)
    return sorted(kept, key=lambda example: (example.kind.number, example.row_number))


def _size(text: str | None) -> int:
    return len(escape(text).encode()) if text is not None else 0


def _by_code(
    counted: pl.DataFrame, kinds: Sequence[tuple[str, IssueKind]], examples: Sequence[Example]
) -> tuple[CodeIssues, ...]:
    by_code = (
        counted.group_by("code", maintain_order=True)
        .agg(pl.col("count").sum(), pl.len().alias("kinds"), pl.col("severity").unique(), pl.col("is_error").any())
        .sort("is_error", "count", descending=[True, True], maintain_order=True)
    )
    result = []
    for row in by_code.iter_rows(named=True):
        mine = tuple(kind for code, kind in kinds if code == row["code"])
        numbers = {kind.number for kind in mine}
        entry = CATALOGUE.get(row["code"])
        result.append(
            CodeIssues(
                code=row["code"],
                severity=row["severity"][0] if len(row["severity"]) == 1 else MIXED,
                title=entry.title if entry is not None else row["code"],
                cause=entry.cause if entry is not None else "",
                fix=entry.fix if entry is not None else "",
                count=row["count"],
                kinds=mine,
                kinds_left_out=row["kinds"] - len(mine),
                examples=tuple(example for example in examples if example.kind.number in numbers),
            )
        )
    return tuple(result)
