"""What `purge` does and shows. Imported only once the command really runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import rich_click as click
from rich.console import Console

from importer.cli import signals
from importer.cli.asking import ask
from importer.cli.environ import settings_of
from importer.core.report import ExitCode
from importer.errors import ConfigError, RunInterrupted
from importer.reports.plain_text import printable
from importer.reports.progress import NoProgress
from importer.reports.spans import age_text
from importer.reports.wording import counted, size_text
from importer.wiring.clock import SystemClock
from importer.wiring.purging import Item, Kind, Purge, PurgeRequest, plan_purge
from importer.wiring.removing import carry_out

_NOUNS: Final = {Kind.RUN: "run", Kind.PACKAGE: "package", Kind.EMULATOR: "emulator store"}


def purge(given: Mapping[str, Any]) -> int:
    """Show what would go, ask, delete, and say what was freed; return what to exit with.

    Returns:
        0; 7 where something that was named, or shown to go, is still there.

    Raises:
        ConfigError: a run that is named is not there, or nobody agreed.
        RunInterrupted: a signal came.
    """
    with signals.taken() as taken:
        try:
            return _purge(given)
        except RunInterrupted:
            raise RunInterrupted(
                "stopped by a signal",
                hint="purge again: what was begun is finished then",
                context={"exit_code": taken.exit_code},
            ) from None


def _purge(given: Mapping[str, Any]) -> int:
    runs_dir = Path(settings_of({"runs_dir": given["runs_dir"]}).runs_dir)
    now = datetime.fromisoformat(SystemClock().utc_now_iso())
    plan = plan_purge(_request(given, runs_dir), now)
    # With --json standard output is for the result alone; what people are asked about is beside it.
    console = Console(stderr=given["as_json"], highlight=False)
    _print(console, _plan_lines(plan, now))
    done = plan
    if not given["dry_run"]:
        if plan.goes and not ask(_question(plan), NoProgress(), "--yes", yes=given["yes"]):
            raise ConfigError("nothing was deleted: nobody agreed", hint="give --yes, or --dry-run to only look")
        done = carry_out(plan, runs_dir)
        _print(console, _result_lines(plan, done))
    if given["as_json"]:
        click.echo(orjson.dumps(_as_json(done, dry_run=given["dry_run"]), option=orjson.OPT_INDENT_2).decode())
    missed = len(done.goes) < len(plan.goes) or any(item.named for item in plan.kept)
    return ExitCode.STATE if missed else ExitCode.OK


def _request(given: Mapping[str, Any], runs_dir: Path) -> PurgeRequest:
    return PurgeRequest(
        runs_dir=runs_dir,
        runs=given["runs"],
        everything=given["everything"],
        older_than=given["older_than"],
        packages_only=given["packages_only"],
        emulator=given["emulator"],
        force=given["force"],
    )


def _print(console: Console, lines: Iterator[str]) -> None:
    for line in lines:
        console.print(printable(line, console.encoding), soft_wrap=True, markup=False)


def _plan_lines(plan: Purge, now: datetime) -> Iterator[str]:
    if not plan.goes:
        yield "nothing to delete"
    else:
        yield f"to be deleted for good: {_counted(plan.goes)}, {size_text(plan.size_bytes)}"
        remarks = [f"could still be needed: {item.could_be_sent}" if item.could_be_sent else "" for item in plan.goes]
        yield from _table(plan.goes, remarks, now)
    if plan.kept:
        yield f"kept: {_counted(plan.kept)}"
        yield from _table(plan.kept, [item.kept for item in plan.kept], now)


def _table(items: Sequence[Item], remarks: Sequence[str], now: datetime) -> Iterator[str]:
    rows = [
        (
            item.name,
            item.command,
            item.store,
            "" if item.ended_at is None else age_text((now - item.ended_at).total_seconds()),
            size_text(item.size_bytes),
            remark,
        )
        for item, remark in zip(items, remarks, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _question(plan: Purge) -> str:
    needed = sum(bool(item.could_be_sent) for item in plan.goes)
    warning = f" {needed} of them could still be sent from, or settled." if needed else ""
    return f"Delete {_counted(plan.goes)} ({size_text(plan.size_bytes)}) for good?{warning}"


def _counted(items: Sequence[Item]) -> str:
    counts = Counter(item.kind for item in items)
    return ", ".join(counted(counts[kind], _NOUNS[kind]) for kind in Kind if counts[kind])


def _result_lines(plan: Purge, done: Purge) -> Iterator[str]:
    if done.goes or done.freed_bytes:
        what = _counted(done.goes) if done.goes else "leftovers of an earlier deletion"
        yield f"deleted: {what}; {size_text(done.freed_bytes)} freed"
    shown = {item.path for item in plan.kept}
    for item in done.kept:
        if item.path not in shown:
            yield f"not deleted: {item.name}: {item.kept}"


def _as_json(purge: Purge, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "freed_bytes": purge.freed_bytes,
        "deleted": [] if dry_run else [_item_as_json(item) for item in purge.goes],
        "would_delete": [_item_as_json(item) for item in purge.goes] if dry_run else [],
        "kept": [_item_as_json(item) | {"why": item.kept} for item in purge.kept],
    }


def _item_as_json(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind.value,
        "name": item.name,
        "size_bytes": item.size_bytes,
        "command": item.command or None,
        "store": item.store or None,
        "ended_at": None if item.ended_at is None else item.ended_at.isoformat().replace("+00:00", "Z"),
        "could_be_sent": item.could_be_sent or None,
    }
