"""What the page shows of `groups.parquet`: how many groups of which kind and size, and the largest of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from importer.reports.html_text import shown, shown_expr

MOST_GROUPS: Final = 20
"""Groups that are shown with rows."""
MOST_ROWS: Final = 10
"""Rows of a group that are shown."""

_FACTS: Final = {"shape": pl.String(), "most_shared": pl.Int64(), "profiles": pl.Int64()}
_FEW: Final = ("kind", "decision", "shape")
_NUMBERED: Final = pl.Categorical()
_TEXT_CHARS: Final = 80
_MOST_KEYS: Final = 3
_SIZES: Final = ((2, 2, "2 rows"), (3, 3, "3 rows"), (4, 5, "4 to 5 rows"), (6, 10, "6 to 10 rows"))
_LARGEST: Final = "more than 10 rows"
_BETWEEN: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A row of a group; `linking` is the masked values that link it, empty where they are not known."""

    file: str
    row_number: int
    line: int | None
    keys: tuple[str | None, ...]
    linking: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of rows that would become one profile.

    Attributes:
        name: Its number, as `--release` takes it.
        kind: ``merge`` or ``sequence``.
        decision: ``held``, ``allowed`` or ``released``.
        size: Rows in it.
        links: The idTypes that link its rows: ``email, phone``.
        shape: ``pair``, ``hub``, ``chain`` or ``chain with hub``; empty where it is not known.
        most_shared: Rows that have its commonest linking value; 0 where it is not known.
        profiles: What it would become under the reading of the forecast; None where that is not known.
        rows: The first of them.
    """

    name: str
    kind: str
    decision: str
    size: int
    links: str
    shape: str
    most_shared: int
    profiles: int | None
    rows: tuple[GroupRow, ...]


@dataclass(frozen=True, slots=True)
class GroupOverview:
    """The groups of a run.

    Attributes:
        groups: The largest ones, held ones first.
        total: Groups in the file.
        by_size: Groups by size.
        by_links: Groups by what links them: ``email``, ``email, phone`` ...
        by_shape: Groups by shape: ``pair``, ``hub``, ``chain`` ...; empty where it is not known.
        keys: Names of the key columns.
        has_linking_values: Some row says which value links it.
    """

    groups: tuple[Group, ...] = ()
    total: int = 0
    by_size: dict[str, int] = field(default_factory=dict)
    by_links: dict[str, int] = field(default_factory=dict)
    by_shape: dict[str, int] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    has_linking_values: bool = False


def read_groups(path: Path) -> GroupOverview:
    """Read what a page shows of the groups; there are none where the file is missing."""
    if not path.exists():
        return GroupOverview()
    lines = pl.scan_parquet(path)
    names = lines.collect_schema().names()
    keys = names[names.index("line") + 1 : names.index("id_types")][:_MOST_KEYS]
    # Texts of which there are few are numbers until the groups are there: they would be most of what is in memory.
    few = [name for name in _FEW if name in names]
    groups = (
        lines.with_columns(pl.col(few).cast(_NUMBERED), links=pl.col("id_types").list.join(_BETWEEN).cast(_NUMBERED))
        .group_by("group")
        .agg(
            pl.len().alias("size"),
            pl.col("kind").first(),
            pl.col("decision").first(),
            pl.col("links").first(),
            *(
                (pl.col(name).first() if name in names else pl.lit(None, dtype=dtype)).alias(name)
                for name, dtype in _FACTS.items()
            ),
        )
        .collect(engine="streaming")
    )
    largest = (
        groups.lazy()
        .with_columns(is_held=pl.col("decision") == "held", number=pl.col("group").cast(pl.Int64, strict=False))
        .sort("is_held", "size", "number", "group", descending=[True, True, False, False])
        .head(MOST_GROUPS)
        .with_columns(_ordered("links"))
        .collect()
    )
    counted = groups.group_by("links").agg(pl.len()).group_by(_ordered("links")).agg(pl.col("len").sum())
    rows = (
        lines.filter(pl.col("group").is_in(largest["group"].implode()))
        .filter(pl.int_range(pl.len()).over("group") < MOST_ROWS)
        .with_columns(*(shown_expr(name, _TEXT_CHARS) for name in ["file", *keys]), _linking(lines.collect_schema()))
        .collect()
    )
    shown_rows: dict[str, list[GroupRow]] = {name: [] for name in largest["group"]}
    for row in rows.iter_rows(named=True):
        shown_rows[row["group"]].append(_row(row, keys))
    return GroupOverview(
        groups=tuple(_group(group, shown_rows[group["group"]]) for group in largest.iter_rows(named=True)),
        total=groups.height,
        by_size=_by_size(groups["size"]),
        by_links=dict(counted.iter_rows()),
        by_shape=dict(groups["shape"].drop_nulls().value_counts().iter_rows()),
        keys=tuple(shown(name, _TEXT_CHARS) for name in keys),
        has_linking_values=bool((rows["linking"] != "").any()),
    )


def _ordered(links: str) -> pl.Expr:
    """Return the idTypes of joined texts in one order, whichever they came in."""
    return pl.col(links).cast(pl.String).str.split(_BETWEEN).list.sort().list.join(", ").alias(links)


def _linking(schema: pl.Schema) -> pl.Expr:
    if "linking_value" not in schema:
        return pl.lit("").alias("linking")
    value = pl.col("linking_value")
    text = value.list.join(", ") if isinstance(schema["linking_value"], pl.List) else value
    return text.fill_null("").str.slice(0, _TEXT_CHARS).alias("linking")


def _by_size(sizes: pl.Series) -> dict[str, int]:
    counts = {text: int(sizes.is_between(least, most).sum()) for least, most, text in _SIZES} | {
        _LARGEST: int((sizes > _SIZES[-1][1]).sum())
    }
    return {text: count for text, count in counts.items() if count}


def _group(group: dict[str, Any], rows: Sequence[GroupRow]) -> Group:
    return Group(
        name=group["group"],
        kind=group["kind"],
        decision=group["decision"],
        size=group["size"],
        links=group["links"] or "",
        shape=group["shape"] or "",
        most_shared=group["most_shared"] or 0,
        profiles=group["profiles"],
        rows=tuple(rows),
    )


def _row(row: dict[str, Any], keys: Sequence[str]) -> GroupRow:
    return GroupRow(
        file=row["file"],
        row_number=row["row_number"],
        line=row["line"],
        keys=tuple(row[name] for name in keys),
        linking=row["linking"],
    )
