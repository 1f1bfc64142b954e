"""Options to requests, and reports to the screen. Imported only once a command really runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import rich_click as click
from rich.console import Console

from importer.cli import logs, signals
from importer.cli.asking import ask
from importer.cli.environ import settings_of
from importer.cli.exits import log_error, show_error
from importer.core.manifest import RunOptions
from importer.core.report import Report
from importer.errors import RunInterrupted, SettingsError
from importer.ports import SourceOptions
from importer.reports.progress import ProgressSink, open_progress
from importer.reports.report_file import report_text
from importer.reports.terminal import render_summary
from importer.wiring.clock import SystemClock
from importer.wiring.logged import LoggedProgress, end_of, log_end
from importer.wiring.requests import Hooks, ReadOptions, RunRequest, SendOptions

_DELIMITERS: Final = {"tab": "\t", "\\t": "\t"}


def read_options(given: Mapping[str, Any]) -> SourceOptions:
    """Build the options of reading a source."""
    delimiter = given.get("delimiter")
    usual = SourceOptions()
    return SourceOptions(
        delimiter=_DELIMITERS.get(delimiter, delimiter) if delimiter else usual.delimiter,
        encoding=given.get("encoding") or usual.encoding,
        skip_lines=given.get("skip_lines") or usual.skip_lines,
        allow_empty=bool(given.get("allow_empty")),
        max_field_bytes=given["max_field"] * 1024 * 1024 if given.get("max_field") else usual.max_field_bytes,
        sheet=given.get("sheet") or usual.sheet,
        query=_query(given.get("query") or ""),
        parameters=tuple(given.get("parameters") or ()),
        driver=given.get("driver") or usual.driver,
        driver_options=tuple(given.get("driver_options") or ()),
    )


def _query(text: str) -> str:
    """Return a query, or what the file holds that ``@FILE`` names."""
    if not text.startswith("@"):
        return text.strip()
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{text[1:]}: cannot be read as text", hint="check --query") from None


def request_of(given: Mapping[str, Any]) -> RunRequest:
    """Build the request of `validate`, `plan` and `import`."""
    if given.get("emulator") and given.get("schema_file"):
        raise SettingsError("--emulator and --schema name two stores", hint="give one of them")
    schema_file = given.get("schema_file")
    return RunRequest(
        source=tuple(given["source"]),
        mapping=Path(given["mapping"]),
        settings=settings_of(given),
        emulator=bool(given.get("emulator")),
        schema_file=Path(schema_file) if schema_file else None,
        source_options=read_options(given),
        options=RunOptions(
            via=given.get("via", "auto"),
            limit=given.get("limit"),
            allow_merges=given.get("allow_merges", 0),
            reading=given.get("reading", "merge"),
            lookup=bool(given.get("lookup")),
            lookup_sample=None if given.get("lookup") else given.get("lookup_sample"),
            max_rejected_percent=given.get("max_rejected", 10.0),
            fixes=tuple(given.get("fixes", ())),
            max_operations=given.get("max_operations"),
            **({"free_operations": free} if (free := given.get("free_operations")) is not None else {}),
        ),
        part_rows=given.get("part_rows"),
        show_values=bool(given.get("show_values")),
        reads=ReadOptions(given.get("concurrency", 8), given.get("max_rps")),
    )


def sending(given: Mapping[str, Any]) -> SendOptions:
    """Build the options of sending."""
    return SendOptions(concurrency=given["concurrency"], max_rps=given["max_rps"], settle=given.get("settle", "report"))


def call(given: Mapping[str, Any], run: Callable[[RunRequest, Hooks], Report]) -> Report:
    """Run a command that reads a source, with progress and signals."""
    request = request_of(given)
    with hooks_of(given) as hooks:
        return run(request, cost_shown(given, hooks))


def cost_shown(given: Mapping[str, Any], hooks: Hooks) -> Hooks:
    """Return hooks that say what a question is about also where `--yes` answers it."""

    def confirm(question: str) -> bool:
        if given.get("yes"):
            hooks.progress.finish()
            logs.say("agreed", question.removesuffix(" Go on?"), partial(click.echo, err=True))
        return hooks.confirm(question)

    return replace(hooks, confirm=confirm)


@contextmanager
def hooks_of(given: Mapping[str, Any]) -> Iterator[Hooks]:
    """Connect a run to this terminal and to its signals: the first one drains, the second one ends at once."""
    console = Console(stderr=True)
    monotonic_s = SystemClock().monotonic_s
    # What redraws itself in place and a log would write over each other.
    progress: ProgressSink = LoggedProgress(monotonic_s) if logs.is_shown() else open_progress(console, monotonic_s)
    print_text = partial(console.print, highlight=False)
    with signals.taken(lambda text: logs.say("stopping", text, print_text)) as taken:

        def confirm(question: str, flag: str, *, yes: bool) -> bool:
            with taken.giving_up():
                return ask(question, progress, flag, yes=yes)

        try:
            yield Hooks(
                progress=progress,
                confirm=lambda question: confirm(question, "--yes", yes=bool(given.get("yes"))),
                confirm_stale=lambda question: confirm(question, "--stale-ok", yes=False),
                stop=taken.stop,
                stop_signal=lambda: taken.number,
                begun=taken.begun,
            )
        except RunInterrupted as error:
            error.context["exit_code"] = taken.exit_code
            raise
        finally:
            progress.finish()


def show_report(report: Report, *, as_json: bool) -> None:
    """Print a report, JSON or a summary, on standard output, and what ended the run early on standard error.

    The last line of a log says how it ended, too.
    """
    if as_json:
        click.echo(report_text(report), nl=False)
    else:
        render_summary(report.model_copy(update={"error": None}), Console())
    if report.error is not None and logs.is_json():
        log_error(report.error, end_of(report))
        return
    log_end(report)
    if report.error is not None:
        show_error(report.error)
