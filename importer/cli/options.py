"""Options that several commands share, each written once, and how help is laid out."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import rich_click as click
from click.core import ParameterSource

from importer.core.suggested import is_usual

F = TypeVar("F", bound=Callable[..., Any])


def help_as_written(function: F) -> F:
    """Keep the lines of a command's docstring as they are; put it below `click.command`.

    click fills paragraphs anew and drops the lines between them, unless a mark stands before each; here one mark
    before the second paragraph does for all, because no line below it is empty.
    """
    first, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    function.__doc__ = f"{first}\n\n\b\n{rest.replace(chr(10) * 2, chr(10) + ' ' + chr(10))}" if rest else first
    return function


def all_of(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that does what several do, in their order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def choice(flag: str, *values: str, about: str) -> Callable[[F], F]:
    """Return an option of a few words, the first of which counts where it is not given."""
    return click.option(flag, type=click.Choice(values), default=values[0], show_default=True, help=about)


def seconds(flag: str, name: str, about: str) -> Callable[[F], F]:
    """Return an option of a time, none where it is not given."""
    return click.option(flag, name, metavar="SECONDS", type=click.FloatRange(0), default=0.0, help=about)


source_argument = click.argument("source", nargs=-1, required=True, metavar="SOURCE...")

mapping_option = click.option(
    "-m", "--mapping", required=True, type=click.Path(dir_okay=False), help="Mapping file (YAML)."
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print report.json on stdout and nothing else; the rest goes to stderr."
)

show_values_option = click.option(
    "--show-values", is_flag=True, help="Write cell values into the issue files instead of masking them."
)


def _louder(context: click.Context, parameter: click.Parameter, count: int) -> None:  # noqa: ARG001 - click's signature
    """Add up what was given before and after the command's name."""
    if count:
        context.meta[_VERBOSITY] = context.meta.get(_VERBOSITY, 0) + count
        _configure_logs(context)


def _formatted(context: click.Context, parameter: click.Parameter, value: str) -> None:  # noqa: ARG001 - the same
    if value == JSON_LINES:
        context.meta[_AS_JSON] = True
        _configure_logs(context)


def _configure_logs(context: click.Context) -> None:
    from importer.cli.logs import configure  # noqa: PLC0415 - start-up stays quick

    configure(context.meta.get(_VERBOSITY, 0), as_json=context.meta.get(_AS_JSON, False))


_VERBOSITY: Final = "importer.verbosity"
_AS_JSON: Final = "importer.log_json"
JSON_LINES: Final = "json"
_VERBOSE_HELP: Final = (
    "Say more on standard error: -v a line a stage and batch, -vv also one a request. Never values or addresses."
)

verbose_option = click.option(
    "-v", "--verbose", count=True, metavar=" ", expose_value=False, callback=_louder, help=_VERBOSE_HELP
)


log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", JSON_LINES]),
    default="text",
    show_default=True,
    expose_value=False,
    callback=_formatted,
    help="json: standard error holds an object a line and nothing else: stages (with -v batches, with -vv requests), "
    "and how it ended last. Nobody is asked then (--yes). Never values or addresses.",
)


def with_verbose(command: click.Command) -> click.Command:
    """Let a command, or those of a group, take `-v` after their names as well."""
    if isinstance(command, click.Group):
        for child in command.commands.values():
            with_verbose(child)
    elif all("--verbose" not in parameter.opts for parameter in command.params):
        verbose_option(command)
    return command


run_address_option = click.option(
    "--api-url",
    metavar="URL",
    envvar="MEMORY_API_URL",
    show_envvar=True,
    help="Another address of the run's own host, such as a port that changed; another host is refused.",
)

proxy_option = click.option("--proxy", metavar="URL", help="Proxy; those of the environment are not used.")

schema_file_option = click.option(
    "--schema",
    "schema_file",
    type=click.Path(dir_okay=False),
    help="Use a schema that `schema pull` wrote, without a network.",
)


