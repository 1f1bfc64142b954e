"""Errors to exit codes; the only place that decides how a command ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import rich_click as click

from importer.errors import (
    ApiError,
    ConfigError,
    GuardError,
    ImporterError,
    MappingError,
    RejectedRequestError,
    RunInterrupted,
    SourceChangedError,
    SourceError,
    StateError,
)


def exit_code_for(error: ImporterError) -> int:
    """Return the exit code of an error that ended a command."""
    if isinstance(error, RunInterrupted):
        return int(str(error.context.get("exit_code", 130)))
    if isinstance(error, StateError):
        return 7
    if isinstance(error, GuardError | SourceChangedError):
        return 6
    if isinstance(error, ConfigError | SourceError):
        return 2
    if isinstance(error, ApiError):
        return 4 if isinstance(error, RejectedRequestError) else 5
    return 1


@contextmanager
def exits(*, as_json: bool = False) -> Iterator[None]:
    """Turn errors raised on purpose into one line of cause, one of fix, and an exit code."""
    try:
        yield
    except ImporterError as error:
        problems = tuple(str(problem) for problem in error.problems) if isinstance(error, MappingError) else ()
        _fail(error, problems, as_json=as_json)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(141) from None


def _fail(error: ImporterError, problems: tuple[str, ...], *, as_json: bool) -> NoReturn:
    if as_json:
        import orjson  # noqa: PLC0415 - start-up stays quick

        from importer.core.report import ErrorReport, empty_report  # noqa: PLC0415 - the same

        report = empty_report(ErrorReport(message=error.message, hint=error.hint, problems=problems))
        report["exit_code"] = exit_code_for(error)
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    click.echo(f"Error: {error.message}", err=True)
    for problem in problems if len(problems) > 1 else ():
        click.echo(f"  {problem}", err=True)
    if error.hint:
        click.echo(f"Fix:   {error.hint}", err=True)
    raise SystemExit(exit_code_for(error))
