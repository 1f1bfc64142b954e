"""What a source looks like, seen from its text alone: the values that `inspect` prints and `mapping init` builds on.

These are values only; `importer.core.inspect_columns` gathers them and `importer.core.inspect_meaning` judges them.
Where a value holds text of cells, it says so: such text is masked by whoever writes it, unless the user asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from importer.core.issues import Severity


class Meaning(StrEnum):
    """What the values of a column seem to be."""

    EMAIL = "email"
    PHONE = "phone"
    FULL_NAME = "full-name"
    FIRST_NAME = "first-name"
    LAST_NAME = "last-name"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    MONEY = "money"
    COUNTRY = "country"
    REGION = "region"
    CITY = "city"
    POSTAL_CODE = "postal-code"
    STREET = "street"
    IDENTIFIER = "id"
    LANGUAGE = "language"
    ARRAY = "array"
    URL = "url"
    CATEGORY = "category"
    TEXT = "text"
    CARD_NUMBER = "card-number"
    NATIONAL_ID = "national-id"
    HEALTH = "health"
    EMPTY = "empty"


SENSITIVE: Final = frozenset({Meaning.CARD_NUMBER, Meaning.NATIONAL_ID, Meaning.HEALTH})
"""Meanings the service is not for; a proposed mapping leaves such columns out."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One reading of a column.

    Attributes:
        meaning: What the values would be.
        score: From 0 to 1.
        evidence: Why, in words, with shares and counts and without cell values.
        date_format: For dates: strptime format, "" where it is ISO 8601 or undecided.
        regions: For phones and countries: ISO 3166 region -> values of it, most frequent first.
        codes_share: For countries: share of the values that are codes of two letters.
        international_share: For phones: share of the values written with + and country code.
        true_values: For booleans: the words found that mean yes, lower case.
        false_values: For booleans: the words found that mean no, lower case.
        separator: For arrays: what stands between the items.
        currency: For money: ISO 4217 code, "" where several or none are named.
        by_name: For what is sensitive: the name alone says so.
    """

    meaning: Meaning
    score: float
    evidence: str
    date_format: str = ""
    regions: Mapping[str, int] = field(default_factory=dict)
    codes_share: float = 0.0
    international_share: float = 0.0
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    separator: str = ""
    currency: str = ""
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """One kind of damage or doubt in one column.

    Attributes:
        code: Kebab-case name, an entry of `importer.core.excel.DOCTOR`.
        severity: An error means that something is lost, which no repair can bring back.
        count: Cells that show it.
        first_row: Row number of the first one.
        first_line: Its physical line, None for files without lines.
        first_file: Name of the file the first one is in.
        fix: Argument of ``--fix`` that repairs it, None where nothing does.
        repairable: Cells that `fix` would repair.
        message: Detail without cell values.
    """

    code: str
    severity: Severity
    count: int
    first_row: int | None = None
    first_line: int | None = None
    first_file: str | None = None
    fix: str | None = None
    repairable: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What one column looks like.

    Attributes:
        name: As in the header.
        position: 1-based.
        rows: Rows that could be read, blank lines not counted.
        filled: Rows with a value: not empty, not only white space, not the null of a database dump.
        distinct: Distinct values; exact or an estimate, see `distinct_is_exact`.
        distinct_is_exact: False where there were too many to keep count of.
        min_chars: Characters of the shortest value, 0 without values.
        max_chars: Characters of the longest value, 0 without values.
        guesses: Best first, never empty; the first is the reading that `inspect` shows.
        examples: Up to five distinct values AS THEY ARE: cell values, to be masked by whoever writes them.
        findings: Worst first.
        is_list: A list column of Parquet.
        null_words: Words of a known list that mean "no value" (N/A, NULL, -), as they are written, with their counts,
            the most frequent first; these alone may be shown.
        placeholder_emails: Addresses that are written where there is none (noemail@..., test@test.com), in lower case,
            with their counts, the most frequent first; they are nobody's.
    """

    name: str
    position: int
    rows: int
    filled: int
    distinct: int
    distinct_is_exact: bool
    min_chars: int
    max_chars: int
    guesses: tuple[Guess, ...]
    examples: tuple[str, ...] = ()
    findings: tuple[ColumnFinding, ...] = ()
    is_list: bool = False
    null_words: Mapping[str, int] = field(default_factory=dict)
    placeholder_emails: Mapping[str, int] = field(default_factory=dict)

    @property
    def guess(self) -> Guess:
        """The best reading."""
        return self.guesses[0]

    @property
    def fill_share(self) -> float:
        """Share of the rows that have a value, 0 to 1."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def is_key(self) -> bool:
        """Tell whether every row has a value and no two rows the same one, certainly."""
        return self.rows > 1 and self.filled == self.rows and self.distinct_is_exact and self.distinct == self.rows


@dataclass(frozen=True, slots=True)
class SourceProfile:
    """What a source looks like.

    Attributes:
        kind: ``csv`` or ``parquet``.
        files: Names in reading order.
        rows: Rows read, blank and malformed ones included.
        blank: Blank lines among them.
        malformed: Rows that cannot be read as a row.
        columns: In the order of the header.
        is_complete: False where only the first rows were looked at (``--sample-rows``).
        encoding: Of a text source, else None.
        delimiter: Of a text source, else None.
        line_terminator: Of a text source, else None.
        compression: ``gzip`` or ``zstd``, else None.
        malformed_reasons: Reason -> malformed rows.
        unsupported: Columns that cannot be read, and why.
        notes: What was sniffed or dropped, for people.
        naive: Columns of times without a zone, where nobody said which zone they are of.
    """

    kind: str
    files: tuple[str, ...]
    rows: int
    blank: int
    malformed: int
    columns: tuple[ColumnProfile, ...]
    is_complete: bool = True
    encoding: str | None = None
    delimiter: str | None = None
    line_terminator: str | None = None
    compression: str | None = None
    malformed_reasons: Mapping[str, int] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    naive: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnProfile:
        """Return a column by name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