_PANELS: Final = {
    "Source and mapping": [
        "--mapping",
        "--plan",
        "--source",
        "--delimiter",
        "--encoding",
        "--skip-lines",
        "--allow-empty",
        "--max-field",
        "--sheet",
        "--query",
        "--param",
        "--driver",
        "--driver-option",
        "--fix",
    ],
    "Store": ["--emulator", "--store", "--api-url", "--proxy", "--schema"],
    "What is sent": [
        "--replan",
        "--release",
        "--hold",
        "--all",
        "--via",
        "--part-rows",
        "--limit",
        "--allow-merges",
        "--max-rejected",
        "--state",
        "--ignore-later",
        "--first-run",
        "--dry-run",
        "--full-refresh",
        "--override",
    ],
    "What it may cost": ["--max-operations", "--free-operations"],
    "Merge groups": ["--reading", "--lookup", "--lookup-sample"],
    "Sending": ["--settle", "--concurrency", "--max-rps", "--yes", "--stale-ok", "--skip-exit-code"],
    "Output": ["--output", "--json", "--show-values", "--runs-dir", "--verbose", "--log-format", "--help"],
}


def in_panels(function: F) -> F:
    """Show a command's options in groups."""
    return all_of(*(click.option_panel(name, options=options) for name, options in _PANELS.items()))(function)


def _named_in_full(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Name ./runs in full where the environment names another folder: what is suggested then must name it, too."""
    is_given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if value is not None and is_given and os.environ.get("MEMORY_RUNS_DIR") and is_usual(value):
        return str(Path(value).absolute())
    return value


def runs_dir_option(function: F) -> F:
    """Add `--runs-dir`."""
    return click.option(
        "--runs-dir",
        callback=_named_in_full,
        envvar="MEMORY_RUNS_DIR",
        show_envvar=True,
        type=click.Path(file_okay=False),
        help="Folder that keeps the runs, ./runs if not given.",
    )(function)


def source_options(function: F) -> F:
    """Add the options that say how to read a source."""
    return all_of(
        click.option("--delimiter", metavar="CHAR", help="One character, or `tab`; found out if not given."),
        click.option(
            "--encoding",
            metavar="NAME",
            help="For example latin-1 or cp1252; UTF-8, and UTF-16 with BOM, are found out.",
        ),
        click.option("--skip-lines", metavar="N", type=click.IntRange(0), help="Lines to pass over before the header."),
        click.option("--allow-empty", is_flag=True, help="A source without rows is fine."),
        click.option(
            "--max-field",
            metavar="MIB",
            type=click.IntRange(1, 1024),
            help="Largest cell of a text file, in MiB; a larger one refuses the file. 16 if not given.",
        ),
        click.option("--sheet", metavar="NAME", help="Sheet of an Excel file; the first one if not given."),
        click.option(
            "--query",
            metavar="SQL",
            help="Read what this query selects; SOURCE is then a database: postgresql://USER@HOST/NAME, a SQLite or "
            "DuckDB file, or env:NAME for an address kept in the environment. @FILE reads the query from a file. "
            "Nothing is ever written.",
        ),
        click.option(
            "--param",
            "parameters",
            multiple=True,
            metavar="TEXT",
            help="Value of the query's next parameter ($1, $2, ...; SQLite: ?); always a text, so cast it: $1::int.",
        ),
        click.option(
            "--driver",
            metavar="NAME",
            help="ADBC driver that opens the database, by name or path, where none comes with this package.",
        ),
        click.option(
            "--driver-option",
            "driver_options",
            multiple=True,
            metavar="NAME=VALUE",
            help="What the driver needs to know; NAME=env:VARIABLE for secrets.",
        ),
    )(function)


fix_option = click.option(
    "--fix",
    "fixes",
    multiple=True,
    metavar="CODE",
    help="Repair what a spreadsheet did to values: CODE, CODE:COLUMN or CODE:COLUMN=VALUE, for example "
    "date-order:birthday=dmy. May be given again. `inspect SOURCE` says which would repair what, `explain CODE` how.",
)


def target_options(function: F) -> F:
    """Add the options that say which store is meant."""
    return all_of(
        click.option(
            "--emulator",
            is_flag=True,
            help="Use the local service: no account needed; its state is kept beside the runs.",
        ),
        click.option(
            "--store", metavar="ID", envvar="MEMORY_STORE_ID", show_envvar=True, help="Store to use, mem_store_..."
        ),
        click.option(
            "--api-url", metavar="URL", envvar="MEMORY_API_URL", show_envvar=True, help="Address of the service."
        ),
        proxy_option,
    )(function)
