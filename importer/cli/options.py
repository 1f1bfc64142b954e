"""Options that several commands share, each written once, and how help is laid out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])


def help_as_written(function: F) -> F:
    """Keep the lines of a command's docstring as they are; put it below `click.command`.

    click fills paragraphs anew and drops the lines between them, unless a mark stands before each; here one mark
    before the second paragraph does for all, because no line below it is empty.
    """
    first, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    function.__doc__ = f"{first}\n\n\b\n{rest.replace(chr(10) * 2, chr(10) + ' ' + chr(10))}" if rest else first
    return function


def _all(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


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
        from importer.cli.logs import configure  # noqa: PLC0415 - start-up stays quick

        context.meta[_VERBOSITY] = context.meta.get(_VERBOSITY, 0) + count
        configure(context.meta[_VERBOSITY])


_VERBOSITY: Final = "importer.verbosity"
_VERBOSE_HELP: Final = (
    "Say more on standard error: -v a line a stage and batch, -vv also one a request. Never values or addresses."
)

verbose_option = click.option(
    "-v", "--verbose", count=True, metavar=" ", expose_value=False, callback=_louder, help=_VERBOSE_HELP
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

settle_option = click.option(
    "--settle",
    type=click.Choice(["report", "lookup", "redeliver"]),
    default="report",
    show_default=True,
    help="Once all is sent, rows that are unattributed or unknown: report them; lookup reads them back; redeliver "
    "sends them again by Bulk, once, and says no more of them than Bulk does. Both cost, and ask (--yes).",
)

ignore_later_option = click.option(
    "--ignore-later",
    is_flag=True,
    help="Also send rows that a later run may have delivered: old values may take the place of new ones.",
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
    ],
    "What it may cost": ["--max-operations", "--free-operations"],
    "Merge groups": ["--reading", "--lookup", "--lookup-sample"],
    "Sending": ["--settle", "--concurrency", "--max-rps", "--yes", "--stale-ok"],
    "Output": ["--output", "--json", "--show-values", "--runs-dir", "--verbose", "--help"],
}


def in_panels(function: F) -> F:
    """Show a command's options in groups."""
    return _all(*(click.option_panel(name, options=options) for name, options in _PANELS.items()))(function)


def runs_dir_option(function: F) -> F:
    """Add `--runs-dir`."""
    return click.option(
        "--runs-dir",
        envvar="MEMORY_RUNS_DIR",
        show_envvar=True,
        type=click.Path(file_okay=False),
        help="Folder that keeps the runs, ./runs if not given.",
    )(function)


def source_options(function: F) -> F:
    """Add the options that say how to read a source."""
    return _all(
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
    )(function)


fix_option = click.option(
    "--fix",
    "fixes",
    multiple=True,
    metavar="CODE",
    help="Repair what a spreadsheet did to values: CODE, CODE:COLUMN or CODE:COLUMN=VALUE, for example "
    "date-order:birthday=dmy. May be given again. `inspect SOURCE` says which would repair what, `explain CODE` how.",
)


def forecast_options(function: F) -> F:
    """Add the options of the identity forecast."""
    return _all(
        click.option(
            "--reading",
            type=click.Choice(["merge", "first-match", "skip"]),
            default="merge",
            show_default=True,
            help="How the service is taken to treat a row that matches several profiles, for the forecast of how many "
            "profiles a group becomes. Rows are held by the worst reading (merge) whatever is given.",
        ),
        click.option(
            "--lookup",
            is_flag=True,
            help="Ask the store for every identifier of every row, and hold rows that would merge profiles it has. "
            "Costs a billable read a value; the cost is shown and asked about first (--yes).",
        ),
        click.option(
            "--lookup-sample",
            metavar="N",
            type=click.IntRange(1),
            help="Ask for the identifiers of N rows only, and estimate; holds nothing. Costs, and asks, as --lookup.",
        ),
    )(function)


def _pace(in_flight: str, rate: str, yes: str) -> Callable[[F], F]:
    return _all(
        click.option(
            "--concurrency",
            metavar="N",
            type=click.IntRange(1, 64),
            default=8,
            show_default=True,
            help=in_flight,
        ),
        click.option("--max-rps", metavar="RATE", type=click.FloatRange(0, min_open=True), help=rate),
        click.option("--yes", is_flag=True, help=yes),
    )


def reading_pace_options(function: F) -> F:
    """Add the options that bound the load of a command that only reads."""
    return _pace(
        "Reads in flight at most, with --lookup.",
        "Reads a second at most, with --lookup; learned from the service if not given.",
        "Do not ask before billable reads of a live store.",
    )(function)


def target_options(function: F) -> F:
    """Add the options that say which store is meant."""
    return _all(
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


def cost_options(function: F) -> F:
    """Add the options that bound what sending may cost."""
    return _all(
        click.option(
            "--max-operations",
            metavar="N",
            type=click.IntRange(0),
            help="Send nothing (exit 6) when it may cost more than N billable operations and reads. "
            "A run keeps its limit; giving it again replaces it.",
        ),
        click.option(
            "--free-operations",
            metavar="N",
            type=click.IntRange(0),
            help="Operations of a month that cost nothing, 100000 if not given; shown beside what this runs folder "
            "used of them.",
        ),
    )(function)


def sending_options(function: F) -> F:
    """Add the options that decide what goes out and how."""
    return _all(
        click.option(
            "--via",
            type=click.Choice(["auto", "bulk", "import"]),
            default="auto",
            show_default=True,
            help="Force a route, or refuse with reasons.",
        ),
        click.option(
            "--part-rows",
            metavar="N",
            type=click.IntRange(1, 1_000_000),
            help="Rows of an import part; replaces the mapping's, 50000 if neither says.",
        ),
        click.option(
            "--limit",
            metavar="N",
            type=click.IntRange(1),
            help="Send only the first N rows that would go; `resume RUN --all` sends the rest.",
        ),
        click.option(
            "--allow-merges",
            metavar="N",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Send merge groups if there are at most N of them, otherwise hold them all.",
        ),
        click.option(
            "--max-rejected",
            metavar="PCT",
            type=click.FloatRange(0, 100),
            default=10.0,
            show_default=True,
            help="Send nothing (exit 6) when more than this share of rows is rejected.",
        ),
    )(function)


def pace_options(function: F) -> F:
    """Add the options that bound the load on the service."""
    return _pace(
        "Requests in flight at most.",
        "Requests a second at most; learned from the service if not given.",
        "Do not ask before the first write to a live store.",
    )(function)
