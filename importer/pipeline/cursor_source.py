"""A source whose highest cursor value is noticed while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from importer.core.entries import as_text
from importer.core.sync_cursor import Cursor, CursorError, highest, later
from importer.errors import SourceError
from importer.ports import Source, SourceChunk, SourceDescription


class CursorSource:
    """Passes a source on, and keeps the highest value of one column.

    Args:
        source: What is read.
        column: Name of the column.
        now: Moments that are clearly later are passed over.
    """

    def __init__(self, source: Source, column: str, now: datetime) -> None:
        self._source = source
        self._column = column
        self._now = now
        self._passes: list[Cursor | None] = []

    @property
    def highest(self) -> Cursor | None:
        """The highest value that each whole pass has seen: what only a later one saw is not in the package."""
        if not self._passes or None in self._passes:
            return None
        return min((found for found in self._passes if found is not None), key=lambda found: (found.place, found.text))

    def describe(self) -> SourceDescription:
        """Describe the source.

        Raises:
            SourceError: it cannot be read, or has no such column.
        """
        description = self._source.describe()
        if self._column not in description.columns:
            why = description.unsupported.get(self._column)
            raise SourceError(
                f"the source has no column '{self._column}', which `cursor` names" + (f": it is {why}" if why else ""),
                hint="select it in the query, or name another one",
            )
        return description

    def chunks(self) -> Iterator[SourceChunk]:
        """Yield all rows.

        Raises:
            SourceError: the source cannot be read to its end, or the column has values without an order.
        """
        found: Cursor | None = None
        for chunk in self._source.chunks():
            values = as_text(chunk.frame[self._column]).str.strip_chars()
            try:
                found = later(found, highest(values, now=self._now))
            except CursorError as error:
                raise SourceError(
                    f"column '{self._column}' cannot be a cursor: {error}", hint="cast it in the query"
                ) from None
            yield chunk
        self._passes.append(found)

    def fingerprint(self) -> str:
        """Return a hash over the content."""
        return self._source.fingerprint()
