"""`validate`, `plan`, `import`, `resume`, `retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import rich_click as click
from click.core import ParameterSource

from importer.cli import options, sending_options

if TYPE_CHECKING:
    from importer.core.report import Report

_WITH_PLAN: Final = frozenset(
    {"plan_run", "verbose", "proxy", "concurrency", "max_rps", "yes", "runs_dir", "as_json", "max_rejected", "settle"}
    | {"max_operations", "free_operations", "stale_ok", "ignore_later", "log_format"}
)
"""Options of `import` that say something about a run that is planned already."""


@click.command("validate")
@options.source_argument
@options.mapping_option
@options.target_options
@options.schema_file_option
@options.source_options
@options.fix_option
@sending_options.forecast_options
@sending_options.reading_pace_options
@options.show_values_option
@options.runs_dir_option
@options.json_option
@options.log_format_option
@options.in_panels
@options.help_as_written
def validate_command(**given: Any) -> None:
    """Check SOURCE against a mapping and a store; sends nothing.

    SOURCE is a path, a glob, or - for standard input: CSV (also .gz and .zst)
    or Parquet. Every issue is named by row, line, column and code, and so are
    rows that would become one profile.

        memory-importer validate customers.csv -m customers.yaml --emulator

    The run's folder has issues.csv for people, issues.parquet for programs, and
    rejected.csv, which can be mended and read again. `explain CODE` says what
    an issue means.
    """
    from importer.cli.calls import call  # noqa: PLC0415 - start-up stays quick
    from importer.wiring.runs import validate  # noqa: PLC0415 - the same

    _end(call(given, validate), given)


@click.command("plan")
@options.source_argument
@options.mapping_option
@options.target_options
@sending_options.sending_options
@sending_options.cost_options
@options.source_options
@options.fix_option
@sending_options.forecast_options
@sending_options.reading_pace_options
@options.show_values_option
@options.runs_dir_option
@options.json_option
@options.log_format_option
@options.in_panels
@options.help_as_written
def plan_command(**given: Any) -> None:
    """Check SOURCE and decide about every row, but send nothing yet.

    Says what would happen: rows rejected and held and why, rows that would
    become one profile, values that would be cleared, the way each row takes,
    requests and billable operations.

        memory-importer plan customers.csv -m customers.yaml --store ID
        memory-importer import --plan last

    The second command sends exactly what was planned, without the source.
    """
    from importer.cli.calls import call  # noqa: PLC0415 - start-up stays quick
    from importer.wiring.runs import plan  # noqa: PLC0415 - the same

    _end(call(given, plan), given)


@click.command("import")
@click.argument("source", nargs=-1, metavar="[SOURCE]...")
@click.option("-m", "--mapping", type=click.Path(dir_okay=False), help="Mapping file (YAML).")
@click.option(
    "--plan",
    "plan_run",
    metavar="RUN",
    help="Send a planned run of which nothing was sent yet; needs no SOURCE and no --mapping. RUN may be `last`.",
)
@sending_options.ignore_later_option
@click.option("--stale-ok", is_flag=True, help="With --plan: send a package older than 24 hours without asking.")
@options.target_options
@sending_options.sending_options
@sending_options.cost_options
@sending_options.settle_option
@sending_options.pace_options
@options.source_options
@options.fix_option
@sending_options.forecast_options
@options.show_values_option
@options.runs_dir_option
@options.json_option
@options.log_format_option
@options.in_panels
@options.help_as_written
@click.pass_context
def import_command(context: click.RichContext, /, **given: Any) -> None:
    """Check SOURCE as a whole, then deliver it and account for every row.

    Nothing is sent before the whole source was read and checked. Before the
    first write to a live store you are asked (--yes does not ask). A run that
    stops can be resumed; importing a file again does no harm.

        memory-importer import customers.csv -m customers.yaml --emulator
        memory-importer import customers.csv -m customers.yaml --limit 50
        memory-importer import --plan last

    `--plan last` is the newest run that is planned and of which nothing was sent;
    `resume` goes on with what was sent already. The run's folder has
    outcomes.parquet with the outcome of every single row.
    """
    if given["plan_run"] is not None:
        from importer.cli.later_calls import call_resume  # noqa: PLC0415 - start-up stays quick

        _refuse_beside_plan(context)
        guard = given["max_rejected"] if _is_given(context, "max_rejected") else None
        _end(call_resume(given | {"run": given["plan_run"], "max_rejected": guard}, command="import"), given)
    if given["ignore_later"]:
        raise click.UsageError("--ignore-later goes with --plan RUN: what is imported now is the newest.", context)
    if not given["source"] or not given["mapping"]:
        raise click.UsageError("Name a SOURCE and a --mapping, or a planned run with --plan RUN.", context)
    from importer.cli.calls import call, sending  # noqa: PLC0415 - start-up stays quick
    from importer.wiring.sending import run_import  # noqa: PLC0415 - the same

    _end(call(given, lambda request, hooks: run_import(request, hooks, sending(given))), given)


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_beside_plan(context: click.Context) -> None:
    """A plan has its source, mapping, store and decisions; an option that names others would be ignored."""
    extra = [
        parameter
        for parameter in context.command.params
        if parameter.name is not None and parameter.name not in _WITH_PLAN and _is_given(context, parameter.name)
    ]
    if extra:
        names = ", ".join(
            parameter.opts[-1] if isinstance(parameter, click.Option) else "SOURCE" for parameter in extra
        )
        raise click.UsageError(f"--plan goes without {names}: the run has its own.", context)


@click.command("resume")
@click.argument("run", metavar="RUN")
@click.option(
    "--release",
    metavar="all|GROUP,...|FILE",
    help="Send held merge groups (groups.parquet has their numbers): their rows may become one profile for ever.",
)
@click.option(
    "--hold",
    metavar="all|GROUP,...|FILE",
    help="Keep held merge groups held in later runs, too, whatever --allow-merges; --release GROUP takes it back.",
)
@click.option("--all", "rest", is_flag=True, help="Send the rows that --limit left out.")
@click.option("--stale-ok", is_flag=True, help="Send a package older than 24 hours without asking.")
@click.option(
    "--max-rejected", metavar="PCT", type=click.FloatRange(0, 100), help="Replace the run's own guard (exit 6)."
)
@click.option(
    "--replan",
    is_flag=True,
    help="Check the package against the store's schema as it is now, and plan again what was not sent: for a run that "
    "is refused because the store changed.",
)
@click.option(
    "--rebuild-ledger",
    is_flag=True,
    help="Make a damaged ledger anew (exit 7 names it); every row that was planned is sent once more, and costs again.",
)
@sending_options.ignore_later_option
@sending_options.cost_options
@sending_options.settle_option
@options.run_address_option
@options.proxy_option
@sending_options.pace_options
@options.runs_dir_option
@options.json_option
@options.log_format_option
@options.in_panels
@options.help_as_written
def resume_command(**given: Any) -> None:
    """Go on with RUN: send what was planned and is not settled yet.

    RUN is a run's id, the beginning of it, or `last`: the newest that is no dry
    run. Neither source nor mapping is needed; nothing that was delivered is sent
    again. Where a later run to the same store may have delivered some of the
    rows, nothing is sent (exit 6).

        memory-importer resume last
        memory-importer resume last --all
        memory-importer resume last --release all
        memory-importer resume last --settle lookup
    """
    from importer.cli.later_calls import call_resume  # noqa: PLC0415 - start-up stays quick

    _end(call_resume(given), given)


@click.command("retry")
@click.argument("run", metavar="RUN")
@click.option(
    "--state",
    "states",
    type=click.Choice(["failed", "unattributed", "unknown", "missing", "mismatched"]),
    multiple=True,
    help="Send only rows in this state; may be given again. The first three if not given; missing and mismatched are "
    "rows that `verify` read back and did not find as they were sent.",
)
@sending_options.ignore_later_option
@click.option("--stale-ok", is_flag=True, help="Send from a package older than 24 hours without asking.")
@sending_options.cost_options
@sending_options.settle_option
@options.run_address_option
@options.proxy_option
@sending_options.pace_options
@options.runs_dir_option
@options.json_option
@options.log_format_option
@options.in_panels
@options.help_as_written
def retry_command(**given: Any) -> None:
    """Send rows of RUN again that failed, or of which nobody knows what became.

    RUN is a run's id, the beginning of it, or `last`: the newest that was sent.
    It must have been sent to its end (`resume` first). The rows go by Bulk, which
    names each bad row. Later rows of the same merge group follow them, so that
    the newest counts.

        memory-importer retry last
        memory-importer retry last --state unattributed --state unknown
        memory-importer retry last --state missing --state mismatched

    Rows that a later run to the same store may have delivered are left as they
    are, and so are rows that `verify` or --settle lookup confirmed. A later run
    that cannot be compared is a reason to send nothing (exit 6).
    """
    from importer.cli.later_calls import call_retry  # noqa: PLC0415 - start-up stays quick

    _end(call_retry(given), given)


def _end(report: Report, given: dict[str, Any]) -> None:
    from importer.cli.calls import show_report  # noqa: PLC0415 - start-up stays quick

    show_report(report, as_json=given["as_json"])
    raise SystemExit(report.exit_code)
