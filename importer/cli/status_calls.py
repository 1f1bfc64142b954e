"""What `status` shows. Imported only once the command really runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Final

import orjson
import rich_click as click
from rich.console import Console
from rich.live import Live as LiveDisplay

from importer.cli import signals
from importer.cli.calls import show_report
from importer.cli.environ import settings_of
from importer.core.report import ExitCode, Report
from importer.reports.live_lines import live_line
from importer.reports.run_list import render_runs
from importer.reports.terminal import summary_text
from importer.state.run_folder import RunsFolder
from importer.wiring.clock import SystemClock
from importer.wiring.listing import list_runs
from importer.wiring.run_status import RunWatch, status

LOOK_S: Final = 1.0
"""How often a run that is followed is looked at."""

LINE_S: Final = 10.0
"""How often a line is written about it where there is no terminal."""

_COST: Final = 4
"""A look that takes long is followed by a pause of so many times its length."""


def show_run(name: str, runs_dir: str | None, *, as_json: bool) -> None:
    """Print how a run stands."""
    show_report(status(name, settings_of({"runs_dir": runs_dir})), as_json=as_json)


def show_runs(runs_dir: str | None, *, as_json: bool) -> None:
    """Print a line for each run, newest first."""
    folder = _runs_dir(runs_dir)
    lines = list_runs(folder)
    if as_json:
        click.echo(orjson.dumps([line.as_json() for line in lines], option=orjson.OPT_INDENT_2).decode())
    elif lines:
        render_runs(lines, Console(highlight=False), datetime.fromisoformat(SystemClock().utc_now_iso()))
    else:
        click.echo(f"no runs in {folder}")


def follow_run(name: str, runs_dir: str | None, *, as_json: bool) -> int:
    """Show how a run stands until it ends, then its report; return what to exit with.

    Returns:
        The run's own exit code; 5 for a run that was stopped without a report; 130 or 143 when a signal ended the
        watching.
    """
    watch = RunWatch(RunsFolder(_runs_dir(runs_dir)).find(name))
    console = Console(stderr=as_json, highlight=False)
    with signals.taken() as taken:
        taken.begun()
        report = _redrawn(watch, taken.stop, console) if console.is_terminal else _logged(watch, taken.stop, console)
        number = taken.number
    if number and _is_running(report):
        click.echo(f"run {watch.folder.run_id} goes on; this only watched it", err=True)
        return taken.exit_code
    show_report(report, as_json=as_json)
    return ExitCode.STOPPED if report.exit_code is None else report.exit_code


def _redrawn(watch: RunWatch, stop: Event, console: Console) -> Report:
    with LiveDisplay(console=console, auto_refresh=False, transient=True) as display:
        while True:
            report, pause_s = _look(watch)
            if not _is_running(report):
                return report
            display.update(summary_text(report, console), refresh=True)
            if stop.wait(pause_s):
                return report


def _logged(watch: RunWatch, stop: Event, console: Console) -> Report:
    monotonic_s = SystemClock().monotonic_s
    told_s = monotonic_s() - LINE_S
    while True:
        report, pause_s = _look(watch)
        if report.live is None or not report.live.running:
            return report
        if monotonic_s() - told_s >= LINE_S:
            told_s = monotonic_s()
            console.print(f"{report.live.at} {report.run_id}: {live_line(report.live)}", soft_wrap=True, markup=False)
        if stop.wait(pause_s):
            return report


def _look(watch: RunWatch) -> tuple[Report, float]:
    """Look at the run; return also how long to wait before the next look."""
    monotonic_s = SystemClock().monotonic_s
    begun_s = monotonic_s()
    report = watch.look()
    return report, max(LOOK_S, _COST * (monotonic_s() - begun_s))


def _is_running(report: Report) -> bool:
    return report.live is not None and report.live.running


def _runs_dir(given: str | None) -> Path:
    return Path(settings_of({"runs_dir": given}).runs_dir)
