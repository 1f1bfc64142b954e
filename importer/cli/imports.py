"""`imports`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import hand_options


@click.group("imports")
def imports_command() -> None:
    """List the import tasks of a store, show one, and make one by hand."""


@imports_command.command("list")
@hand_options.listed(50)
def list_command(**given: Any) -> None:
    """List the IDs of import tasks, one a line.

    Runs name the tasks they made in their reports.

        memory-importer imports list --limit 5
    """
    from importer.cli.imports_calls import list_imports  # noqa: PLC0415 - start-up stays quick

    list_imports(given)


@imports_command.command("get")
@click.argument("import_id", type=hand_options.IMPORT_ID, metavar="IMPORT_ID")
@hand_options.wait_option
@hand_options.timeout_option
@hand_options.one
def get_command(**given: Any) -> int:
    """Show how an import task stands: status, errors, warnings, columns.

    COMPLETED also covers a few failed rows: see the errors.

        memory-importer imports get mem_import_00000000000000000000000000
        memory-importer imports get IMPORT_ID --wait

    With --wait: exit code 3 if it failed, 5 if it is not done in time.
    """
    from importer.cli.imports_calls import get_import  # noqa: PLC0415 - start-up stays quick

    return get_import(given)


@imports_command.command("create")
@click.argument("file", type=click.Path(dir_okay=False, exists=True), metavar="FILE.csv")
@click.option(
    "--column",
    "columns",
    multiple=True,
    required=True,
    metavar="NAME=GROUP.TRAIT",
    help="A column of the file's header and the trait it sets; at least two, one of them an identifier.",
)
@hand_options.yes_option
@hand_options.one
def create_command(**given: Any) -> None:
    r"""Send a CSV file to the store as it is, after asking.

    Nothing is checked but its size and its header: use `memory-importer import`
    for that, for reports, and for going on after a failure. An empty cell
    overwrites what is stored with an empty text, \N removes it.

        memory-importer imports create ready.csv \
            --column mail=Contact.email --column name=Contact.firstName
    """
    from importer.cli.imports_calls import create_import  # noqa: PLC0415 - start-up stays quick

    create_import(given)
