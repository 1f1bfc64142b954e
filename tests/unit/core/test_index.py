"""The package's index: what it keeps of a line, and how little that is."""

from __future__ import annotations

import polars as pl
import pytest

from importer.core.identity_result import RowCode
from importer.core.index import INDEX_SCHEMA, MOST_ROWS, check_row_count
from importer.core.issue_catalogue import CATALOGUE
from importer.errors import SourceError


def test_a_line_takes_38_bytes() -> None:
    """The index is what memory grows by: no column of it may grow unseen."""
    numbers = INDEX_SCHEMA.to_frame().select(pl.all().to_physical())
    assert sum(column.to_numpy().itemsize for column in numbers) == 38


def test_every_code_can_stand_in_it() -> None:
    """Whatever rejects or holds a row has its code there."""
    codes = pl.Series([*CATALOGUE, *(code.code for code in RowCode)], dtype=INDEX_SCHEMA["code"])
    assert codes.null_count() == 1


def test_a_source_has_no_more_rows_than_there_are_numbers() -> None:
    """A row that no number is left for refuses the run before anything is written about it."""
    check_row_count(MOST_ROWS)
    with pytest.raises(SourceError, match="2,147,483,646 rows"):
        check_row_count(MOST_ROWS + 1)
