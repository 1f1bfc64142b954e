"""`events join`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import options


@click.group("events")
def events_command() -> None:
    """Use the service's own log of what it did."""


@events_command.command("join")
@click.argument("run", metavar="RUN")
@click.argument("log", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@options.runs_dir_option
@options.json_option
@options.in_panels
@options.help_as_written
def join_command(**given: Any) -> None:
    """Fill the states of RUN's rows from the service's event log FILE.

    The service accepts first (202) and applies later; what came of it is in
    its log, which Event Streams delivers. FILE holds that log as NDJSON, one
    event a line; `-` reads standard input. Events are found by request,
    operation and import ID; those of other runs are passed over.

        memory-importer events join last events.ndjson

    accepted rows become processed where the log says so without an error or a
    warning, failed where it names them, and unattributed where it only counts.
    outcomes.parquet and the report are written anew. No store is asked. Exit
    code as of the run: 3 if rows failed.
    """
    from importer.cli.calls import show_report  # noqa: PLC0415 - start-up stays quick
    from importer.cli.events_calls import call_join  # noqa: PLC0415 - start-up stays quick

    report = call_join(given)
    show_report(report, as_json=given["as_json"])
    raise SystemExit(report.exit_code)
