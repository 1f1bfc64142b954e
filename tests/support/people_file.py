"""A source of people with every kind of trait, line by line, and the mapping it is read with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tests.support.runs import Workbench

COLUMNS: Final[dict[str, Any]] = {
    "email": "Contact.email",
    "phone": "Contact.phone",
    "nick": "Contact.nick",
    "points": {"to": "Loyalty.points", "type": "number", "on_missing": "remove"},
}
CLEARED_NICK: Final[dict[str, Any]] = {"nick": {"to": "Contact.nick", "on_missing": "clear"}}


def people_mapping(columns: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a mapping; `columns` are added to the usual ones or take their places, `more` are further keys."""
    return {
        "version": 1,
        "source": {"key": ["id"]},
        "defaults": {"region": "US"},
        "columns": COLUMNS | (columns or {}),
    } | more


def write_people(bench: Workbench, *lines: str, also: tuple[str, ...] = ()) -> Path:
    """Write a source with these lines; `also` are columns behind the usual ones."""
    path = bench.folder / "source.csv"
    path.write_text("\n".join([",".join(["id", *COLUMNS, *also]), *lines]) + "\n", encoding="utf-8")
    return path
