"""`validate`, `plan`, `import`, `resume`, `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from importer.cli import options
from importer.cli.exits import exits

if TYPE_CHECKING:
    from importer.core.report import Report


@click.command("validate")
@options.source_argument
@options.mapping_option
@options.target_options
@click.option("--schema", "schema_file", type=click.Path(dir_okay=False), help="Check offline against a pulled schema.")
@options.source_options
@options.show_values_option
@options.runs_dir_option
@options.json_option
def validate_command(**given: Any) -> None:
    """Check SOURCE against a mapping and a store; sends nothing.

    SOURCE is a path, a glob, or - for standard input. Every issue is named by row, line, column and code; rows that
    would become one profile are named too. See issues.csv and rejected.csv in the run's folder.
    """
    with exits(as_json=given["as_json"]):
        from importer.cli.calls import call  # noqa: PLC0415 - start-up stays quick
        from importer.wiring.runs import validate  # noqa: PLC0415 - the same

        _end(call(given, validate), given)


@click.command("plan")
@options.source_argument
@options.mapping_option
@options.target_options
@options.sending_options
@options.source_options
@options.show_values_option
@options.runs_dir_option
@options.json_option
def plan_command(**given: Any) -> None:
    """Check and package SOURCE, decide every row's way, and show it; sends nothing.

    `memory-importer import --plan RUN` (or `resume RUN`) sends exactly what was planned.
    """
    with exits(as_json=given["as_json"]):
        from importer.cli.calls import call  # noqa: PLC0415 - start-up stays quick
        from importer.wiring.runs import plan  # noqa: PLC0415 - the same

        _end(call(given, plan), given)


@click.command("import")
@click.argument("source", nargs=-1, metavar="[SOURCE]...")
@click.option("-m", "--mapping", type=click.Path(dir_okay=False), help="Mapping file (YAML).")
@click.option("--plan", "plan_run", metavar="RUN", help="Send a planned run instead of reading a source.")
@options.target_options
@options.sending_options
@options.pace_options
@options.source_options
@options.show_values_option
@options.runs_dir_option
@options.json_option
def import_command(**given: Any) -> None:
    """Check SOURCE as a whole, then deliver it and report what became of every row.

    Nothing is sent before the whole source was read and checked. A run that stops can be resumed.
    """
    with exits(as_json=given["as_json"]):
        from importer.cli.calls import call, call_resume, sending  # noqa: PLC0415 - start-up stays quick
        from importer.wiring.sending import run_import  # noqa: PLC0415 - the same

        if given["plan_run"] is not None:
            if given["source"] or given["mapping"]:
                raise click.UsageError("--plan takes no SOURCE and no --mapping: the run has both.")
            _end(call_resume(given | {"run": given["plan_run"]}, command="import"), given)
        if not given["source"] or not given["mapping"]:
            raise click.UsageError("name a SOURCE and a --mapping, or a planned run with --plan RUN.")
        _end(call(given, lambda request, hooks: run_import(request, hooks, sending(given))), given)


@click.command("resume")
@click.argument("run", metavar="RUN")
@click.option("--release", metavar="all|GROUP,...", help="Send held merge groups: their rows may merge for ever.")
@click.option("--all", "rest", is_flag=True, help="Send the rows that --limit left out.")
@click.option("--stale-ok", is_flag=True, help="Send a package older than 24 hours without asking.")
@click.option("--max-rejected", type=click.FloatRange(0, 100), help="Replace the run's own guard (percent).")
@click.option("--proxy", help="Proxy URL; proxies of the environment are not used.")
@options.pace_options
@options.runs_dir_option
@options.json_option
def resume_command(**given: Any) -> None:
    """Go on with RUN: send what is planned and not settled yet.

    RUN is a run's id, the beginning of it, or `last`. Needs neither the source nor the mapping.
    """
    with exits(as_json=given["as_json"]):
        from importer.cli.calls import call_resume  # noqa: PLC0415 - start-up stays quick

        _end(call_resume(given), given)


@click.command("status")
@click.argument("run", metavar="[RUN]", required=False)
@options.runs_dir_option
@options.json_option
def status_command(run: str | None, runs_dir: str | None, as_json: bool) -> None:
    """List the runs, or show the report of one."""
    with exits(as_json=as_json):
        from importer.cli.calls import show_run, show_runs  # noqa: PLC0415 - start-up stays quick

        if run is None:
            show_runs(runs_dir, as_json=as_json)
        else:
            show_run(run, runs_dir, as_json=as_json)


def _end(report: Report, given: dict[str, Any]) -> None:
    from importer.cli.calls import show_report  # noqa: PLC0415 - start-up stays quick

    show_report(report, as_json=given["as_json"])
    raise SystemExit(report.exit_code)
