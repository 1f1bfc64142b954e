"""Options that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])


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
    "--json", "as_json", is_flag=True, help="Print report.json on stdout and nothing else; logs go to stderr."
)

show_values_option = click.option(
    "--show-values", is_flag=True, help="Write cell values into issues.* instead of masking them."
)


def runs_dir_option(function: F) -> F:
    """Add `--runs-dir`."""
    return click.option(
        "--runs-dir",
        envvar="MEMORY_RUNS_DIR",
        type=click.Path(file_okay=False),
        help="Folder that keeps the runs.  [default: ./runs]",
    )(function)


def source_options(function: F) -> F:
    """Add the options that say how to read a source."""
    return _all(
        click.option("--delimiter", help="One character, or `tab`; sniffed if not given."),
        click.option("--encoding", help="For example latin-1 or cp1252; UTF-8 and UTF-16 with BOM are recognised."),
        click.option("--skip-lines", type=click.IntRange(0), help="Lines to pass over before the header."),
        click.option("--allow-empty", is_flag=True, help="A source without rows is fine."),
    )(function)


def target_options(function: F) -> F:
    """Add the options that say which store is meant."""
    return _all(
        click.option("--store", envvar="MEMORY_STORE_ID", help="Store ID (mem_store_...)."),
        click.option("--emulator", is_flag=True, help="Use the local service; no account needed, state is kept."),
        click.option("--api-url", envvar="MEMORY_API_URL", help="Base URL of the service."),
        click.option("--proxy", help="Proxy URL; proxies of the environment are not used."),
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
            "--part-rows", type=click.IntRange(1, 1_000_000), help="Rows of an import part.  [default: 50000]"
        ),
        click.option(
            "--limit", type=click.IntRange(1), help="Send only the first N rows; `resume RUN --all` the rest."
        ),
        click.option(
            "--allow-merges",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Send merge groups if there are at most N of them; otherwise all are held.",
        ),
        click.option(
            "--max-rejected",
            type=click.FloatRange(0, 100),
            default=10.0,
            show_default=True,
            help="Stop before sending (exit 6) when more than this percentage of rows is rejected.",
        ),
    )(function)


def pace_options(function: F) -> F:
    """Add the options that bound the load on the service."""
    return _all(
        click.option(
            "--concurrency",
            type=click.IntRange(1, 64),
            default=8,
            show_default=True,
            help="Requests in flight at most.",
        ),
        click.option("--max-rps", type=click.FloatRange(0, min_open=True), help="Requests a second at most."),
        click.option("--yes", is_flag=True, help="Do not ask before the first write to a live store."),
    )(function)
