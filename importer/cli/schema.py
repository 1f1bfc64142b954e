"""`schema pull` and `schema show`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import options
from importer.cli.exits import exits


@click.group("schema")
def schema_command() -> None:
    """Read a store's trait groups and identity settings."""


@schema_command.command("pull")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File to write.  [default: standard output]")
@options.target_options
@options.runs_dir_option
def pull_command(**given: Any) -> None:
    """Write the store's schema as JSON, for `validate --schema FILE` without a network."""
    with exits():
        from importer.cli.calls import pull_schema  # noqa: PLC0415 - start-up stays quick

        pull_schema(given)


@schema_command.command("show")
@click.option("--schema", "schema_file", type=click.Path(dir_okay=False), help="Show a pulled schema.")
@options.target_options
@options.runs_dir_option
def show_command(**given: Any) -> None:
    """Show traits with type, identifier and rules, and how identities are matched."""
    with exits():
        from importer.cli.calls import show_schema  # noqa: PLC0415 - start-up stays quick

        show_schema(given)
