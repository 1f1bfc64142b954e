"""What `sync` does and shows. Imported only once a command really runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import rich_click as click

from importer.cli.asking import ask
from importer.cli.calls import hooks_of, sending
from importer.cli.environ import settings_of
from importer.core.report import Report
from importer.core.sync_brakes import Brake
from importer.core.sync_state import SyncRun
from importer.errors import ConfigError
from importer.reports.plain_text import printable
from importer.reports.progress import NoProgress
from importer.wiring.sync_opening import SyncRequest
from importer.wiring.sync_standing import SyncStanding, sync_history, sync_reset, sync_status
from importer.wiring.syncing import run_sync

_NONE: Final = "-"


def call_run(given: Mapping[str, Any]) -> Report:
    """Run `sync run`."""
    request = SyncRequest(
        file=Path(given["file"]),
        settings=settings_of(given),
        emulator=bool(given["emulator"]),
        dry_run=given["dry_run"],
        full_refresh=given["full_refresh"],
        first_run=given["first_run"],
        limit=given["limit"],
        override=frozenset(map(Brake, given["overrides"])),
        show_values=given["show_values"],
    )
    with hooks_of(given) as hooks:
        return run_sync(request, hooks, sending(given))


def show_status(given: Mapping[str, Any]) -> None:
    """Print how a sync stands."""
    found = sync_status(Path(given["file"]))
    if given["as_json"]:
        click.echo(found.model_dump_json(indent=2))
        return
    for label, text in _status_lines(found):
        click.echo(f"{label:<10}{printable(text)}")


def _status_lines(found: SyncStanding) -> list[tuple[str, str]]:
    lines = [("sync", f"{found.file}, mode {found.mode}"), ("store", found.store_id or "none yet")]
    if found.keys is None:
        lines.append(("snapshot", "none: the first run needs --first-run"))
    else:
        waiting = f", {found.due:,} due, {found.parked:,} parked" if found.due or found.parked else ""
        waiting += f", {found.held:,} gone and held" if found.held else ""
        lines.append(("snapshot", f"{found.keys:,} keys, {found.delivered:,} delivered{waiting}"))
    if found.has_cursor:
        lines.append(("cursor", "set: only rows that changed are asked for"))
    if found.busy:
        lines.append(("now", "a process works on it"))
    elif found.pending is not None:
        lines.append(("next", f"run {found.pending} was interrupted and is gone on with first"))
    if found.last is not None:
        lines.append(("last", "  ".join(_cells(found.last))))
        if found.last.error is not None:
            lines.append(("", found.last.error))
    lines.append(("folder", found.folder))
    return lines


def show_history(given: Mapping[str, Any]) -> None:
    """Print the runs of a sync."""
    runs = sync_history(Path(given["file"]))
    if given["as_json"]:
        for run in runs:
            click.echo(orjson.dumps(run.model_dump(mode="json")).decode())
        return
    if not runs:
        click.echo("no runs yet")
        return
    table = [("number", "started", "exit", "rows", "outcomes", "run"), *(_cells(run) for run in reversed(runs))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _cells(run: SyncRun) -> tuple[str, ...]:
    told = [f"{count:,} {state.replace('_', ' ')}" for state, count in run.outcomes.items()]
    if run.removals is not None and run.removals.candidates:
        told.append(f"{run.removals.deleted:,} of {run.removals.candidates:,} removed")
    outcomes = ", ".join(told)
    return (
        str(run.number or _NONE),
        run.started_at,
        f"exit {run.exit_code}",
        f"{run.rows_read:,} rows",
        outcomes or _NONE,
        run.run_id or _NONE,
    )


def reset(given: Mapping[str, Any]) -> None:
    """Forget what a sync delivered, after asking."""
    file = Path(given["file"])
    question = f"Forget what the sync of {file} delivered? The next run sends everything, and costs so. Go on?"
    if not ask(question, NoProgress(), "--yes", yes=given["yes"]):
        raise ConfigError("nothing was forgotten: nobody agreed", hint="give --yes")
    sync_reset(file)
    click.echo(f"forgotten; `memory-importer sync run {file} --first-run` begins anew")
