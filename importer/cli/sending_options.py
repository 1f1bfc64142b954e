"""Options of the commands that send, or plan to: what goes, what it may cost, and how hard."""

from __future__ import annotations

from collections.abc import Callable

import rich_click as click

from importer.cli.options import F, all_of, choice

settle_option = choice(
    "--settle",
    "report",
    "lookup",
    "redeliver",
    about="Once all is sent, rows that are unattributed or unknown: report them; lookup reads them back; redeliver "
    "sends them again by Bulk, once, and says no more of them than Bulk does. Both cost, and ask (--yes).",
)

ignore_later_option = click.option(
    "--ignore-later",
    is_flag=True,
    help="Also send rows that a later run may have delivered: old values may take the place of new ones.",
)


def pace(in_flight: str, rate: str, yes: str) -> Callable[[F], F]:
    """Return the options that bound how hard the service is asked, with their help."""
    return all_of(
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
    return pace(
        "Reads in flight at most, with --lookup.",
        "Reads a second at most, with --lookup; learned from the service if not given.",
        "Do not ask before billable reads of a live store.",
    )(function)


def forecast_options(function: F) -> F:
    """Add the options of the identity forecast."""
    return all_of(
        choice(
            "--reading",
            "merge",
            "first-match",
            "skip",
            about="How the service is taken to treat a row that matches several profiles, for the forecast of how many "
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


def cost_options(function: F) -> F:
    """Add the options that bound what sending may cost."""
    return all_of(
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
    return all_of(
        choice("--via", "auto", "bulk", "import", about="Force a route, or refuse with reasons."),
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
    return pace(
        "Requests in flight at most.",
        "Requests a second at most; learned from the service if not given.",
        "Do not ask before the first write to a live store.",
    )(function)
