"""What an issue code is, and the frame that issues travel in.

Messages hold no cell values; `value` is a column of the frame, masked by whoever writes it unless the user asked for
values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl


class Severity(StrEnum):
    """An error rejects its row; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class IssueCode:
    """One entry of the catalogue.

    Attributes:
        code: Kebab-case name.
        severity: Usual severity; a mapping's ``on_invalid: drop`` turns a cell's error into a warning.
        title: A few words.
        cause: One or two sentences: what was found.
        fix: One or two sentences: what to do.
    """

    code: str
    severity: Severity
    title: str
    cause: str
    fix: str


ISSUES_SCHEMA: Final = pl.Schema(
    {
        "row_number": pl.UInt64,
        "code": pl.String,
        "severity": pl.String,
        "column": pl.String,
        "trait": pl.String,
        "value": pl.String,
        "message": pl.String,
    }
)
"""Issues of one chunk: `value` is the original text of the cell; file, line and key are joined from the chunk."""
