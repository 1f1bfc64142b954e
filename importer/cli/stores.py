"""`stores`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import hand_options


@click.group("stores")
def stores_command() -> None:
    """List the account's stores, show one, and how it resolves identities."""


@stores_command.command("list")
@hand_options.listed(50)
def list_command(**given: Any) -> None:
    """List the IDs of the account's stores, one a line.

    An account has one or a few; one key reads all of them.

        memory-importer stores list
        memory-importer stores list --all --json
    """
    from importer.cli.stores_calls import list_stores  # noqa: PLC0415 - start-up stays quick

    list_stores(given)


@stores_command.command("get")
@click.argument("store_id", type=hand_options.STORE_ID, required=False, metavar="[STORE_ID]")
@hand_options.one
def get_command(**given: Any) -> None:
    """Show a store: name, status, version.

    The one of --store if none is named.

        memory-importer stores get mem_store_00000000000000000000000000
        memory-importer stores get --emulator --json
    """
    from importer.cli.stores_calls import get_store  # noqa: PLC0415 - start-up stays quick

    get_store(given)


@stores_command.command("identity")
@hand_options.one
def identity_command(**given: Any) -> None:
    """Show how a store normalises, matches and keeps identifiers.

    `schema show` prints the same beside the traits.

        memory-importer stores identity --emulator
    """
    from importer.cli.stores_calls import show_identity  # noqa: PLC0415 - start-up stays quick

    show_identity(given)
