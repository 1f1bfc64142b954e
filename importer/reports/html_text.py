"""Text for the page: what came from outside as `issues.csv` has it and cut, sentences with commands in pieces.

Nothing here is markup. The template escapes every text once, when it puts it in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from importer.reports.csv_text import harmless
from importer.reports.plain_text import printable

MOST_CHARS: Final = 400
"""Characters of a name or a message that the page shows."""
MOST_SENTENCE_CHARS: Final = 1000
"""The same of a note or a hint."""

_COMMAND: Final = "memory-importer "
_CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence.

    Attributes:
        text: Plain text.
        is_code: It stood between backticks.
        is_command: It is a command line that someone may copy.
    """

    text: str
    is_code: bool = False
    is_command: bool = False


def shown_expr(name: str, chars: int) -> pl.Expr:
    """Return a column's text as `issues.csv` has it, cut where it has more than `chars` characters."""
    text = harmless(name)
    length = text.str.len_chars()
    cut = pl.concat_str(text.str.slice(0, chars), pl.lit("… ("), length.cast(pl.String), pl.lit(" characters)"))
    return pl.when(length > chars).then(cut).otherwise(text).alias(name)


def shown(text: str, chars: int = MOST_CHARS) -> str:
    """Return a name or a message with invisible characters written out, cut where it is long."""
    legible = printable(text)
    return legible if len(legible) <= chars else f"{legible[:chars]}… ({len(legible):,} characters)"


def pieces(sentence: str) -> tuple[Piece, ...]:
    """Split a sentence at its backticks; it begins with a capital unless it begins with code."""
    parts = _CODE.split(shown(sentence, MOST_SENTENCE_CHARS))
    found = [
        Piece(text, is_code=bool(place % 2), is_command=bool(place % 2) and text.startswith(_COMMAND))
        for place, text in enumerate(parts)
        if text
    ]
    if found and not found[0].is_code:
        first = found[0].text
        found[0] = Piece(first[0].upper() + first[1:])
    return tuple(found)


def moment(text: str) -> str:
    """Return a time as people write it; text that is no time as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return shown(text)
    zone = " UTC" if at.utcoffset() is not None and not at.utcoffset() else at.strftime(" %z").rstrip()
    return f"{at.day} {at:%B %Y, %H:%M:%S}{zone}"


def duration(seconds: float) -> str:
    """Return how long something took."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


@dataclass(frozen=True, slots=True)
class Listing:
    """Counts by name, the largest first; `left_out` names are not shown, with `left_out_count` in all."""

    entries: tuple[tuple[str, int], ...] = ()
    left_out: int = 0
    left_out_count: int = 0

    @property
    def largest(self) -> int:
        """The largest count, at least 1."""
        return max((count for _, count in self.entries), default=1) or 1


def listing(counts: Mapping[str, int], most: int) -> Listing:
    """Order counts for a table of at most `most` lines; zero counts go."""
    ordered = sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))
    rest = ordered[most:]
    return Listing(
        tuple((shown(name), count) for name, count in ordered[:most]), len(rest), sum(count for _, count in rest)
    )


def listing_as_is(counts: Mapping[str, int]) -> Listing:
    """Return counts in the order they have."""
    return Listing(tuple((shown(name), count) for name, count in counts.items()))
