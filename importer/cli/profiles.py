"""`profiles`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import hand_options


@click.group("profiles")
def profiles_command() -> None:
    """Create, list, show, change, delete and look up single profiles."""


@profiles_command.command("list")
@hand_options.listed(50)
def list_command(**given: Any) -> None:
    """List profile IDs, one a line.

    What it prints is what `profiles delete --from` reads.

        memory-importer profiles list --store ID
        memory-importer profiles list --all --order oldest > ids.txt
    """
    from importer.cli.profiles_calls import list_profiles  # noqa: PLC0415 - start-up stays quick

    list_profiles(given)


@profiles_command.command("create")
@click.argument("traits", nargs=-1, metavar="[GROUP.TRAIT=VALUE]...")
@hand_options.body_option('{"traits": {...}}')
@hand_options.one
def create_command(**given: Any) -> None:
    r"""Create a profile, or find the one its identifiers belong to.

    Values get the types of the store's traits: NUMBER in digits, BOOLEAN as
    true or false, ARRAY as JSON. One trait must be an identifier. Prints the
    profile's ID; its other traits are applied a little later.

        memory-importer profiles create Contact.email=ann@example.com \
            Contact.firstName=Ann --emulator
        memory-importer profiles create --json-body profile.json
    """
    from importer.cli.profiles_calls import create_profile  # noqa: PLC0415 - start-up stays quick

    create_profile(given)


@profiles_command.command("get")
@hand_options.profile_argument
@click.option("--group", "groups", multiple=True, metavar="NAME", help="Only this trait group. May be given again.")
@hand_options.one
def get_command(**given: Any) -> None:
    """Show a profile with all its traits; it costs a read, once a day.

    Values are printed on standard output, and nowhere else. A profile that was
    merged into another one shows that one.

        memory-importer profiles get mem_profile_00000000000000000000000000
        memory-importer profiles get PROFILE_ID --group Contact --json
    """
    from importer.cli.profiles_calls import get_profile  # noqa: PLC0415 - start-up stays quick

    get_profile(given)


@profiles_command.command("traits")
@hand_options.profile_argument
@hand_options.listed(100)
def traits_command(**given: Any) -> None:
    """List a profile's traits with the time of their last change.

    Values are printed on standard output, and nowhere else.

        memory-importer profiles traits PROFILE_ID --order oldest
    """
    from importer.cli.profiles_calls import list_traits  # noqa: PLC0415 - start-up stays quick

    list_traits(given)


@profiles_command.command("patch")
@hand_options.profile_argument
@click.argument("traits", nargs=-1, metavar="[GROUP.TRAIT=VALUE]...")
@click.option("--remove", multiple=True, metavar="GROUP.TRAIT", help="Remove this trait. May be given again.")
@hand_options.body_option('{"traits": {...}}, where null removes a trait')
@hand_options.one
def patch_command(**given: Any) -> None:
    """Change or remove traits of a profile; what is not named stays.

    Values get the types of the store's traits, as in `profiles create`.

        memory-importer profiles patch PROFILE_ID Loyalty.points=120
        memory-importer profiles patch PROFILE_ID --remove Contact.street
        memory-importer profiles patch PROFILE_ID --json-body - < changes.json
    """
    from importer.cli.profiles_calls import patch_profile  # noqa: PLC0415 - start-up stays quick

    patch_profile(given)


@profiles_command.command("delete")
@click.argument("profile_ids", nargs=-1, type=hand_options.PROFILE_ID, metavar="[PROFILE_ID]...")
@click.option("--from", "from_file", metavar="FILE", help="Profile IDs, one a line; - reads standard input.")
@click.option(
    "--max-deletes",
    metavar="N",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Delete nothing (exit 6) where more profiles are named.",
)
@click.option(
    "--results",
    metavar="FILE",
    help="Write each outcome to this new file as well, as NDJSON, as soon as it is known.",
)
@hand_options.follow_merged_option
@hand_options.yes_option
@hand_options.several
def delete_command(**given: Any) -> int:
    r"""Delete profiles for good, after showing what goes and asking.

    What goes is shown by ID and counts, without values (a billable read for
    each of the first ten). Every profile gets one outcome: accepted (deleted a
    little later), not_found, merged, failed, unknown or not_sent. Doing it
    again is safe. Without a terminal and without --yes nothing is deleted.

        memory-importer profiles delete PROFILE_ID
        memory-importer profiles delete --from ids.txt --max-deletes 5000 \
            --results deleted.ndjson

    Exit code 3 if one is merged, failed or unknown; 4 if the service refused
    all, 5 if it stopped early, 6 if more are named than --max-deletes.
    """
    from importer.cli.profiles_delete_calls import delete  # noqa: PLC0415 - start-up stays quick

    return delete(given)


@profiles_command.command("lookup")
@hand_options.id_type_argument
@click.argument("value", metavar="VALUE")
@hand_options.one
def lookup_command(**given: Any) -> None:
    """Find the profiles that hold an identifier; it costs a read.

    The value is normalised as the store does it. With - for VALUE it is read
    from standard input, which keeps it out of the shell's history. That nobody
    holds it is an answer too: nothing on standard output, exit code 0.

        memory-importer profiles lookup email ann@example.com
        memory-importer profiles lookup phone - < number.txt
    """
    from importer.cli.profiles_calls import look_up  # noqa: PLC0415 - start-up stays quick

    look_up(given)
