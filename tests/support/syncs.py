"""A sync over a file or a query beside a running local service, and what it sent of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from importer.core.report import Report
from importer.core.sync_state import SyncState
from importer.reports.progress import NoProgress
from importer.state.sync_folder import SyncFolder
from importer.wiring.requests import Hooks
from importer.wiring.sync_opening import SyncRequest
from importer.wiring.syncing import run_sync
from tests.support.runs import IDLE_S, QUICK, Workbench

MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "phone": "Contact.phone",
        "points": {"to": "Account.points", "type": "number"},
    },
}
LOOSE: Final = {"max_changed_percent": 100, "max_row_drop_percent": 100, "max_rejected_percent": 100}
"""Brakes for histories in which everything may happen."""

Row = tuple[str, str, int]
"""E-mail, phone and points of a key."""


def person(number: int, points: int = 1) -> Row:
    """Return a row that shares nothing with others."""
    return f"p{number}@example.com", f"+1206555{number:04d}", points


def people(count: int) -> dict[str, Row]:
    """Return rows by key."""
    return {f"K{number}": person(number) for number in range(count)}


@dataclass(frozen=True)
class Synced:
    """A sync file beside its mapping, with the CSV file it reads."""

    bench: Workbench
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The sync file."""
        return self.bench.folder / "customers.sync.yaml"

    @property
    def source(self) -> Path:
        """The CSV file."""
        return self.bench.folder / "customers.csv"

    @property
    def folder(self) -> SyncFolder:
        """What the sync knows."""
        return SyncFolder(self.file)

    @property
    def state(self) -> SyncState:
        """What the sync remembers."""
        return self.folder.read_state()

    def snapshot(self) -> pl.DataFrame:
        """Return all that was delivered."""
        found = self.folder.open_snapshot()
        assert found is not None
        return pl.concat(found.pieces())

    def but(self, **given: Any) -> Synced:
        """Return the same sync with other keys in its file."""
        return replace(self, given={**self.given, **given})

    def write(self, rows: Mapping[str, Row] | Sequence[tuple[str, Row]]) -> None:
        """Write the CSV file; an item is a key and its row."""
        items = rows.items() if isinstance(rows, Mapping) else rows
        lines = (f"{key},{email},{phone},{points}" for key, (email, phone, points) in items)
        self.source.write_text("\n".join(["id,email,phone,points", *lines, ""]), encoding="utf-8")

    def write_file(self) -> None:
        """Write the sync file."""
        usual = {"version": 1, "source": self.source.name, "mapping": self.bench.mapping.name, "mode": "full"}
        self.file.write_text(json.dumps({**usual, **self.given}), encoding="utf-8")

    def run(self, hooks: Hooks | None = None, **options: Any) -> Report:
        """Run the sync, and wait until the service has applied all of it; `options` are fields of `SyncRequest`."""
        self.write_file()
        try:
            return run_sync(SyncRequest(self.file, self.bench.settings, **options), hooks or Hooks(), QUICK)
        finally:
            self.bench.emulator.wait_idle(IDLE_S)

    def sent(self, act: Callable[[], object]) -> int:
        """Return how many profiles were sent while something was done."""
        before = len(self.bench.emulator.journal())
        act()
        return sum(entry["profile_count"] for entry in self.bench.emulator.journal()[before:])

    def runs(self, **options: Any) -> tuple[dict[str, int], int]:
        """Run the sync; return rows by final state, those that are not zero, and how many profiles were sent."""
        reports: list[Report] = []
        sent = self.sent(lambda: reports.append(self.run(**options)))
        return found(reports[0]), sent

    def stored(self) -> dict[str, Row]:
        """Return what the store has, by the first of the e-mail addresses that a profile was given last."""
        rows = {}
        for profile in self.bench.stored():
            traits = profile["traits"]
            email = traits["Contact"]["email"]
            rows[email] = (email, traits["Contact"]["phone"], int(traits["Account"]["points"]))
        return rows


def delivered_to(bench: Workbench) -> Synced:
    """Return a sync that delivered ten people."""
    sync = Synced(bench, {"brakes": LOOSE})
    sync.write(people(10))
    sync.run(first_run=True)
    return sync


def found(report: Report) -> dict[str, int]:
    """Return rows by final state, those that are not zero."""
    return {state: count for state, count in report.outcomes.items() if count}


def by_email(rows: Mapping[str, Row]) -> dict[str, Row]:
    """Return rows as a store has them."""
    return {row[0]: row for row in rows.values()}


class At(NoProgress):
    """Does something when a stage begins.

    Args:
        name: Of the stage.
        act: What.
    """

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self._name = name
        self._act = act

    def stage(self, name: str, total: int | None) -> None:  # noqa: ARG002 - the port's signature
        """Do it."""
        if name == self._name:
            self._act()
