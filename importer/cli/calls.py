"""Options to requests, and reports to the screen. Imported only once a command really runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
from importer.errors import ConfigError, RunInterrupted, SettingsError
from importer.ports import SourceOptions
from importer.reports.progress import ProgressSink, open_progress
from importer.reports.report_file import report_text
from importer.reports.terminal import render_summary
from importer.wiring.clock import SystemClock
from importer.wiring.logged import LoggedProgress, end_of, log_end
from importer.wiring.requests import Hooks, ReadOptions, RunRequest, SendOptions
from importer.wiring.resuming import ResumeRequest, resume
from importer.wiring.retrying import RETRIED, RetryRequest, retry
from importer.wiring.verifying import VerifyRequest, verify

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
        return run(request, _cost_shown(given, hooks))


def call_resume(given: Mapping[str, Any], *, command: str = "resume") -> Report:
    """Run `resume`, or `import --plan`."""
    request = ResumeRequest(
        run=given["run"],
        settings=settings_of(given),
        release=_groups(given.get("release"), "--release"),
        hold=_groups(given.get("hold"), "--hold"),
        rest=bool(given.get("rest")),
        stale_ok=bool(given.get("stale_ok")),
        max_rejected_percent=given.get("max_rejected"),
        max_operations=given.get("max_operations"),
        free_operations=given.get("free_operations"),
        replan=bool(given.get("replan")),
        rebuild_ledger=bool(given.get("rebuild_ledger")),
        ignore_later=bool(given.get("ignore_later")),
        planned_only=command == "import",
        command=command,
    )
    with hooks_of(given) as hooks:
        return resume(request, _cost_shown(given, hooks), sending(given))


def call_retry(given: Mapping[str, Any]) -> Report:
    """Run `retry`."""
    request = RetryRequest(
        run=given["run"],
        settings=settings_of(given),
        states=tuple(dict.fromkeys(given["states"])) or RETRIED,
        ignore_later=given["ignore_later"],
        stale_ok=given["stale_ok"],
        max_operations=given["max_operations"],
        free_operations=given["free_operations"],
    )
    with hooks_of(given) as hooks:
        return retry(request, _cost_shown(given, hooks), sending(given))


def _cost_shown(given: Mapping[str, Any], hooks: Hooks) -> Hooks:
    """Return hooks that say what a question is about also where `--yes` answers it."""

    def confirm(question: str) -> bool:
        if given.get("yes"):
            hooks.progress.finish()
            logs.say("agreed", question.removesuffix(" Go on?"), partial(click.echo, err=True))
        return hooks.confirm(question)

    return replace(hooks, confirm=confirm)


def call_verify(given: Mapping[str, Any]) -> Report:
    """Run `verify`; the cost is shown even where nobody is asked."""
    request = VerifyRequest(
        run=given["run"],
        settings=settings_of(given),
        sample=given["sample"],
        everything=given["everything"],
        rest=given["rest"],
        wait_s=given["wait_s"],
        show_values=given["show_values"],
    )
    with hooks_of(given) as hooks:
        return verify(request, _cost_shown(given, hooks), sending(given))


def _groups(text: str | None, option: str) -> frozenset[int] | None:
    if text is None:
        return None
    if text == "all":
        return frozenset()
    with suppress(ValueError):
        return _numbers(text)
    try:
        return _numbers(Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no such file, or no name of one; or what is in it is no text, or no numbers
        raise ConfigError(
            f"{option} takes `all`, group numbers, or a file of them", hint="see groups.parquet"
        ) from None


def _numbers(text: str) -> frozenset[int]:
    """Read numbers between commas and blanks; none at all would mean every group, which is for `all` to say."""
    numbers = frozenset(map(int, text.replace(",", " ").split()))
    if not numbers:
        raise ValueError
    return numbers


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
