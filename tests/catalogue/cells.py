"""Cells of the catalogue of bad input: one table with a row for each, and what comes of it in one run.

A cell is the only odd one of its row, so that whatever happens to the row happens because of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from importer.core.issue_catalogue import CATALOGUE
from importer.core.report import Report
from importer.wiring.requests import Hooks
from importer.wiring.sending import run_import
from tests.support.runs import DELIVERED, IDLE_S, QUICK, Profile, Workbench, outcomes_of, workbench

Stored = str | int | bool | list[Any] | None

COLUMNS: Final[dict[str, Any]] = {
    "id": {"to": "Account.id", "identifier": "user_id"},
    "filler": "Contact.filler",
    "email": "Contact.email",
    "phone": {"to": "Contact.phone", "region_from": "country"},
    "crm": {"to": "Account.crm", "identifier": "crm_id"},
    "text": "Contact.text",
    "clear": {"to": "Contact.clear", "on_missing": "clear"},
    "remove": {"to": "Contact.remove", "on_missing": "remove"},
    "number": {"to": "Loyalty.number", "type": "number"},
    "vip": {"to": "Loyalty.vip", "type": "boolean", "true_values": ["yes", "1"], "false_values": ["no", "0"]},
    "flag": {"to": "Loyalty.flag", "type": "boolean"},
    "born": {"to": "Contact.born", "parse": "date", "format": "%d/%m/%Y"},
    "day": {"to": "Contact.day", "parse": "date"},
    "seen": {"to": "Contact.seen", "parse": "datetime"},
    "tags": {"to": "Loyalty.tags", "type": "array", "split": "|"},
    "list": {"to": "Loyalty.list", "type": "array"},
    "code": "Ruled.code",
    "score": {"to": "Ruled.score", "type": "number"},
    "few": {"to": "Ruled.few", "type": "array", "split": "|"},
}
MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"], "null_tokens": ["", "\\N", "n.a."]},
    "columns": COLUMNS,
}
RULES: Final[dict[str, dict[str, Any]]] = {
    "code": {"ruleType": "STRING", "pattern": "^[A-Z]+$", "minLength": 2, "maxLength": 5},
    "score": {"ruleType": "NUMBER", "min": 1, "max": 10},
    "few": {"ruleType": "ARRAY", "minItems": 2, "maxItems": 3},
}
"""Rules of the store's own, by trait."""

RULED: Final = {name: {"dataType": rule["ruleType"], "validationRule": rule} for name, rule in RULES.items()}
STORE: Final = {"traitGroups": [{"displayName": "Ruled", "traits": RULED}]}
FINE: Final = {"filler": "fine", "clear": "fine", "remove": "fine", "country": "US"}
"""What the other cells of a row hold, where they hold anything."""

BEFORE: Final = "was there before"
"""What a profile holds before the run, where a cell is missing."""


SHORT_CHARS: Final = 4
"""A shorter text may stand in a message for another reason."""


@dataclass(frozen=True)
class Rejected:
    """The row is rejected.

    Attributes:
        code: Issue code.
        says: What its message says.
    """

    code: str
    says: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell, and what comes of it.

    Attributes:
        column: Of the table.
        text: What it holds.
        comes: The value the store has afterwards, None for none, or how the row is rejected.
        warning: Code of the warning beside it.
        repairs: Kinds of repair counted for it.
        country: Cell beside it that names the region of a phone.
        key: The row's key, where it is the odd cell.
        raw: How the cell stands in the file, where quoting matters.
    """

    column: str
    text: str
    comes: Stored | Rejected
    warning: str = ""
    repairs: tuple[str, ...] = ()
    country: str = "US"
    key: str = ""
    raw: str | None = None

    def line(self, key: str) -> str:
        """Return the row as it stands in the file."""
        cells = FINE | {"id": key, "country": self.country, self.column: self.text}
        return ",".join(self._written(name, cells.get(name, "")) for name in HEADER) + "\n"

    def _written(self, name: str, text: str) -> str:
        if name == self.column and self.raw is not None:
            return self.raw
        return '"' + text.replace('"', '""') + '"' if set(text) & set('",\r\n') else text


HEADER: Final = (*COLUMNS, "country")

Lines = Mapping[int, Sequence[Cell]]


def numbered(lines: Lines) -> dict[str, Cell]:
    """Return the cells by their row's key, in the order of the rows."""
    return {
        cell.key or f"line-{line}-{place}": cell for line, cells in lines.items() for place, cell in enumerate(cells)
    }


