"""The console command. Importing this module imports click only, so that `--help` stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import rich_click as click

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "validate": ("importer.cli.runs", "Check a source against a mapping and a store; sends nothing."),
    "plan": ("importer.cli.runs", "Check, decide and package a source; sends nothing yet."),
    "import": ("importer.cli.runs", "Check a source, then deliver it."),
    "resume": ("importer.cli.runs", "Go on with a run: planned, stopped, held or limited."),
    "status": ("importer.cli.runs", "List the runs, or show one."),
    "mapping": ("importer.cli.mapping", "Check a mapping file; print its JSON Schema."),
    "schema": ("importer.cli.schema", "Read a store's trait groups and identity settings."),
    "explain": ("importer.cli.explain", "Say what an issue code means and how to fix it."),
    "emulator": ("importer.cli.emulator", "Run the local service on its own."),
}
"""Command name -> module that holds it under ``<name>_command``, and its line in the list of commands."""


class _LazyGroup(click.RichGroup):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of a first-time user's way."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command's module and return the command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name][0])
        command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command if isinstance(command, click.Command) else None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="memory-importer")
def cli() -> None:
    """Bring customer profiles into Twilio Conversation Memory and account for every row.

    A first try needs no account:

        memory-importer import samples/customers.csv --mapping mappings/customers.yaml --emulator

    Exit codes: 0 every row fine; 2 refused before anything was sent; 3 finished, some rows rejected, held or failed;
    4 refused by the service; 5 stopped early, resumable; 6 a guard tripped; 7 state locked or damaged.
    """


def main() -> None:
    """Run the console command."""
    cli(prog_name="memory-importer")
