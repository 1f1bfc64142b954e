"""Errors to exit codes and to the two lines a person reads; the only place that decides how a command ends."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import rich_click as click

from importer.errors import (
    ApiError,
    ConfigError,
    DiskError,
    GuardError,
    ImporterError,
    ProblemsError,
    RejectedRequestError,
    RunInterrupted,
    SourceChangedError,
    SourceError,
    StateError,
)
from importer.files import DISK_ERRORS

if TYPE_CHECKING:
    from importer.core.report_parts import ErrorReport


def exit_code_for(error: ImporterError) -> int:
    """Return the exit code of an error that ended a command."""
    if isinstance(error, RunInterrupted):
        return int(str(error.context.get("exit_code", 130)))
    if isinstance(error, DiskError):
        return int(str(error.context.get("exit_code", 5)))
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
def exits(
    *,
    as_json: Callable[[], bool],
    debug: Callable[[], bool],
    log_json: Callable[[], bool] = lambda: False,
    by_hand: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Turn whatever ends a command into one line of cause, one of fix, and an exit code.

    Args:
        as_json: Tells whether standard output is for JSON alone.
        debug: Tells whether an error shows its traceback first.
        log_json: Tells whether standard error is for lines of JSON alone.
        by_hand: Tells whether the JSON of an error is one line, and no report of a run.
    """
    fail = partial(_fail, as_json=as_json, log_json=log_json, by_hand=by_hand)
    try:
        yield
    except ImporterError as error:
        if debug():
            traceback.print_exc()
        problems = tuple(str(problem) for problem in error.problems) if isinstance(error, ProblemsError) else ()
        fail(exit_code_for(error), error.message, error.hint or _again(error), problems, _known(error))
    except click.UsageError as error:
        # Choices of an option that is missing stand on lines of their own.
        fail(2, " ".join(error.format_message().split()), _usage(error))
    except click.ClickException as error:
        fail(2, error.format_message(), "")
    except (click.Abort, KeyboardInterrupt):
        fail(130, "stopped by Ctrl-C", "")
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(141) from None
    except SystemExit:
        raise
    except BaseException as fault:  # noqa: BLE001 - the edge of the program; a panic of polars is no Exception
        if debug():
            traceback.print_exc()
        fail(*_unforeseen(fault))


def _known(error: ImporterError) -> dict[str, object]:
    """Return what the service said of an error."""
    if not isinstance(error, ApiError):
        return {}
    said = {"status": error.status, "code": error.code, "request_id": error.request_id}
    return {name: value for name, value in said.items() if value is not None}


def _again(error: ImporterError) -> str:
    """Return what to do about an error that does not say so itself."""
    if not isinstance(error, ApiError):
        return ""
    if error.status is None:
        return "nothing was sent; check the API URL and the network (--proxy names a proxy), then try again"
    return "nothing was sent; try again later"


def _unforeseen(fault: BaseException) -> tuple[int, str, str]:
    """Return exit code, cause and fix. The text of an error that nobody foresaw may hold a cell's value."""
    if isinstance(fault, OSError):
        full = fault.errno in DISK_ERRORS
        hint = "free space, then resume the run" if full else "check the path, its permissions and the port"
        name = f": {fault.filename}" if fault.filename else ""
        return 5 if full else 2, f"{fault.strerror or type(fault).__name__}{name}", hint
    hint = "please report it; `memory-importer --debug ...` shows more, and may show values of cells"
    return 1, f"a fault of this program: {type(fault).__name__}{_place(fault)}", hint


def _usage(error: click.UsageError) -> str:
    command = error.ctx.command_path if error.ctx is not None else "memory-importer"
    return f"see `{command} --help`"


def _place(fault: BaseException) -> str:
    """Return where in this package an error came up."""
    trace = fault.__traceback__
    place = ""
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if "importer" in path.parts and "site-packages" not in path.parts[path.parts.index("importer") :]:
            place = f" in {path.parent.name}/{path.name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def show_error(error: ErrorReport) -> None:
    """Print cause and fix on standard error."""
    from rich.console import Console  # noqa: PLC0415 - start-up stays quick

    from importer.reports.error_text import render_error  # noqa: PLC0415 - the same

    problems = error.problems if len(error.problems) > 1 else ()
    render_error(error.message, error.hint, Console(stderr=True), problems=problems)


def log_error(error: ErrorReport, about: Mapping[str, object]) -> None:
    """Say by the last line of a log of JSON what ended a command; `about` has its exit code and what else is known."""
    from importer.cli import logs  # noqa: PLC0415 - start-up stays quick

    if not logs.is_json():
        logs.configure(0, as_json=True)  # it ended before its options were understood
    said = {"error": error.message, "hint": error.hint, "problems": error.problems}
    logs.tell("error", {**about, **said}, logging.ERROR)


def _fail(
    code: int,
    message: str,
    hint: str,
    problems: tuple[str, ...] = (),
    known: Mapping[str, object] | None = None,
    *,
    as_json: Callable[[], bool],
    log_json: Callable[[], bool],
    by_hand: Callable[[], bool],
) -> NoReturn:
    from importer.core.report import empty_report  # noqa: PLC0415 - start-up stays quick
    from importer.core.report_parts import ErrorReport  # noqa: PLC0415 - start-up stays quick

    error = ErrorReport(message=message, hint=hint, problems=problems)
    if as_json():
        import orjson  # noqa: PLC0415 - the same

        if by_hand():
            line = {"error": {"message": message, "hint": hint, **(known or {})}, "exit_code": code}
            click.echo(orjson.dumps(line).decode())
        else:
            report = empty_report(error) | {"exit_code": code}
            click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    if log_json():
        log_error(error, {"exit_code": code})
    else:
        show_error(error)
    raise SystemExit(code)
