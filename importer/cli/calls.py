"""Options to requests, and reports to the screen. Imported only once a command really runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any, Final

import orjson
import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from importer.cli.exits import show_error
from importer.core.manifest import RunOptions
from importer.core.report import Report
from importer.errors import ConfigError, RunInterrupted, SettingsError
from importer.ports import SourceOptions
from importer.reports.plain_text import printable
from importer.reports.progress import ProgressSink, open_progress
from importer.reports.report_file import report_text
from importer.reports.terminal import render_summary
from importer.settings import Settings
from importer.wiring.clock import SystemClock
from importer.wiring.looking import check_against_store, save_schema, store_schema
from importer.wiring.opening import read_mapping
from importer.wiring.requests import Hooks, RunRequest, SendOptions
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.run_status import list_runs, run_report

_DELIMITERS: Final = {"tab": "\t", "\\t": "\t"}


def settings_of(given: Mapping[str, Any]) -> Settings:
    """Build settings from options and the environment."""
    return Settings.from_env(
        os.environ,
        store_id=given.get("store"),
        api_url=given.get("api_url"),
        runs_dir=given.get("runs_dir"),
        proxy=given.get("proxy"),
    )


def request_of(given: Mapping[str, Any]) -> RunRequest:
    """Build the request of `validate`, `plan` and `import`."""
    if given.get("emulator") and given.get("schema_file"):
        raise SettingsError("--emulator and --schema name two stores", hint="give one of them")
    delimiter = given.get("delimiter")
    usual = SourceOptions()
    read = SourceOptions(
        delimiter=_DELIMITERS.get(delimiter, delimiter) if delimiter else usual.delimiter,
        encoding=given.get("encoding") or usual.encoding,
        skip_lines=given.get("skip_lines") or usual.skip_lines,
        allow_empty=bool(given.get("allow_empty")),
    )
    schema_file = given.get("schema_file")
    return RunRequest(
        source=tuple(given["source"]),
        mapping=Path(given["mapping"]),
        settings=settings_of(given),
        emulator=bool(given.get("emulator")),
        schema_file=Path(schema_file) if schema_file else None,
        source_options=read,
        options=RunOptions(
            via=given.get("via", "auto"),
            limit=given.get("limit"),
            allow_merges=given.get("allow_merges", 0),
            max_rejected_percent=given.get("max_rejected", 10.0),
        ),
        part_rows=given.get("part_rows"),
        show_values=bool(given.get("show_values")),
    )


def sending(given: Mapping[str, Any]) -> SendOptions:
    """Build the options of sending."""
    return SendOptions(concurrency=given["concurrency"], max_rps=given["max_rps"])


def call(given: Mapping[str, Any], run: Callable[[RunRequest, Hooks], Report]) -> Report:
    """Run a command that reads a source, with progress and signals."""
    request = request_of(given)
    with _hooks(given) as hooks:
        return run(request, hooks)


def call_resume(given: Mapping[str, Any], *, command: str = "resume") -> Report:
    """Run `resume`, or `import --plan`."""
    request = ResumeRequest(
        run=given["run"],
        settings=settings_of(given),
        release=_released(given.get("release")),
        rest=bool(given.get("rest")),
        stale_ok=bool(given.get("stale_ok")),
        max_rejected_percent=given.get("max_rejected"),
        command=command,
    )
    with _hooks(given) as hooks:
        return resume(request, hooks, sending(given))


def _released(text: str | None) -> frozenset[int] | None:
    if text is None:
        return None
    if text == "all":
        return frozenset()
    path = Path(text)
    if path.is_file():
        text = ",".join(path.read_text(encoding="utf-8").split())
    try:
        return frozenset(int(number) for number in text.split(",") if number.strip())
    except ValueError:
        raise ConfigError(
            "--release takes `all`, group numbers, or a file of them", hint="see groups.parquet"
        ) from None


@contextmanager
def _hooks(given: Mapping[str, Any]) -> Iterator[Hooks]:
    """Connect a run to this terminal and to its signals: the first one drains, the second one ends at once."""
    stop = Event()
    seen: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module's signature
        if seen:
            os._exit(128 + number)
        seen.append(number)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    console = Console(stderr=True)
    progress = open_progress(console, SystemClock().monotonic_s)
    try:
        yield Hooks(
            progress=progress,
            confirm=lambda question: _confirm(question, progress, "--yes", yes=bool(given.get("yes"))),
            confirm_stale=lambda question: _confirm(question, progress, "--stale-ok", yes=False),
            stop=stop,
            stop_signal=lambda: seen[0] if seen else 0,
        )
    except RunInterrupted as error:
        error.context["exit_code"] = 128 + (seen[0] if seen else signal.SIGINT)
        raise
    finally:
        progress.finish()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _confirm(question: str, progress: ProgressSink, flag: str, *, yes: bool) -> bool:
    if yes:
        return True
    progress.finish()  # what is redrawn in place would cover the question
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(f"{question} There is no terminal to ask", hint=f"give {flag}")
    return click.confirm(question, default=False, err=True)


def show_report(report: Report, *, as_json: bool) -> None:
    """Print a report, JSON or a summary, on standard output, and what ended the run early on standard error."""
    if as_json:
        click.echo(report_text(report), nl=False)
    else:
        render_summary(report.model_copy(update={"error": None}), Console())
    if report.error is not None:
        show_error(report.error)


def show_run(name: str, runs_dir: str | None, *, as_json: bool) -> None:
    """Print the report of one run."""
    show_report(run_report(_runs_dir(runs_dir), name), as_json=as_json)


def show_runs(runs_dir: str | None, *, as_json: bool) -> None:
    """Print a line for each run, newest first."""
    lines = list_runs(_runs_dir(runs_dir))
    if as_json:
        click.echo(orjson.dumps(lines, option=orjson.OPT_INDENT_2).decode())
        return
    if not lines:
        click.echo(f"no runs in {_runs_dir(runs_dir)}")
    for line in lines:
        files = line.get("source") or [""]
        name = files[0] + (" ..." if len(files) > 1 else "")
        rows = f"{line.get('rows_read', 0):,}"
        click.echo(
            f"{line['run_id']}  {line.get('command', ''):<8}  {line['stage']:<9}  {rows:>11} rows  {printable(name)}"
        )


def _runs_dir(given: str | None) -> Path:
    return Path(Settings.from_env(os.environ, runs_dir=given).runs_dir)


def check_mapping(given: Mapping[str, Any]) -> list[str]:
    """Check a mapping and return what to say about it."""
    path = Path(given["mapping"])
    mapping = read_mapping(path)
    store = given.get("emulator") or given.get("schema_file") or given.get("store") or mapping.store
    if not given["source"]:
        if store:
            raise SettingsError("a store alone says little about a mapping", hint="give --source FILE as well")
        return [f"{path}: no problems in the file itself; --source and a store check more"]
    plan = check_against_store(request_of(given))
    lines = [f"{path}: fits the source and the store"]
    lines += [
        f"  {trait.column or 'computed' if trait.constant is None else 'constant'} -> {trait.ref}"
        for trait in plan.traits
    ]
    return lines + [f"note: {note}" for note in plan.notes]


def pull_schema(given: Mapping[str, Any]) -> None:
    """Write a store's schema to a file or to standard output."""
    schema = store_schema(settings_of(given), emulator=bool(given["emulator"]))
    if given["output"]:
        save_schema(schema, Path(given["output"]))
        click.echo(f"{given['output']}: {len(schema.traits)} traits of {schema.store_name}", err=True)
    else:
        click.echo(schema.to_file().decode(), nl=False)


def show_schema(given: Mapping[str, Any]) -> None:
    """Print a store's schema as tables."""
    file = Path(given["schema_file"]) if given["schema_file"] else None
    schema = store_schema(settings_of(given), emulator=bool(given["emulator"]), schema_file=file)
    console = Console()
    console.print(f"{schema.store_name} ({schema.store_id})", highlight=False)
    traits = Table("trait", "type", "identifier", "rule", box=None)
    for ref, trait in schema.traits.items():
        rule = asdict(trait.rule) if trait.rule is not None else {}
        shown = ", ".join(f"{name}={value}" for name, value in rule.items() if value is not None)
        traits.add_row(ref, trait.data_type.value, trait.id_type or "", escape(shown))
    console.print(traits)
    identifiers = Table("identifier", "priority", "normalisation", "unique", "limit", box=None)
    for id_type, config in schema.identifiers.items():
        rank = schema.matching_rules.index(id_type) + 1 if id_type in schema.matching_rules else None
        identifiers.add_row(
            id_type,
            str(rank or "-"),
            config.normalization.value,
            "yes" if config.enforce_unique else "no",
            f"{config.limit} {config.limit_policy}",
        )
    console.print(identifiers)
