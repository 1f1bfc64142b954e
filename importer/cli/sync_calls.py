"""What `sync` does and shows. Imported only once a command really runs."""

from __future__ import annotations

import shlex
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
from importer.core.sync_handed import Decision
from importer.core.sync_state import SyncRun
from importer.errors import ConfigError
from importer.reports.plain_text import printable
from importer.reports.progress import NoProgress
from importer.reports.wording import counted
from importer.wiring.sync_handed import Choice, sync_decide
from importer.wiring.sync_opening import SyncRequest
from importer.wiring.sync_standing import HandedOnStanding, SyncStanding, sync_history, sync_reset, sync_status
from importer.wiring.syncing import run_sync

_NONE: Final = "-"
_MOST_WAITING: Final = 10
_CHOICES: Final = {
    Decision.REMOVED: "somebody else has it now; the old profile goes first, then the row is sent",
    Decision.RENAMED: "it is the same person; the row goes to the old profile",
    Decision.ANEW: "the key's own profile goes, then its row and the other one are sent",
}


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
    found = sync_status(Path(given["file"]), show_values=given["show_values"])
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
        lines.append(("snapshot", f"{counted(found.keys, 'key')}, {found.delivered:,} delivered{waiting}"))
    lines += _waiting_lines(found)
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


def _waiting_lines(found: SyncStanding) -> list[tuple[str, str]]:
    """Return who waits for whom, keys that are gone first, and what can be done about it."""
    ordered = sorted(found.handed_on, key=lambda one: (one.gone is False, one.decided is not None))
    lines = [_waiting(one) for one in ordered[:_MOST_WAITING]]
    if len(ordered) > _MOST_WAITING:
        lines.append(f"and {len(ordered) - _MOST_WAITING:,} more (--json has all)")
    decide = f"memory-importer sync decide {shlex.quote(found.file)} KEY --as"
    open_ones = [one for one in ordered if one.decided is None]
    choices = {choice for one in open_ones for choice in one.choices}
    lines += [f"{decide} {choice}: {what}" for choice, what in _CHOICES.items() if choice in choices]
    if open_ones and not all(one.choices for one in open_ones):
        lines.append("what nothing can be said of: mend it in the source, or release its row, for ever")
    return [("waiting" if not place else "", line) for place, line in enumerate(lines)]


def _waiting(one: HandedOnStanding) -> str:
    what = ", ".join(one.values if one.values is not None else one.id_types)
    fate = {True: "gone", False: "still there", None: "not known to be gone"}[one.gone]
    decided = f"; decided: {one.decided}" if one.decided is not None else ""
    return f"{what} of {one.known} ({fate}) is in row {one.row_number:,} of {one.file}, {one.key}{decided}"


def decide(given: Mapping[str, Any]) -> None:
    """Keep a decision."""
    listed = given["keys_from"].read().splitlines() if given["keys_from"] is not None else []
    keys = [*given["keys"], *(line.strip() for line in listed if line.strip())]
    if keys and given["every"]:
        raise ConfigError("both keys and --all were given", hint="name keys, or give --all, not both")
    if not keys and not given["every"]:
        raise ConfigError("which keys?", hint="name keys, or give --keys-from FILE or --all")
    decision = Decision(given["decision"])
    if given["to"] is not None and (decision is not Decision.RENAMED or len(keys) != 1):
        raise ConfigError("--to is the new name of one key", hint="name one key, and --as renamed")
    file = Path(given["file"])
    chosen = sync_decide(file, Choice(decision, tuple(dict.fromkeys(keys)), given["every"], given["to"]))
    left = f"; {chosen.left:,} more wait" if chosen.left else ""
    if decision is Decision.HOLD:
        click.echo(f"{counted(chosen.keys, 'key')}: nothing is decided any more{left}")
        return
    run = f"`memory-importer sync run {shlex.quote(str(file))}`"
    if decision is Decision.RENAMED:
        told = f"{counted(chosen.keys, 'key')} renamed, for good: the next {run} sends what is new to the old profile"
        click.echo(f"{told}{'' if chosen.keys == 1 else 's'}{left}")
        return
    click.echo(f"{counted(chosen.keys, 'key')} as {decision}: the next {run} does it{left}")


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
        counted(run.rows_read, "row"),
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
    click.echo(f"forgotten; `memory-importer sync run {shlex.quote(str(file))} --first-run` begins anew")
