"""An error as people see it on a terminal.

Imports little: Ctrl-C is told of as well where it broke off an import, which then cannot be repeated.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from importer.reports.plain_text import printable


def render_error(message: str, hint: str, console: Console, *, problems: tuple[str, ...] = ()) -> None:
    """Print an error: a line with the cause, the problems where there are several, a line with what to do."""
    _print_labelled(console, "error: ", message, "bold red")
    for problem in problems:
        _print_labelled(console, "  - ", problem, "")
    if hint:
        _print_labelled(console, "to do: ", hint, "cyan")


def _print_labelled(console: Console, label: str, message: str, style: str) -> None:
    console.print(Text.assemble((label, style), printable(message, console.encoding)), soft_wrap=True)
