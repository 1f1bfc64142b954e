"""The text of a query and what is bound to it, where a sync puts the place it goes on from into it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from importer.errors import SourceError
from importer.sources.database_place import DUCKDB, POSTGRES, SQLITE

if TYPE_CHECKING:
    from collections.abc import Sequence

CURSOR: Final = "$cursor"

_PIECES: Final = re.compile(
    r"'(?:[^']|'')*'"  # texts
    r'|"(?:[^"]|"")*"|`[^`]*`'  # names
    r"|\$(?P<tag>(?!\d)\w*)\$.*?\$(?P=tag)\$"  # texts of PostgreSQL
    r"|--[^\n]*|/\*.*?\*/"  # comments
    r"|(?P<cursor>\$cursor\b)|(?P<mark>\?\d*)|\$(?P<number>\d+)|::|(?P<name>[:@$]\w+)",
    re.DOTALL,
)


def bound(engine: str, query: str, parameters: Sequence[str], cursor: str | None) -> tuple[str, tuple[str, ...]]:
    """Return a query whose ``$cursor`` is a parameter, and the texts bound to its parameters.

    Args:
        engine: As `DatabasePlace` has it; a driver without an engine here is taken to write ``?``.
        query: Where a text, a name in quotes or a comment holds ``$cursor``, it stays.
        parameters: Given by the user: ``$1``, ``$2``, ...; or ``?``.
        cursor: Bound in the place of ``$cursor``; None leaves everything as it is.

    Raises:
        SourceError: the query has another number of parameters than were given.
    """
    text, values = _placed(engine, query, parameters, cursor)
    needed = _needed(engine, text)
    if needed is not None and needed != len(values):
        more = needed - (len(values) - len(parameters))
        raise SourceError(
            f"the query takes {more} parameters, and {len(parameters)} were given",
            hint="give one --param for each: $1, $2, ...; SQLite: ?",
        )
    return text, values


def _needed(engine: str, query: str) -> int | None:
    """Count the parameters of a query; None where its engine, or how it names them, is not known here."""
    if engine not in (POSTGRES, DUCKDB, SQLITE):
        return None
    found = list(_PIECES.finditer(query))
    if engine != POSTGRES and any(piece["name"] or piece["cursor"] for piece in found):
        return None
    if engine != SQLITE and (engine == POSTGRES or any(piece["number"] for piece in found)):
        return max((int(piece["number"]) for piece in found if piece["number"]), default=0)
    marks = [piece["mark"] for piece in found if piece["mark"]]
    return len(marks) if all(mark == "?" for mark in marks) else None


def _placed(engine: str, query: str, parameters: Sequence[str], cursor: str | None) -> tuple[str, tuple[str, ...]]:
    if cursor is None:
        if any(piece["cursor"] for piece in _PIECES.finditer(query)):
            raise SourceError(f"the query has {CURSOR}, which only a sync binds", hint="see `memory-importer sync run`")
        return query, tuple(parameters)
    found = list(_PIECES.finditer(query))
    if engine == POSTGRES or (engine == DUCKDB and not any(piece["mark"] for piece in found)):
        # After those of the query, not of what was given: one that is missing must not become the cursor.
        mark = f"${max((int(piece['number']) for piece in found if piece['number']), default=0) + 1}"
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