def table_of(lines: Lines) -> str:
    """Return the table."""
    return ",".join(HEADER) + "\n" + "".join(cell.line(key) for key, cell in numbered(lines).items())


@dataclass(frozen=True)
class Came:
    """What came of a table.

    Attributes:
        report: Of its run.
        folder: Of its run.
        profiles: Traits by the row's key.
        issues: Issues by the row's key: code, severity, message.
        states: State and code by the row's key.
    """

    report: Report
    folder: Path
    profiles: Mapping[str, Profile]
    issues: Mapping[str, list[tuple[str, str, str]]]
    states: Mapping[str, tuple[str, str | None]]


def delivered(lines: Lines, folder: Path) -> Came:
    """Import a table into a local service whose traits have rules, and write issues with their values."""
    with workbench(folder, MAPPING, store=STORE) as bench:
        bench.put([stored_before(key) for key, cell in numbered(lines).items() if not cell.text])
        source = folder / "table.csv"
        source.write_text(table_of(lines), encoding="utf-8", newline="")
        report = run_import(replace(bench.request(source), show_values=True), Hooks(), QUICK)
        bench.emulator.wait_idle(IDLE_S)
        return what_came(report, bench)


def stored_before(key: str) -> dict[str, Any]:
    """Return the traits of a profile that is there before."""
    return {"Account": {"id": key}, "Contact": dict.fromkeys(("text", "clear", "remove"), BEFORE)}


def what_came(report: Report, bench: Workbench) -> Came:
    """Read what a run left behind."""
    folder = Path(report.folder or "")
    issues: dict[str, list[tuple[str, str, str]]] = {}
    for key, *issue in pl.read_parquet(folder / "issues.parquet").select("id", "code", "severity", "message").rows():
        issues.setdefault(key, []).append((issue[0], issue[1], issue[2]))
    states = outcomes_of(report).select("id", "state", "code").rows()
    profiles = {profile["identifiers"]["user_id"][0]: profile["traits"] for profile in bench.stored()}
    return Came(report, folder, profiles, issues, {key: (state, code) for key, state, code in states})


def judge(key: str, cell: Cell, came: Came) -> None:
    """Compare what came of a cell."""
    state, code = came.states[key]
    issues = came.issues.get(key, [])
    if isinstance(cell.comes, Rejected):
        assert (state, code) == ("rejected", cell.comes.code), (cell, issues)
        assert [issue[:2] for issue in issues] == [(cell.comes.code, "error")], cell
        assert key not in came.profiles
    else:
        assert state in DELIVERED, (cell, issues)
        group, _, name = trait_of(cell.column).partition(".")
        assert came.profiles[key].get(group, {}).get(name) == cell.comes, cell
        assert [issue[:2] for issue in issues] == [(cell.warning, "warning")] * bool(cell.warning), cell
    for found, _, message in issues:
        assert message != CATALOGUE[found].title
        says = cell.comes.says if isinstance(cell.comes, Rejected) else ""
        assert says in message, cell
        assert len(cell.text) < SHORT_CHARS or cell.text not in message.replace(says, ""), cell


def trait_of(column: str) -> str:
    """Return the trait that a column goes to."""
    to = COLUMNS[column]
    return str(to if isinstance(to, str) else to["to"])


def repairs_of(lines: Lines) -> dict[str, int]:
    """Return the repairs that the report is to count."""
    return dict(Counter(f"{cell.column}: {kind}" for cell in numbered(lines).values() for kind in cell.repairs))
