"""The console command. Importing this module imports click only, so that `--help` stays quick."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Final

import rich_click as click

from importer.cli import startup
from importer.cli.exits import exits
from importer.cli.options import help_as_written, verbose_option, with_verbose

COMMANDS: Final[dict[str, str]] = {
    "inspect": "importer.cli.inspect",
    "validate": "importer.cli.runs",
    "plan": "importer.cli.runs",
    "import": "importer.cli.runs",
    "resume": "importer.cli.runs",
    "retry": "importer.cli.runs",
    "status": "importer.cli.status",
    "purge": "importer.cli.purge",
    "verify": "importer.cli.verify",
    "sync": "importer.cli.sync",
    "events": "importer.cli.events",
    "mapping": "importer.cli.mapping",
    "schema": "importer.cli.schema",
    "profiles": "importer.cli.profiles",
    "identifiers": "importer.cli.identifiers",
    "imports": "importer.cli.imports",
    "stores": "importer.cli.stores",
    "trait-groups": "importer.cli.trait_groups",
    "operations": "importer.cli.operations",
    "explain": "importer.cli.explain",
    "emulator": "importer.cli.emulator",
}
"""Command name -> module that holds it under ``<name>_command``, in the order of a first-time user's way."""

SILENT: Final = frozenset({"explain", "emulator", "status", "purge"})
"""Commands whose work is not logged, and which take no `-v` after their names."""

BY_HAND: Final = frozenset({"profiles", "identifiers", "imports", "stores", "trait-groups", "operations"})
"""Commands of single operations: what went wrong is one line of JSON, and no report of a run."""


class _LazyGroup(click.RichGroup):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order of a first-time user's way."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command's module and return the command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name])
        command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        if not isinstance(command, click.Command):
            return None
        return command if cmd_name in SILENT else with_verbose(command)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="memory-importer", message="%(prog)s %(version)s")
@verbose_option
@click.option("--debug", is_flag=True, help="Show the traceback of an error; it may hold cell values.")
@help_as_written
def cli(*, debug: bool) -> None:
    r"""Bring customer profiles into Twilio Conversation Memory and account for every row.

    A first try needs no account:

        memory-importer import samples/customers.csv \
            --mapping mappings/customers.yaml --emulator

    The usual way: `validate` a file until you like what it says, `plan` it and
    read the plan, `import --plan` it, `resume` what was held or stopped. Nothing
    is sent before the whole source was read and checked.

    Exit codes:
      0  every row is fine
      1  a fault of this program
      2  refused before anything was sent: usage, mapping or source
      3  finished; some rows rejected, held, failed or of unknown fate
      4  refused by the service: credentials, store, permission
      5  stopped early; `resume` goes on
      6  a guard tripped, for example too many rejected rows
      7  the run's state is locked by another process, or damaged
      130, 143  stopped by a signal; `resume` goes on

    Environment:
      TWILIO_API_KEY, TWILIO_API_SECRET        credentials, or
      TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN    the account's own
      MEMORY_STORE_ID      store to use        (--store)
      MEMORY_API_URL       address of the API  (--api-url)
      MEMORY_BUCKET_HOSTS  hosts that uploads may go to, default *.amazonaws.com
      MEMORY_CA_BUNDLE     PEM file of authorities to trust beside the usual ones
      MEMORY_RUNS_DIR      folder of the runs  (--runs-dir)
    """


def _flag(name: str) -> bool:
    """Tell whether a flag is on the command line, even on one that cannot be understood."""
    arguments = sys.argv[1:]
    return name in (arguments[: arguments.index("--")] if "--" in arguments else arguments)


def _by_hand() -> bool:
    """Tell whether the command is one of single operations."""
    return next((name for name in sys.argv[1:] if name in COMMANDS), None) in BY_HAND


def _logs_json() -> bool:
    """Tell the same of `--log-format json`."""
    arguments = sys.argv[1:]
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return _flag("--log-format=json") or ("--log-format", "json") in pairs


def main() -> None:
    """Run the console command."""
    startup.begin()
    as_json, debug = (partial(_flag, name) for name in ("--json", "--debug"))
    with exits(as_json=as_json, debug=debug, log_json=_logs_json, by_hand=_by_hand):
        code = cli.main(prog_name="memory-importer", standalone_mode=False)
        raise SystemExit(code if isinstance(code, int) else 0)
