"""`sync`."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from importer.cli import options

file_argument = click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))

_BRAKES = ("empty", "rows", "rejected", "changes", "removals", "operations")


@click.group("sync")
def sync_command() -> None:
    """Keep a store in step with a file or a query: what changed is sent, what is gone goes."""


@sync_command.command("run")
@file_argument
@click.option("--first-run", is_flag=True, help="There is no snapshot yet, and that is right; give it once.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent and removed; nothing is, and nothing moves.")
@click.option(
    "--full-refresh",
    is_flag=True,
    help="Ask for all rows, whatever the cursor; unchanged ones are not sent, parked ones are. "
    "A mirror looks again at profiles that it held within the last day.",
)
@click.option("--limit", metavar="N", type=click.IntRange(1), help="Send only the first N rows that would go.")
@click.option(
    "--override",
    "overrides",
    metavar="BRAKE",
    multiple=True,
    type=click.Choice(_BRAKES),
    help=f"Let this one run pass a brake: {', '.join(_BRAKES)}. May be given again.",
)
@click.option(
    "--skip-exit-code",
    metavar="N",
    type=click.IntRange(1, 255),
    help="Exit with N in the place of 0 when there was nothing to send: with 99, Airflow skips what follows.",
)
@options.target_options
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Requests in flight at most.",
)
@click.option(
    "--max-rps",
    metavar="RATE",
    type=click.FloatRange(0, min_open=True),
    help="Requests a second at most; learned from the service if not given.",
)
@options.show_values_option
@options.json_option
@options.log_format_option
@options.in_panels
@options.help_as_written
def run_command(**given: Any) -> None:
    """Run the sync of FILE once, then end; it asks nothing.

    Reads what FILE names, sends the rows whose payload is another than the one
    delivered last, and remembers what became of them. In mode mirror, profiles
    of keys that are gone from the source are deleted, unless somebody else has
    a part in them (removals.parquet says which stay). What it knows is in
    FILE.state, beside FILE. A run that was interrupted is gone on with first;
    a second process ends with exit code 7.

        memory-importer sync run customers.sync.yaml --first-run
        memory-importer sync run customers.sync.yaml

    Exit code 6: a brake tripped and nothing was sent; look, then run once with
    --override BRAKE. Exit code 3: sent, but some rows need a look. docs/sync.md
    has the file's format.
    """
    from importer.cli.calls import show_report  # noqa: PLC0415 - start-up stays quick
    from importer.cli.sync_calls import call_run  # noqa: PLC0415 - the same
    from importer.wiring.syncing import nothing_done  # noqa: PLC0415 - the same

    report = call_run(given)
    show_report(report, as_json=given["as_json"])
    skips = given["skip_exit_code"] is not None and nothing_done(report)
    raise SystemExit(given["skip_exit_code"] if skips else report.exit_code)


@sync_command.command("status")
@file_argument
@click.option("--show-values", is_flag=True, help="Show the identifiers that were handed on from one key to another.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON document.")
@options.help_as_written
def status_command(**given: Any) -> None:
    """Say how the sync of FILE stands: what it delivered, what is due, its last run.

    Nothing is asked of source or store, and a run that goes on is not disturbed.
    Keys that wait for a decision (`sync decide`) are listed with the rows that
    have their identifiers now.

        memory-importer sync status customers.sync.yaml
    """
    from importer.cli.sync_calls import show_status  # noqa: PLC0415 - start-up stays quick

    show_status(given)


@sync_command.command("decide")
@file_argument
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option(
    "--as",
    "decision",
    metavar="WHAT",
    required=True,
    type=click.Choice(("removed", "renamed", "anew", "hold")),
    help="removed: somebody else; their profile goes, then the row is sent. renamed: the same person; the row goes to "
    "their profile. anew: the key is still there; its profile goes, and its row is sent as that of somebody new. "
    "hold: takes a decision back.",
)
@click.option("--all", "every", is_flag=True, help="All keys that are gone and wait, where there is one way only.")
@click.option(
    "--keys-from",
    metavar="FILE",
    type=click.File("r", encoding="utf-8"),
    help="Read keys from a file, one a line; - is standard input.",
)
@click.option("--to", metavar="KEY", help="The new name of the one key that was renamed, where several could be it.")
@options.help_as_written
def decide_command(**given: Any) -> None:
    """Say what became of keys whose identifiers rows of other keys have now.

    A number that is handed on from a customer who left to a new one looks the
    same as a customer who got another key. So the new row is held, and the old
    profile stays, until somebody says which (`sync status` lists both keys).

        memory-importer sync decide customers.sync.yaml K3 K7 --as removed
        memory-importer sync decide customers.sync.yaml K5 --as renamed
        memory-importer sync decide customers.sync.yaml --all --as removed

    A key is renamed at once, for good; the rest is done by the next run. What
    is removed is lost: profiles are deleted first,
    as many as the brake `removals` lets go, and the rows go out once they are
    seen to be gone. Nothing is ever merged by this. Write the parts of a key of
    several columns with a bar between them: 'DE|4711'.
    """
    from importer.cli.sync_calls import decide  # noqa: PLC0415 - start-up stays quick

    decide(given)


@sync_command.command("history")
@file_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line (NDJSON), oldest first.")
@options.help_as_written
def history_command(**given: Any) -> None:
    """List the runs of the sync of FILE, newest first.

    The reports of a run are in FILE.state/runs.

        memory-importer sync history customers.sync.yaml
    """
    from importer.cli.sync_calls import show_history  # noqa: PLC0415 - start-up stays quick

    show_history(given)


@sync_command.command("reset")
@file_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.help_as_written
def reset_command(**given: Any) -> None:
    """Forget what the sync of FILE delivered: the next run sends everything; asks.

    The store keeps what it has, and the reports of the runs stay. The next run
    needs --first-run. Until then nothing tells which identifier was delivered
    under which key, so rows that would join two keys are not found.

        memory-importer sync reset customers.sync.yaml
    """
    from importer.cli.sync_calls import reset  # noqa: PLC0415 - start-up stays quick

    reset(given)


@sync_command.command("schema")
@options.help_as_written
def schema_command() -> None:
    """Print the JSON Schema of sync files, which lets editors help.

    Save it, for example as sync.schema.json, and name it in the first line of
    a sync file:

        # yaml-language-server: $schema=sync.schema.json
    """
    from importer.core.sync_file import sync_file_schema  # noqa: PLC0415 - start-up stays quick

    click.echo(json.dumps(sync_file_schema(), indent=2))
