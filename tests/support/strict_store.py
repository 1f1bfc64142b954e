"""A local service that turns strict once a run has read its rules, so that it refuses rows which were fine before.

What the service refuses at once fails its rows; what it counts behind a 202, or in a file, leaves a batch of which
nobody can say which row it was. Before a run goes on, the service is made lenient again: a run goes on only where the
schema is what it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx

from importer.core.report import Report
from importer.emulator import BadProfile, EmulatorSettings
from importer.wiring.requests import Hooks, SendOptions, Settle
from importer.wiring.retrying import RetryRequest, retry
from importer.wiring.sending import run_import
from tests.support.runs import IDLE_S, QUICK, Workbench

POINTERS: Final = EmulatorSettings(error_pointers=True, status_url=False)
"""Refuses at once, and names the rows it refuses."""

DROPPING: Final = EmulatorSettings(bad_profile=BadProfile.ACCEPT_THEN_DROP)
"""Drops what it does not take behind a 202, and counts it."""

SILENT: Final = EmulatorSettings(status_url=False)
"""Takes rows, and does not say what became of them."""

TRAIT: Final = ("Account", "points")
MAPPING: Final[dict[str, Any]] = {
    "version": 1,
    "source": {"key": ["id"]},
    "columns": {
        "email": "Contact.email",
        "note": "Account.note",
        "points": {"to": "Account.points", "type": "number"},
    },
}


def set_rule(bench: Workbench, most: int | None) -> None:
    """Let the service take points up to `most`, or any."""
    group, trait = TRAIT
    definition: dict[str, Any] = {"dataType": "NUMBER"}
    if most is not None:
        definition["validationRule"] = {"ruleType": "NUMBER", "max": most}
    url = f"{bench.emulator.api_url}/v1/ControlPlane/Stores/{bench.emulator.store_id}/TraitGroups/{group}"
    answer = httpx.patch(url, json={"traits": {trait: definition}}, auth=("key", "secret"), trust_env=False)
    answer.raise_for_status()
    bench.emulator.wait_idle(IDLE_S)


def deliver_strictly(bench: Workbench, source: Path, most: int, options: SendOptions = QUICK, **given: Any) -> Report:
    """Import a source whose rows with more points than `most` the service does not take; it is lenient again after."""

    def turn_strict(question: str) -> bool:
        set_rule(bench, most)
        return True

    report = run_import(bench.request(source, **given), Hooks(confirm=turn_strict), options)
    bench.emulator.wait_idle(IDLE_S)
    set_rule(bench, None)
    return report


def write_source(bench: Workbench, *rows: tuple[str, str, str, int], name: str = "source.csv") -> Path:
    """Write a source of (id, email, note, points)."""
    path = bench.folder / name
    lines = [f"{key},{email},{note},{points}" for key, email, note, points in rows]
    path.write_text("\n".join(["id,email,note,points", *lines]) + "\n", encoding="utf-8")
    return path


def people(points: int | list[int], note: str = "old") -> list[tuple[str, str, str, int]]:
    """Rows of different people, with these points, or so many of them."""
    each = range(points) if isinstance(points, int) else points
    return [(f"K{at}", f"p{at}@example.com", f"{note} {at}", value) for at, value in enumerate(each)]


def send_again(
    bench: Workbench, report: Report, hooks: Hooks | None = None, settle: Settle = "report", **options: Any
) -> Report:
    """Retry a run; `options` are fields of `RetryRequest`."""
    request = RetryRequest(report.run_id, bench.settings, **options)
    again = retry(request, hooks or Hooks(), replace(QUICK, settle=settle))
    bench.emulator.wait_idle(IDLE_S)
    return again


def found(report: Report) -> dict[str, int]:
    """Return the states that rows are in."""
    return {state: count for state, count in report.outcomes.items() if count}


def bodies(bench: Workbench) -> int:
    """Count Bulk bodies that the service had."""
    return sum(str(entry["path"]).endswith("/Bulk") for entry in bench.writes())


def notes_in(bench: Workbench) -> dict[str, str]:
    """Return the note that each e-mail address has in the store."""
    return {p["identifiers"]["email"][0]: p["traits"]["Account"]["note"] for p in bench.stored()}
