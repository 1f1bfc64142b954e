"""Asking on the terminal."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, Final

import rich_click as click

from importer.cli import logs
from importer.errors import ConfigError, RunInterrupted

if TYPE_CHECKING:
    from importer.reports.progress import ProgressSink


def ask(question: str, progress: ProgressSink, flag: str, *, yes: bool) -> bool:
    """Ask on the terminal, unless the flag was given.

    Raises:
        ConfigError: there is no terminal to ask, or it is for a program's lines.
    """
    if yes:
        return True
    progress.finish()  # what is redrawn in place would cover the question
    if logs.is_json():
        raise ConfigError(f"{question} Nobody is asked with --log-format json", hint=f"give {flag}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(f"{question} There is no terminal to ask", hint=f"give {flag}")
    while True:
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        answer = _line()
        match answer.strip().lower():
            case "y" | "yes":
                return True
            case "" | "n" | "no":
                return False
            case _:
                click.echo("please answer y or n", err=True)


def _line() -> str:
    """Read a line of the terminal; empty at the end of the input, which is no answer."""
    try:
        # Not one long read: a signal that comes at the wrong moment of it would wait for a key to be heard.
        while not select.select([sys.stdin], [], [], _LISTEN_S)[0]:
            pass
    except RunInterrupted:
        click.echo(err=True)  # what follows begins a line of its own
        raise
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        click.echo(err=True)
    return answer


_LISTEN_S: Final = 0.2
"""How often a question is left to listen for signals."""
