"""`identifiers`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import hand_options


@click.group("identifiers")
def identifiers_command() -> None:
    """Add, show, replace and remove identifiers of one profile."""


@identifiers_command.command("add")
@hand_options.profile_argument
@hand_options.id_type_argument
@click.argument("value", metavar="VALUE")
@hand_options.one
def add_command(**given: Any) -> None:
    """Add an identifier value to a profile.

    Where another profile holds the value, the service may merge the two, and
    nothing undoes a merge. With - for VALUE it is read from standard input.

        memory-importer identifiers add PROFILE_ID phone +13175556789
        memory-importer identifiers add PROFILE_ID email - < address.txt
    """
    from importer.cli.identifiers_calls import add  # noqa: PLC0415 - start-up stays quick

    add(given)


@identifiers_command.command("list")
@hand_options.profile_argument
@hand_options.several
def list_command(**given: Any) -> None:
    """Show all identifiers of a profile, with their values.

    Values are as the store normalised them, on standard output alone.

        memory-importer identifiers list PROFILE_ID
    """
    from importer.cli.identifiers_calls import list_all  # noqa: PLC0415 - start-up stays quick

    list_all(given)


@identifiers_command.command("get")
@hand_options.profile_argument
@hand_options.id_type_argument
@hand_options.one
def get_command(**given: Any) -> None:
    """Show a profile's values of one identifier type, one a line.

    They come in the order that the store's limit policy gives them.

        memory-importer identifiers get PROFILE_ID email
    """
    from importer.cli.identifiers_calls import get  # noqa: PLC0415 - start-up stays quick

    get(given)


@identifiers_command.command("replace")
@hand_options.profile_argument
@hand_options.id_type_argument
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@hand_options.one
def replace_command(**given: Any) -> None:
    r"""Put one identifier value of a profile in the place of another.

    A new value that another profile holds is refused (409).

        memory-importer identifiers replace PROFILE_ID phone \
            +13175556789 +13175550000
    """
    from importer.cli.identifiers_calls import replace  # noqa: PLC0415 - start-up stays quick

    replace(given)


@identifiers_command.command("remove")
@hand_options.profile_argument
@hand_options.id_type_argument
@click.option("--remove-all", is_flag=True, help="Also where the profile has several values of that type.")
@hand_options.follow_merged_option
@hand_options.yes_option
@hand_options.one
def remove_command(**given: Any) -> None:
    """Remove an identifier type from a profile, after asking.

    The trait that the value came from stays. Without a terminal and without
    --yes nothing is removed.

        memory-importer identifiers remove PROFILE_ID phone
        memory-importer identifiers remove PROFILE_ID email --remove-all --yes
    """
    from importer.cli.identifiers_calls import remove  # noqa: PLC0415 - start-up stays quick

    remove(given)
