"""`verify`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import options
from importer.cli.sending_options import pace


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
@options.seconds(
    "--wait",
    "wait_s",
    "Look again, for so long, at rows that are missing or differ: the service applies what it accepted later.",
)
@click.option(
    "--show-values",
    is_flag=True,
    help="Do not mask what was sent and what is stored in mismatches.csv.",
)
@options.run_address_option
@options.proxy_option
@pace(
    "Reads in flight at most.",
    "Reads a second at most; learned from the service if not given.",
    "Do not ask before billable reads of a live store.",
)
@options.runs_dir_option
@options.json_option
@options.log_format_option
@click.option_panel("What is read back", options=["--sample", "--all", "--rest", "--wait"])
@click.option_panel("Reading", options=["--api-url", "--proxy", "--concurrency", "--max-rps", "--yes"])
@click.option_panel("Output", options=["--json", "--show-values", "--runs-dir", "--verbose", "--log-format", "--help"])
@options.help_as_written
def verify_command(**given: Any) -> None:
    """Read delivered rows of RUN back from the store and compare them.

    RUN is a run's id, the beginning of it, or `last`: the newest that was sent.
    Each row is looked up by its identifiers, and what it sent is compared, trait
    by trait, with its profile. A profile looked up or read is billed once a day:
    the cost is shown first, and asked about where the store is a live one.

        memory-importer verify last
        memory-importer verify last --all --wait 300

    outcomes.parquet has each row's result under `verified`, mismatches.csv what
    differs. Exit code 3: rows are missing, or differ; `retry RUN --state missing
    --state mismatched` sends them again. It is 3 too where the run has rejected,
    held or failed rows anyway.
    """
    from importer.cli.calls import show_report  # noqa: PLC0415 - start-up stays quick
    from importer.cli.later_calls import call_verify  # noqa: PLC0415 - the same

    report = call_verify(given)
    show_report(report, as_json=given["as_json"])
    raise SystemExit(report.exit_code)
