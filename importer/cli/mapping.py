"""`mapping init`, `mapping check`, `mapping test` and `mapping schema`."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from importer.cli import options


@click.group("mapping")
def mapping_command() -> None:
    """Propose, check or test a mapping file, or print the JSON Schema of mapping files."""


@mapping_command.command("init")
@options.source_argument
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File to write; standard output if not given.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option(
    "--sample-rows",
    metavar="N",
    type=click.IntRange(1),
    help="Look at the first N rows only; the whole source if not given.",
)
@options.target_options
@options.schema_file_option
@options.source_options
@options.runs_dir_option
@options.in_panels
@options.help_as_written
def init_command(**given: Any) -> None:
    """Propose a mapping for SOURCE, with a score and a reason for each column.

    With a store (--store, --emulator or --schema) columns are matched with the
    traits it has; without one, usual names in Contact and Account are proposed.

        memory-importer mapping init customers.csv -o m.yaml
        memory-importer mapping init customers.csv --schema store.json

    Identifiers are marked, what is in doubt is left as a TODO with its
    candidates, columns with sensitive data are left out. No cell value is
    written but words for no value and addresses of nobody (noemail@..), nothing
    is sent. `mapping check` accepts the file as it is; read it through all the
    same.
    """
    from importer.cli.mapping_calls import call_init  # noqa: PLC0415 - start-up stays quick

    call_init(given)


@mapping_command.command("check")
@click.argument("mapping", type=click.Path(dir_okay=False), metavar="MAPPING")
@click.option("--source", multiple=True, metavar="SOURCE", help="Check it against the columns of this source, too.")
@options.target_options
@options.schema_file_option
@options.source_options
@options.runs_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on stdout.")
@options.in_panels
@options.help_as_written
def check_command(**given: Any) -> None:
    """Report every problem of MAPPING at once, each with its line and fix.

    Alone it checks the file itself. With a store (--store, --emulator or
    --schema) it also shows what has drifted apart: traits that the store lacks
    or defines in another way, traits that nothing fills, identity settings that
    change who a row is. With --source it checks that all three fit each other.

        memory-importer mapping check m.yaml
        memory-importer mapping check m.yaml --store ID
        memory-importer mapping check m.yaml --source customers.csv --emulator

    Exit code 2 if the mapping cannot run, otherwise 0.
    """
    from importer.cli.mapping_calls import call_check  # noqa: PLC0415 - start-up stays quick

    call_check(given)


@mapping_command.command("test")
@click.argument("mapping", type=click.Path(dir_okay=False), metavar="MAPPING")
@options.target_options
@options.schema_file_option
@options.runs_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON on stdout.")
@options.in_panels
@options.help_as_written
def test_command(**given: Any) -> int:
    """Run the rows of MAPPING's `tests` section and compare what becomes of them.

    The rows go through the very checks of a run: against a store (--store,
    --emulator or --schema), or, without one, against the types that the mapping
    itself gives its traits. Nothing is sent.

        memory-importer mapping test m.yaml
        memory-importer mapping test m.yaml --schema store.json

    Exit code 0 if all pass, 3 if one fails, 2 if the mapping is refused. The
    values shown are those in the mapping file.
    """
    from importer.cli.mapping_calls import call_test  # noqa: PLC0415 - start-up stays quick

    return call_test(given)


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
