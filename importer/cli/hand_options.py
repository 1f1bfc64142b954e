"""Options and arguments of the commands that do one operation of the service, each written once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import rich_click as click

from importer.cli import options

F = TypeVar("F", bound=Callable[..., Any])

_TTID: Final = "[0-7][0-9a-z]{25}"


class _Id(click.ParamType[str]):
    """An ID of the service, of one kind."""

    def __init__(self, name: str, pattern: str, example: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern)
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take an ID; what is none is not quoted, as it may be somebody's address."""
        if self._pattern.fullmatch(str(value)) is None:
            self.fail(f"that is no {self.name}; one looks like {self._example}", param, ctx)
        return str(value)


PROFILE_ID: Final = _Id("profile ID", f"mem_profile_{_TTID}", "mem_profile_00000000000000000000000000")
IMPORT_ID: Final = _Id("import ID", f"mem_import_{_TTID}", "mem_import_00000000000000000000000000")
STORE_ID: Final = _Id("store ID", f"mem_(store|service)_{_TTID}", "mem_store_00000000000000000000000000")
OPERATION_ID: Final = _Id("operation ID", r"[A-Za-z0-9_.:~-]{1,512}", "the operation_id of an answer")
ID_TYPE: Final = _Id("identifier type", r"[A-Za-z0-9_.-]{2,30}", "email, phone or user_id")

profile_argument = click.argument("profile_id", type=PROFILE_ID, metavar="PROFILE_ID")
id_type_argument = click.argument("id_type", type=ID_TYPE, metavar="ID_TYPE")

_document_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as one JSON document.")
_lines_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line (NDJSON).")
_PANELS: Final[dict[str, list[str]]] = {
    "Options": [],
    "Store": ["--emulator", "--store", "--api-url", "--proxy", "--runs-dir"],
    "Output": ["--json", "--verbose", "--help"],
}


def _with_store(*more: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        panels = [click.option_panel(name, options=names) for name, names in _PANELS.items()]
        applied: list[Callable[[Any], Any]] = [
            *more,
            options.target_options,
            options.runs_dir_option,
            *panels,
            options.help_as_written,
        ]
        for decorator in reversed(applied):
            function = decorator(function)
        return function

    return decorate


def one(function: F) -> F:
    """Add what a command takes that does one thing: which store, and `--json`."""
    return _with_store(_document_option)(function)


def several(function: F) -> F:
    """Add what a command takes that prints several things and is no list of the service."""
    return _with_store(_lines_option)(function)


def listed(default: int) -> Callable[[F], F]:
    """Add what a command takes that prints a list of the service.

    Args:
        default: Entries shown if nothing is said.
    """
    return _with_store(
        click.option("--all", "everything", is_flag=True, help="All of them, page by page."),
        click.option(
            "--limit",
            metavar="N",
            type=click.IntRange(1),
            default=default,
            show_default=True,
            help="So many at most.",
        ),
        click.option(
            "--order",
            type=click.Choice(["newest", "oldest"]),
            default="newest",
            show_default=True,
            help="Which come first.",
        ),
        _lines_option,
    )


def body_option(what: str) -> Callable[[F], F]:
    """Add `--json-body`.

    Args:
        what: What the body is.
    """
    return click.option(
        "--json-body",
        metavar="FILE",
        help=f"{what}, as the API takes it; - reads standard input, which keeps values out of the shell's history.",
    )


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")

follow_merged_option = click.option(
    "--follow-merged",
    is_flag=True,
    help="Where the profile was merged into another one, go on to that; otherwise nothing is done to it.",
)

wait_option = click.option(
    "--wait", is_flag=True, help="Wait until it is done; exit 3 if it failed, 5 if it is not done in time."
)

timeout_option = click.option(
    "--timeout",
    "timeout_s",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=300.0,
    show_default=True,
    help="Longest wait, with --wait.",
)
