"""Commands that hints and questions suggest: written here alone, so that each can be copied and run as it stands."""

from __future__ import annotations

import shlex
from typing import Final, Protocol

_USUAL: Final = "runs"
"""Where a command looks for runs that is told of no other folder."""


class Place(Protocol):
    """A path."""

    def __fspath__(self) -> str:
        """Return it as text."""
        ...


def run_command(run: str | Place, verb: str, *options: str) -> str:
    """Return a command about a run, between backticks.

    Args:
        run: The run's folder, as it was named.
        verb: Words that stand before the run, such as ``resume`` or ``import --plan``.
        options: Words that stand behind it, not quoted.

    Example:
        >>> run_command("my runs/20261122-1", "resume", "--all")
        "`memory-importer resume 20261122-1 --all --runs-dir 'my runs'`"
    """
    runs_dir, slash, run_id = _text(run).rstrip("/").rpartition("/")
    return _command(runs_dir or slash or ".", verb, run_id, *options)


def runs_command(runs_dir: str | Place, verb: str, *options: str) -> str:
    """Return a command about the runs of a folder, between backticks.

    Args:
        runs_dir: The runs folder, as it was named.
        verb: Its first words, such as ``status``.
        options: The words behind them, not quoted.
    """
    return _command(_text(runs_dir), verb, *options)


def is_usual(runs_dir: str) -> bool:
    """Tell whether a runs folder is the one that suggested commands leave out."""
    return runs_dir.removeprefix("./").rstrip("/") == _USUAL


def _command(runs_dir: str, verb: str, *words: str) -> str:
    # Named wherever it is not the usual one, so that the command also works where MEMORY_RUNS_DIR says another.
    where = () if is_usual(runs_dir) else ("--runs-dir", runs_dir)
    return f"`memory-importer {' '.join([verb, *map(shlex.quote, (*words, *where))])}`"


def _text(place: str | Place) -> str:
    return place if isinstance(place, str) else place.__fspath__()
