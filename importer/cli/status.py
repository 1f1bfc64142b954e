"""`status`."""

from __future__ import annotations

import rich_click as click

from importer.cli import options


@click.command("status")
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--watch",
    is_flag=True,
    help="Follow RUN until it ends, and end with its exit code: redrawn every second on a terminal, a line every 10 s"
    " elsewhere. Ctrl-C ends the watching, not the run.",
)
@options.runs_dir_option
@options.json_option
@options.in_panels
@options.help_as_written
@click.pass_context
def status_command(
    context: click.RichContext, /, run: str | None, watch: bool, runs_dir: str | None, as_json: bool
) -> None:
    """List the runs, newest first, or show how RUN stands.

    RUN is a run's id, the beginning of it, or `last`. Of a run that has ended
    you see its report. Of any other you see whether a process works on it, how
    far it is, what it waits for, and its rows as they would be counted if it
    ended now. A process that works on the run is not disturbed.

        memory-importer status
        memory-importer status last --watch
    """
    from importer.cli.status_calls import follow_run, show_run, show_runs  # noqa: PLC0415 - start-up stays quick

    if watch and run is None:
        raise click.UsageError("--watch needs a RUN, for example `last`.", context)
    if run is None:
        show_runs(runs_dir, as_json=as_json)
    elif watch:
        raise SystemExit(follow_run(run, runs_dir, as_json=as_json))
    else:
        show_run(run, runs_dir, as_json=as_json)
