"""`purge`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import rich_click as click

from importer.cli import options

_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


class _Age(click.ParamType[timedelta]):
    """A number and a unit: ``12h``, ``30d``, ``8w``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read an age."""
        found = re.fullmatch(r"(\d{1,6})([hdw])", str(value))
        if found is None:
            self.fail(f"{value!r} is no age; it looks like 12h, 30d or 8w", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command("purge")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--all", "everything", is_flag=True, help="All runs.")
@click.option("--older-than", metavar="AGE", type=_Age(), help="Runs that ended so long ago: 12h, 30d, 8w.")
@click.option("--emulator", is_flag=True, help="Also the stores that --emulator keeps beside the runs.")
@click.option(
    "--packages-only",
    is_flag=True,
    help="Only the packaged rows: nothing can be sent from the runs any more, their reports (and rejected.csv) stay.",
)
@click.option(
    "--force", is_flag=True, help="Also runs that are not named and have rows that could still be sent or settled."
)
@click.option("--dry-run", is_flag=True, help="Show what would go, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@options.runs_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print what was deleted and what was kept as JSON on stdout.")
@click.option_panel("What is deleted", options=["--all", "--older-than", "--emulator", "--packages-only", "--force"])
@click.option_panel("Output", options=["--dry-run", "--yes", "--json", "--runs-dir", "--help"])
@options.help_as_written
@click.pass_context
def purge_command(context: click.RichContext, /, **given: Any) -> None:
    """Delete runs for good, with all their files.

    A run's folder holds personal data: packaged rows, rejected rows, keys. RUN
    is a run's id, the beginning of it, or `last`. You see what would go, and are
    asked. Runs with rows that could still be sent or settled stay unless you
    name them or give --force; a run that a process works on always stays.

        memory-importer purge --older-than 30d
        memory-importer purge last --packages-only
    """
    from importer.cli.purge_calls import purge  # noqa: PLC0415 - start-up stays quick

    if given["runs"] and given["everything"]:
        raise click.UsageError("Name runs, or give --all; not both.", context)
    if not (given["runs"] or given["everything"] or given["older_than"] is not None or given["emulator"]):
        raise click.UsageError("Name runs, or give --all, --older-than or --emulator.", context)
    raise SystemExit(purge(given))
