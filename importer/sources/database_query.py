"""The text of a query and what is bound to it, where a sync puts the place it goes on from into it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from importer.sources.database_place import DUCKDB, POSTGRES, SQLITE

if TYPE_CHECKING:
    from collections.abc import Sequence

CURSOR: Final = "$cursor"

_PIECES: Final = re.compile(
    r"'(?:[^']|'')*'"  # texts
    r'|"(?:[^"]|"")*"|`[^`]*`'  # names
    r"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"  # texts of PostgreSQL
    r"|--[^\n]*|/\*.*?\*/"  # comments
    r"|(?P<cursor>\$cursor\b)|(?P<mark>\?\d*)",
    re.DOTALL,
)


def bound(engine: str, query: str, parameters: Sequence[str], cursor: str | None) -> tuple[str, tuple[str, ...]]:
    """Return a query whose ``$cursor`` is a parameter, and the texts bound to its parameters.

    Args:
        engine: As `DatabasePlace` has it; a driver without an engine here is taken to write ``?``.
        query: Where a text, a name in quotes or a comment holds ``$cursor``, it stays.
        parameters: Given by the user: ``$1``, ``$2``, ...; or ``?``.
        cursor: Bound in the place of ``$cursor``; None leaves everything as it is.
    """
    if cursor is None:
        return query, tuple(parameters)
    if engine in (POSTGRES, DUCKDB):
        mark = f"${len(parameters) + 1}"
        text = _PIECES.sub(lambda found: mark if found["cursor"] else found[0], query)
        return text, (*parameters, cursor)
    given, values, is_placed = list(parameters), list[str](), False

    def placed(found: re.Match[str]) -> str:
        nonlocal is_placed
        if found["cursor"]:
            # SQLite gives a name that it has seen before no second place.
            if engine != SQLITE or not is_placed:
                values.append(cursor)
            is_placed = True
            return CURSOR if engine == SQLITE else "?"
        if found["mark"] is not None and given:
            values.append(given.pop(0))
        return found[0]

    text = _PIECES.sub(placed, query)
    return text, (*values, *given)

