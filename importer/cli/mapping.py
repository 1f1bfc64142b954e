"""`mapping check` and `mapping schema`."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from importer.cli import options
from importer.cli.exits import exits


@click.group("mapping")
def mapping_command() -> None:
    """Check a mapping file; print its JSON Schema."""


@mapping_command.command("check")
@click.argument("mapping", type=click.Path(dir_okay=False))
@click.option("--source", multiple=True, help="Check it against the header of this source, too.")
@options.target_options
@click.option("--schema", "schema_file", type=click.Path(dir_okay=False), help="Check against a pulled schema.")
@options.source_options
@options.runs_dir_option
def check_command(**given: Any) -> None:
    """Report every problem of MAPPING at once, each with its line and fix.

    Alone it checks the file itself; with a store (--store, --emulator, --schema) and a --source it checks that the
    three fit each other.
    """
    with exits():
        from importer.cli.calls import check_mapping  # noqa: PLC0415 - start-up stays quick

        for line in check_mapping(given):
            click.echo(line)


@mapping_command.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of mapping files, for editors.

    Save it and name it in the first line of a mapping: `# yaml-language-server: $schema=mapping.schema.json`
    """
    with exits():
        from importer.core.mapping_seed import mapping_json_schema  # noqa: PLC0415 - start-up stays quick

        click.echo(json.dumps(mapping_json_schema(), indent=2))
