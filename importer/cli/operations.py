"""`operations`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import hand_options


@click.group("operations")
def operations_command() -> None:
    """Ask what became of accepted work."""


@operations_command.command("get")
@click.argument("operation_id", type=hand_options.OPERATION_ID, metavar="OPERATION_ID")
@hand_options.wait_option
@hand_options.timeout_option
@hand_options.one
def get_command(**given: Any) -> int:
    """Show how an operation stands, or wait until it is done.

    Changes of trait groups and Bulk bodies are accepted first and applied
    later; their answers name an operation.

        memory-importer operations get OPERATION_ID
        memory-importer operations get OPERATION_ID --wait --timeout 60

    With --wait: exit code 3 if it failed, 5 if it is not done in time.
    """
    from importer.cli.operations_calls import get_operation  # noqa: PLC0415 - start-up stays quick

    return get_operation(given)
