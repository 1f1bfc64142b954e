"""`verify`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import options


@click.command("verify")
@click.argument("run", metavar="RUN")
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Read back N of the delivered rows; which, is chosen by the run's id, so they are the same each time.",
)
@click.option("--all", "everything", is_flag=True, help="Read back every delivered row.")
@click.option("--rest", is_flag=True, help="Leave out rows that were confirmed before.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=0.0,
    help="Look again, for so long, at rows that are missing or differ: the service applies what it accepted later.",
)
@click.option(
    "--show-values",
    is_flag=True,
    help="Do not mask what was sent and what is stored in mismatches.csv.",
)
@options.run_address_option
@options.proxy_option
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Reads in flight at most.",
)
@click.option(
    "--max-rps",
    metavar="RATE",
    type=click.FloatRange(0, min_open=True),
    help="Reads a second at most; learned from the service if not given.",
)
@click.option("--yes", is_flag=True, help="Do not ask before billable reads of a live store.")
@options.runs_dir_option
@options.json_option
@click.option_panel("What is read back", options=["--sample", "--all", "--rest", "--wait"])
@click.option_panel("Reading", options=["--api-url", "--proxy", "--concurrency", "--max-rps", "--yes"])
@click.option_panel("Output", options=["--json", "--show-values", "--runs-dir", "--verbose", "--help"])
@options.help_as_written
def verify_command(**given: Any) -> None:
    """Read delivered rows of RUN back from the store and compare them.

    RUN is a run's id, the beginning of it, or `last`. Each row is looked up by
    its identifiers, and what it sent is compared, trait by trait, with its
    profile. A profile looked up or read is billed once a day: the cost is shown
    first, and asked about where the store is a live one.

        memory-importer verify last
        memory-importer verify last --all --wait 300

    outcomes.parquet has each row's result under `verified`, mismatches.csv what
    differs. Exit code 3: rows are missing, or differ.
    """
    from importer.cli.calls import call_verify, show_report  # noqa: PLC0415 - start-up stays quick

    report = call_verify(given)
    show_report(report, as_json=given["as_json"])
    raise SystemExit(report.exit_code)
