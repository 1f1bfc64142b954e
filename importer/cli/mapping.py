"""`mapping check` and `mapping schema`."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from importer.cli import options


@click.group("mapping")
def mapping_command() -> None:
    """Check a mapping file, or print the JSON Schema of mapping files."""


@mapping_command.command("check")
@click.argument("mapping", type=click.Path(dir_okay=False), metavar="MAPPING")
@click.option("--source", multiple=True, metavar="SOURCE", help="Check it against the columns of this source, too.")
@options.target_options
@options.schema_file_option
@options.source_options
@options.runs_dir_option
@options.in_panels
@options.help_as_written
def check_command(**given: Any) -> None:
    """Report every problem of MAPPING at once, each with its line and fix.

    Alone it checks the file itself; with --source and a store (--store,
    --emulator or --schema) it checks that the three fit each other, and lists
    which column goes to which trait.

        memory-importer mapping check m.yaml
        memory-importer mapping check m.yaml --source customers.csv --emulator
    """
    from importer.cli.calls import check_mapping  # noqa: PLC0415 - start-up stays quick

    for line in check_mapping(given):
        click.echo(line)


@mapping_command.command("schema")
@options.help_as_written
def schema_command() -> None:
    """Print the JSON Schema of mapping files, which lets editors help.

    Save it, for example as mapping.schema.json, and name it in the first line
    of a mapping:

        # yaml-language-server: $schema=mapping.schema.json
    """
    from importer.core.mapping_seed import mapping_json_schema  # noqa: PLC0415 - start-up stays quick

    click.echo(json.dumps(mapping_json_schema(), indent=2))
