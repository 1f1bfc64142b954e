"""`schema pull` and `schema show`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import options


@click.group("schema")
def schema_command() -> None:
    """Read a store's trait groups and identity settings."""


@schema_command.command("pull")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File to write; standard output if not given.")
@options.target_options
@options.runs_dir_option
@options.in_panels
@options.help_as_written
def pull_command(**given: Any) -> None:
    """Write the store's schema as JSON, so that `validate` needs no network.

    The file says which traits there are and how identities match; it holds no
    customer data and may be shared.

        memory-importer schema pull --store ID -o store.json
        memory-importer validate customers.csv -m m.yaml --schema store.json
    """
    from importer.cli.calls import pull_schema  # noqa: PLC0415 - start-up stays quick

    pull_schema(given)


@schema_command.command("show")
@options.schema_file_option
@options.target_options
@options.runs_dir_option
@options.in_panels
@options.help_as_written
def show_command(**given: Any) -> None:
    """Show traits with type, identifier and rules, and how identities match.

    Reads a store (--store, --emulator) or a file that `schema pull` wrote.
    """
    from importer.cli.calls import show_schema  # noqa: PLC0415 - start-up stays quick

    show_schema(given)
