"""The text that checking begins with: source columns trimmed, repaired, and null where a value is missing."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import polars as pl

from importer.core.characters import TextBytes, is_one_of, sizes_of, text_bytes
from importer.core.check_values import Checks
from importer.core.entries import as_text
from importer.core.findings import kept
from importer.core.fixes_columns import repair
from importer.core.text_views import not_null


@dataclass(frozen=True, slots=True)
class SourceText:
    """Columns of trimmed text (lists stay lists), null where missing, and what is known of them.

    Attributes:
        frame: The columns.
        seen: What their bytes allowed for before they were trimmed.
        longest: Bytes of each text column's longest text.
        changed: A Boolean column, ``column: kind``, for each repair that `--fix` made in these rows.
    """

    frame: pl.DataFrame
    seen: Mapping[str, TextBytes]
    longest: Mapping[str, int] = field(default_factory=dict)
    changed: pl.DataFrame = field(default_factory=pl.DataFrame)

    def evaluate(self, expr: pl.Expr) -> pl.Series:
        """Evaluate an expression of the mapping, which sees a list as text; a constant gives a value a row too."""
        lists = [as_text(column) for column in self.frame if column.dtype == pl.List]
        frame = self.frame.with_columns(lists) if lists else self.frame
        return frame.with_columns(expr.alias("value"))["value"]

    def filter(self, mask: pl.Series) -> SourceText:
        """Return these rows alone."""
        changed = self.changed.filter(mask) if self.changed.width else self.changed
        return replace(self, frame=self.frame.filter(mask), changed=changed)

    def trimmed(self, source: pl.DataFrame) -> dict[str, int]:
        """Count the texts that had white space around them, by column.

        Args:
            source: The same rows as they were read.
        """
        spaced = [name for name, seen in self.seen.items() if seen.spaced]
        if not spaced:
            return {}
        # a text that --fix repaired says nothing about the spaces that were around it
        fixed = {mask.name.rpartition(": ")[0] for mask in self.changed}
        bare = {name: source[name].str.strip_chars() if name in fixed else self.frame[name] for name in spaced}
        return {
            name: int(np.count_nonzero((sizes_of(source[name]) != sizes_of(text)) & not_null(text)))
            for name, text in bare.items()
        }


def read_text(checks: Checks, frame: pl.DataFrame, known: Mapping[str, TextBytes]) -> SourceText:
    """Trim text and turn null tokens into null, for the columns that anything reads."""
    text = frame[list(checks.columns or frame.columns[:1])]
    names = [column.name for column in text if column.dtype == pl.String]
    seen = {name: known[name] if name in known else text_bytes(text[name]) for name in names}
    spaced = [name for name, bytes_ in seen.items() if bytes_.spaced]
    if spaced:
        text = text.with_columns(pl.col(spaced).str.strip_chars())
    text, changed = _fix(checks, text, seen)
    shortest, longest = _sizes(text, seen, {*spaced, *checks.fixes})
    longest_token = max(len(token.encode()) for token in checks.null_tokens)
    short = [name for name, size in shortest.items() if size is not None and size <= longest_token]
    if short:
        missing = {name: is_one_of(text[name], checks.null_tokens) for name in short}
        text = text.with_columns(kept(text[name], pl.Series(~mask)) for name, mask in missing.items() if mask.any())
    return SourceText(text, seen, longest, changed)


def _sizes(
    text: pl.DataFrame, seen: Mapping[str, TextBytes], changed: Set[str]
) -> tuple[dict[str, int | None], dict[str, int]]:
    """Return the bytes of the shortest and of the longest text of each column."""
    shortest = {name: bytes_.shortest for name, bytes_ in seen.items()}
    longest = {name: bytes_.longest for name, bytes_ in seen.items()}
    for name in changed & seen.keys():
        sizes = text[name].str.len_bytes()
        shortest[name] = cast("int | None", sizes.min())
        longest[name] = cast("int | None", sizes.max()) or 0
    return shortest, longest


def _fix(checks: Checks, text: pl.DataFrame, seen: Mapping[str, TextBytes]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make the repairs of `--fix`; return the text, and which cells changed by ``column: kind``."""
    changed: list[pl.Series] = []
    for name in checks.fixes:
        if name not in seen:
            continue
        repaired, masks = repair(text[name], checks.fixes[name])
        if masks:
            text = text.with_columns(repaired.alias(name))
            changed += [mask.alias(f"{name}: {code}") for code, mask in masks.items()]
    return text, pl.DataFrame(changed)
