"""`schema pull`, `schema show`, `schema diff` and `schema apply`."""

from __future__ import annotations

from typing import Any

import rich_click as click

from importer.cli import options


@click.group("schema")
def schema_command() -> None:
    """Read a store's trait groups and identity settings, and give it what a mapping needs."""


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
    from importer.cli.schema_shown import pull_schema  # noqa: PLC0415 - start-up stays quick

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
    from importer.cli.schema_shown import show_schema  # noqa: PLC0415 - start-up stays quick

    show_schema(given)


@schema_command.command("diff")
@options.mapping_option
@options.target_options
@options.schema_file_option
@options.runs_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON on stdout.")
@options.in_panels
@options.help_as_written
def diff_command(**given: Any) -> int:
    """Show what a mapping needs and the store lacks, and what the two define differently.

    Compares with a store (--store, --emulator) or with a file that `schema
    pull` wrote (--schema). Nothing is changed.

        memory-importer schema diff -m m.yaml --store ID

    `+` is lacking and `schema apply` creates it, `~` is there and would have to
    become an identifier, `!` is for you to settle: another type, an identifier
    type that the store does not know.

    Exit code 0 if the mapping fits the store, 3 if something is lacking or
    differs.
    """
    from importer.cli.schema_calls import call_diff  # noqa: PLC0415 - start-up stays quick

    return call_diff(given)


@schema_command.command("apply")
@options.mapping_option
@options.target_options
@options.runs_dir_option
@click.option("--promote", is_flag=True, help="Also make traits identifiers that the store has as plain ones.")
@click.option("--yes", is_flag=True, help="Do not ask before changing a live store.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made and what is left as JSON on stdout.")
@options.in_panels
@options.help_as_written
def apply_command(**given: Any) -> int:
    """Create the trait groups and traits that a mapping needs and the store lacks.

    Shows the difference, asks, creates all of it, waits until the service has
    done so, and reads the store again. Nothing is deleted and no type is
    changed; where that would be needed, or a limit of the service would be
    broken, nothing is created at all. Stopped half-way, the same command makes
    the rest.

        memory-importer schema apply -m m.yaml --store ID

    A trait that the store has as a plain one becomes an identifier only with
    --promote: profiles that share a value may then be merged, which nothing
    undoes.

    Exit code 0 if the mapping fits the store in the end, 3 if not, 2 if
    nothing was asked of the service.
    """
    from importer.cli.schema_calls import call_apply  # noqa: PLC0415 - start-up stays quick

    return call_apply(given)
