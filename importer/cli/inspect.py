"""`inspect SOURCE`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import options


@click.command("inspect")
@options.source_argument
@options.source_options
@click.option(
    "--sample-rows",
    metavar="N",
    type=click.IntRange(1),
    help="Look at the first N rows only; the whole source if not given.",
)
@click.option("--show-values", is_flag=True, help="Show examples as they are instead of masking them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on stdout and nothing else.")
@options.in_panels
@options.help_as_written
def inspect_command(**given: Any) -> None:
    """Say what SOURCE looks like, what its columns mean, and what a spreadsheet did to it.

    SOURCE is a path, a glob, or - for standard input: CSV (also .gz and .zst)
    or Parquet. Neither a mapping nor a store is needed; nothing is written or
    sent, and examples are masked.

        memory-importer inspect customers.csv
        memory-importer inspect export.csv --encoding cp1252 --json

    Each column is shown with its fill, its distinct values, what it seems to be
    and why; then what was found damaged, and which --fix of `validate`, `plan`
    and `import` would repair how many cells. What is lost is never guessed.
    """
    from importer.cli.inspect_calls import call_inspect  # noqa: PLC0415 - start-up stays quick

    for line in call_inspect(given):
        click.echo(line)
