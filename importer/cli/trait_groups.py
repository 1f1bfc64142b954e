"""`trait-groups`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

from importer.cli import hand_options

F = TypeVar("F", bound=Callable[..., Any])

name_argument = click.argument("name", metavar="NAME")


def _definition_options(function: F) -> F:
    """Add what a trait group is made of."""
    for option in (
        hand_options.body_option("The whole body, rules included"),
        click.option("--description", metavar="TEXT", help="What the group is for."),
        click.option(
            "--trait",
            "traits",
            multiple=True,
            metavar="NAME=TYPE[:IDTYPE]",
            help="A trait: STRING, NUMBER, BOOLEAN or ARRAY, and the identifier it becomes. May be given again.",
        ),
    ):
        function = option(function)
    return function


@click.group("trait-groups")
def trait_groups_command() -> None:
    """List, show, create and change the trait groups of a store."""


@trait_groups_command.command("list")
@click.option("--traits", is_flag=True, help="With their traits.")
@hand_options.listed(50)
def list_command(**given: Any) -> None:
    """List the trait groups of a store.

    With --traits each has its traits, with type and identifier.

        memory-importer trait-groups list
        memory-importer trait-groups list --traits --all --json
    """
    from importer.cli.trait_groups_calls import list_groups  # noqa: PLC0415 - start-up stays quick

    list_groups(given)


@trait_groups_command.command("get")
@name_argument
@hand_options.one
def get_command(**given: Any) -> None:
    """Show a trait group with its traits and its version.

    The version is what `trait-groups patch --if-match` takes.

        memory-importer trait-groups get Contact
    """
    from importer.cli.trait_groups_calls import get_group  # noqa: PLC0415 - start-up stays quick

    get_group(given)


@trait_groups_command.command("create")
@name_argument
@_definition_options
@hand_options.wait_option
@hand_options.timeout_option
@hand_options.one
def create_command(**given: Any) -> int:
    r"""Create a trait group.

    A trait never moves to another group, so choose well. `schema apply` creates
    what a mapping needs.

        memory-importer trait-groups create Loyalty --trait points=NUMBER \
            --trait card=STRING:loyalty_card --wait
    """
    from importer.cli.trait_groups_calls import create_group  # noqa: PLC0415 - start-up stays quick

    return create_group(given)


@trait_groups_command.command("patch")
@name_argument
@_definition_options
@click.option("--remove-trait", "removed", multiple=True, metavar="NAME", help="Remove this trait; asks.")
@click.option(
    "--if-match",
    metavar="VERSION",
    help="Change it only if it still has this version (412 otherwise); the one it has right now if not given.",
)
@hand_options.yes_option
@hand_options.wait_option
@hand_options.timeout_option
@hand_options.one
def patch_command(**given: Any) -> int:
    """Add, change or remove traits of a trait group.

    Removing a trait takes its values from all profiles, so it asks first;
    without a terminal and without --yes nothing is changed.

        memory-importer trait-groups patch Loyalty --trait tier=STRING
        memory-importer trait-groups patch Loyalty --remove-trait tier --wait
    """
    from importer.cli.trait_groups_calls import patch_group  # noqa: PLC0415 - start-up stays quick

    return patch_group(given)
